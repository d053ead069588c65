"""Templates of first plans that bring a domain's mail to a vendor: overlap, switch, and the old vendor's end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dns_cutover.mail.answers import texts
from dns_cutover.mail.spf import InvalidSpf, parse_spf, spf_texts
from dns_cutover.plan.entries import DEFAULT_TTL, Entry, Filled, Template, host, notes_on, plan_values
from dns_cutover.plan.expand import rdata_value
from dns_cutover.plan.mail_vendors import ALL_NAMES, VENDORS, Published, Vendor, vendor_named
from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit
from dns_cutover.records import InvalidName, InvalidRdata, absolute_name

NOBODY = "none"
_KEY = "._domainkey"
_ALLOWED = ", ".join(v.name for v in VENDORS)


@dataclass(frozen=True, slots=True)
class SpfEdit:
    """One SPF record by value: what goes and what comes. Empty `remove`: there was none."""

    remove: str
    add: str
    notes: tuple[str, ...] = ()


def mail_templates() -> tuple[Template, ...]:
    """One template for each vendor that mail can go to."""
    return tuple(_template(v) for v in VENDORS)


def _template(vendor: Vendor) -> Template:
    what = "a domain's mail goes to" if vendor.mx is not None else "a domain's mail is sent by"
    return Template(
        vendor.name,
        f"{what} {vendor.title}; --from NAME for the vendor that it leaves",
        lambda found: ((found.zone, "MX"),) if vendor.mx is not None else ((found.zone, "TXT"),),
        _ask(vendor),
        lambda found, _, answers: _fill(vendor, found, answers),
        ALL_NAMES,
        "mail-vendor",
    )


def _ask(vendor: Vendor) -> Callable[[Found, Sequence[Record]], tuple[Question, ...]]:
    def ask(found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
        if any(owner != found.zone for owner, _ in records):
            raise Unfit("this template is for the zone's own mail", "leave --record out")
        sender = Question(
            "from", f"the vendor that the mail leaves: {_ALLOWED}, or {NOBODY}", NOBODY, default=(NOBODY,)
        )
        return (*vendor.ask, sender)

    return ask


def _fill(vendor: Vendor, found: Found, answers: Answers) -> Filled:
    old = _old(answers["from"][0], vendor)
    domain = host(found.zone)
    publish = _publish(vendor, found, answers, domain)
    overlap_spf = _with(found, vendor.include) if vendor.include else None
    mx = vendor.mx(answers, domain) if vendor.mx is not None else ()
    live_mx = found.rrsets.get((found.zone, "MX"))
    switch: tuple[Entry, ...] = ()
    if mx:
        wanted = tuple(sorted(_canonical(found, "MX", v) for v in mx))
        before: Literal["absent"] | tuple[str, ...] = (
            plan_values("MX", live_mx.values) if live_mx is not None else "absent"
        )
        if before == wanted:
            raise Unfit(f"the MX of {domain} is {vendor.title}'s already", "for other records: --template generic")
        switch = (Entry(("@",), "MX", before, wanted, None, notes_on(found, found.zone, "MX")),)
    retire = _retire(old, found, {n for e in publish for n in e.names}) if old is not None else ()
    left = _without(overlap_spf.add if overlap_spf is not None else _own_spf(found), old.include) if old else None
    keep = [v.split()[1] for v in (live_mx.values if live_mx is not None else ()) if v.split()[1] != "."]
    return {
        "canary": publish,
        "changes": switch,
        "tidy": retire,
        "overlap_spf": overlap_spf,
        "retire_spf": left,
        "vendor": vendor.title,
        "old": old.title if old is not None else None,
        "selectors": vendor.selectors(answers),
        "old_selectors": tuple(n[: -len(_KEY)] for e in retire for n in e.names if n.endswith(_KEY)),
        "new_hosts": tuple(host(v.split()[1]) for v in mx),
        "old_hosts": tuple(dict.fromkeys(host(h) for h in keep)) if switch else (),
    }


def _old(name: str, vendor: Vendor) -> Vendor | None:
    if name == NOBODY:
        return None
    try:
        old = vendor_named(name)
    except KeyError:
        raise Unfit(f"{name!r} is no vendor that is known", f"one of {_ALLOWED}, or {NOBODY}") from None
    if old is vendor:
        raise Unfit("the mail leaves the vendor that it goes to", "another account there needs selectors of its own")
    return old


def _canonical(found: Found, rdtype: str, value: str) -> str:
    try:
        return rdata_value(rdtype, value, found.zone)
    except (InvalidRdata, InvalidName) as exc:
        raise Unfit(f"{value!r} is no {rdtype} data: {exc}", "look at the vendor's page for the account") from None


def _publish(vendor: Vendor, found: Found, answers: Answers, domain: str) -> tuple[Entry, ...]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, rdtype, value in _published(vendor, answers, domain):
        try:
            owner = absolute_name(name, found.zone)
        except InvalidName as exc:
            raise Unfit(f"{name!r} is no name: {exc}", "look at the vendor's page for the account") from None
        grouped.setdefault((owner, rdtype), []).append(_canonical(found, rdtype, value))
    out: list[Entry] = []
    for (owner, rdtype), values in grouped.items():
        live = found.types_at(owner)
        if rdtype in live and live[rdtype].values == tuple(sorted(values)):
            continue  # it is there already
        if live:
            raise Unfit(
                f"{found.shown(owner)} has {', '.join(sorted(live))} already",
                "a name that is in use must not get another meaning: ask the vendor for another one",
            )
        notes = notes_on(found, owner, rdtype) if not out else ()
        out.append(
            Entry((found.shown(owner),), rdtype, "absent", plan_values(rdtype, sorted(values)), DEFAULT_TTL, notes)
        )
    return tuple(out)


def _published(vendor: Vendor, answers: Answers, domain: str) -> Iterable[Published]:
    return vendor.publish(answers, domain)


def _own_spf(found: Found) -> str:
    """The zone's own SPF record as text; empty if there is none. Raises Unfit."""
    rrset = found.rrsets.get((found.zone, "TXT"))
    records = spf_texts(rrset.values) if rrset is not None else ()
    if len(records) > 1:
        raise Unfit(f"{host(found.zone)} has {len(records)} SPF records", "leave one of them first")
    for text in records:
        try:
            parse_spf(text)
        except InvalidSpf as exc:
            raise Unfit(f"the SPF record of {host(found.zone)} is broken: {exc}", "mend it first") from None
    return records[0] if records else ""


