"""What `check` is asked to look at, from the words of a command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns_cutover.assembly import Setting
    from dns_cutover.lookup.interface import Accept, Endpoint, Transport
    from dns_cutover.lookup.views import Sought
    from dns_cutover.records import RRsetKey

ABSENT = "absent"
MOST_NAMES = 100_000
_TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp", "tls", "https", "quic")


@dataclass(frozen=True, slots=True)
class Arguments:
    """As they were typed."""

    name: str | None
    rrtype: str | None
    expect: tuple[str, ...]
    one_of: tuple[str, ...]
    subset_of: tuple[str, ...]
    cidr: tuple[str, ...]
    ends_at: str | None
    timeout: str | None
    from_file: Path | None
    zone: str | None
    authoritative: tuple[str, ...]
    bootstrap: tuple[str, ...]
    resolver: tuple[str, ...]

    def seconds(self) -> float | None:
        """The timeout. Raises UsageError."""
        from dns_cutover.plan.types import parse_duration

        if self.timeout is None:
            return None
        try:
            return parse_duration(self.timeout)
        except ValueError as exc:
            raise UsageError(f"--timeout: {exc}") from None

    def sought(self) -> tuple[Sought, ...]:
        """What to look at, not yet in a zone. Raises UsageError, Unavailable."""
        if self.from_file is None:
            if self.name is None or self.rrtype is None:
                raise UsageError("check needs NAME and TYPE, or --from-file FILE")
            return (self._one(self.name, self.rrtype, self.expect),)
        if self.name is not None:
            raise UsageError("NAME and --from-file do not go together: write the name into the file")
        lines = [(n, line.split()) for n, line in enumerate(_text(self.from_file).splitlines(), 1)]
        found: dict[RRsetKey, Sought] = {}
        for n, words in lines:
            if not words or words[0].startswith(("#", ";")):
                continue
            if len(words) < 2:
                raise UsageError(f"{self.from_file}:{n}: a line has a name, a type, and perhaps values")
            try:
                one = self._one(words[0], words[1], (" ".join(words[2:]),) if words[2:] else self.expect)
            except UsageError as exc:
                raise UsageError(f"{self.from_file}:{n}: {exc.what}") from None
            other = found.get(one.key)
            found[one.key] = one if other is None else replace(one, expect=tuple(sorted({*other.expect, *one.expect})))
        if not found:
            raise UsageError(f"{self.from_file} has no names")
        if len(found) > MOST_NAMES:
            raise UsageError(f"{self.from_file} has {len(found)} names; at most {MOST_NAMES} are looked at")
        return tuple(found.values())

    def _one(self, name: str, rrtype: str, expect: tuple[str, ...]) -> Sought:
        from dns_cutover.lookup.views import Sought
        from dns_cutover.plan.expand import rdata_values
        from dns_cutover.records import InvalidName, InvalidRdata, RRsetKey

        try:
            key = RRsetKey.of("", name, rrtype)
            gone = expect == (ABSENT,)
            wanted = () if gone else rdata_values(key.rdtype, expect, key.owner)
            return Sought(key, wanted, gone, self._accept(key))
        except (InvalidName, InvalidRdata, ValueError) as exc:
            raise UsageError(str(exc)) from None

    def _accept(self, key: RRsetKey) -> Accept | None:
        from dns_cutover.lookup.interface import Accept
        from dns_cutover.plan.expand import rdata_values
        from dns_cutover.records import absolute_name

        if not (self.one_of or self.subset_of or self.cidr or self.ends_at):
            return None
        import ipaddress

        for network in self.cidr:
            ipaddress.ip_network(network, strict=False)
        return Accept(
            rdata_values(key.rdtype, self.one_of, key.owner),
            rdata_values(key.rdtype, self.subset_of, key.owner),
            self.cidr,
            absolute_name(self.ends_at) if self.ends_at else "",
        )

    def resolvers(self) -> tuple[Endpoint, ...]:
        """Those to ask. Raises UsageError."""
        from dns_cutover.lookup.resolvers import preset, unique

        chosen = [e for text in self.resolver for e in _resolver(text)]
        return unique(chosen) if chosen else preset("public")

    async def placed(
        self, setting: Setting, sought: Sequence[Sought]
    ) -> tuple[dict[str, tuple[str, tuple[Endpoint, ...]]], tuple[Sought, ...], tuple[str, ...]]:
        """(zones by their name: name and servers, what is sought in its zone, what could not be found out).

        Raises UsageError, Unavailable.
        """
        from dns_cutover.lookup.authoritative import enclosing_zone
        from dns_cutover.lookup.resolvers import preset
        from dns_cutover.plan.types import parse_endpoint
        from dns_cutover.records import InvalidName, absolute_name
        from dns_cutover.records.name import parent_names

        try:
            listed = tuple(parse_endpoint(a) for a in self.authoritative)
            finders = tuple(parse_endpoint(a) for a in self.bootstrap) or preset("system")
            named = absolute_name(self.zone) if self.zone else None
        except (InvalidName, ValueError) as exc:
            raise UsageError(str(exc)) from None
        origins: dict[str, str] = {}
        zones: dict[str, tuple[str, tuple[Endpoint, ...]]] = {}
        problems: list[str] = []
        placed = []
        for s in sought:
            # Names beside each other are in one zone, unless one of them is a zone of its own.
            place = s.key.owner if listed else next(iter(parent_names(s.key.owner)), ".")
            if named is not None:
                origins[place] = named
            elif place not in origins:
                origins[place] = await enclosing_zone(
                    setting.asker(), s.key.owner, listed or finders, recurse=not listed
                )
            origin = origins[place]
            if origin not in zones:
                servers, said = (listed, ()) if listed else await _servers(setting, origin, finders)
                zones[origin] = origin, servers
                problems += said
            placed.append(replace(s, key=replace(s.key, zone=origin)))
        return zones, tuple(placed), tuple(problems)


async def _servers(
    setting: Setting, origin: str, finders: tuple[Endpoint, ...]
) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    from dns_cutover.lookup.authoritative import discover

    found = await discover(setting.asker(), origin, finders)
    if not found.endpoints:
        raise Unavailable(
            f"no authoritative server of {origin} was found",
            "; ".join(found.problems) + ".",
            ("give --bootstrap ADDRESS, or list them with --authoritative ADDRESS",),
        )
    return found.endpoints, found.problems


def _resolver(text: str) -> tuple[Endpoint, ...]:
    from dns_cutover.lookup.resolvers import preset
    from dns_cutover.plan.types import parse_endpoint

    transport, sign, rest = text.partition("://")
    try:
        if sign:
            kind = next((t for t in _TRANSPORTS if t == transport), None)
            if kind is None:
                raise UsageError(f"{transport} is no transport: {', '.join(_TRANSPORTS)}")
            return (parse_endpoint(rest, transport=kind),)
        return preset(text) if text.isalnum() and not text.isdigit() else (parse_endpoint(text),)
    except KeyError:
        raise UsageError(f"{text} is neither an address nor a preset", "", ("dns-cutover resolvers",)) from None
    except ValueError as exc:
        raise UsageError(str(exc)) from None


def _text(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode()
    except OSError as exc:
        raise Unavailable(f"{path} cannot be read", f"{exc.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
