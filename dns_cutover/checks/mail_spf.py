"""DC50x: SPF, on the records that are live and on those that each stage leaves."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Check, Example, Spot, Subject, check
from dns_cutover.checks.mail_scope import Trouble, over_domains, over_time, plain, scope, told
from dns_cutover.mail.answers import Answers, Unlearned
from dns_cutover.mail.spf import MAX_LOOKUPS, MAX_VOIDS, InvalidSpf, SpfCost, parse_spf, spf_cost, spf_texts
from dns_cutover.mail.spf_verdict import SpfResult, spf_verdict

_OLD, _NEW, _BOTH = (
    "v=spf1 include:spf.old.test -all",
    "v=spf1 include:spf.new.test -all",
    "v=spf1 include:spf.old.test include:spf.new.test -all",
)
_LIVE = f'@ 3600 IN TXT "{_OLD}"\n'
_VENDORS = (
    'spf.old.test. 300 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
    'spf.new.test. 300 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"\n'
)


def _edit(remove: str, add: str, top: str = "") -> str:
    taken = f'remove: ["{remove}"], ' if remove else ""
    return f'{top}stages:\n  - name: overlap\n    changes:\n      - {{name: "@", type: TXT, {taken}add: ["{add}"]}}\n'


_GOOD = Example(_edit(_OLD, _BOTH), zone=_LIVE, elsewhere=_VENDORS)


def cost_at(domain: str, answers: Answers) -> SpfCost | None:
    """As `spf_cost`; None also where the domain's own record is not known."""
    try:
        return spf_cost(domain, answers)
    except Unlearned:
        return None


@check(
    "DC501",
    "error",
    "more or fewer SPF records than one",
    why="Receivers treat two SPF records as a permanent error: mail of both vendors fails.",
    hint="write one record with the mechanisms of both, and remove the other",
    source="RFC 7208 sections 3.2 and 4.5",
    fires=Example(_edit("", _NEW), zone=_LIVE, elsewhere=_VENDORS),
    silent=_GOOD,
)
def one_spf_record(subject: Subject) -> Iterator[Spot]:
    """The vendor's guide says "add this TXT record", and the domain has one already: with two of them SPF fails for
    everybody, whoever sends. A domain that the plan calls an envelope domain needs one at every stage; a stage that
    leaves none where there was one is told as well.
    """

    def look(answers: Answers, moment: int, domain: str) -> Trouble | None:
        count = len(spf_texts(answers(domain, "TXT")))
        if count > 1:
            return Trouble(f"{plain(domain)} has {count} SPF records")
        stated = subject.loaded.plan.mail is not None
        if count == 1 or (moment == 0 and not stated):
            return None
        # Whoever takes the last one away may mean it; who names senders does not.
        return Trouble(f"{plain(domain)} has no SPF record", "add one", None if stated else "warning")

    yield from over_domains(subject, scope(subject).envelope, look)


@check(
    "DC502",
    "error",
    "an SPF record that fails for everybody",
    why="A permanent error means that SPF does not pass, whoever sends.",
    hint="mend the term that the message names",
    source="RFC 7208 sections 4.6, 5.2 and 6.1",
    needs="live",
    fires=Example(
        _edit(_OLD, "v=spf1 include:spf.old.test include:spf.gone.test -all"), zone=_LIVE, elsewhere=_VENDORS
    ),
    silent=_GOOD,
)
def broken_spf(subject: Subject) -> Iterator[Spot]:
    """A syntax error anywhere, an include of a domain that has no SPF record, or a circle of includes makes receivers
    give up. What is included is read at its own authority, and what it includes as well.
    """

    def look(answers: Answers, _: int, domain: str) -> Trouble | None:
        cost = spf_cost(domain, answers)
        return (
            Trouble(f"SPF of {plain(domain)} fails: {plain(cost.broken[0])}")
            if cost is not None and cost.broken
            else None
        )

    yield from over_domains(subject, scope(subject).envelope, look)


