"""What is special about a record set. Pure."""

from __future__ import annotations

import json

from dns_cutover.providers.route53.message import RecordSet

_KINDS = (
    ("AliasTarget", "an alias"),
    ("Weight", "weighted"),
    ("Region", "routed by latency"),
    ("Failover", "a failover set"),
    ("GeoLocation", "routed by geolocation"),
    ("GeoProximityLocation", "routed by geoproximity"),
    ("CidrRoutingConfig", "routed by CIDR"),
    ("MultiValueAnswer", "a multivalue answer"),
    ("TrafficPolicyInstanceId", "kept by a traffic policy"),
    ("HealthCheckId", "tied to a health check"),
)


def routing(record: RecordSet) -> str:
    """In a few words; empty for a simple record set."""
    if not record.rest:
        return "one of several sets" if record.set_id else ""
    members = json.loads(record.rest)
    return next((what for member, what in _KINDS if member in members), "of a kind that this version does not know")
