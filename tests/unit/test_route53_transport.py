"""The edge to boto3, over a client that answers what a test says: nothing but clean errors, and no secret in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.route53 import config
from dns_cutover.providers.route53.message import BatchChange, Failure, RecordSet
from dns_cutover.providers.route53.refusal import Where
from dns_cutover.providers.route53.transport import BotoTransport, failure_of, record_set, resource

BATCH = (BatchChange("CREATE", RecordSet("a.test.", "A", 60, ("192.0.2.1",))),)


class Client:
    """Answers every call with `answer`, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __getattr__(self, name: str) -> Callable[..., object]:
        def call(**wanted: object) -> object:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def transport(answer: object) -> BotoTransport:
    return BotoTransport(Client(answer), Where("a.test."))


@pytest.mark.parametrize(
    ("error", "maybe"),
    [
        (aws.EndpointConnectionError(endpoint_url="https://x"), False),
        (aws.ConnectTimeoutError(endpoint_url="https://x"), False),
        (aws.ReadTimeoutError(endpoint_url="https://x"), True),
        (aws.ConnectionClosedError(endpoint_url="https://x"), True),
        (aws.SSLError(endpoint_url="https://x", error="expired"), True),
        (ResponseParserError("Unable to parse response"), True),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, Exception) else "",
)
async def test_a_batch_may_be_applied_unless_it_was_never_sent(error: Exception, maybe: bool) -> None:
    with pytest.raises(Unreachable) as caught:
        await transport(error).change("Z1", BATCH, "")
    assert caught.value.maybe_applied is maybe
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(Unreachable) as caught:
        await transport(error).list("Z1", None, 300)
    assert not caught.value.maybe_applied


@pytest.mark.parametrize(
    "error",
    [
        aws.NoCredentialsError(),
        aws.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        aws.UnauthorizedSSOTokenError(),
    ],
    ids=lambda x: type(x).__name__,
)
async def test_no_credentials_is_a_refusal(error: Exception) -> None:
    with pytest.raises(Refused, match="there are no credentials"):
        await transport(error).get_change("C1")


async def test_a_role_that_cannot_be_taken_is_told() -> None:
    reply = {"Error": {"Code": "AccessDenied", "Message": "not authorized to perform: sts:AssumeRole"}}
    with pytest.raises(Refused, match=r"cannot be taken \(AccessDenied\)"):
        await transport(aws.ClientError(reply, "AssumeRole")).zone("Z1")


def test_every_message_of_a_refused_batch_is_kept() -> None:
    reply = {
        "Error": {"Code": "InvalidChangeBatch", "Message": "[a, b]"},
        "messages": ["a", "b"],
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {"date": "Tue, 24 Nov 2026 17:00:29 GMT"}},
    }
    assert failure_of(reply) == Failure("InvalidChangeBatch", ("a", "b"), 400, 1795539629.0)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ResourceRecordSets", "IsTruncated", "ChangeInfo", "Id", "Status", "HostedZone", "HostedZones", "Name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["ResourceRecordSets", "ChangeInfo", "HostedZone", "HostedZones"]), JUNK))
async def test_whatever_is_answered_is_an_answer_or_one_clean_error(answer: dict[str, Any]) -> None:
    t = transport(answer)
    for call in (t.list("Z1", None, 1), t.change("Z1", BATCH, ""), t.zones("a.test."), t.zone("Z1")):
        with contextlib.suppress(Unreachable):
            await call


def test_everything_that_a_set_has_is_kept() -> None:
    found = {
        "Name": "\\052.a.test.",
        "Type": "A",
        "SetIdentifier": "blue",
        "Weight": 10,
        "AliasTarget": {"HostedZoneId": "Z2", "DNSName": "lb.test.", "EvaluateTargetHealth": True},
        "HealthCheckId": "h",
    }
    assert resource(record_set(found)) == found
    simple = {"Name": "a.test.", "Type": "A", "TTL": 0, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    assert resource(record_set(simple)) == simple


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(Unavailable, match="there is no AWS profile nobody"):
        config.client({"profile": "nobody"}, "route53")


def test_an_endpoint_that_is_none_is_told() -> None:
    with pytest.raises(UsageError, match="AWS settings"):
        config.client({"endpoint": "no url"}, "route53")
