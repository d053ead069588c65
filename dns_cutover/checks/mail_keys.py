"""DC51x and DC52x: DKIM keys and DMARC, on the records that are live and on those that each stage leaves."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Check, Example, Spot, Subject, check
from dns_cutover.checks.mail_scope import Trouble, answers, over_domains, over_time, plain, scope, told
from dns_cutover.mail.answers import Answers, Unlearned
from dns_cutover.mail.dkim import DkimKey, dkim_key
from dns_cutover.mail.dmarc import aligned, dmarc_place, dmarc_texts, organizational_domain, parse_dmarc, report_place
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.types import as_written
from dns_cutover.records import RRsetKey

DAY = 86400.0
QUEUES = 5 * DAY  # seconds: senders try for four to five days (RFC 5321 section 4.5.4.1)

_ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_KEY = f"v=DKIM1; k=ed25519; p={_ED25519}"
_OTHER = "v=DKIM1; k=ed25519; p=O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik="


def _stage(*changes: str, top: str = "", more: str = "") -> str:
    return f"{top}stages:\n  - name: overlap\n{more}    changes:\n" + "".join(f"      - {c}\n" for c in changes)


_NEW_KEY = "{name: nm1._domainkey, type: CNAME, from: absent, to: nm1.dkim.new.test.}"
_TARGET = f'nm1.dkim.new.test. 300 IN TXT "{_KEY}"\n'
_OLD_KEY = f'om1._domainkey 3600 IN TXT "{_KEY}"\n'


@check(
    "DC510",
    "error",
    "a DKIM selector without a usable key",
    why="Whatever is signed with it fails, at every receiver.",
    hint="let the vendor publish the key first, and write the selector as the vendor's page has it",
    source="RFC 6376 section 3.6.1; RFC 8301 section 3.2; the plan's mail.selectors",
    needs="live",
    fires=Example(_stage(_NEW_KEY)),
    silent=Example(_stage(_NEW_KEY), elsewhere=_TARGET),
)
def selector_without_key(subject: Subject) -> Iterator[Spot]:
    """A selector that a stage publishes, and each one that the plan names under mail.selectors, must lead to a key that
    receivers take: one record, not revoked, whole, and of 1024 bits or more. An alias is followed to the vendor's own
    zone, at its own authority.
    """
    wanted = {key.owner: key for key in scope(subject).selectors}
    for owner in dict.fromkeys((*wanted, *scope(subject).keys)):

        def look(learned: Answers, moment: int, owner: str = owner) -> Trouble | None:
            signing = wanted.get(owner)
            if signing is not None and moment not in signing.span:
                return None
            if signing is None and (moment == 0 or not _published(subject, moment, owner)):
                return None
            problem = dkim_key(learned(owner, "TXT")).problem
            return Trouble(f"{plain(owner)}: {problem}") if problem else None

        path = wanted[owner].path if owner in wanted else ()
        yield from (told(subject, m, t, (owner,), path) for m, t in over_time(subject, look))


def _published(subject: Subject, moment: int, owner: str) -> bool:
    """Whether the plan leaves an alias or a text at the name, at that moment."""
    image = subject.images[moment]
    return any(image.get(RRsetKey(ref, owner, t)) for ref in subject.names for t in ("TXT", "CNAME"))


@check(
    "DC511",
    "error",
    "a DKIM selector gets another key",
    why="Mail that was signed with the old key and is still under way fails, and so does all mail of a cached old key.",
    hint="publish the new key under a new selector, and let the old one stand until its mail has arrived",
    source="RFC 6376 section 3.1 (selectors exist so that keys can overlap)",
    needs="live",
    fires=Example(_stage(f'{{name: om1._domainkey, type: TXT, from: ["{_KEY}"], to: ["{_OTHER}"]}}'), zone=_OLD_KEY),
    silent=Example(_stage(_NEW_KEY), elsewhere=_TARGET),
)
def selector_reused(subject: Subject) -> Iterator[Spot]:
    """Fixed selector names such as s1 invite it: the account moves, and the same name points to another key from one
    second to the next. Receivers look the key up when the message arrives, which may be days after it was signed.
    """
    for owner in scope(subject).keys:
        for c in (c for c in subject.changes if c.key.owner == owner):
            try:
                old, new = (dkim_key(answers(subject, c.n + more)(owner, "TXT")) for more in (0, 1))
            except Unlearned:
                continue
            if old.key and new.key and old.key != new.key and not old.problem:
                yield c.spot(f"{plain(owner)} has a key already, and gets another one")
                break


@check(
    "DC512",
    "warning",
    "a DKIM key is removed early",
    why="Receivers look the key up when mail arrives: queued and forwarded mail of the last days then fails.",
    hint="give the stage that retires it a wait of five days and the key's TTL at least, such as wait: 14d",
    source="RFC 5321 section 4.5.4.1; RFC 6376 section 3.1",
    needs="live",
    fires=Example(_stage("{name: om1._domainkey, type: TXT, from: live, to: absent}"), zone=_OLD_KEY),
    silent=Example(
        "stages:\n  - name: one\n    changes:\n      - {name: www, type: A, from: absent, to: [192.0.2.1]}\n"
        "  - name: retire\n    wait: 14d\n    changes:\n"
        "      - {name: om1._domainkey, type: TXT, from: live, to: absent}\n",
        zone=_OLD_KEY,
    ),
)
def removed_early(subject: Subject) -> Iterator[Spot]:
    """Counted is the time from the beginning of the run to the stage that removes the key, by the plan's waits and
    bakes: before the run nobody knows when the vendor signed the last message. A key that is revoked already may go.
    """
    stages = subject.loaded.plan.stages
    for c in subject.changes:
        if c.key.owner not in scope(subject).keys or c.planned.kind != "set" or c.planned.after is not None:
            continue
        try:
            old = dkim_key(answers(subject, c.n)(c.key.owner, "TXT"))
        except Unlearned:
            old = DkimKey()
        live = subject.live_rrset(c.key)
        needed = QUEUES + (live.ttl if live is not None else 0)
        given = sum((s.wait or 0.0) for s in stages[: c.n + 1]) + sum(s.bake for s in stages[: c.n])
        if given < needed and not old.problem and not _replaced(subject, c.n, c.key):
            message = f"{plain(c.key.owner)} goes {as_written(given)} after the run began"
            yield c.spot(f"{message}, and {as_written(round(needed))} are needed")


def _replaced(subject: Subject, n: int, key: RRsetKey) -> bool:
    """Whether the same stage puts an alias or a text in its place."""
    return any(c.n == n and c.key.owner == key.owner and c.key != key and c.planned.after for c in subject.changes)


@check(
    "DC513",
    "warning",
    "a DKIM key in testing mode",
    why="Receivers may treat what it signs as if it were not signed.",
    hint="ask the vendor for a key without t=y",
    source="RFC 6376 section 3.6.1, tag t",
    needs="live",
    fires=Example(
        _stage(_NEW_KEY), elsewhere=f'nm1.dkim.new.test. 300 IN TXT "v=DKIM1; k=ed25519; t=y; p={_ED25519}"\n'
    ),
    silent=Example(_stage(_NEW_KEY), elsewhere=_TARGET),
)
def testing_key(subject: Subject) -> Iterator[Spot]:
    """It is how vendors hand out a first key, and nobody remembers to take the flag away."""
    for owner in dict.fromkeys((*(k.owner for k in scope(subject).selectors), *scope(subject).keys)):

        def look(learned: Answers, _: int, owner: str = owner) -> Trouble | None:
            return Trouble(f"{plain(owner)} is in testing mode") if dkim_key(learned(owner, "TXT")).testing else None

        yield from (told(subject, m, t, (owner,)) for m, t in over_time(subject, look))


_DMARC = '_dmarc 3600 IN TXT "v=DMARC1; p=reject"\n'
_MAIL = "mail:\n  envelope_domains: [{}]\n"
_ANY = "{name: www, type: A, from: absent, to: [192.0.2.1]}"
_SPF = '@ 300 IN TXT "v=spf1 -all"\nbounces 300 IN TXT "v=spf1 -all"\n'


@check(
    "DC520",
    "error",
    "a DMARC record that is not honoured",
    why="Receivers ignore it, and mail that pretends to be yours arrives.",
    hint="write one record that begins with v=DMARC1 and a policy, such as v=DMARC1; p=none",
    source="RFC 7489 sections 6.3 and 6.6.3",
    fires=Example(_stage('{name: _dmarc, type: TXT, from: absent, to: ["v=DMARC1; p=rejected"]}')),
    silent=Example(_stage('{name: _dmarc, type: TXT, from: absent, to: ["v=DMARC1; p=reject"]}')),
)
def broken_dmarc(subject: Subject) -> Iterator[Spot]:
    """Two records count as none, and so does one without a policy that is known. The record is what tells receivers
    whether the move may cost the domain its mail: broken, it protects nothing and reports nothing.
    """

    def look(learned: Answers, _: int, domain: str) -> Trouble | None:
        found = dmarc_texts(learned(dmarc_place(domain), "TXT"))
        if len(found) > 1:
            return Trouble(f"{plain(domain)} has {len(found)} DMARC records")
        problem = parse_dmarc(found[0]).problem if found else ""
        return Trouble(f"DMARC of {plain(domain)} is not honoured: {plain(problem)}") if problem else None

    yield from over_domains(subject, scope(subject).headers, look, dmarc_place)


@check(
    "DC521",
    "error",
    "nothing aligns with the domain in From",
    why="SPF passes for another domain then, which is worth nothing to DMARC.",
    hint="let the vendor send with an envelope domain below yours, or sign with your domain in d=",
    source="RFC 7489 sections 3.1 and 4.2",
    needs="live",
    fires=Example(_stage(_ANY, top=_MAIL.format("bounces.new.test")), zone=_DMARC, elsewhere="new.test. 1 IN TXT x\n"),
    silent=Example(_stage(_ANY, top=_MAIL.format("bounces.example.test")), zone=_DMARC + _SPF),
)
def not_aligned(subject: Subject) -> Iterator[Spot]:
    """DMARC wants SPF or DKIM to pass for the domain that people see, or in its relaxed mode for one below the same
    organisation's. An envelope domain of the vendor's own does not align, and unless a selector of the plan signs for
    yours, everything that the vendor sends fails.
    """
    mail = subject.loaded.plan.mail
    if mail is None or not mail.envelope_domains:
        return
    header = scope(subject).headers[-1]

    def look(learned: Answers, moment: int) -> Trouble | None:
        policy = _policy(header, learned)
        if policy is None or moment == 0:
            return None
        record = parse_dmarc(policy)
        if record.problem or any(aligned(d, header, record.aspf, learned) for d in mail.envelope_domains):
            return None
        signing = (k for k in scope(subject).selectors if moment in k.span)
        if any(aligned(k.domain, header, record.adkim, learned) for k in signing):
            return None
        named = ", ".join(map(plain, mail.envelope_domains))
        severity: Severity | None = "warning" if record.policy == "none" else None
        return Trouble(f"neither {named} nor a signing domain aligns with {plain(header)}", severity=severity)

    path = ("mail", "envelope_domains")
    yield from (told(subject, m, t, (), path) for m, t in over_time(subject, look))


def _policy(domain: str, learned: Answers) -> str | None:
    """The domain's own record, or its organisation's; None where there is not one."""
    for name in dict.fromkeys((domain, organizational_domain(domain, learned))):
        found = dmarc_texts(learned(dmarc_place(name), "TXT"))
        if found:
            return found[0] if len(found) == 1 else None
    return None


@check(
    "DC522",
    "warning",
    "reports go to a domain that did not ask for them",
    why="Receivers then send no reports there, so that nobody sees what fails during the move.",
    hint="ask the receiver of the reports to publish the record that the message names, with v=DMARC1",
    source="RFC 7489 section 7.1",
    needs="live",
    fires=Example(
        _stage('{name: _dmarc, type: TXT, from: absent, to: ["v=DMARC1; p=none; rua=mailto:d@reports.test"]}')
    ),
    silent=Example(
        _stage('{name: _dmarc, type: TXT, from: absent, to: ["v=DMARC1; p=none; rua=mailto:d@reports.test"]}'),
        elsewhere='example.test._report._dmarc.reports.test. 300 IN TXT "v=DMARC1"\n',
    ),
)
def unwanted_reports(subject: Subject) -> Iterator[Spot]:
    """A mailbox outside the domain's organisation has to agree, by a record of its own: else anybody could bury anybody
    else under reports.
    """

    def look(learned: Answers, _: int, domain: str) -> Trouble | None:
        found = dmarc_texts(learned(dmarc_place(domain), "TXT"))
        for receiver in parse_dmarc(found[0]).reports if len(found) == 1 else ():
            if aligned(receiver, domain, "r", learned):
                continue
            asked = report_place(domain, receiver)
            if not dmarc_texts(learned(asked, "TXT")):
                return Trouble(f"{plain(receiver)} has not published {plain(asked)}")
        return None

    yield from over_domains(subject, scope(subject).headers, look, dmarc_place)


CHECKS: tuple[Check, ...] = (
    selector_without_key,
    selector_reused,
    removed_early,
    testing_key,
    broken_dmarc,
    not_aligned,
    unwanted_reports,
)
