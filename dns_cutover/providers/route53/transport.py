"""The edge: boto3's client for Route 53. Each call is made once, in a thread of its own; nothing is retried here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.route53.message import (
    Accepted,
    BatchChange,
    Failure,
    HostedZone,
    Page,
    RecordSet,
    Start,
)
from dns_cutover.providers.route53.pacing import THROTTLED
from dns_cutover.providers.route53.refusal import Where, said_by
from dns_cutover.providers.route53.spelling import from_api_name, to_api_name
from dns_cutover.records import InvalidName

Reply = TypeVar("Reply")

# Before the request was sent.
_UNSENT = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.UnauthorizedSSOTokenError,
    aws.SSOTokenLoadError,
)
_OWN = frozenset({"Name", "Type", "TTL", "ResourceRecords", "SetIdentifier"})
MOST_ZONES = 100  # of one name: a page of ListHostedZonesByName


class BotoTransport:
    """Implements `message.Transport` over `client` (boto3's, for route53, without retries)."""

    def __init__(self, client: Any, where: Where) -> None:
        self._client = client
        self._where = where

    async def list(self, zone_id: str, start: Start | None, limit: int) -> Page | Failure:
        """See Transport."""
        wanted: dict[str, Any] = {"HostedZoneId": zone_id, "MaxItems": str(limit)}
        if start is not None:
            named = zip(("StartRecordName", "StartRecordType", "StartRecordIdentifier"), start, strict=True)
            wanted |= {k: v for k, v in named if v}
        return await self._call(self._client.list_resource_record_sets, wanted, _page)

    async def change(self, zone_id: str, batch: tuple[BatchChange, ...], comment: str) -> Accepted | Failure:
        """See Transport."""
        changes = [{"Action": c.action, "ResourceRecordSet": resource(c.record)} for c in batch]
        wanted = {"HostedZoneId": zone_id, "ChangeBatch": {"Comment": comment, "Changes": changes}}
        return await self._call(self._client.change_resource_record_sets, wanted, _accepted, writes=True)

    async def get_change(self, change: str) -> Accepted | Failure:
        """See Transport."""
        return await self._call(self._client.get_change, {"Id": change}, _accepted)

    async def zones(self, name: str) -> tuple[HostedZone, ...] | Failure:
        """See Transport."""
        wanted = {"DNSName": to_api_name(name), "MaxItems": str(MOST_ZONES)}

        def named(found: Mapping[str, Any]) -> tuple[HostedZone, ...]:
            return tuple(_zone(z) for z in found["HostedZones"] if _same_name(z["Name"], name))

        return await self._call(self._client.list_hosted_zones_by_name, wanted, named)

    async def zone(self, zone_id: str) -> HostedZone | Failure:
        """See Transport."""
        return await self._call(self._client.get_hosted_zone, {"Id": zone_id}, _whole_zone)

    async def sleep(self, seconds: float) -> None:
        """See Transport."""
        await asyncio.sleep(seconds)

    async def _call(
        self,
        method: Callable[..., Any],
        wanted: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Reply],
        *,
        writes: bool = False,
    ) -> Reply | Failure:
        """The reply as `read` reads it. What boto3 raises may hold signed headers: none of it is passed on."""
        try:
            return read(await asyncio.to_thread(method, **wanted))
        except aws.ClientError as exc:
            if exc.operation_name == "AssumeRole":
                raise self._no_role(failure_of(exc.response)) from None
            return failure_of(exc.response)
        except _NO_CREDENTIALS as exc:
            raise self._no_credentials(type(exc).__name__) from None
        except (aws.ParamValidationError, aws.NoRegionError) as exc:
            raise Refused("boto3 does not take the request", _first_line(exc)) from None
        except _UNSENT as exc:
            raise self._unreachable(exc, maybe_applied=False) from None
        except aws.BotoCoreError as exc:
            raise self._unreachable(exc, maybe_applied=writes) from None
        except (ResponseParserError, LookupError, AttributeError, TypeError, ValueError):
            raise Unreachable(
                "what answers is not Route 53",
                "The reply is not what its interface has: a proxy or a captive portal may be in between.",
                maybe_applied=writes,
                hints=("curl -sI https://route53.amazonaws.com   what answers there?",),
            ) from None

    def _unreachable(self, exc: aws.BotoCoreError, *, maybe_applied: bool) -> Unreachable:
        return Unreachable(
            "Route 53 does not answer" if maybe_applied else "Route 53 cannot be reached",
            _first_line(exc),
            maybe_applied=maybe_applied,
            hints=("is there a way out, directly or by a proxy (HTTPS_PROXY)?",),
        )

    def _no_role(self, reply: Failure) -> Refused | Unreachable:
        what = f"{self._where.credentials} cannot be taken ({reply.code})"
        if reply.status >= 500 or reply.code in THROTTLED:
            return Unreachable(what, said_by(reply), maybe_applied=False)
        hint = "its trust policy must name these credentials, and the external id if it asks for one"
        return Refused(what, said_by(reply), (hint, "aws sts get-caller-identity   whose are they?"))

    def _no_credentials(self, kind: str) -> Refused:
        return Refused(
            f"there are no credentials for Route 53 ({kind})",
            f"They are looked for as the AWS command line does it: {self._where.credentials}.",
            ("aws sts get-caller-identity   whose are they?", "aws sso login   if they come from single sign-on"),
        )


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0][:300]