@check(
    "DC503",
    "error",
    "SPF needs more than ten lookups",
    why="After the tenth lookup receivers give up with a permanent error, though addresses listed early still pass.",
    hint="drop an include that is not needed any more, or give a vendor an envelope domain of its own",
    source="RFC 7208 section 4.6.4",
    needs="live",
    fires=Example(
        _edit(_OLD, "v=spf1 " + " ".join(f"include:spf{n}.test" for n in range(6)) + " -all"),
        zone=_LIVE,
        elsewhere=_VENDORS
        + "".join(f'spf{n}.test. 300 IN TXT "v=spf1 a:mail.test mx:mail.test -all"\n' for n in range(6))
        + "mail.test. 300 IN A 192.0.2.1\nmail.test. 300 IN MX 10 mail.test.\n",
    ),
    silent=_GOOD,
)
def too_many_lookups(subject: Subject) -> Iterator[Spot]:
    """A record with two vendors is where the limit is met: each include brings its own. The worst case counts, over all
    includes: with eleven lookups mail from an address in the first include still passes, so that a test message shows
    nothing, and the others fail.
    """

    def look(answers: Answers, _: int, domain: str) -> Trouble | None:
        cost = spf_cost(domain, answers)
        if cost is None or cost.lookups <= MAX_LOOKUPS:
            return None
        dearest = sorted(cost.by, key=lambda entry: -entry[1])[:3]
        shares = ", ".join(f"{term} {count}" for term, count in dearest)
        return Trouble(f"SPF of {plain(domain)} needs {cost.lookups} lookups at worst ({shares})")

    yield from over_domains(subject, scope(subject).envelope, look)


@check(
    "DC504",
    "warning",
    "SPF asks for names that do not exist",
    why="Receivers give up after two lookups without an answer.",
    hint="remove the terms whose names are gone",
    source="RFC 7208 section 4.6.4",
    needs="live",
    fires=Example(
        _edit(_OLD, "v=spf1 a:x.test a:y.test a:z.test include:spf.old.test -all"), zone=_LIVE, elsewhere=_VENDORS
    ),
    silent=_GOOD,
)
def void_lookups(subject: Subject) -> Iterator[Spot]:
    """Terms whose names have no records are the rest of services that are gone. Two of them are allowed in one check;
    with a third one, mail from whoever stands behind them fails.
    """

    def look(answers: Answers, _: int, domain: str) -> Trouble | None:
        cost = spf_cost(domain, answers)
        if cost is None or len(cost.voids) <= MAX_VOIDS:
            return None
        some = ", ".join(map(plain, cost.voids[:3]))
        return Trouble(f"SPF of {plain(domain)} asks for {len(cost.voids)} names without records: {some}")

    yield from over_domains(subject, scope(subject).envelope, look)


@check(
    "DC505",
    "error",
    "SPF that permits everybody",
    why="With +all anybody may send in the domain's name, and pass.",
    hint="write -all or ~all",
    source="RFC 7208 sections 5.1 and 11.3",
    fires=Example(_edit(_OLD, "v=spf1 include:spf.old.test +all"), zone=_LIVE, elsewhere=_VENDORS),
    silent=_GOOD,
)
def permits_everybody(subject: Subject) -> Iterator[Spot]:
    """It is written in the hurry of a move, "until it works", and stays. An include that permits everybody does the
    same.
    """

    def look(answers: Answers, _: int, domain: str) -> Trouble | None:
        cost = spf_cost(domain, answers)
        return Trouble(f"SPF of {plain(domain)} permits everybody") if cost is not None and cost.permits_all else None

    yield from over_domains(subject, scope(subject).envelope, look)


