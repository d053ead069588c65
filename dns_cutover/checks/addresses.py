"""What a plan does to the addresses of names across all its stages: where they were, where they go. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dns_cutover.checks.interface import Located, Subject, added
from dns_cutover.plan.expand import within
from dns_cutover.records import RRsetKey
from dns_cutover.records.fields import service_binding
from dns_cutover.records.name import parent_names
from dns_cutover.records.targets import targets_of

Values = tuple[str, ...] | Literal["unknown"] | None

# Names that public DNS does not have (RFC 6761, RFC 6762, RFC 8375, and .internal): other rules hold below them.
_SPECIAL = ("test.", "example.", "invalid.", "localhost.", "local.", "internal.", "home.arpa.")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*\.")
_MAX_LINKS = 8  # aliases that are followed
_HTTPS_PORT = 443


def values_at(subject: Subject, n: int, key: RRsetKey) -> Values:
    """What the RRset is before stage n, as far as is known; before stage 0 it is what is live."""
    return subject.images[n].get(key, "unknown")


def at_last(subject: Subject, key: RRsetKey) -> Values:
    """What the RRset is in the end."""
    return values_at(subject, len(subject.loaded.plan.stages), key)


def moves_away(subject: Subject, key: RRsetKey) -> bool:
    """Whether nothing of what is there now is there in the end, and something is: the name moves."""
    before, after = values_at(subject, 0, key), at_last(subject, key)
    return isinstance(before, tuple) and isinstance(after, tuple) and not set(before) & set(after)


def name_moves(subject: Subject, ref: str, owner: str) -> bool:
    """The same for a name: of the addresses and aliases that the plan touches none that is there now is there in the
    end, and others are. An address of the other family that nobody touches does not count.
    """
    keys = [k for t in ("A", "AAAA", "CNAME") if (k := RRsetKey(ref, owner, t)) in subject.touched]
    before = {v for k in keys for v in _known(values_at(subject, 0, k))}
    after = {v for k in keys for v in _known(at_last(subject, k))}
    return bool(before and after) and not before & after


def _known(values: Values) -> tuple[str, ...]:
    return values if isinstance(values, tuple) else ()


def is_public(subject: Subject, ref: str) -> bool:
    """Whether the zone is one of public DNS, as far as the plan tells: not below a special name, and its servers are
    found through its parent and not listed, as for private zones.
    """
    zone = subject.names[ref]
    lookup = subject.loaded.plan.all_zones()[ref].lookup
    return lookup.authoritative == "auto" and not any(within(zone, special) for special in _SPECIAL)


def is_host(owner: str) -> bool:
    """Whether clients connect to the name: letters, digits and hyphens (RFC 952), perhaps below an asterisk. Names with
    an underscore are for data about a host (RFC 8552).
    """
    return _HOST.fullmatch(owner) is not None


def planned_addresses(subject: Subject, n: int, ref: str, owner: str) -> tuple[str, ...] | None:
    """The addresses that a name has before stage n; empty if it has none, None if it cannot be known."""
    for _ in range(_MAX_LINKS):
        own = _own_addresses(subject, n, ref, owner)
        if isinstance(own, str):
            owner = own
            continue
        if own:
            return own
        view = subject.live.targets.get(owner) if subject.live is not None else None
        if own is None and view is not None and view.asked:
            return view.addresses
        return own
    return None


def _own_addresses(subject: Subject, n: int, ref: str, owner: str) -> tuple[str, ...] | str | None:
    """Addresses by the plan and the zone's own data, an alias's target, or None: ask elsewhere."""
    images = subject.images[n]
    refs = [r for r, zone in subject.names.items() if within(owner, zone)]
    for r in sorted(refs, key=lambda r: r != ref):
        stars = (f"*.{a}" for a in parent_names(owner) if within(a, subject.names[r]))
        for name in (owner, *stars):
            if alias := images.get(RRsetKey(r, name, "CNAME")):
                return alias[0]
            found = [images.get(RRsetKey(r, name, t)) for t in ("A", "AAAA")]
            if any(found):
                return tuple(a for values in found for a in values or ())
        if subject.first_touch.get((r, owner), n) < n and all(
            RRsetKey(r, owner, t) in images for t in ("A", "AAAA", "CNAME")
        ):
            return ()
    return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where clients of `host` connect once the change is made. `host` is the owner name without its final dot."""

    host: str
    address: str
    port: int
    change: Located

    @property
    def place(self) -> tuple[str, str, int]:
        """Host, address, port."""
        return self.host, self.address, self.port


def new_endpoints(subject: Subject) -> tuple[Endpoint, ...]:
    """The new addresses of all changes of A, AAAA, CNAME and HTTPS, each once, in the plan's order."""
    out: dict[tuple[str, str, int], Endpoint] = {}
    for change in subject.changes:
        if is_host(change.key.owner):
            for address, port in _reached(subject, change):
                end = Endpoint(change.key.owner.rstrip("."), address, port, change)
                out.setdefault(end.place, end)
    return tuple(out.values())


def _reached(subject: Subject, change: Located) -> Iterator[tuple[str, int]]:
    ref, owner = change.key.zone, change.key.owner
    for value in added(subject, change):
        match change.key.rdtype:
            case "A" | "AAAA":
                yield value, _HTTPS_PORT
            case "CNAME":
                yield from _at(planned_addresses(subject, change.n + 1, ref, value), _HTTPS_PORT)
            case "HTTPS":
                binding = service_binding("HTTPS", value)
                target = owner if not targets_of("HTTPS", value) else binding.target
                port = binding.port or _HTTPS_PORT
                yield from _at(planned_addresses(subject, change.n + 1, ref, target), port)
                yield from _at((*binding.items("ipv4hint"), *binding.items("ipv6hint")), port)


def _at(addresses: Iterable[str] | None, port: int) -> Iterator[tuple[str, int]]:
    yield from ((a, port) for a in addresses or ())


def old_endpoints(subject: Subject, hosts: Iterable[str]) -> tuple[tuple[str, str, int], ...]:
    """Where clients of these hosts connect now."""
    owners = {f"{h}.": h for h in hosts}
    out: dict[tuple[str, str, int], None] = {}
    for change in subject.changes:
        host = owners.get(change.key.owner)
        if host is not None:
            for address in planned_addresses(subject, 0, change.key.zone, change.key.owner) or ():
                out[host, address, _HTTPS_PORT] = None
    return tuple(out)


def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, None if it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
