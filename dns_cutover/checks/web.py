"""DC6xx: new targets and addresses, and what is left behind when a name moves."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dns_cutover.checks.addresses import ip, is_host, is_public, moves_away, planned_addresses, values_at
from dns_cutover.checks.interface import Example, Located, Spot, Subject, added, check
from dns_cutover.checks.plan_values import is_address
from dns_cutover.records import RRsetKey, relative_name
from dns_cutover.records.fields import ServiceBinding, service_binding
from dns_cutover.records.targets import targets_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)


_A = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
_AAAA = '{name: www, type: AAAA, from: ["2001:db8::10"], to: ["2001:db8::20"]}'
_CNAME = "{name: www, type: CNAME, from: [old.cdn.test.], to: [new.cdn.test.]}"
_OLD = "www 3600 IN A 192.0.2.10\n"
_PUBLIC = "zone: example.com\n"


@check(
    "DC610",
    "error",
    "a new target does not resolve at its own authority",
    why="A name that points to nothing is an outage for everybody who asks it.",
    hint="create the target first, or mend its name",
    source="RFC 1034 section 3.6.2; RFC 5321 section 5.1; RFC 2782",
    needs="live",
    fires=Example(
        _stage(_CNAME), zone="www 3600 IN CNAME old.cdn.test.\n", elsewhere="old.cdn.test. 60 IN A 192.0.2.1\n"
    ),
    silent=Example(
        _stage(_CNAME),
        zone="www 3600 IN CNAME old.cdn.test.\n",
        elsewhere="old.cdn.test. 60 IN A 192.0.2.1\nnew.cdn.test. 60 IN A 192.0.2.2\n",
    ),
)
def target_without_address(subject: Subject) -> Iterator[Spot]:
    """Most moves that fail at once fail here: the new target was never set up, or is misspelt. The target is asked for
    at its own authority, never through a resolver, which would keep the "no". What an earlier or the same stage
    creates counts as there. An alias of data about a host (a DKIM key, a verification) needs no address, and where
    the name had no address before, an alias without one is told as a warning only.
    """
    assert subject.live is not None
    for change in subject.changes:
        rdtype = change.key.rdtype
        if rdtype not in ("CNAME", "MX", "SRV", "HTTPS", "SVCB") or (
            rdtype == "CNAME" and not is_host(change.key.owner)
        ):
            continue
        for target in dict.fromkeys(t for v in added(subject, change) for t in targets_of(rdtype, v)):
            if is_address(target, subject.names[change.key.zone]):
                continue  # DC131 says so
            if planned_addresses(subject, change.n + 1, change.key.zone, target) == ():
                view = subject.live.targets.get(target)
                problem = (view.problem if view is not None else "") or "it has no address"
                had = rdtype != "CNAME" or planned_addresses(subject, 0, change.key.zone, change.key.owner)
                message = f"{target} does not resolve at its own authority: {problem}"
                hint = f"create the addresses of {target} first, or mend the name"
                inside = relative_name(target, subject.names[change.key.zone])
                if inside != target and "." in inside:
                    hint = f"if {inside} is a name of its own, end it with a dot: {inside}."
                yield change.spot(message, hint, _where(change), None if had else "warning")


def _where(change: Located) -> str:
    return "to" if change.planned.kind == "set" else "add"


@check(
    "DC611",
    "warning",
    "A moves and AAAA stays, or the other way round",
    why="Clients take IPv6 first where they have it (RFC 8305), and would stay at the old side.",
    hint="move both in the same stage, or delete the one that the new side lacks",
    source="RFC 8305 section 3",
    needs="live",
    fires=Example(_stage(_A), zone=_OLD + "www 3600 IN AAAA 2001:db8::10\n"),
    silent=Example(_stage(_A, _AAAA), zone=_OLD + "www 3600 IN AAAA 2001:db8::10\n"),
)
def other_family_left(subject: Subject) -> Iterator[Spot]:
    """A name with addresses of both families has two ways to it. If all of one family's addresses are replaced and the
    other family's are not touched by any stage, part of the users goes on to the old side, for good, and nobody who
    tests from the other family sees it. Adding an address to a set is no move.
    """
    seen: set[RRsetKey] = set()
    for change in subject.changes:
        key = change.key
        if key.rdtype not in ("A", "AAAA") or key in seen or not moves_away(subject, key):
            continue
        seen.add(key)
        other = RRsetKey(key.zone, key.owner, "AAAA" if key.rdtype == "A" else "A")
        left = values_at(subject, 0, other)
        if other not in subject.touched and isinstance(left, tuple):
            name = other.label(subject.names[key.zone])
            message = f"{change.label} moves, but {name} stays at {', '.join(left[:3])}"
            hint = f"add a change of {name}, or delete it if the new side has no {_family(other.rdtype)}"
            yield change.spot(message, hint)


def _family(rdtype: str) -> str:
    return "IPv6" if rdtype == "AAAA" else "IPv4"


@check(
    "DC612",
    "warning",
    "an HTTPS record stays when its name moves",
    why="Browsers ask HTTPS records beside the addresses, and do what they say.",
    hint="change or delete the HTTPS record in the same stage",
    source="RFC 9460 sections 3 and 9",
    needs="live",
    fires=Example(_stage(_A), zone=_OLD + "www 3600 IN HTTPS 1 old.cdn.test. alpn=h2,h3\n"),
    silent=Example(
        _stage(_A, '{name: www, type: HTTPS, from: ["1 old.cdn.test."], to: ["1 new.cdn.test."]}'),
        zone=_OLD + "www 3600 IN HTTPS 1 old.cdn.test.\n",
        elsewhere="new.cdn.test. 60 IN A 192.0.2.20\n",
    ),
)
def https_left(subject: Subject) -> Iterator[Spot]:
    """An HTTPS record can name a target and a port of its own, protocols (HTTP/3 above all) and the key of Encrypted
    ClientHello. If the addresses of the name move and the record stays, browsers go on to the old target, to a port
    or a protocol that the new side does not have, or encrypt for a key that it does not know. A record that only
    announces HTTP/2 at the name itself is not told: any client falls back from it.
    """
    seen: set[RRsetKey] = set()
    for change in subject.changes:
        key = RRsetKey(change.key.zone, change.key.owner, "HTTPS")
        if key in subject.touched or key in seen or change.key.rdtype not in ("A", "AAAA", "CNAME"):
            continue
        left = values_at(subject, 0, key)
        if isinstance(left, tuple) and moves_away(subject, change.key):
            seen.add(key)
            told = sorted({t for v in left for t in _binds(key.owner, service_binding("HTTPS", v))})
            if told:
                name = key.label(subject.names[key.zone])
                yield change.spot(f"{name} stays with {', '.join(told)} while {change.label} moves")


def _binds(owner: str, binding: ServiceBinding) -> Iterator[str]:
    """What of a record holds its clients to a side, in words."""
    if binding.target not in (".", owner):
        yield f"the target {binding.target}"
    if binding.port is not None:
        yield f"port {binding.port}"
    if any(p.startswith("h3") for p in binding.items("alpn")):
        yield "HTTP/3"
    if "ech" in binding.params:
        yield "a key for Encrypted ClientHello"


@check(
    "DC613",
    "warning",
    "address hints contradict the addresses",
    why="Clients may connect to the hints before they have asked for the addresses.",
    hint="write the new addresses into ipv4hint and ipv6hint, or leave the hints out",
    source="RFC 9460 section 7.3",
    needs="live",
    fires=Example(_stage(_A), zone=_OLD + "www 3600 IN HTTPS 1 . ipv4hint=192.0.2.10\n"),
    silent=Example(
        _stage(
            _A,
            '{name: www, type: HTTPS, from: ["1 . ipv4hint=192.0.2.10"], to: ["1 . ipv4hint=192.0.2.20"]}',
        ),
        zone=_OLD + "www 3600 IN HTTPS 1 . ipv4hint=192.0.2.10\n",
    ),
)
def hints_contradict(subject: Subject) -> Iterator[Spot]:
    """ipv4hint and ipv6hint of HTTPS and SVCB records repeat the target's addresses, to spare clients a question. They
    are copies that nobody keeps in step. After a stage that leaves a hint to an address that the target no longer
    has, clients connect to the old side first, however short the TTL of the addresses is.
    """
    seen: set[RRsetKey] = set()
    for change in subject.changes:
        for rdtype in ("HTTPS", "SVCB"):
            key = RRsetKey(change.key.zone, change.key.owner, rdtype)
            if key in seen or change.key.rdtype not in ("A", "AAAA", rdtype):
                continue
            wrong = _wrong_hints(subject, change.n + 1, key)
            if wrong and wrong != _wrong_hints(subject, 0, key):
                seen.add(key)
                name = key.label(subject.names[key.zone])
                yield change.spot(f"after stage {change.stage.name} {name} still hints at {', '.join(wrong)}")


def _wrong_hints(subject: Subject, n: int, key: RRsetKey) -> list[str]:
    """Hints before stage n to addresses that their target does not have then."""
    values = values_at(subject, n, key)
    out: set[str] = set()
    for value in values if isinstance(values, tuple) else ():
        binding = service_binding(key.rdtype, value)
        hints = (*binding.items("ipv4hint"), *binding.items("ipv6hint"))
        target = key.owner if binding.target == "." else binding.target
        there = planned_addresses(subject, n, key.zone, target) if hints else None
        # A target without any address is another finding's matter.
        out |= set(hints) - set(there) if there else set()
    return sorted(out)


@check(
    "DC614",
    "error",
    "a new address that nobody can reach",
    why="A name that leads back to whoever asks, or to nowhere, is an outage.",
    hint="write the address of the new side",
    source="RFC 6890 section 2.2",
    fires=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["0.0.0.0"]}')),
    silent=Example(_stage(_A)),
)
def unreachable_address(subject: Subject) -> Iterator[Spot]:
    """0.0.0.0 and :: are no hosts, addresses of the loopback network mean the asking machine itself, and multicast,
    link-local, documentation and reserved addresses lead nowhere on the Internet. In zones below .test, .example or
    another special name, and in private zones, only 0.0.0.0 and :: are told, since their addresses are nobody's
    concern. Where the record had an address of the same kind before, it is meant.
    """
    for change, value, address in _new_addresses(subject):
        kind = _dead_kind(address)
        if not kind or not (address.is_unspecified or is_public(subject, change.key.zone)):
            continue
        if not _had(subject, change, lambda a, kind=kind: _dead_kind(a) == kind):  # type: ignore[misc]
            # Creating a name for the machine itself ("localhost") may be meant; moving one there is not.
            created = address.is_loopback and subject.before(change) is None
            yield change.spot(f"{value} is {kind}", "", _where(change), "warning" if created else None)


@check(
    "DC615",
    "warning",
    "a new address is private",
    why="Only who is inside the same network can reach it.",
    hint="write the public address of the new side",
    source="RFC 1918; RFC 4193; RFC 6598",
    fires=Example(_PUBLIC + _stage('{name: www, type: A, from: ["198.51.100.10"], to: ["10.0.0.20"]}')),
    silent=Example(_PUBLIC + _stage('{name: db, type: A, from: ["10.0.0.10"], to: ["10.0.0.20"]}')),
)
def private_address(subject: Subject) -> Iterator[Spot]:
    """Names of internal hosts may stand in a public zone. A name that had public addresses and gets a private one is
    more often a load balancer's inner address, copied from the wrong line. Private zones (whose servers the plan
    lists) and zones below special names are left alone.
    """
    for change, value, address in _new_addresses(subject):
        if is_public(subject, change.key.zone) and _is_private(address) and not _had(subject, change, _is_private):
            yield change.spot(f"{value} is an address of a private network", "", _where(change))


def _new_addresses(subject: Subject) -> tuple[tuple[Located, str, Address], ...]:
    return subject.once(_find_new_addresses)


def _find_new_addresses(subject: Subject) -> tuple[tuple[Located, str, Address], ...]:
    return tuple(_each_new_address(subject))


def _each_new_address(subject: Subject) -> Iterator[tuple[Located, str, Address]]:
    for change in subject.changes:
        if change.key.rdtype in ("A", "AAAA"):
            for value in added(subject, change):
                if (address := ip(value)) is not None:
                    yield change, value, address


class _Network(NamedTuple):
    """A network as numbers: plans of thousands of addresses ask often."""

    version: int
    first: int
    last: int


def _network(text: str) -> _Network:
    network = ipaddress.ip_network(text)
    return _Network(network.version, int(network.network_address), int(network.broadcast_address))


_PRIVATE = tuple(map(_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
_DEAD = tuple(
    (_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "no host's address"),
        ("::/128", "no host's address"),
        ("127.0.0.0/8", "the asking machine itself (loopback)"),
        ("::1/128", "the asking machine itself (loopback)"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 clothes, which no network carries"),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("192.0.2.0/24", "an address for documentation (RFC 5737)"),
        ("198.51.100.0/24", "an address for documentation (RFC 5737)"),
        ("203.0.113.0/24", "an address for documentation (RFC 5737)"),
        ("2001:db8::/32", "an address for documentation (RFC 3849)"),
        ("3fff::/20", "an address for documentation (RFC 9637)"),
        ("198.18.0.0/15", "an address for benchmarks (RFC 2544)"),
        ("240.0.0.0/4", "a reserved address"),
    )
)


def _in(address: Address, network: _Network) -> bool:
    return address.version == network.version and network.first <= int(address) <= network.last


def _is_private(address: Address) -> bool:
    return any(_in(address, network) for network in _PRIVATE)


def _dead_kind(address: Address) -> str:
    return next((kind for network, kind in _DEAD if _in(address, network)), "")


def _had(subject: Subject, change: Located, alike: Callable[[Address], bool]) -> bool:
    """Whether an address that is there before is alike, or may be: then the new one is meant, for all that is known."""
    before = subject.before(change)
    if before == "unknown":
        before = change.planned.remove
        if not before:
            return True
    found = (ip(v) for v in before or ())
    return any(alike(address) for address in found if address is not None)


CHECKS = (
    target_without_address,
    other_family_left,
    https_left,
    hints_contradict,
    unreachable_address,
    private_address,
)
