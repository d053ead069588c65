"""`check NAME TYPE`: propagation of one RRset, without a plan."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dns_cutover.cli.common import print_json, write_text
from dns_cutover.cli.options import Authoritative, Bootstrap, Many
from dns_cutover.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Setting
    from dns_cutover.lookup.interface import AuthoritativeRound, Endpoint, ResolverRound
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.records import RRset, RRsetKey


class Format(StrEnum):
    """How it is shown."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(check)


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The owner name.")],
    rrtype: Annotated[str, typer.Argument(metavar="TYPE", help="The record type.")],
    expect: Annotated[Many, typer.Option(metavar="RDATA", help="The expected value; repeat for several.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until it has converged.")] = False,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="The zone that the name is in.")] = None,
    authoritative: Authoritative = None,
    bootstrap: Bootstrap = None,
    resolver: Annotated[
        Many, typer.Option(metavar="ADDRESS[:PORT]", help="Resolvers to ask; default: public ones.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    json: Annotated[bool, typer.Option("--json", hidden=True, help="The same as --format json.")] = False,
) -> None:
    """Ask every authoritative server, then resolvers. Exit 0 converged, 75 not yet, 3 contradicted."""
    import asyncio

    as_json = json or output is Format.JSON
    servers = (authoritative or [], bootstrap or [], resolver or [])
    raise typer.Exit(asyncio.run(_check(name, rrtype, expect or [], watch, zone, *servers, as_json)))


async def _check(
    name: str,
    rrtype: str,
    expect: list[str],
    watch: bool,
    zone: str | None,
    authoritative: list[str],
    bootstrap: list[str],
    resolver: list[str],
    json: bool,
) -> int:
    from dns_cutover.assembly import Setting
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.lookup.resolvers import preset
    from dns_cutover.plan.expand import rdata_values
    from dns_cutover.plan.types import parse_endpoint
    from dns_cutover.records import InvalidName, InvalidRdata, RRsetKey

    setting = Setting()
    try:
        key = RRsetKey.of("zone", name, rrtype)
        wanted = rdata_values(key.rdtype, tuple(expect), key.owner)
        listed = tuple(parse_endpoint(a) for a in authoritative)
        finders = tuple(parse_endpoint(a) for a in bootstrap) or preset("system")
        resolvers = tuple(parse_endpoint(a) for a in resolver) or preset("public")
    except (InvalidName, InvalidRdata, ValueError) as exc:
        raise UsageError(str(exc)) from None
    origin, servers = await _servers(setting, key.owner, zone, listed, finders)
    lookup = LiveLookup({"zone": (origin, servers)}, resolvers, setting.clock, setting.rng, setting.asker())
    while True:
        code, document, due = await _round(lookup, key, wanted, setting.clock.now())
        if json and (code != 75 or not watch):
            print_json(document)
        elif not json:
            write_text(_shown(_text(document, code)))
        if code != 75 or not watch:
            return code
        await setting.clock.sleep_until(min(due, setting.clock.now() + 60.0))


async def _servers(
    setting: Setting, owner: str, zone: str | None, listed: tuple[Endpoint, ...], finders: tuple[Endpoint, ...]
) -> tuple[str, tuple[Endpoint, ...]]:
    """The zone's name and its servers. Raises Unavailable."""
    from dns_cutover.lookup.authoritative import discover, enclosing_zone
    from dns_cutover.records import absolute_name

    if listed:
        return (
            absolute_name(zone) if zone else await enclosing_zone(setting.asker(), owner, listed, recurse=False)
        ), listed
    origin = absolute_name(zone) if zone else await enclosing_zone(setting.asker(), owner, finders, recurse=True)
    found = await discover(setting.asker(), origin, finders)
    if not found.endpoints:
        raise Unavailable(
            f"no authoritative server of {origin} was found",
            "; ".join(found.problems) + ".",
            ("give --bootstrap ADDRESS, or list them with --authoritative ADDRESS",),
        )
    return origin, found.endpoints


async def _round(lookup: LiveLookup, key: RRsetKey, wanted: tuple[str, ...], now: float) -> tuple[int, Any, float]:
    from dns_cutover.lookup.interface import Expectation
    from dns_cutover.records import RRset, SetEdit

    looked = await lookup.authoritative([key])
    answers = [v.rrsets.get(key) for v in looked.views if not v.problem]
    agreed = len({a.values if a else None for a in answers}) == 1 and len(answers) == len(looked.views)
    served = answers[0] if answers else None
    contradicted = agreed and bool(wanted) and (served is None or served.values != wanted)
    asked = None
    if agreed and not contradicted and served is not None:
        # Nobody said what was there before: everything else counts as old, and there is no bound.
        edit = SetEdit(key, RRset(served.ttl, ("",)), served)
        asked = await lookup.resolvers([Expectation(key, edit, now, float("inf"), served.ttl)])
    rows = asked.rows if asked is not None else ()
    behind = [r for r in rows if r.evidence.value in ("pending", "stale", "violator", "bogus")]
    converged = agreed and not contradicted and not behind and served is not None
    document = _document(key, looked, asked, converged, agreed)
    code = 3 if contradicted else 0 if converged else 75
    return code, document, asked.next_due if asked is not None else now + 2.0


def _document(
    key: RRsetKey, looked: AuthoritativeRound, asked: ResolverRound | None, converged: bool, agreed: bool
) -> dict[str, Any]:
    from dns_cutover.lookup.evidence import old_share_upper_bound
    from dns_cutover.report.words import utc

    rows = asked.rows if asked is not None else ()
    good = [r for r in rows if r.evidence.value in ("cold", "warm", "witnessed")]
    old = sum(r.evidence.value in ("pending", "stale", "violator") for r in rows)
    # Caches that our own question filled prove nothing about users.
    samples = sum(r.evidence.value in ("warm", "witnessed") for r in rows)
    return {
        "schema": "dns-cutover/check/1",
        "name": key.owner,
        "type": key.rdtype,
        "authoritative": [
            {
                "name": v.server.name,
                "address": str(v.server),
                "problem": v.problem,
                "serial": v.serial,
                "answer": _values(v.rrsets.get(key)),
                "ttl": _ttl(v.rrsets.get(key)),
            }
            for v in looked.views
        ],
        "agreed": agreed,
        "resolvers": [
            {
                "name": r.resolver.name,
                "address": str(r.resolver),
                "evidence": r.evidence.value,
                "answer": list(r.answer) if r.answer is not None else None,
                "ttl": r.ttl,
                "eta": utc(r.eta) if r.eta is not None else None,
                "detail": r.detail,
            }
            for r in rows
        ],
        "new": len(good),
        "converged": converged,
        "old_share_upper_bound": old_share_upper_bound(old, samples),
    }


def _values(rrset: RRset | None) -> list[str] | None:
    return list(rrset.values) if rrset is not None else None


def _ttl(rrset: RRset | None) -> int | None:
    return rrset.ttl if rrset is not None else None


def _shown(text: str) -> str:
    """Off a terminal, and on one that cannot show UTF-8, in ASCII."""
    from dns_cutover.report.stream import wants_ascii
    from dns_cutover.report.words import safe, to_ascii

    if sys.stdout.isatty() and not wants_ascii():
        return text
    return "".join(f"{safe(line, ascii_only=True)}\n" for line in to_ascii(text).splitlines())


def _text(d: dict[str, Any], code: int) -> str:
    from dns_cutover.report.words import safe

    word = {0: "CONVERGED", 3: "CONTRADICTED", 75: "CONVERGING"}[code]
    out = [f"{word:<14}{d['name']} {d['type']}"]
    for n, a in enumerate(d["authoritative"]):
        said = a["problem"] or (f"{', '.join(a['answer'])} · TTL {a['ttl']}" if a["answer"] else "absent")
        out.append(
            f"{'servers' if n == 0 else '':<14}{safe(a['name'])} {a['address']}  {safe(said)} · serial {a['serial']}"
        )
    rank = ["violator", "bogus", "stale", "error", "pending", "cold", "warm", "witnessed"]
    for n, r in enumerate(sorted(d["resolvers"], key=lambda r: rank.index(r["evidence"]))):
        said = ", ".join(r["answer"]) if r["answer"] else "absent" if r["evidence"] != "error" else ""
        ttl = f" · TTL {r['ttl']}" if r["ttl"] is not None else ""
        eta = f" · until {r['eta']}, no bound" if r["eta"] else ""
        note = f" · {safe(r['detail'])}" if r["detail"] else ""
        label = "resolvers" if n == 0 else ""
        out.append(f"{label:<14}{r['evidence']:<10}{safe(r['name'])} {r['address']}  {safe(said)}{ttl}{eta}{note}")
    if d["old_share_upper_bound"] is not None:
        out.append(
            f"{'':<14}at most {d['old_share_upper_bound']:.0%} of the caches sampled can still be old (95 % confidence)"
        )
    return "\n".join(out) + "\n"
