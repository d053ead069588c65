"""The templates of first plans: which records each is for, what it asks, and what it makes of the answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit, is_host
from dns_cutover.records import absolute_name, canonical_rdata, quote_text

ADDRESSES = ("A", "AAAA")
_DOCUMENTATION = {"A": "192.0.2.20", "AAAA": "2001:db8::20"}
_EXAMPLES = _DOCUMENTATION | {"MX": "10 mx.new.example.", "TXT": "some text", "CNAME": "new.example.net."}
# What may stand where a CNAME goes: it is replaced in the same message.
_REPLACED = frozenset({"A", "AAAA", "HTTPS", "SVCB", "CNAME"})
DEFAULT_TTL = 300


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
    """

    name: str
    summary: str
    choose: Callable[[Found], tuple[Record, ...]]
    ask: Callable[[Found, Sequence[Record]], tuple[Question, ...]]
    fill: Callable[[Found, Sequence[Record], Answers], Filled]
    looks: tuple[str, ...] = ("www",)


def plan_values(rdtype: str, values: Iterable[str]) -> tuple[str, ...]:
    """Canonical RDATA as one writes it in a plan: TXT as text where that says the same."""
    return tuple(_text(v) if rdtype in ("TXT", "SPF") else v for v in values)


def _text(rdata: str) -> str:
    from dns_cutover.records.rdata import parse_rdata

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


def _there(found: Found, owners: Iterable[str], types: Iterable[str]) -> tuple[Record, ...]:
    return tuple((o, t) for t in types for o in owners if (o, t) in found.rrsets)


def _places(found: Found) -> tuple[str, str]:
    return found.zone, absolute_name("www", found.zone)


def _same_first(found: Found, records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """Records of one type with the same data and TTL are one change with several names."""
    groups: dict[tuple[str, object], list[str]] = {}
    for owner, rdtype in records:
        groups.setdefault((rdtype, found.rrsets.get((owner, rdtype))), []).append(owner)
    return [(rdtype, owners) for (rdtype, _), owners in groups.items()]


def _notes(found: Found, owner: str, rdtype: str) -> tuple[str, ...]:
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
    for rdtype, owners in _same_first(found, records):
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
                    _notes(found, names[0], rdtype),
                )
            )
    return tuple(out)


def _no_aliases(found: Found, records: Sequence[Record]) -> None:
    for owner, rdtype in records:
        alias = found.rrsets.get((owner, "CNAME"))
        if rdtype != "CNAME" and alias is not None:
            shown = found.shown(owner)
            raise Unfit(
                f"{shown} is an alias of {alias.values[0]}: it has no {rdtype} of its own",
                f"move what it points to, or the alias itself: --template cdn-cname --record {shown}/CNAME",
            )


# web, web-blue-green


def _web_records(found: Found) -> tuple[Record, ...]:
    return _there(found, _places(found), ADDRESSES)


def _web_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("neither the zone's apex nor www has an address", "name what moves: --record NAME/A")
    if bad := next((f"{found.shown(o)}/{t}" for o, t in records if t not in ADDRESSES), None):
        raise Unfit(f"{bad}: this template moves addresses", "for other types: --template generic")
    _no_aliases(found, records)
    names = {t: ", ".join(found.shown(o) for o, kind in records if kind == t) for t in ADDRESSES}
    asked = {"A": ("new_v4", "IPv4"), "AAAA": ("new_v6", "IPv6")}
    return tuple(
        Question(
            asked[t][0],
            f"the new {asked[t][1]} address of {names[t]} (absent: none)",
            _DOCUMENTATION[t],
            "rdata",
            t,
            absent=True,
        )
        for t in ADDRESSES
        if names[t]
    )


