"""Asking for permission: nothing can change by it, in whatever state the zone is when the question arrives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.rfc2136.permission import BATCH, MAX_NAMED, Permission, PermissionProbe, probe_spec
from dns_cutover.providers.rfc2136.refusal import Place
from dns_cutover.providers.rfc2136.update import Answers, Question, UpdateReply, UpdateSpec
from dns_cutover.records import RRset
from tests.unit.test_rfc2136_decisions import Server, step

ZONE = "example.test."
LOCK = (f"_dns-cutover.{ZONE}", "TXT")
WWW, NEW, CAA = (f"www.{ZONE}", "A"), (f"new.{ZONE}", "A"), (ZONE, "CAA")
PLACE = Place("192.0.2.53", ZONE, "cutover.", "hmac-sha256", "$CUTOVER_TSIG", 44)
DENIED = UpdateReply("REFUSED", 1000.0)


@dataclass
class Guarded:
    """A server with a policy. `early`: it judges the policy before prerequisites, as BIND does since 9.18.11."""

    server: Server = field(default_factory=Server)
    allowed: Callable[[Collection[Question]], bool] = lambda asked: True
    early: bool = False
    denial: UpdateReply = DENIED
    before_update: Callable[[Server], None] = lambda server: None
    updates: list[UpdateSpec] = field(default_factory=list)

    async def query(self, questions: Collection[Question]) -> Answers:
        return await self.server.query(questions)

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        self.updates.append(spec)
        self.before_update(self.server)
        allowed = self.allowed([(e.owner, e.rdtype) for e in spec.edits])
        if not allowed and self.early:
            return self.denial
        trial = Server(self.server.flavour, dict(self.server.zone))
        rcode = trial.process(spec)
        if rcode == "NOERROR" and not allowed:
            return self.denial
        self.server = trial
        return UpdateReply(rcode, 1000.0)

    async def history(self, since_serial: int) -> None:
        return None

    def ask(self, *asked: Question) -> Permission:
        return step(PermissionProbe(self, PLACE, LOCK, lambda: 1000.0).ask(dict.fromkeys(asked, ("192.0.2.9",))))


def only(*names: Question) -> Callable[[Collection[Question]], bool]:
    return lambda asked: set(asked) <= set(names)


VALUES = {
    "A": ("0.0.0.0", "192.0.2.1", "192.0.2.2"),
    "TXT": ('"dns-cutover permission"', '"v=dc1 run=a n=1 op=b until=2"'),
    "CNAME": ("a.test.", "dns-cutover.invalid."),
    "NS": ("a.test.", "dns-cutover.invalid."),
    "CAA": ('0 issue "a"', '0 issue "b"'),
}
QUESTIONS = (LOCK, WWW, NEW, CAA, (f"www.{ZONE}", "CNAME"), (ZONE, "NS"), (f"sub.{ZONE}", "NS"))


@st.composite
def zones(draw: st.DrawFn) -> dict[Question, RRset]:
    """Some of the RRsets, with some of the values: those that are asked with, too."""
    out = {}
    for question in draw(st.sets(st.sampled_from(QUESTIONS))):
        values = draw(st.sets(st.sampled_from(VALUES[question[1]]), min_size=1))
        out[question] = RRset(60, tuple(sorted(values)))
    return out


@given(zones(), zones(), st.sets(st.sampled_from(QUESTIONS), min_size=1))
def test_no_zone_is_changed_whatever_it_became_since_it_was_read(
    read: dict[Question, RRset], then: dict[Question, RRset], asked: set[Question]
) -> None:
    """Not even where a value that nobody should have is there, or the lock has been taken in between."""
    offered = {q: VALUES[q[1]] for q in asked}
    spec = probe_spec({q: read.get(q) for q in sorted(asked)}, offered)
    server = Server("bind", dict(then))
    before = dict(server.zone)
    if spec is not None:
        server.process(spec)
    assert server.zone == before


@given(zones(), st.sets(st.sampled_from(QUESTIONS)), st.booleans())
def test_exactly_what_is_denied_is_named(zone: dict[Question, RRset], denied: set[Question], early: bool) -> None:
    """Whether the server judges its policy before prerequisites or after them, for all that can be asked."""
    server = Server("bind", dict(zone))
    guarded = Guarded(server, lambda asked: not set(asked) & denied, early)
    wanted = [q for q in QUESTIONS if q != LOCK]
    offered = {q: VALUES[q[1]] for q in wanted}
    found = step(PermissionProbe(guarded, PLACE, LOCK, lambda: 1000.0).ask(offered))
    current = {q: server.zone.get(q) for q in QUESTIONS}
    askable = {q for q in denied if probe_spec({q: current[q]}, offered) is not None}
    assert set(found.denied) == askable
    assert bool(found.reason) == bool(askable)


def test_a_rare_type_is_asked_with_a_value_of_the_plan_or_not_at_all() -> None:
    """Two CAA that are there, and a plan that brings nothing else: no question could be harmless."""
    there = RRset(60, ('0 issue "a"',))
    assert probe_spec({CAA: there}, {CAA: ('0 issue "a"',)}) is None
    spec = probe_spec({CAA: there}, {CAA: ('0 issue "a"', '0 issue "b"')})
    assert spec is not None
    assert [e.values for e in spec.edits] == [('0 issue "b"',)]


def test_all_names_go_in_one_message_with_the_lock() -> None:
    guarded = Guarded()
    assert guarded.ask(WWW, NEW) == Permission()
    [spec] = guarded.updates
    assert [(e.owner, e.rdtype) for e in spec.edits] == [LOCK, WWW, NEW]


def test_a_plan_without_changes_asks_for_the_lock() -> None:
    guarded = Guarded(allowed=only())
    assert guarded.ask().denied == (LOCK,)


def test_many_names_are_several_messages_each_with_the_lock() -> None:
    guarded = Guarded()
    guarded.ask(*((f"n{n}.{ZONE}", "A") for n in range(2 * BATCH + 1)))
    assert [len(u.edits) for u in guarded.updates] == [BATCH + 1, BATCH + 1, 2]
    assert all((u.edits[0].owner, u.edits[0].rdtype) == LOCK for u in guarded.updates)


def test_many_denied_names_are_counted() -> None:
    many = tuple((f"n{n:03}.{ZONE}", "A") for n in range(BATCH + 20))
    found = Guarded(allowed=only(LOCK)).ask(*many)
    assert (len(found.denied), found.more) == (MAX_NAMED, len(many) - MAX_NAMED)
    assert found.reason.endswith(f" and {len(many) - MAX_NAMED} more")
    assert "zonesub ANY" in found.grant


def test_a_denial_of_the_whole_says_so() -> None:
    found = Guarded(allowed=only()).ask(WWW)
    assert found.reason == "192.0.2.53 does not let the key cutover change anything in example.test."


def test_rules_that_fit_each_name_but_no_message() -> None:
    """Knot wants one rule for a whole message."""
    badkey = UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADKEY")
    guarded = Guarded(allowed=lambda asked: len(asked) == 1, early=True, denial=badkey)
    found = guarded.ask(WWW)
    assert "in one message" in found.reason
    assert found.grant.startswith("Knot: one acl rule for the lock and all records")


def test_a_zone_that_moves_is_read_again() -> None:
    moves = iter(["192.0.2.7", "192.0.2.8"])

    def write(server: Server) -> None:
        if (value := next(moves, None)) is not None:
            server.zone[WWW] = RRset(60, (value,))

    guarded = Guarded(before_update=write)
    assert guarded.ask(WWW) == Permission()
    assert guarded.server.zone[WWW].values == ("192.0.2.8",)


def test_a_zone_that_never_stands_still_is_not_called_a_denial() -> None:
    count = iter(range(100))
    guarded = Guarded(before_update=lambda server: server.zone.update({WWW: RRset(60, (f"192.0.2.{next(count)}",))}))
    with pytest.raises(Unreachable, match="had other data each time") as caught:
        guarded.ask(WWW)
    assert not caught.value.maybe_applied


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADSIG"), Refused),
        (UpdateReply("SERVFAIL", 1000.0), Unreachable),
        (UpdateReply("NOERROR", None, signed=False), Unreachable),  # anybody can have written it
        (UpdateReply("YXRRSET", None, signed=False), Unreachable),
        (UpdateReply("NOTIMP", 1000.0), Refused),
    ],
)
def test_other_replies_are_what_they_are_in_a_run(reply: UpdateReply, error: type[Exception]) -> None:
    guarded = Guarded(allowed=only(), early=True, denial=reply)
    with pytest.raises(error):
        guarded.ask(WWW)


def test_a_question_that_is_refused_is_no_matter_of_policy() -> None:
    guarded = Guarded(Server(failure=UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADKEY")))
    with pytest.raises(Refused, match="does not accept the TSIG key"):
        guarded.ask(WWW)
    assert guarded.updates == []
