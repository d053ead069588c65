"""Which domains' e-mail a plan touches, and what DNS says about it at each moment. Pure.

Moment 0 is what is live; moment n is when stage n (counted from 1) is done. A finding belongs to the first moment at
which it is so; what is wrong already, and stays so, is told as something that the plan did not bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from dns_cutover.checks.history import Values
from dns_cutover.checks.interface import Located, Spot, Subject
from dns_cutover.mail.answers import Found, Learned, Question, Unlearned
from dns_cutover.mail.dkim import selector_name
from dns_cutover.mail.spf import spf_texts
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.models import Plan
from dns_cutover.plan.places import Path
from dns_cutover.records import RRsetKey

T = TypeVar("T")
_DKIM = "._domainkey."


@dataclass(frozen=True, slots=True)
class Span:
    """Moments between two stages: from the end of the first to the beginning of the last, both ends included."""

    first: int
    last: int

    def __contains__(self, moment: int) -> bool:
        return self.first <= moment <= self.last


@dataclass(frozen=True, slots=True)
class SendingAddress:
    """An address of `mail.senders`: at which moments it must pass, and for which envelope domains."""

    address: str
    span: Span
    domains: tuple[str, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A selector of `mail.selectors`: the owner name of its key, and at which moments there must be one."""

    selector: str
    owner: str
    span: Span
    domain: str
    path: Path


@dataclass(frozen=True, slots=True)
class Scope:
    """The e-mail that a plan is about. Domains are absolute; `receiving` ones change their MX, or have MTA-STS changed.

    `envelope` domains need SPF. `keys` are the owner names below _domainkey that stages touch.
    """

    envelope: tuple[str, ...] = ()
    receiving: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    senders: tuple[SendingAddress, ...] = ()
    selectors: tuple[SigningKey, ...] = ()
    keys: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.envelope or self.receiving or self.senders or self.selectors or self.keys or self.headers)


def scope(subject: Subject) -> Scope:
    """What of the plan is e-mail."""
    return subject.once(_scope)


def _scope(subject: Subject) -> Scope:
    plan = subject.loaded.plan
    mail = plan.mail
    zones = tuple(dict.fromkeys(subject.names.values()))
    spf, receiving, headers, keys = [], [], [], []
    for c in subject.changes:
        owner, rdtype = c.key.owner, c.key.rdtype
        if rdtype == "MX":
            receiving.append(owner)
        if owner.startswith("_mta-sts."):
            receiving.append(owner.removeprefix("_mta-sts."))
        if owner.startswith("_dmarc."):
            headers.append(owner.removeprefix("_dmarc."))
        if _DKIM in f".{owner}":
            keys.append(owner)
        if rdtype == "TXT" and any(spf_texts(values) for values in _texts_of(c)):
            spf.append(owner)
    envelope = tuple(mail.envelope_domains) if mail is not None else ()
    if mail is not None and not envelope and (mail.senders or mail.selectors):
        envelope = zones[:1]
    if mail is not None:
        headers += zones[:1]
    domains = tuple(dict.fromkeys((*envelope, *spf)))
    return Scope(
        domains,
        tuple(dict.fromkeys(receiving)),
        tuple(dict.fromkeys(headers)),
        _senders(plan, envelope),
        _selectors(plan, zones),
        tuple(dict.fromkeys(keys)),
    )


def _texts_of(change: Located) -> Iterator[tuple[str, ...]]:
    p = change.planned
    yield from ((p.after or ()), p.add, p.remove)
    if isinstance(p.before, tuple):
        yield p.before


def _span(plan: Plan, after: str | None, until: str | None) -> Span:
    order = {stage.name: n for n, stage in enumerate(plan.stages, 1)}
    return Span(order.get(after, 1) if after else 1, order[until] - 1 if until in order else len(plan.stages))


def _senders(plan: Plan, envelope: tuple[str, ...]) -> tuple[SendingAddress, ...]:
    found = plan.mail.senders if plan.mail is not None else ()
    return tuple(
        SendingAddress(
            s.address,
            _span(plan, s.after, s.until),
            (s.domain,) if s.domain else envelope,
            ("mail", "senders", n),
        )
        for n, s in enumerate(found)
    )


def _selectors(plan: Plan, zones: tuple[str, ...]) -> tuple[SigningKey, ...]:
    found = plan.mail.selectors if plan.mail is not None else ()
    return tuple(
        SigningKey(
            s.selector,
            selector_name(s.selector, s.domain or zones[0]),
            _span(plan, s.after, s.until),
            s.domain or zones[0],
            ("mail", "selectors", n),
        )
        for n, s in enumerate(found)
    )


