"""What an error of Route 53 means to people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dns_cutover.providers.interface import ProviderError, Refused, Unreachable
from dns_cutover.providers.route53.message import Failure, HostedZone
from dns_cutover.providers.route53.pacing import THROTTLED

Asked = Literal["query", "update"]

# docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorizedException", "OptInRequired"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEY = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "MissingAuthenticationToken"}
)
_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"})
_SKEWED = frozenset({"RequestTimeTooSkewed"})
_NO_ZONE = frozenset({"NoSuchHostedZone", "HostedZoneNotFound"})

# A batch was refused because something is not as it says; what follows from that is found by reading again.
SWAP_FAILED = ("but it was not found", "but the values provided do not match", "but it already exists")
MOST_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class Where:
    """How people call the place: the zone's name, its id in the plan, whose credentials are used."""

    zone: str = "."
    zone_id: str = ""
    private: bool | None = None
    credentials: str = "the AWS credentials"

    @property
    def policy(self) -> str:
        """The command that says which permissions are needed."""
        return f"dns-cutover providers route53 --iam-policy {self.zone_id or self.zone.rstrip('.')}"


def failure(where: Where, reply: Failure, asked: Asked) -> ProviderError:
    """The error that a reply to a question or a batch is."""
    code, said = reply.code, said_by(reply)
    if code in THROTTLED:
        return Unreachable(
            f"Route 53 turns requests away ({code})",
            "An AWS account has five requests a second, whoever makes them.",
            maybe_applied=False,
            hints=("see which other tools ask in the same account; it is tried again",),
        )
    if reply.status >= 500:
        return Unreachable(
            f"Route 53 answered {'the batch' if asked == 'update' else 'a question'} with {code}",
            said or "It failed while it worked on it, and does not say how far it came.",
            maybe_applied=asked == "update",
            hints=("health.aws.amazon.com   is there an incident?",),
        )
    if code in _DENIED:
        return Refused(
            f"{where.credentials} may not do this at Route 53 ({code})", said, (f"{where.policy}   what is needed",)
        )
    if code in _EXPIRED:
        return Refused(
            f"{where.credentials} have expired ({code})",
            "A session token ends after some hours.",
            ("aws sso login, or get new ones, then run the same command again",),
        )
    if code in _UNKNOWN_KEY:
        return Refused(
            f"AWS does not know {where.credentials} ({code})",
            "The access key is wrong, or it was deleted.",
            ("aws sts get-caller-identity   whose are they?",),
        )
    if code in _SIGNATURE:
        # What AWS says here repeats the signed request.
        return Refused(
            f"AWS does not accept the signature made with {where.credentials} ({code})",
            "The secret key is wrong, or this machine's clock is off by more than five minutes.",
            ("set the clock (NTP); aws sts get-caller-identity   do they work at all?",),
        )
    if code in _SKEWED:
        return Refused(
            f"the clocks of this machine and of AWS differ by more than five minutes ({code})",
            "A request that may be late or replayed is refused.",
            ("set the clock (NTP), then run the same command again",),
        )
    if code in _NO_ZONE:
        return no_zone(where)
    if code == "InvalidChangeBatch":
        return Refused("Route 53 refuses the change batch", said, ("change what it names, in the plan or in the zone",))
    if code == "LimitsExceeded":
        return Refused("a limit of Route 53 is reached (LimitsExceeded)", said, ("ask AWS for a higher quota",))
    return Refused(f"Route 53 refuses {'the batch' if asked == 'update' else 'a question'} ({code})", said)


def said_by(reply: Failure) -> str:
    """What Route 53 says, in one line; hostile text."""
    more = len(reply.messages) - MOST_MESSAGES
    return " ".join((*reply.messages[:MOST_MESSAGES], *((f"… and {more} more.",) if more > 0 else ())))


def swap_failed(reply: Failure) -> bool:
    """Whether a batch was refused because something in the zone is not what it says."""
    return any(text in message for message in reply.messages for text in SWAP_FAILED)


def no_zone(where: Where) -> Refused:
    """There is no such hosted zone, for these credentials."""
    kind = {None: "", True: "private ", False: "public "}[where.private]
    called = where.zone_id or f"{kind}hosted zone {where.zone}"
    return Refused(
        f"there is no {called} for {where.credentials}",
        "Zones belong to one account; a role of another account does not see them.",
        ("aws route53 list-hosted-zones-by-name   which are there? Write the id into provider.zone_id",),
    )


def several_zones(where: Where, found: tuple[HostedZone, ...]) -> Refused:
    """The name alone does not tell which zone is meant."""
    return Refused(
        f"there are {len(found)} hosted zones {where.zone}",
        "Writing to the wrong one would change nothing that users see, or what others see.",
        ("write the id of one of them into provider.zone_id", "or say private: true or false"),
        tuple((z.id, describe(z)) for z in found),
    )


def other_name(where: Where, found: HostedZone, name: str) -> Refused:
    """The id is another zone's."""
    return Refused(
        f"the hosted zone {where.zone_id} is {name}, not {where.zone}",
        "A plan changes the zone that it names.",
        ("correct provider.zone_id, or take it out: then the name finds the zone",),
        ((found.id, describe(found)),),
    )


def describe(zone: HostedZone) -> str:
    """A hosted zone in a few words."""
    comment = f", {zone.comment}" if zone.comment else ""
    return f"{'private' if zone.private else 'public'}, {zone.records} record sets{comment}"
