"""Templates of first plans for websites: other addresses, blue and green, an alias of a CDN. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dns_cutover.plan.entries import (
    DEFAULT_TTL,
    Entry,
    Filled,
    Template,
    entries,
    host,
    no_aliases,
    notes_on,
    places,
    there,
)
from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit, is_host
from dns_cutover.records import absolute_name

ADDRESSES = ("A", "AAAA")
_EXAMPLES = {"A": "192.0.2.20", "AAAA": "2001:db8::20"}
# What may stand where a CNAME goes: it is replaced in the same message.
_REPLACED = frozenset({"A", "AAAA", "HTTPS", "SVCB", "CNAME"})


# web, web-blue-green


def _web_records(found: Found) -> tuple[Record, ...]:
    return there(found, places(found), ADDRESSES)


def _web_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("neither the zone's apex nor www has an address", "name what moves: --record NAME/A")
    if bad := next((f"{found.shown(o)}/{t}" for o, t in records if t not in ADDRESSES), None):
        raise Unfit(f"{bad}: this template moves addresses", "for other types: --template generic")
    no_aliases(found, records)
    names = {t: ", ".join(found.shown(o) for o, kind in records if kind == t) for t in ADDRESSES}
    asked = {"A": ("new_v4", "IPv4"), "AAAA": ("new_v6", "IPv6")}
    return tuple(
        Question(
            asked[t][0],
            f"the new {asked[t][1]} address of {names[t]} (absent: none)",
            _EXAMPLES[t],
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
        Entry((name,), t, "absent", new[t], DEFAULT_TTL, notes_on(found, owner, t) if t == kinds[0] else ())
        for t in kinds
    ]
    remove = [Entry((name,), t, new[t], "absent") for t in kinds]
    return filled | {"canary": tuple(create), "tidy": tuple(remove), "green": name}


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
    live = found.types_at(owner)
    goes = [(owner, t) for t in sorted(live) if t != "CNAME"]
    alias = entries(found, [(owner, "CNAME")], lambda _: answers["target"])
    ttl = max((r.ttl for r in live.values()), default=DEFAULT_TTL) if "CNAME" not in live else None
    final = tuple(Entry(e.names, e.rdtype, e.before, e.after, ttl, e.notes) for e in alias)
    return {
        "changes": (*entries(found, goes, lambda _: ("absent",)), *final),
        "replaced": tuple(t for _, t in goes),
        "name": found.shown(owner),
        "url": f"https://{host(owner)}/" if is_host(owner) else None,
        "old": _first_address({t: live[t].values for t in ADDRESSES if t in live}),
    }


WEB_TEMPLATES = (
    Template("web", "a website's addresses move", _web_records, _web_questions, _web),
    Template(
        "web-blue-green",
        "the same, with a name of its own for trying the new side first",
        _web_records,
        _blue_green_questions,
        _blue_green,
        ("www", "green"),
    ),
    Template("cdn-cname", "a name becomes an alias of what a CDN gave you", _cdn_records, _cdn_questions, _cdn),
)