@dataclass(slots=True)
class Recording:
    """Answers at one moment, and which were missing."""

    learned: Learned
    missing: set[Question] = field(default_factory=set)

    def __call__(self, name: str, rdtype: str) -> tuple[str, ...]:
        """See mail.answers.Answers."""
        try:
            return self.learned(name, rdtype)
        except Unlearned as exc:
            self.missing.add(exc.question)
            raise


def moments(subject: Subject) -> range:
    """Numbers of the moments, what is live first."""
    return range(len(subject.loaded.plan.stages) + 1)


class _Planned(Mapping[Question, tuple[str, ...] | None]):
    """The plan's own RRsets at one moment, by owner and type. A copy for each moment would be too much for large plans.

    Of several views of one name the first that the plan lists counts, as far as it is known.
    """

    def __init__(self, keys: Mapping[Question, tuple[RRsetKey, ...]], image: Mapping[RRsetKey, Values]) -> None:
        self._keys, self._image = keys, image

    def __getitem__(self, question: Question) -> tuple[str, ...] | None:
        for key in self._keys[question]:
            if key in self._image:
                return self._image[key]
        raise KeyError(question)

    def __iter__(self) -> Iterator[Question]:
        return (question for question in self._keys if question in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _keys(subject: Subject) -> Mapping[Question, tuple[RRsetKey, ...]]:
    out: dict[Question, tuple[RRsetKey, ...]] = {}
    for key in subject.images[0].keys() | subject.touched:
        question = key.owner, key.rdtype
        out[question] = (*out.get(question, ()), key)
    order = {ref: n for n, ref in enumerate(subject.names)}
    return {question: tuple(sorted(keys, key=lambda k: order[k.zone])) for question, keys in out.items()}


def answers(subject: Subject, moment: int, found: Mapping[Question, Found | None] | None = None) -> Learned:
    """What DNS says at a moment: the plan's own RRsets as they are then, all others as they are live."""
    known = found if found is not None else subject.live.mail if subject.live is not None else {}
    return Learned(known, _Planned(subject.once(_keys), subject.images[moment]))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong at a moment: said once, at the first moment at which it is so."""

    what: str
    hint: str = ""
    severity: Severity | None = None


def plain(domain: str) -> str:
    """A domain as people write it."""
    return domain.rstrip(".")


def over_time(subject: Subject, look: Callable[[Learned, int], T | None]) -> Iterator[tuple[int, T]]:
    """What `look` finds at each moment at which it can be told; the same thing once, at its first moment."""
    said: set[object] = set()
    for moment in moments(subject):
        try:
            found = look(answers(subject, moment), moment)
        except Unlearned:
            continue
        if found is not None and found not in said:
            said.add(found)
            yield moment, found


def over_domains(
    subject: Subject,
    domains: Iterable[str],
    look: Callable[[Learned, int, str], Trouble | None],
    place: Callable[[str], str] = lambda domain: domain,
) -> Iterator[Spot]:
    """The spots of what `look` finds for each of the domains; `place` says at which name its record stands."""
    for domain in dict.fromkeys(domains):
        for moment, trouble in over_time(subject, partial(_at, look, domain)):
            yield told(subject, moment, trouble, (place(domain),))


def _at(
    look: Callable[[Learned, int, str], Trouble | None], domain: str, learned: Learned, moment: int
) -> Trouble | None:
    return look(learned, moment, domain)


def told(subject: Subject, moment: int, trouble: Trouble, owners: tuple[str, ...], path: Path = ()) -> Spot:
    """The spot of a trouble: at the change of that stage at one of `owners`, else at `path`, else at the stage.

    What is wrong already is no error of the plan: a warning.
    """
    if moment == 0:
        severity: Severity | None = "warning" if trouble.severity in (None, "error") else trouble.severity
        change = next((c for c in subject.changes if c.key.owner in owners), None)
        place = path or (change.path if change is not None else ("mail",))
        return Spot(place, f"already now {trouble.what}", trouble.hint, severity=severity)
    n = moment - 1
    change = next((c for c in subject.changes if c.n == n and c.key.owner in owners), None)
    if change is not None:
        return change.spot(f"after this stage {trouble.what}", trouble.hint, severity=trouble.severity)
    stage = subject.loaded.plan.stages[n].name
    return Spot(
        path or ("stages", n, "name"),
        f"after stage {stage} {trouble.what}",
        trouble.hint,
        stage,
        severity=trouble.severity,
    )