def _with(found: Found, include: str) -> SpfEdit | None:
    """The record with one include more, before what ends it; None where it is there already."""
    text = _own_spf(found)
    if not text:
        return SpfEdit("", f"v=spf1 include:{include} ~all", ("There is no SPF record today.",))
    terms = text.split()
    if f"include:{include}" in (t.lower().lstrip("+") for t in terms):
        return None
    at = next((n for n, t in enumerate(terms) if _ends(t)), len(terms))
    new = " ".join((*terms[:at], f"include:{include}", *terms[at:]))
    rrset = found.rrsets[found.zone, "TXT"]
    exact = next(t for t in texts(rrset.values) if t == text)
    return SpfEdit(exact, new, notes_on(found, found.zone, "TXT"))


def _ends(term: str) -> bool:
    return term.lower().lstrip("+-~?") == "all" or term.lower().startswith("redirect=")


def _without(text: str, include: str) -> SpfEdit | None:
    """The record without an include; None where it is not there."""
    terms = text.split()
    kept = [t for t in terms if t.lower().lstrip("+") != f"include:{include}"]
    return SpfEdit(text, " ".join(kept)) if include and len(kept) < len(terms) else None


def _retire(old: Vendor, found: Found, new: set[str]) -> tuple[Entry, ...]:
    """The old vendor's records that are there: at its names, with values that point to it."""
    out: list[Entry] = []
    for name in old.names:
        owner = absolute_name(name, found.zone)
        for rdtype, rrset in sorted(found.types_at(owner).items()):
            known = rdtype in ("CNAME", "MX") and all(v.endswith(old.targets) for v in rrset.values)
            if (known or (rdtype == "TXT" and name.endswith("._domainkey"))) and name not in new:
                out.append(Entry((name,), rdtype, plan_values(rdtype, rrset.values), "absent"))
    if out:
        out[0] = replace(out[0], notes=("Only what points to the vendor; look for names of your account as well.",))
    return tuple(out)
