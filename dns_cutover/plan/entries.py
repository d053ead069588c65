"""Changes of a first plan as values, and what their comments say about what is live. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit
from dns_cutover.records import absolute_name, canonical_rdata, quote_text
from dns_cutover.records.rdata import parse_rdata

DEFAULT_TTL = 300  # seconds, of what is created


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a stage. `before` and `after`: values as a plan writes them, or "absent"; None: the TTL alone."""

    names: tuple[str, ...]
    rdtype: str
    before: Literal["absent"] | tuple[str, ...] | None
    after: Literal["absent"] | tuple[str, ...] | None
    ttl: int | None = None
    notes: tuple[str, ...] = ()


Filled: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """One template. `choose` picks records where none are named, `ask` says what cannot be known of them, `fill` gives
    what the text needs; both raise Unfit. `looks` are names (as written in a plan) to look at beside the records'.
    `file` names the text where several templates share one.
    """

    name: str
    summary: str
    choose: Callable[[Found], tuple[Record, ...]]
    ask: Callable[[Found, Sequence[Record]], tuple[Question, ...]]
    fill: Callable[[Found, Sequence[Record], Answers], Filled]
    looks: tuple[str, ...] = ("www",)
    file: str = ""


def plan_values(rdtype: str, values: Iterable[str]) -> tuple[str, ...]:
    """Canonical RDATA as one writes it in a plan: TXT as text where that says the same."""
    return tuple(_text(v) if rdtype in ("TXT", "SPF") else v for v in values)


def _text(rdata: str) -> str:
    try:
        text = b"".join(getattr(parse_rdata("TXT", rdata), "strings", ())).decode()
    except UnicodeDecodeError:
        return rdata
    readable = text != "" and text.isprintable() and not text.startswith('"')
    return text if readable and canonical_rdata("TXT", quote_text(text)) == rdata else rdata


def span(seconds: int) -> str:
    """`3600 s (1 hour)`."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return f"{seconds} s ({count} {unit}{'s' if count != 1 else ''})"
    return f"{seconds} s"


def negative_ttl(found: Found) -> int:
    """N of RFC 2308 section 5, in seconds."""
    return min(found.soa.ttl, int(found.soa.values[0].split()[6]))


def host(owner: str) -> str:
    """A name without its final dot."""
    return owner.rstrip(".")


def there(found: Found, owners: Iterable[str], types: Iterable[str]) -> tuple[Record, ...]:
    """Those that are there, one type after the other."""
    return tuple((o, t) for t in types for o in owners if (o, t) in found.rrsets)


def places(found: Found) -> tuple[str, str]:
    """Where people look first: the apex and www."""
    return found.zone, absolute_name("www", found.zone)


def alike(found: Found, records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """Records of one type with the same data and TTL are one change with several names."""
    groups: dict[tuple[str, object], list[str]] = {}
    for owner, rdtype in records:
        groups.setdefault((rdtype, found.rrsets.get((owner, rdtype))), []).append(owner)
    return [(rdtype, owners) for (rdtype, _), owners in groups.items()]


def notes_on(found: Found, owner: str, rdtype: str) -> tuple[str, ...]:
    """What is known of one RRset, for a comment."""
    rrset = found.rrsets.get((owner, rdtype))
    if rrset is not None:
        return (f"TTL now: {span(rrset.ttl)}.",)
    if (star := found.wildcards.get(owner)) is not None:
        shown = found.shown(star)
        return (f"The wildcard {shown} answers for this name today; the name's own records take its place.",)
    return (f"Not there today. A cache that was asked for it may say so for {span(negative_ttl(found))} more.",)


def entries(found: Found, records: Sequence[Record], after: Callable[[Record], tuple[str, ...]]) -> tuple[Entry, ...]:
    """Whole-set changes from what is live to `after` (canonical RDATA, or ("absent",)). Raises Unfit."""
    out = []
    for rdtype, owners in alike(found, records):
        by_after: dict[tuple[str, ...], list[str]] = {}
        for owner in owners:
            by_after.setdefault(after((owner, rdtype)), []).append(owner)
        for new, names in by_after.items():
            live = found.rrsets.get((names[0], rdtype))
            shown = tuple(found.shown(n) for n in names)
            if (live.values if live is not None else ("absent",)) == new:
                raise Unfit(f"{shown[0]} {rdtype} is {', '.join(new)} already", "give other data, or leave it out")
            out.append(
                Entry(
                    shown,
                    rdtype,
                    plan_values(rdtype, live.values) if live is not None else "absent",
                    "absent" if new == ("absent",) else plan_values(rdtype, new),
                    None,
                    notes_on(found, names[0], rdtype),
                )
            )
    return tuple(out)


def no_aliases(found: Found, records: Sequence[Record]) -> None:
    """An alias has no data of its own to move. Raises Unfit."""
    for owner, rdtype in records:
        alias = found.rrsets.get((owner, "CNAME"))
        if rdtype != "CNAME" and alias is not None:
            shown = found.shown(owner)
            raise Unfit(
                f"{shown} is an alias of {alias.values[0]}: it has no {rdtype} of its own",
                f"move what it points to, or the alias itself: --template cdn-cname --record {shown}/CNAME",
            )