def _web(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    new = {"A": answers.get("new_v4", ()), "AAAA": answers.get("new_v6", ())}
    owners = list(dict.fromkeys(o for o, _ in records))
    named = next((o for o in owners if is_host(o)), None)
    left = tuple(found.shown(o) for o in owners for t in ADDRESSES if (o, t) not in records and (o, t) in found.rrsets)
    return {
        "changes": entries(found, records, lambda record: new[record[1]]),
        "url": f"https://{host(named)}/" if named is not None else None,
        "new": _first_address(new),
        "old": _first_address(
            {
                t: found.rrsets[named or owners[0], t].values
                for t in ADDRESSES
                if (named or owners[0], t) in found.rrsets
            }
        ),
        "left": left,
        "names": tuple(found.shown(o) for o in owners),
    }


def _first_address(by_type: Mapping[str, Sequence[str]]) -> str | None:
    return next((v for t in ADDRESSES for v in by_type.get(t, ()) if v != "absent"), None)


def _blue_green_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    green = Question(
        "green",
        "a free name for trying the new side before anybody is sent there",
        "green",
        "name",
        default=("green",),
        prompt=False,
    )
    return (*_web_questions(found, records), green)


def _blue_green(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    filled = _web(found, records, answers)
    owner = answers["green"][0]
    if found.types_at(owner) or owner in {o for o, _ in records}:
        raise Unfit(f"{found.shown(owner)} is there already", "name a free one: --set green=NAME")
    new = {"A": answers.get("new_v4", ()), "AAAA": answers.get("new_v6", ())}
    kinds = [t for t in ADDRESSES if new[t] and new[t] != ("absent",)]
    if not kinds:
        raise Unfit("the new side has no address", "give --set new_v4=ADDRESS or --set new_v6=ADDRESS")
    name = found.shown(owner)
    create = [
        Entry((name,), t, "absent", new[t], DEFAULT_TTL, _notes(found, owner, t) if t == kinds[0] else ())
        for t in kinds
    ]
    remove = [Entry((name,), t, new[t], "absent") for t in kinds]
    return filled | {"canary": tuple(create), "tidy": tuple(remove), "green": name}


# mx


def _mx_records(found: Found) -> tuple[Record, ...]:
    return _there(found, (found.zone,), ("MX",))


def _mx_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("the zone's apex has no MX", "name what moves: --record NAME/MX")
    if bad := next((f"{found.shown(o)}/{t}" for o, t in records if t != "MX"), None):
        raise Unfit(f"{bad}: this template moves MX", "for other types: --template generic")
    _no_aliases(found, records)
    names = ", ".join(found.shown(o) for o, _ in records)
    return (Question("new_mx", f"the new MX of {names}: preference and host", "10 mx.new.example.", "rdata", "MX"),)


def _mx(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    new = answers["new_mx"]
    old = [v for r in records if r in found.rrsets for v in found.rrsets[r].values]
    return {
        "changes": entries(found, records, lambda _: new),
        "names": tuple(found.shown(o) for o, _ in records),
        "new_hosts": _mail_hosts(new),
        "old_hosts": _mail_hosts(v for v in old if v not in new),
    }


def _mail_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Hosts that mail can be sent to, the most preferred first; the null MX (RFC 7505) has none."""
    ordered = sorted(values, key=lambda v: (int(v.split()[0]), v))
    return tuple(dict.fromkeys(host(v.split()[1]) for v in ordered if is_host(v.split()[1])))


# cdn-cname


def _cdn_records(found: Found) -> tuple[Record, ...]:
    return ((absolute_name("www", found.zone), "CNAME"),)


def _cdn_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if len(records) != 1 or records[0][1] != "CNAME":
        raise Unfit("this template is for one name", "name it: --record www/CNAME")
    owner = records[0][0]
    if owner == found.zone:
        raise Unfit("the zone's apex cannot be an alias: SOA and NS stand there", "name another: --record www/CNAME")
    if other := sorted(set(found.types_at(owner)) - _REPLACED):
        raise Unfit(
            f"{found.shown(owner)} has {', '.join(other)}, which an alias cannot stand beside",
            "move that to another name first, or choose another name: --record NAME/CNAME",
        )
    asks = f"the name that the CDN gave you for {found.shown(owner)}"
    return (Question("target", asks, "shop.cdn.example.", "rdata", "CNAME"),)


def _cdn(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    owner = records[0][0]
    there = found.types_at(owner)
    goes = [(owner, t) for t in sorted(there) if t != "CNAME"]
    alias = entries(found, [(owner, "CNAME")], lambda _: answers["target"])
    ttl = max((r.ttl for r in there.values()), default=DEFAULT_TTL) if "CNAME" not in there else None
    final = tuple(Entry(e.names, e.rdtype, e.before, e.after, ttl, e.notes) for e in alias)
    return {
        "changes": (*entries(found, goes, lambda _: ("absent",)), *final),
        "replaced": tuple(t for _, t in goes),
        "name": found.shown(owner),
        "url": f"https://{host(owner)}/" if is_host(owner) else None,
        "old": _first_address({t: there[t].values for t in ADDRESSES if t in there}),
    }


# ttl-only


def _common_records(found: Found) -> tuple[Record, ...]:
    return _there(found, _places(found), ("A", "AAAA", "MX"))


def _ttl_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("neither the zone's apex nor www has A, AAAA or MX", "name records: --record NAME/TYPE")
    if gone := next((f"{found.shown(o)}/{t}" for o, t in records if (o, t) not in found.rrsets), None):
        raise Unfit(f"{gone} is not there", "name records that are: --record NAME/TYPE")
    return (Question("ttl", "the new TTL", "300", "ttl", default=(str(DEFAULT_TTL),)),)


def _ttl_only(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    ttl = int(answers["ttl"][0])
    changed = [r for r in records if found.rrsets[r].ttl != ttl]
    if not changed:
        raise Unfit(f"all of them have the TTL {ttl} already", "give another: --set ttl=SECONDS")
    out = []
    for rdtype, owners in _same_first(found, changed):
        names = tuple(found.shown(o) for o in owners)
        out.append(Entry(names, rdtype, None, None, ttl, _notes(found, owners[0], rdtype)))
    return {"changes": tuple(out), "ttl": span(ttl)}


# create-name, generic


def _value_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    return tuple(
        Question(
            f"{found.shown(o)}/{t}",
            f"the new {t} of {found.shown(o)}{' (absent: it goes)' if (o, t) in found.rrsets else ''}",
            _EXAMPLES.get(t, "RDATA as in a zone file"),
            "rdata",
            t,
            absent=(o, t) in found.rrsets,
        )
        for o, t in records
    )


def _create_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("which name is created is not said", "name it: --record NAME/TYPE")
    for owner, rdtype in records:
        there = found.types_at(owner)
        if rdtype in there:
            shown = f"{found.shown(owner)}/{rdtype}"
            raise Unfit(f"{shown} is there already", f"to change it: --template generic --record {shown}")
        _beside(found, owner, rdtype, there)
    return (
        *_value_questions(found, records),
        Question("ttl", "the TTL", "300", "ttl", default=(str(DEFAULT_TTL),), prompt=False),
    )


def _beside(found: Found, owner: str, rdtype: str, there: Iterable[str]) -> None:
    """An alias stands alone (RFC 1034 section 3.6.2)."""
    others = set(there) - {rdtype}
    if ("CNAME" in others) or (rdtype == "CNAME" and (others or owner == found.zone)):
        what = ", ".join(sorted(others)) or "SOA and NS"
        raise Unfit(
            f"{found.shown(owner)} has {what}: an alias and other data cannot stand at one name",
            "to replace one by the other: --template cdn-cname --record NAME/CNAME",
        )


def _create(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    filled = _generic(found, records, answers)
    ttl = int(answers["ttl"][0])
    filled["changes"] = tuple(Entry(e.names, e.rdtype, e.before, e.after, ttl, e.notes) for e in filled["changes"])
    existing = any(found.types_at(o) for o, _ in records)
    return filled | {"negative": span(negative_ttl(found)), "existing": existing}


def _generic_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("neither the zone's apex nor www has A, AAAA or MX", "name records: --record NAME/TYPE")
    for owner, rdtype in records:
        if (owner, rdtype) not in found.rrsets:
            _beside(found, owner, rdtype, found.types_at(owner))
    return _value_questions(found, records)


def _generic(found: Found, records: Sequence[Record], answers: Answers) -> Filled:
    changes = entries(found, records, lambda record: answers[f"{found.shown(record[0])}/{record[1]}"])
    return {"changes": changes, "names": tuple(dict.fromkeys(found.shown(o) for o, _ in records))}


TEMPLATES = (
    Template(
        "generic", "any records, from what they are to what you say", _common_records, _generic_questions, _generic
    ),
    Template("web", "a website's addresses move", _web_records, _web_questions, _web),
    Template(
        "web-blue-green",
        "the same, with a name of its own for trying the new side first",
        _web_records,
        _blue_green_questions,
        _blue_green,
        ("www", "green"),
    ),
    Template("mx", "a domain's mail goes to other hosts", _mx_records, _mx_questions, _mx, ()),
    Template("cdn-cname", "a name becomes an alias of what a CDN gave you", _cdn_records, _cdn_questions, _cdn),
    Template("ttl-only", "TTLs change, and nothing else does", _common_records, _ttl_questions, _ttl_only),
    Template("create-name", "names that are not there yet", lambda _: (), _create_questions, _create, ()),
)
