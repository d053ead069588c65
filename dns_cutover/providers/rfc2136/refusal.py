"""What a reply that is neither yes nor "a prerequisite failed" means, in words for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dns_cutover.address import split_address
from dns_cutover.providers.interface import ProviderError, Refused, Unreachable
from dns_cutover.providers.rfc2136.update import UpdateReply

Asked: TypeAlias = Literal["query", "update"]

# Codes after which a server may still have done it: it failed on the way (RFC 2136 section 3.5), or it is a secondary
# that forwarded the message and did not hear of it again (section 6).
_UNDECIDED = frozenset({"SERVFAIL"})
_DEFINITE = frozenset({"FORMERR", "NOTIMP", "REFUSED", "NOTAUTH", "NOTZONE", "NXDOMAIN"})


@dataclass(frozen=True, slots=True)
class Place:
    """How people call the server and the key. Nothing of the secret but its source and its length in characters."""

    server: str = "the server"
    zone: str = "."
    key_name: str = "the key"
    algorithm: str = ""
    secret_source: str = ""
    secret_length: int = 0
    fudge: int = 30

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What was used to sign."""
        if not self.secret_source:
            return ()
        return (("used", f"{self.algorithm}, secret from {self.secret_source}, {self.secret_length} characters"),)

    @property
    def dig(self) -> str:
        """The beginning of a command that asks the same server."""
        try:
            host, port = split_address(self.server)
        except ValueError:
            host, port = self.server, None
        return f"dig @{host} -p {port} +tcp" if port not in (None, 53) else f"dig @{host} +tcp"

    @property
    def key(self) -> str:
        """The key's name as configurations write it."""
        return self.key_name.rstrip(".") or "."


def failure(place: Place, reply: UpdateReply, asked: Asked, ours: float) -> ProviderError:
    """The error that `reply` to a question or an update is. `ours`: our clock, seconds UTC."""
    if reply.tsig_error:
        return _tsig(place, reply, ours)
    if not reply.signed:
        return _unsigned(place, reply, asked)
    if reply.rcode == "REFUSED" and asked == "update":
        return _denied(place)
    if reply.rcode in ("REFUSED", "NOTAUTH"):
        return _not_here(place, reply.rcode)
    if reply.rcode == "NOTZONE":
        return Refused(
            f"{place.server} says that a name is not in {place.zone} (NOTZONE)",
            "An update changes names of one zone only (RFC 2136 section 3.4.1).",
            (f"{place.dig} SOA {place.zone}   is that the zone's name?",),
        )
    if reply.rcode == "NOTIMP":
        return Refused(
            f"{place.server} does not know dynamic updates (NOTIMP)",
            "It is a server without RFC 2136, or they are switched off.",
            ("PowerDNS: dnsupdate=yes; other servers: name the primary in provider.server",),
        )
    maybe = asked == "update" and (reply.rcode in _UNDECIDED or reply.rcode not in _DEFINITE)
    what = f"{place.server} answered {'the update' if asked == 'update' else 'a question'} with {reply.rcode}"
    hints = (f"look into the server's log; {place.dig} SOA {place.zone}",)
    if maybe or reply.rcode in _UNDECIDED:
        return Unreachable(
            what, "It failed while it worked on it, and does not say how far it came.", maybe_applied=maybe, hints=hints
        )
    return Refused(what, "It takes the message for wrong.", hints)


def _denied(place: Place) -> Refused:
    key = place.key
    return Refused(
        f"{place.server} refuses the update (REFUSED)",
        f"Its policy does not let the key {key} change these names and the lock's, or the zone is frozen.",
        (
            f"BIND: update-policy {{ grant {key} zonesub ANY; }};   frozen: rndc thaw {place.zone.rstrip('.')}",
            f"Knot: acl with key: {key}, action: update   PowerDNS: TSIG-ALLOW-DNSUPDATE {key}, allow-dnsupdate-from",
        ),
        place.facts,
    )


def _not_here(place: Place, rcode: str) -> Refused:
    return Refused(
        f"{place.server} does not serve the zone {place.zone} ({rcode})",
        "Updates go to the primary server of the zone, where the zone has exactly this name.",
        (f"{place.dig} SOA {place.zone}   is it the right server, and is the zone loaded?",),
    )


def _tsig(place: Place, reply: UpdateReply, ours: float) -> Refused:
    """RFC 8945 section 5.2."""
    code, key = reply.tsig_error, place.key
    if code == "BADTIME":
        told = reply.server_time
        differ = () if told is None else (("differ", _seconds(ours - told)),)
        return Refused(
            f"the clocks of this machine and of {place.server} differ by more than {place.fudge} s (BADTIME)",
            "A signed message that may be late or replayed is refused (RFC 8945 section 5.2.3).",
            ("set both clocks (NTP), then run the same command again",),
            (*differ, *place.facts),
        )
    if code in ("BADSIG", "BADTRUNC"):
        return Refused(
            f"{place.server} does not accept the TSIG key {key} ({code})",
            "The server knows the key's name, but the secret differs.",
            ("compare it with the server's key file: base64, no quotes, no line end",),
            place.facts,
        )
    return Refused(
        f"{place.server} does not accept the TSIG key {key} ({code})",
        "It has no key of that name and algorithm, or its policy does not let the key change these names.",
        (
            "compare name and algorithm with the server's key file",
            f"Knot: acl with key: {key}, action: update   BIND: update-policy {{ grant {key} zonesub ANY; }};",
        ),
        place.facts,
    )


def _seconds(difference: float) -> str:
    return f"this machine is {abs(difference):.0f} s {'ahead' if difference > 0 else 'behind'}"


def _unsigned(place: Place, reply: UpdateReply, asked: Asked) -> Refused | Unreachable:
    """Knot does not sign "no such zone", PowerDNS no complaint about a signature; what was asked tells them apart."""
    code = reply.rcode
    if code in ("NOERROR", "NXDOMAIN", "NXRRSET", "YXRRSET", "YXDOMAIN"):
        return Unreachable(
            f"{place.server} answered without a signature ({code})",
            "Anybody on the way can have written such an answer: it proves nothing.",
            maybe_applied=asked == "update",
            hints=(f"does the server know the key {place.key}? Is something between that answers in its place?",),
        )
    if code == ("NOTAUTH" if asked == "update" else "REFUSED"):
        return _not_here(place, f"{code}, unsigned")
    if code == ("REFUSED" if asked == "update" else "NOTAUTH"):
        return Refused(
            f"{place.server} does not accept the TSIG key {place.key} ({code}, unsigned)",
            f"Its name, its algorithm{', its secret or the clock' if asked == 'update' else ' or its secret'} differs, "
            "or it may not be used from this address.",
            (
                "compare it with the server's key file: base64, no quotes, no line end",
                f"PowerDNS: pdnsutil list-tsig-keys, and TSIG-ALLOW-DNSUPDATE {place.key} for the zone",
            ),
            place.facts,
        )
    return Refused(
        f"{place.server} answered {code} without a signature",
        "It did not get as far as the key.",
        (f"{place.dig} SOA {place.zone}   does it answer as the zone's server?",),
        place.facts,
    )