@check(
    "DC506",
    "warning",
    "SPF uses ptr",
    why="It is slow, and several large receivers do not follow it.",
    hint="name the networks, or include the vendor's record",
    source="RFC 7208 section 5.5",
    fires=Example(_edit(_OLD, "v=spf1 ptr:old.test include:spf.old.test -all"), zone=_LIVE, elsewhere=_VENDORS),
    silent=_GOOD,
)
def uses_ptr(subject: Subject) -> Iterator[Spot]:
    """The standard says that the mechanism should not be published: it makes receivers ask for the names of every
    sending address.
    """

    def look(answers: Answers, _: int, domain: str) -> Trouble | None:
        cost = cost_at(domain, answers)
        return Trouble(f"SPF of {plain(domain)} uses ptr") if cost is not None and cost.uses_ptr else None

    yield from over_domains(subject, scope(subject).envelope, look)


_SENDERS = 'mail:\n  senders: ["192.0.2.7", {address: 198.51.100.7, after: overlap}]\n'


@check(
    "DC507",
    "error",
    "a sending address does not pass SPF",
    why="Receivers that enforce DMARC reject or hide what it sends.",
    hint="include the vendor's SPF record before it sends, and keep the old one until it does not send any more",
    source="RFC 7208 section 4; the plan's mail.senders",
    needs="live",
    fires=Example(_edit(_OLD, _NEW, _SENDERS), zone=_LIVE, elsewhere=_VENDORS),
    silent=Example(_edit(_OLD, _BOTH, _SENDERS), zone=_LIVE, elsewhere=_VENDORS),
)
def sender_does_not_pass(subject: Subject) -> Iterator[Spot]:
    """Each address that the plan names under mail.senders is judged as a receiver judges it, after every stage between
    its `after` and its `until`: during the overlap of two vendors both of them must pass.
    """
    for sender in scope(subject).senders:
        for domain in sender.domains:

            def look(
                answers: Answers, moment: int, domain: str = domain, address: str = sender.address
            ) -> Trouble | None:
                if moment not in sender.span:  # noqa: B023 - used up before the next sender
                    return None
                verdict = spf_verdict(address, domain, answers)
                if verdict.result is SpfResult.PASS:
                    return None
                return Trouble(f"mail of {plain(domain)} from {address} gets SPF {verdict.result} ({verdict.why})")

            yield from (told(subject, m, t, (domain,), sender.path) for m, t in over_time(subject, look))


@check(
    "DC508",
    "warning",
    "one vendor's SPF is replaced by another's in one step",
    why="Mail that the old vendor still has in its queues, or sends until everybody has the new record, fails.",
    hint="add the new include in one stage, and remove the old one in a later stage, after a wait",
    source="RFC 7208 section 3; RFC 5321 section 4.5.4.1 (retries for 4 to 5 days)",
    fires=Example(_edit(_OLD, _NEW), zone=_LIVE, elsewhere=_VENDORS),
    silent=_GOOD,
)
def swapped(subject: Subject) -> Iterator[Spot]:
    """For as long as caches hold the old record the new vendor is not in it, and once they have the new one the old
    vendor is out: some receiver always refuses one of the two. Both belong into the record for as long as both send.
    """
    for c in subject.changes:
        before, after = subject.before(c), subject.after(c)
        if c.key.rdtype != "TXT" or not isinstance(before, tuple) or not isinstance(after, tuple):
            continue
        old, new = _included(before), _included(after)
        if old is None or new is None or not old - new or not new - old:
            continue
        gone, come = sorted(old - new)[0], sorted(new - old)[0]
        yield c.spot(f"SPF loses {gone} in the same step in which it gets {come}")


def _included(values: tuple[str, ...]) -> frozenset[str] | None:
    """The domains that the one SPF record hands on to; None where there is not one that can be read."""
    found = spf_texts(values)
    try:
        record = parse_spf(found[0]) if len(found) == 1 else None
    except InvalidSpf:
        return None
    if record is None:
        return None
    names = {m.domain.lower() for m in record.mechanisms if m.kind == "include"}
    return frozenset(names | ({record.redirect.lower()} if record.redirect else set()))


CHECKS: tuple[Check, ...] = (
    one_spf_record,
    broken_spf,
    too_many_lookups,
    void_lookups,
    permits_everybody,
    uses_ptr,
    sender_does_not_pass,
    swapped,
)
