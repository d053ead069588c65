"""All templates of first plans, and those for mail, TTLs, new names and anything else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dns_cutover.plan.entries import (
    DEFAULT_TTL,
    Entry,
    Filled,
    Template,
    alike,
    entries,
    host,
    negative_ttl,
    no_aliases,
    notes_on,
    places,
    span,
    there,
)
from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit, is_host
from dns_cutover.plan.template_mail import mail_templates
from dns_cutover.plan.template_web import WEB_TEMPLATES

_EXAMPLES = {
    "A": "192.0.2.20",
    "AAAA": "2001:db8::20",
    "MX": "10 mx.new.example.",
    "TXT": "some text",
    "CNAME": "new.example.net.",
}


# mx


def _mx_records(found: Found) -> tuple[Record, ...]:
    return there(found, (found.zone,), ("MX",))


def _mx_questions(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    if not records:
        raise Unfit("the zone's apex has no MX", "name what moves: --record NAME/MX")
    if bad := next((f"{found.shown(o)}/{t}" for o, t in records if t != "MX"), None):
        raise Unfit(f"{bad}: this template moves MX", "for other types: --template generic")
    no_aliases(found, records)
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


# ttl-only


def _common_records(found: Found) -> tuple[Record, ...]:
    return there(found, places(found), ("A", "AAAA", "MX"))


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
    for rdtype, owners in alike(found, changed):
        names = tuple(found.shown(o) for o in owners)
        out.append(Entry(names, rdtype, None, None, ttl, notes_on(found, owners[0], rdtype)))
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
        live = found.types_at(owner)
        if rdtype in live:
            shown = f"{found.shown(owner)}/{rdtype}"
            raise Unfit(f"{shown} is there already", f"to change it: --template generic --record {shown}")
        _beside(found, owner, rdtype, live)
    return (
        *_value_questions(found, records),
        Question("ttl", "the TTL", "300", "ttl", default=(str(DEFAULT_TTL),), prompt=False),
    )


def _beside(found: Found, owner: str, rdtype: str, live: Iterable[str]) -> None:
    """An alias stands alone (RFC 1034 section 3.6.2)."""
    others = set(live) - {rdtype}
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
    *WEB_TEMPLATES,
    Template("mx", "a domain's mail goes to other hosts", _mx_records, _mx_questions, _mx, ()),
    *mail_templates(),
    Template("ttl-only", "TTLs change, and nothing else does", _common_records, _ttl_questions, _ttl_only),
    Template("create-name", "names that are not there yet", lambda _: (), _create_questions, _create, ()),
)