def failure_of(response: Mapping[str, Any]) -> Failure:
    """An error reply as boto3 has it."""
    error, meta = response.get("Error") or {}, response.get("ResponseMetadata") or {}
    listed = response.get("messages") or error.get("messages") or ()
    message = str(error.get("Message") or "")
    messages = tuple(map(str, listed)) or ((message,) if message else ())
    return Failure(
        str(error.get("Code") or "Unknown"), messages, int(meta.get("HTTPStatusCode", 400)), _server_time(response)
    )


def _page(found: Mapping[str, Any]) -> Page:
    following = None
    if found.get("IsTruncated"):
        following = (
            str(found.get("NextRecordName", "")),
            str(found.get("NextRecordType", "")),
            str(found.get("NextRecordIdentifier", "")),
        )
    return Page(tuple(map(record_set, found["ResourceRecordSets"])), following, _server_time(found))


def _whole_zone(found: Mapping[str, Any]) -> HostedZone:
    vpcs = tuple((str(v.get("VPCRegion", "")), str(v.get("VPCId", ""))) for v in found.get("VPCs") or ())
    return _zone(found["HostedZone"], vpcs, tuple((found.get("DelegationSet") or {}).get("NameServers") or ()))


def _accepted(found: Mapping[str, Any]) -> Accepted:
    info = found["ChangeInfo"]
    return Accepted(str(info["Id"]).rpartition("/")[2], info["Status"] == "INSYNC", _server_time(found))


def _zone(found: Mapping[str, Any], vpcs: tuple[tuple[str, str], ...] = (), servers: Sequence[str] = ()) -> HostedZone:
    config = found.get("Config") or {}
    return HostedZone(
        str(found["Id"]).rpartition("/")[2],
        str(found["Name"]),
        bool(config.get("PrivateZone")),
        int(found.get("ResourceRecordSetCount") or 0),
        str(config.get("Comment") or ""),
        vpcs,
        tuple(servers),
    )


def _same_name(found: str, name: str) -> bool:
    try:
        return from_api_name(found) == name
    except InvalidName:
        return False


def record_set(found: Mapping[str, Any]) -> RecordSet:
    """A ResourceRecordSet as boto3 has it."""
    rest = {k: v for k, v in found.items() if k not in _OWN}
    return RecordSet(
        str(found["Name"]),
        str(found["Type"]),
        found.get("TTL"),
        tuple(str(r["Value"]) for r in found.get("ResourceRecords") or ()),
        str(found.get("SetIdentifier") or ""),
        json.dumps(rest, sort_keys=True) if rest else "",
    )


def resource(record: RecordSet) -> dict[str, Any]:
    """A ResourceRecordSet as boto3 wants it."""
    out: dict[str, Any] = {"Name": record.name, "Type": record.rdtype}
    if record.set_id:
        out["SetIdentifier"] = record.set_id
    if record.ttl is not None:
        out["TTL"] = record.ttl
    if record.values:
        out["ResourceRecords"] = [{"Value": v} for v in record.values]
    return {**out, **(json.loads(record.rest) if record.rest else {})}


def _server_time(found: Mapping[str, Any]) -> float | None:
    """The HTTP Date header (RFC 9110 section 6.6.1), seconds UTC."""
    headers = (found.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
