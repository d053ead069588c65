"""What errors of AWS mean to people. The texts are those that AWS was seen to send."""

from __future__ import annotations

import pytest

from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.route53.message import Failure
from dns_cutover.providers.route53.refusal import Where, failure, said_by, swap_failed

WHERE = Where("example.test.", "Z1EXAMPLE", credentials="the AWS profile prod")
DENIED = (
    "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: route53:ChangeResourceRecordSets on"
    " resource: arn:aws:route53:::hostedzone/Z1EXAMPLE because no identity-based policy allows the"
    " route53:ChangeResourceRecordSets action"
)
CROWDED = (
    "RRSet of type CNAME with DNS name www.example.test. is not permitted as it conflicts with other records with the"
    " same DNS name in zone example.test."
)
BESIDE = (
    "RRSet of type A with DNS name www.example.test. is not permitted because a conflicting RRSet of type  CNAME with"
    " the same DNS name already exists in zone example.test."
)
STALE = (
    "Tried to delete resource record set [name='www.example.test.', type='A'] but the values provided do not match the"
    " current values"
)
SIGNED = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. The Canonical String for this request should have been 'POST /2013-04-01/…'"
)


@pytest.mark.parametrize(
    ("reply", "what", "hint"),
    [
        (Failure("AccessDenied", (DENIED,), 403), "the AWS profile prod may not do this", "--iam-policy Z1EXAMPLE"),
        (
            Failure("ExpiredToken", ("The security token included in the request is expired",), 403),
            "have expired",
            "aws sso login",
        ),
        (
            Failure("InvalidClientTokenId", ("The security token included in the request is invalid",), 403),
            "AWS does not know the AWS profile prod",
            "aws sts get-caller-identity",
        ),
        (Failure("SignatureDoesNotMatch", (SIGNED,), 403), "does not accept the signature", "set the clock"),
        (Failure("RequestTimeTooSkewed", (), 403), "differ by more than five minutes", "NTP"),
        (Failure("NoSuchHostedZone", ("No hosted zone found",), 404), "there is no Z1EXAMPLE", "list"),
        (Failure("InvalidChangeBatch", (CROWDED,)), "refuses the change batch", "change what it names"),
        (Failure("LimitsExceeded", ("Limits Exceeded: MAX_RRSETS_BY_ZONE=10000",)), "a limit of Route 53", "quota"),
        (Failure("InvalidInput", ("Invalid XML ; cvc-maxLength-valid",)), "refuses the batch (InvalidInput)", ""),
    ],
    ids=lambda x: x.code if isinstance(x, Failure) else "",
)
def test_refusals(reply: Failure, what: str, hint: str) -> None:
    error = failure(WHERE, reply, "update")
    assert isinstance(error, Refused)
    assert what in error.what
    assert hint in " ".join(error.hints)


def test_the_signed_request_is_not_repeated() -> None:
    error = failure(WHERE, Failure("SignatureDoesNotMatch", (SIGNED,), 403), "query")
    assert "Canonical" not in f"{error.what} {error.why} {error.hints} {error.facts}"


@pytest.mark.parametrize(
    ("reply", "asked", "maybe"),
    [
        (Failure("Throttling", ("Rate exceeded",)), "update", False),
        (Failure("PriorRequestNotComplete", ("Route 53 was still processing a prior request.",)), "update", False),
        (Failure("ServiceUnavailable", (), 503), "update", True),
        (Failure("InternalFailure", (), 500), "query", False),
    ],
    ids=lambda x: x.code if isinstance(x, Failure) else str(x),
)
def test_what_may_be_tried_again(reply: Failure, asked: str, maybe: bool) -> None:
    error = failure(WHERE, reply, asked)  # type: ignore[arg-type]
    assert isinstance(error, Unreachable)
    assert error.maybe_applied is maybe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tried to delete resource record set [name='www.example.test.', type='A'] but it was not found", True),
        (STALE, True),
        (BESIDE, False),
        ("Tried to create resource record set [name='www.example.test.', type='A'] but it already exists", True),
        ("[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address encountered with '1.2.3'']", False),
    ],
)
def test_a_swap_that_failed_is_told_from_a_batch_that_is_wrong(text: str, expected: bool) -> None:
    assert swap_failed(Failure("InvalidChangeBatch", (text,))) is expected


def test_long_lists_of_complaints_are_cut() -> None:
    assert said_by(Failure("InvalidChangeBatch", tuple(f"m{n}" for n in range(9)))) == "m0 m1 m2 m3 m4 … and 4 more."
