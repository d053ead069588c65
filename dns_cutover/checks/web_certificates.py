"""DC6xx: the certificates of the new side, and who may issue the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from dns_cutover.checks.addresses import Endpoint, at_last, is_host, is_public, name_moves, new_endpoints, old_endpoints
from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.checks.world import Certificate
from dns_cutover.plan.expand import within
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.fields import rdata_words
from dns_cutover.records.name import parent_names
from dns_cutover.records.targets import targets_of

SOON = 14 * 86400.0  # seconds: what renews by itself has done so by then, and a person needs as long
_NAMES_SHOWN = 3

# The names by which some large CAs call themselves in certificates, and those that they take in CAA, as their
# documentation says. Neither all CAs nor looked up anywhere: a CA that is not here is not judged, and where one takes
# several names the list is generous, since a name too few would be a false alarm.
_CAA_NAMES: Mapping[str, tuple[str, ...]] = {
    "Amazon": ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"),
    "DigiCert Inc": (
        "digicert.com",
        "digicert.ne.jp",
        "cybertrust.ne.jp",
        "thawte.com",
        "geotrust.com",
        "rapidssl.com",
    ),
    "GlobalSign nv-sa": ("globalsign.com",),
    "GoDaddy.com, Inc.": ("godaddy.com", "starfieldtech.com"),
    "Google Trust Services": ("pki.goog", "google.com"),
    "Google Trust Services LLC": ("pki.goog", "google.com"),
    "Let's Encrypt": ("letsencrypt.org",),
    "Sectigo Limited": ("sectigo.com", "comodo.com", "comodoca.com", "usertrust.com", "trust-provider.com"),
    "ZeroSSL": ("sectigo.com", "comodo.com", "comodoca.com", "usertrust.com", "trust-provider.com"),
}

_STAGE = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
_ZONE = "www 3600 IN A 192.0.2.10\n"


def _shown(
    names: tuple[str, ...] = ("www.example.test",), not_after: float = 1780000000.0, issuer: str = "", problem: str = ""
) -> Mapping[str, object]:
    """What the new address of the examples shows."""
    found = Certificate("www.example.test", "192.0.2.20", 443, names, not_after, issuer, problem)
    return {"certificates": (found,)}


def covers(names: tuple[str, ...], host: str) -> bool:
    """Whether one of a certificate's names means the host (RFC 9525 section 6.3): an asterisk stands for exactly one
    label, the leftmost, and nothing less than a whole one. A host with an asterisk (a wildcard's owner) needs the same.
    """
    wanted = host.rstrip(".").lower()
    _, _, parent = wanted.partition(".")
    accepted = {wanted, f"*.{parent}"} if parent else {wanted}
    return any(n.rstrip(".").lower() in accepted for n in names)


def _looked(subject: Subject) -> Iterator[tuple[Endpoint, Certificate]]:
    """New endpoints, and what they showed."""
    found = {(c.host, c.address, c.port): c for c in subject.world.certificates or ()}
    for end in new_endpoints(subject) if found else ():
        if (certificate := found.get(end.place)) is not None:
            yield end, certificate


def _side(end: Endpoint) -> str:
    return f"{end.address} port {end.port}" if end.port != 443 else end.address


@check(
    "DC601",
    "error",
    "the certificate of the new target does not cover the name",
    why="Every client that checks certificates would refuse the connection.",
    hint="install a certificate for the name on the new side first, or point to the right target",
    source="RFC 9525 section 6.3",
    needs="probe",
    fires=Example(
        _STAGE,
        zone=_ZONE,
        note="192.0.2.20 shows a certificate for www.elsewhere.test.",
        facts=_shown(("www.elsewhere.test",)),
    ),
    silent=Example(_STAGE, zone=_ZONE, note="It shows one for *.example.test.", facts=_shown(("*.example.test",))),
)
def certificate_of_another(subject: Subject) -> Iterator[Spot]:
    """With --probe every new address is connected to on port 443 (an HTTPS record's port where it has one), with the
    owner name in SNI, as clients will do it after the change. The names in the certificate must have the owner name,
    or a wildcard for its first label. The certificate is read even if nobody trusts it.
    """
    for end, found in _looked(subject):
        if not found.names and not found.problem:
            yield end.change.spot(f"{_side(end)} shows a certificate without a name, which does not cover {end.host}")
        elif found.names and not covers(found.names, end.host):
            more = f" and {len(found.names) - _NAMES_SHOWN} more" if len(found.names) > _NAMES_SHOWN else ""
            names = ", ".join(found.names[:_NAMES_SHOWN]) + more
            yield end.change.spot(f"{_side(end)} shows a certificate for {names}, which does not cover {end.host}")


@check(
    "DC602",
    "error",
    "the certificate of the new target is not trusted",
    why="Every client that checks certificates would refuse the connection.",
    hint="install the whole chain of a CA that clients trust",
    source="RFC 5280 section 6",
    needs="probe",
    fires=Example(
        "zone: example.com\n" + _STAGE,
        zone=_ZONE,
        note="The certificate of 192.0.2.20 is self-signed.",
        facts={
            "certificates": (
                Certificate(
                    "www.example.com",
                    "192.0.2.20",
                    443,
                    ("www.example.com",),
                    1780000000.0,
                    problem="not trusted: certificate of an unknown CA (self-signed)",
                ),
            )
        },
    ),
    silent=Example(_STAGE, zone=_ZONE, note="It is of a CA that this machine trusts.", facts=_shown()),
)
def certificate_not_trusted(subject: Subject) -> Iterator[Spot]:
    """A self-signed certificate, an intermediate certificate that the server forgets to send, or a CA of the house: the
    authorities of this machine do not lead to it. In private zones and below special names, where clients may have
    authorities that this machine lacks, this is a warning.
    """
    for end, found in _looked(subject):
        expired = found.not_after is not None and found.not_after <= subject.now
        if found.problem.startswith("not trusted") and not expired:
            reason = found.problem.partition(": ")[2] or found.problem
            yield end.change.spot(
                f"the certificate that {_side(end)} shows for {end.host} is not trusted: {reason}",
                severity="error" if is_public(subject, end.change.key.zone) else "warning",
            )


@check(
    "DC603",
    "warning",
    "the certificate of the new target expires within 14 days",
    why="Its renewal falls into the days after the move, when nobody thinks of it.",
    hint="renew it before the move, and see that the renewal works on the new side",
    source="RFC 5280 section 4.1.2.5",
    needs="probe",
    fires=Example(
        _STAGE,
        zone=_ZONE,
        note="The certificate of 192.0.2.20 expires in two days.",
        facts=_shown(not_after=1773144000.0 + 2 * 86400),
    ),
    silent=Example(
        _STAGE, zone=_ZONE, note="It expires in 60 days.", facts=_shown(not_after=1773144000.0 + 60 * 86400)
    ),
)
def certificate_expires(subject: Subject) -> Iterator[Spot]:
    """A certificate that renews by itself is renewed a third of its life before its end. One that ends soon was copied
    to the new side, as a rule, and renewals by HTTP still go to the old one until the name has moved. An expired one
    is an error.
    """
    for end, found in _looked(subject):
        if found.not_after is None or found.not_after - subject.now > SOON:
            continue
        day = datetime.fromtimestamp(found.not_after, UTC).strftime("%Y-%m-%d")
        if found.not_after <= subject.now:
            yield end.change.spot(
                f"the certificate that {_side(end)} shows for {end.host} expired on {day}", severity="error"
            )
        else:
            yield end.change.spot(f"the certificate that {_side(end)} shows for {end.host} expires on {day}")


@check(
    "DC604",
    "info",
    "the new target shows no certificate",
    why="Where the old side speaks TLS, clients expect it of the new side.",
    hint="see whether the service runs there, and whether a firewall lets this machine in",
    source="RFC 8446",
    needs="probe",
    fires=Example(_STAGE, zone=_ZONE, note="192.0.2.20 refuses it.", facts=_shown((), problem="connection refused")),
    silent=Example(_STAGE, zone=_ZONE, note="192.0.2.20 shows a certificate.", facts=_shown()),
)
def no_certificate(subject: Subject) -> Iterator[Spot]:
    """Not every name is a web server's, so that a closed port 443 alone says little. Where the new address shows no
    certificate the old addresses of the name are connected to as well: if one of them does show one, the new side
    lacks a service that users have now, and that is an error.
    """
    certificates = subject.world.certificates or ()
    shown = {(c.host, c.address, c.port) for c in certificates if c.names}
    for end, found in _looked(subject):
        if found.names or not found.problem or found.problem.startswith("not trusted"):
            continue
        old = next((place for place in old_endpoints(subject, (end.host,)) if place in shown), None)
        message = f"{_side(end)} shows no certificate for {end.host}: {found.problem}"
        if old is not None:
            yield end.change.spot(f"{message}, but the old side {old[1]} does", severity="error")
        else:
            yield end.change.spot(message)


@check(
    "DC605",
    "warning",
    "CAA would stop the next renewal",
    why="A renewal that is refused shows weeks later, as an expired certificate.",
    hint="add the CA that issues for the new side to the CAA set, or take out the one that forbids",
    source="RFC 8659 section 4",
    needs="live",
    fires=Example(_STAGE, zone=_ZONE + '@ 3600 IN CAA 0 issue ";"\n'),
    silent=Example(_STAGE, zone=_ZONE + '@ 3600 IN CAA 0 issue "letsencrypt.org"\n'),
)
def caa_forbids(subject: Subject) -> Iterator[Spot]:
    """Before a CA issues it looks for CAA at the name, and then at its parents, and obeys the first set that it finds.
    A new side often has another CA than the old one. Told are: a set that forbids everybody; with --probe, one that
    does not allow the CA whose certificate the new side shows; and a change of CAA that takes a CA away. An alias
    whose target has a CAA set of its own is judged by that.
    """
    assert subject.live is not None
    issuers: dict[str, set[str]] = {}
    for certificate in subject.world.certificates or ():
        issuers.setdefault(f"{certificate.host}.", set()).add(certificate.issuer)
    planned = any(key.rdtype == "CAA" for key in subject.touched)
    seen: set[tuple[str, str]] = set()
    for change in subject.changes:
        owner = change.key.owner
        if not planned and owner not in subject.live.caa:
            continue
        if (change.key.zone, owner) in seen or change.key.rdtype not in ("A", "AAAA", "CNAME", "HTTPS", "CAA"):
            continue
        if change.key.rdtype != "CAA" and not (is_host(owner) and name_moves(subject, change.key.zone, owner)):
            continue
        seen.add((change.key.zone, owner))
        governing = _governing(subject, change)
        if governing is None:
            continue
        at, values = governing
        allowed = _allowed(values, owner.startswith("*."))
        if allowed is None:
            continue
        unmet = sorted(i for i in issuers.get(owner, ()) if i in _CAA_NAMES and not allowed & set(_CAA_NAMES[i]))
        who = ", ".join(sorted(allowed)) or "nobody"
        if unmet:
            hint = f'add 0 issue "{_CAA_NAMES[unmet[0]][0]}" to the CAA set at {at}'
            message = f"the certificate for {owner.rstrip('.')} comes from {unmet[0]}, but CAA at {at} allows {who}"
            yield change.spot(message, hint)
        elif not allowed:
            yield change.spot(f"CAA at {at} forbids every CA to issue for {owner.rstrip('.')}")
        elif change.key.rdtype == "CAA" and (lost := _lost(subject, change, allowed)):
            hint = "see that no certificate in use below the name comes from there, and go on"
            yield change.spot(f"{', '.join(lost)} may no longer issue below {owner.rstrip('.')}", hint)


def _governing(subject: Subject, change: Located) -> tuple[str, tuple[str, ...]] | None:
    """The CAA set that governs the change's name in the end, with where it stands; None: there is none, or unknown."""
    assert subject.live is not None
    zone, owner = change.key.zone, change.key.owner.removeprefix("*.")
    alias = at_last(subject, RRsetKey(zone, owner, "CNAME"))
    for target in targets_of("CNAME", alias[0]) if isinstance(alias, tuple) else ():
        at_target = subject.live.caa.get(target)
        if at_target is not None and at_target[0] == target:
            return target, at_target[1].values
    live: tuple[str, RRset] | None = subject.live.caa.get(change.key.owner) or subject.live.caa.get(owner)
    for name in (owner, *parent_names(owner)):
        if live is not None and live[0] == name and RRsetKey(zone, name, "CAA") not in subject.touched:
            return name, live[1].values
        planned = at_last(subject, RRsetKey(zone, name, "CAA")) if within(name, subject.names[zone]) else "unknown"
        if isinstance(planned, tuple):
            return name, planned
    return None


def _allowed(values: tuple[str, ...], wildcard: bool) -> frozenset[str] | None:
    """The CAs that may issue; None where everybody may. issuewild counts before issue, for wildcards only."""
    by_tag: dict[str, set[str]] = {}
    for value in values:
        _, tag, text = rdata_words(value)
        by_tag.setdefault(tag.lower(), set()).add(text.partition(";")[0].strip().lower())
    found = by_tag.get("issuewild") if wildcard else None
    found = found if found is not None else by_tag.get("issue")
    return None if found is None else frozenset(found - {""})


def _lost(subject: Subject, change: Located, allowed: frozenset[str]) -> list[str]:
    before = subject.before(change)
    had = _allowed(before, change.key.owner.startswith("*.")) if isinstance(before, tuple) else None
    return sorted((had or frozenset()) - allowed)


CHECKS = (
    certificate_of_another,
    certificate_not_trusted,
    certificate_expires,
    no_certificate,
    caa_forbids,
)
