"""The least that credentials must be allowed at Route 53, as an IAM policy. Pure.

Actions, resources and condition keys: docs.aws.amazon.com/service-authorization/latest/reference/
list_amazonroute53.html; names in conditions are lower-case, without a last dot, in octal escapes:
docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
"""

from __future__ import annotations

import re
from typing import Any

from dns_cutover.errors import UsageError
from dns_cutover.providers.route53.spelling import to_api_name
from dns_cutover.records import InvalidName, absolute_name

_ID = re.compile(r"(?:/?hostedzone/)?(Z[A-Z0-9]{1,31})", re.ASCII)


def iam_policy(zone: str) -> dict[str, Any]:
    """The policy document for a hosted zone, given by id or by name. Raises UsageError for what is neither.

    By name the zone has to be found first, and every zone of the account may be read; what may be changed are names of
    that zone only.
    """
    found = _ID.fullmatch(zone)
    arn = f"arn:aws:route53:::hostedzone/{found[1]}" if found else "arn:aws:route53:::hostedzone/*"
    change: dict[str, Any] = _allow("ChangeRecordsAndLock", ["route53:ChangeResourceRecordSets"], arn)
    statements = [
        _allow("ReadTheZone", ["route53:GetHostedZone", "route53:ListResourceRecordSets"], arn),
        change,
        _allow("AskWhetherAChangeIsEverywhere", ["route53:GetChange"], "arn:aws:route53:::change/*"),
    ]
    if found is None:
        name = _name(zone)
        statements.insert(0, _allow("FindTheZone", ["route53:ListHostedZonesByName"], "*"))
        names = [name, f"*.{name}"]
        change["Condition"] = {
            "ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": names}
        }
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: list[str], resource: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _name(zone: str) -> str:
    try:
        return to_api_name(absolute_name(zone, ".")).rstrip(".")
    except InvalidName as exc:
        raise UsageError(
            f"{zone[:80]} is no hosted zone", f"It is no zone id (Z and capitals), and {exc}.", ("example.test, or Z…",)
        ) from None
