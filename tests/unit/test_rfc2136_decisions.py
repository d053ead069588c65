"""The decisions of the RFC 2136 provider, against a strict server in memory that acts like BIND, Knot and PowerDNS.

Coroutines are stepped by hand: there is no event loop, so the code under test can have no use for one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.providers.interface import (
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Receipt,
    Refused,
    Token,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider, clock_offset
from dns_cutover.providers.rfc2136.refusal import Place
from dns_cutover.providers.rfc2136.update import (
    LOCK_TTL,
    SPARE_NS,
    Answers,
    EditOp,
    Prereq,
    Question,
    UpdateReply,
    UpdateSpec,
    build,
    operations,
    prerequisites,
)
from dns_cutover.records import Change, RRset, RRsetKey, quote_text

T = TypeVar("T")
ZONE = "example.test."
LOCK = (f"_dns-cutover.{ZONE}", "TXT")
SOA = (ZONE, "SOA")
Flavour = Literal["bind", "knot", "powerdns"]
FLAVOURS: tuple[Flavour, ...] = ("bind", "knot", "powerdns")


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something that is no port")


@dataclass
class Server:
    """A zone that takes updates as RFC 2136 section 3 says, and ignores what servers ignore. Also its transport."""

    flavour: Flavour = "bind"
    zone: dict[Question, RRset] = field(default_factory=dict)
    now: float = 1000.0
    ahead: float = 0.0
    reply: UpdateReply | None = None  # instead of processing
    lost: Literal["", "before", "after"] = ""
    mute: bool = False
    failure: UpdateReply | None = None
    detours: dict[Question, str] = field(default_factory=dict)
    before_update: Callable[[Server], None] | None = None
    after_update: Callable[[Server], None] | None = None
    past: Mapping[Question, int] | None = None
    updates: list[UpdateSpec] = field(default_factory=list)
    queries: int = 0

    def __post_init__(self) -> None:
        self.zone.setdefault(SOA, RRset(300, ("ns1.example.test. host.example.test. 1 3600 600 86400 300",)))
        self.zone.setdefault((ZONE, "NS"), RRset(300, ("ns1.example.test.", "ns2.example.test.")))

    # the transport

    async def update(self, spec: UpdateSpec) -> UpdateReply:
        self.updates.append(spec)
        if self.before_update is not None:
            self.before_update(self)
        if self.reply is not None:
            return self.reply
        if self.lost == "before":
            raise Unreachable("no reply", maybe_applied=True)
        rcode = self.process(spec)
        if self.lost == "after":
            raise Unreachable("no reply", maybe_applied=True)
        if self.after_update is not None:
            self.after_update(self)
        return UpdateReply(rcode, self.now + self.ahead)

    async def query(self, questions: Collection[Question]) -> Answers:
        self.queries += 1
        if self.mute:
            raise Unreachable("no answer", maybe_applied=False)
        detours = {q: d for q, d in self.detours.items() if q in questions}
        rrsets = {q: None if q in detours else self.zone.get(q) for q in questions}
        return Answers({} if self.failure else rrsets, self.now + self.ahead, self.failure, detours)

    async def history(self, since_serial: int) -> Mapping[Question, int] | None:
        return self.past

    # the server

    @property
    def serial(self) -> int:
        return int(self.zone[SOA].values[0].split()[2])

    def types(self, owner: str) -> set[str]:
        return {t for o, t in self.zone if o == owner}

    def process(self, spec: UpdateSpec) -> str:
        for p in spec.prereqs:
            found = self.zone.get((p.owner, p.rdtype))
            match p.kind:
                case "unused" if self.types(p.owner):
                    return "YXDOMAIN"
                case "absent" if found is not None:
                    return "YXRRSET"
                case "exists" if found is None or set(found.values) != set(p.values):
                    return "NXRRSET"
        work = Server(self.flavour, dict(self.zone))
        for op in spec.edits:
            if not work.apply(op):
                return "REFUSED"
        if work.zone != self.zone:
            self.zone = work.zone
            self.bump()
        return "NOERROR"

    def bump(self) -> None:
        fields = self.zone[SOA].values[0].split()
        self.zone[SOA] = RRset(300, (" ".join([*fields[:2], str(int(fields[2]) + 1), *fields[3:]]),))

    def apply(self, op: EditOp) -> bool:
        key = (op.owner, op.rdtype)
        old = self.zone.get(key)
        apex_ns = key == (ZONE, "NS")
        if op.kind == "clear":
            if not apex_ns:
                self.zone.pop(key, None)
        elif op.kind == "delete":
            rest = tuple(v for v in (old.values if old else ()) if v not in op.values)
            if old is not None and (rest or apex_ns):
                self.zone[key] = RRset(old.ttl, rest or old.values[-1:])
            else:
                self.zone.pop(key, None)
        else:
            return self._add(key, old, op)
        return True

    def _add(self, key: Question, old: RRset | None, op: EditOp) -> bool:
        others = self.types(op.owner) - {op.rdtype}
        if (op.rdtype == "CNAME" and others) or "CNAME" in others:
            return self.flavour != "powerdns"  # the others ignore it and say NOERROR
        assert op.values
        for value in op.values:
            old = self.zone.get(key)
            present = old.values if old else ()
            if value in present and self.flavour == "knot":
                continue  # a bare add of what is there changes nothing, its TTL neither
            self.zone[key] = RRset(op.ttl, (value,) if op.rdtype == "CNAME" else tuple(sorted({*present, value})))
        return True

    def foreign(self, owner: str, rdtype: str, rrset: RRset | None) -> None:
        self.zone.pop((owner, rdtype), None)
        if rrset is not None:
            self.zone[owner, rdtype] = rrset
        self.bump()


_nonce = itertools.count()


def token(run: str = "7f3a", n: int = 1) -> Token:
    return Token(run, n, f"{next(_nonce):x}", 2000)


def locked(server: Server, held: Token) -> None:
    server.zone[LOCK] = RRset(LOCK_TTL, (quote_text(held.text()),))


def key(owner: str, rdtype: str) -> RRsetKey:
    return RRsetKey.of("main", owner, rdtype, ZONE)


def provider_of(server: Server) -> Rfc2136Provider:
    place = Place("192.0.2.53", ZONE, "cutover.", "hmac-sha256", "$CUTOVER_TSIG", 44)
    return Rfc2136Provider("main", ZONE, server, lambda: server.now, place=place)


A1, A2, A3 = (RRset(60, (f"192.0.2.{n}",)) for n in (1, 2, 3))
WWW = key("www", "A")


@dataclass
class Scene:
    """A zone with one A record, and its lock held by us."""

    server: Server = field(default_factory=lambda: Server("bind", {(WWW.owner, "A"): A1}))
    fence: Fence = field(default_factory=lambda: Fence(token(), token(n=2)))
    change: Change = field(default_factory=lambda: Change(WWW, A1, A2))

    def __post_init__(self) -> None:
        if self.fence.held is not None:
            locked(self.server, self.fence.held)

    @property
    def soa(self) -> str:
        return self.server.zone[SOA].values[0]

    def send(self, *changes: Change, soa: str | None = None, fence: Fence | None = None) -> Receipt:
        return step(provider_of(self.server).apply(ChangeSet(changes, soa), fence or self.fence))


# -- what a message is ----------------------------------------------------------------------------------------------


def test_message_swaps_the_lock_and_is_tied_to_values_and_soa() -> None:
    scene = Scene()
    spec = build(ZONE, LOCK[0], ChangeSet((scene.change,), "soa"), scene.fence)
    held, following = (quote_text(t.text()) for t in (scene.fence.held, scene.fence.next) if t is not None)
    assert spec == UpdateSpec(
        (
            Prereq("exists", *LOCK, (held,)),
            Prereq("exists", ZONE, "SOA", ("soa",)),
            Prereq("exists", WWW.owner, "A", A1.values),
        ),
        (
            EditOp("clear", *LOCK),
            EditOp("add", *LOCK, (following,), LOCK_TTL),
            EditOp("clear", WWW.owner, "A"),
            EditOp("add", WWW.owner, "A", A2.values, 60),
        ),
    )


def test_taking_the_lock_needs_an_unused_name_and_a_version_of_the_zone() -> None:
    spec = build(ZONE, LOCK[0], ChangeSet((), "soa"), Fence(None, token()))
    assert spec.prereqs == (Prereq("unused", LOCK[0]), Prereq("exists", ZONE, "SOA", ("soa",)))
    with pytest.raises(ValueError, match="the SOA is needed"):
        build(ZONE, LOCK[0], ChangeSet(()), Fence(None, token()))


def test_a_token_in_capitals_is_never_sent() -> None:
    with pytest.raises(ValueError, match="lower-case"):
        build(ZONE, LOCK[0], ChangeSet((), "soa"), Fence(None, token("Run")))


def test_what_is_to_stay_is_required_and_not_edited() -> None:
    stays, absent = Change(WWW, A1, A1), Change(key("none", "CNAME"), None, None)
    assert operations((stays, absent), ZONE) == ()
    assert prerequisites((stays, absent)) == (
        Prereq("exists", WWW.owner, "A", A1.values),
        Prereq("absent", f"none.{ZONE}", "CNAME"),
    )


def test_new_cname_wants_an_unused_name_and_a_replacing_one_no_neighbours() -> None:
    cname = Change(key("www", "CNAME"), None, RRset(60, ("new.test.",)))
    assert prerequisites((cname,)) == (Prereq("unused", WWW.owner),)
    leaving = prerequisites((cname, Change(WWW, A1, None)))
    assert Prereq("unused", WWW.owner) not in leaving
    assert {Prereq("absent", WWW.owner, t) for t in ("CNAME", "AAAA", "TXT", "MX", "HTTPS")} <= set(leaving)
    assert Prereq("absent", WWW.owner, "A") not in leaving


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((300, "c."), [("add", ("c.",)), ("delete", ("a.", "b."))]),
        ((300, "a.", "b.", "c."), [("add", ("c.",))]),
        ((300, "a."), [("delete", ("b.",))]),
        ((60, "a.", "b."), [("add", (SPARE_NS,)), ("add", ("a.", "b.")), ("delete", (SPARE_NS,))]),
        ((60, "a."), [("add", (SPARE_NS,)), ("add", ("a.",)), ("delete", ("b.", SPARE_NS))]),
        ((60, "a.", "c."), [("add", ("c.",)), ("add", ("a.",)), ("delete", ("b.",))]),
    ],
)
def test_apex_ns_is_never_cleared(
    after: tuple[int, *tuple[str, ...]], expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    change = Change(key("@", "NS"), RRset(300, ("a.", "b.")), RRset(after[0], after[1:]))
    assert [(op.kind, op.values) for op in operations((change,), ZONE)] == expected


# -- whole zones ----------------------------------------------------------------------------------------------------

OWNERS = [ZONE, *(f"{n}.{ZONE}" for n in ("a", "b", "c"))]
VALUES = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    "TXT": ['"one"', '"two"'],
    "CNAME": ["x.test.", "y.test."],
    "NS": ["ns1.test.", "ns2.test.", "ns3.test."],
}


def rrsets(rdtype: str) -> st.SearchStrategy[RRset]:
    count = 1 if rdtype == "CNAME" else 3
    values = st.lists(st.sampled_from(VALUES[rdtype]), min_size=1, max_size=count, unique=True)
    return st.builds(RRset, st.sampled_from([60, 300]), values.map(lambda v: tuple(sorted(v))))


@st.composite
def names(draw: st.DrawFn, owner: str) -> dict[Question, RRset]:
    """What one name may have: a CNAME alone, or other types."""
    if owner == ZONE:
        out = {(owner, "NS"): draw(rrsets("NS"))}
    elif draw(st.booleans()):
        return {(owner, "CNAME"): draw(rrsets("CNAME"))} if draw(st.booleans()) else {}
    else:
        out = {}
    return out | {(owner, t): draw(rrsets(t)) for t in ("A", "TXT") if draw(st.booleans())}


zones = st.tuples(*(names(o) for o in OWNERS)).map(lambda parts: {k: v for part in parts for k, v in part.items()})


def changes_between(before: Mapping[Question, RRset], after: Mapping[Question, RRset]) -> tuple[Change, ...]:
    keys = sorted({*before, *after})
    return tuple(Change(key(*k), before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k))


@given(st.sampled_from(FLAVOURS), zones, zones, st.booleans())
def test_every_change_set_is_made_exactly_on_every_server(
    flavour: Flavour, before: dict[Question, RRset], after: dict[Question, RRset], with_soa: bool
) -> None:
    scene = Scene(Server(flavour, dict(before)))
    receipt = scene.send(*changes_between(before, after), soa=scene.soa if with_soa else None)
    left = {k: v for k, v in scene.server.zone.items() if k not in (SOA, LOCK)}
    assert left == after
    assert receipt == Receipt((), scene.server.serial)
    assert step(provider_of(scene.server).guards([])).lock == scene.fence.next


@given(st.sampled_from(FLAVOURS), zones, zones, zones)
def test_whatever_others_wrote_to_the_same_records_stays(
    flavour: Flavour, before: dict[Question, RRset], after: dict[Question, RRset], foreign: dict[Question, RRset]
) -> None:
    scene = Scene(Server(flavour, dict(before)))
    changes, soa = changes_between(before, after), scene.soa
    for k in {*before, *foreign}:
        if before.get(k) != foreign.get(k):
            scene.server.foreign(*k, foreign.get(k))
    there = dict(scene.server.zone)
    if scene.soa == soa or not changes:
        return
    with pytest.raises((Conflict, ZoneMoved)) as caught:
        scene.send(*changes, soa=soa)
    assert scene.server.zone == there
    touched = {
        c.key for c in changes if before.get((c.key.owner, c.key.rdtype)) != foreign.get((c.key.owner, c.key.rdtype))
    }
    found = {m.key for m in caught.value.mismatches} if isinstance(caught.value, Conflict) else set()
    assert found == touched


# -- what a reply means ---------------------------------------------------------------------------------------------


def test_lock_is_read_twice_after_a_write() -> None:
    scene = Scene()
    scene.send(scene.change)
    assert scene.server.queries == 2


def test_what_the_server_left_as_it_was_is_ignored_and_the_rest_counts() -> None:
    scene = Scene()

    def put_back(server: Server) -> None:
        server.zone[WWW.owner, "A"] = A1

    scene.server.after_update = put_back
    new = Change(key("new", "A"), None, A3)
    stays = Change(key("none", "TXT"), None, None)
    assert scene.send(scene.change, new, stays).ignored == (WWW,)


def test_lock_that_another_took_after_noerror_is_lost() -> None:
    scene, other = Scene(), token("b2")
    scene.server.after_update = lambda server: locked(server, other)
    with pytest.raises(FenceLost) as caught:
        scene.send(scene.change)
    assert caught.value.found == other


def test_second_process_that_shows_another_lock_is_noticed() -> None:
    """Two servers at one address swapped the same token: only the second look tells."""
    scene, other = Scene(), token("b2")

    class TwoFaced(Server):
        async def query(self, questions: Collection[Question]) -> Answers:
            if self.updates and self.queries == 1:
                locked(self, other)
            return await super().query(questions)

    scene.server = TwoFaced("powerdns", dict(scene.server.zone))
    with pytest.raises(FenceLost):
        scene.send(scene.change)


@pytest.mark.parametrize("following", [True, False], ids=["swapped", "given back"])
def test_noerror_with_the_old_lock_still_there_decides_nothing(following: bool) -> None:
    scene = Scene()
    scene.server.reply = UpdateReply("NOERROR")
    with pytest.raises(Unreachable, match="does not show it") as caught:
        scene.send(fence=scene.fence if following else Fence(scene.fence.held, None))
    assert caught.value.maybe_applied


@pytest.mark.parametrize("trouble", ["mute", "refusing"])
def test_not_being_able_to_read_back_leaves_the_fate_open(trouble: str) -> None:
    scene = Scene()

    def fall_silent(server: Server) -> None:
        server.mute = trouble == "mute"
        server.failure = UpdateReply("REFUSED") if trouble == "refusing" else None

    scene.server.after_update = fall_silent
    with pytest.raises(Unreachable) as caught:
        scene.send(scene.change)
    assert caught.value.maybe_applied


def test_lost_reply_says_maybe() -> None:
    for when in ("before", "after"):
        scene = Scene()
        scene.server.lost = when  # type: ignore[assignment]
        with pytest.raises(Unreachable) as caught:
            scene.send(scene.change)
        assert caught.value.maybe_applied


def test_same_message_again_was_applied() -> None:
    scene = Scene()
    first = scene.send(scene.change)
    assert scene.send(scene.change) == first
    release = Fence(scene.fence.next, None)
    assert scene.send(fence=release) == scene.send(fence=release)


def test_lock_given_back_may_be_somebody_elses_at_once() -> None:
    scene = Scene()
    scene.server.after_update = lambda server: locked(server, token("b2"))
    assert scene.send(fence=Fence(scene.fence.held, None)).ignored == ()


def test_with_the_lock_gone_nothing_else_is_judged() -> None:
    for found in (token("b2"), None):
        scene = Scene()
        scene.server.foreign(*LOCK, None)
        if found is not None:
            locked(scene.server, found)
        scene.server.foreign(WWW.owner, "A", A3)
        with pytest.raises(FenceLost) as caught:
            scene.send(scene.change)
        assert caught.value.found == found
        assert scene.server.zone[WWW.owner, "A"] == A3


def test_conflict_says_what_was_expected_and_found() -> None:
    scene = Scene()
    scene.server.foreign(WWW.owner, "A", A2)
    with pytest.raises(Conflict) as caught:
        scene.send(scene.change)
    [mismatch] = caught.value.mismatches
    assert (mismatch.expected, mismatch.found, mismatch.done) == ("192.0.2.1 (TTL 60)", A2, True)


def test_only_the_soa_moved() -> None:
    scene = Scene()
    soa = scene.soa
    scene.server.foreign(f"other.{ZONE}", "A", A3)
    with pytest.raises(ZoneMoved):
        scene.send(scene.change, soa=soa)


def test_zone_that_moves_there_and_back_is_moved() -> None:
    scene = Scene()
    scene.server.reply = UpdateReply("NXRRSET")
    with pytest.raises(ZoneMoved):
        scene.send(scene.change, soa=scene.soa)
    new = Change(key("new", "A"), None, A3)
    with pytest.raises(ZoneMoved):
        scene.send(new, soa=scene.soa)


def test_losing_the_race_for_a_lock_is_losing_it() -> None:
    scene = Scene(fence=Fence(None, token()))
    other, soa = token("b2"), scene.soa
    locked(scene.server, other)
    scene.server.bump()
    with pytest.raises(FenceLost) as caught:
        scene.send(soa=soa)
    assert caught.value.found == other


@pytest.mark.parametrize(
    ("rdtype", "value", "words"),
    [("TXT", '"spf"', "a TXT at _dns-cutover"), ("SRV", "0 0 0 x.", "SRV at _dns-cutover"), ("CNAME", "x.", "CNAME")],
)
def test_lock_blocked_by_what_stands_there(rdtype: str, value: str, words: str) -> None:
    scene = Scene(fence=Fence(None, token()))
    scene.server.foreign(LOCK[0], rdtype, RRset(60, (value,)))
    if rdtype == "CNAME":
        scene.server.detours[LOCK] = f"a CNAME at {LOCK[0]}"
        assert "a CNAME at" in step(provider_of(scene.server).guards([])).lock_blocked
    with pytest.raises(Refused, match=words):
        scene.send(scene.change, soa=scene.soa)


def test_two_texts_at_the_locks_name_are_no_lock() -> None:
    scene = Scene()
    scene.server.zone[LOCK] = RRset(60, tuple(sorted(quote_text(token(r).text()) for r in ("a", "b"))))
    guards = step(provider_of(scene.server).guards([]))
    assert guards.lock is None
    assert "no lock" in guards.lock_blocked


@pytest.mark.parametrize(("owner", "rdtype", "value"), [("www", "CNAME", "x."), ("alias", "A", "192.0.2.9")])
def test_what_cannot_stand_together_is_a_conflict(owner: str, rdtype: str, value: str) -> None:
    scene = Scene()
    scene.server.foreign(f"alias.{ZONE}", "CNAME", RRset(60, ("x.",)))
    with pytest.raises(Conflict, match="cannot stand beside") as caught:
        scene.send(Change(key(owner, rdtype), None, RRset(60, (value,))))
    assert [m.key for m in caught.value.mismatches] == [key(owner, rdtype)]


def test_a_record_of_a_type_that_nobody_knows_is_a_conflict_and_not_a_zone_that_moved() -> None:
    """Trying again would not move it. In the simulation seed 888 tried for ever."""
    scene = Scene()
    scene.server.foreign(f"new.{ZONE}", "TYPE65280", RRset(60, ("\\# 1 00",)))
    with pytest.raises(Conflict, match="unusual type at new") as caught:
        scene.send(Change(key("new", "CNAME"), None, RRset(60, ("x.",))))
    assert [m.key for m in caught.value.mismatches] == [key("new", "CNAME")]


def test_a_record_of_a_type_that_nobody_knows_stands_in_the_lock_s_place() -> None:
    scene = Scene(fence=Fence(None, token()))
    scene.server.foreign(f"_dns-cutover.{ZONE}", "TYPE65280", RRset(60, ("\\# 1 00",)))
    with pytest.raises(Refused, match="stands in the lock's place"):
        scene.send(scene.change, soa=scene.soa)


def test_not_being_able_to_look_at_the_neighbours_leaves_the_fate_open() -> None:
    scene = Scene(fence=Fence(None, token()))
    scene.server.reply = UpdateReply("YXDOMAIN")

    class Fading(Server):
        async def query(self, questions: Collection[Question]) -> Answers:
            self.mute = self.queries > 0
            return await super().query(questions)

    scene.server = Fading(zone=dict(scene.server.zone), reply=scene.server.reply)
    with pytest.raises(Unreachable) as caught:
        scene.send(scene.change, soa=scene.soa)
    assert caught.value.maybe_applied


# -- refusals -------------------------------------------------------------------------------------------------------


def sent(reply: UpdateReply) -> Refused | Unreachable:
    scene = Scene()
    scene.server.reply = reply
    with pytest.raises((Refused, Unreachable)) as caught:
        scene.send(scene.change)
    return caught.value


def asked(reply: UpdateReply) -> Refused | Unreachable:
    scene = Scene()
    scene.server.failure = reply
    with pytest.raises((Refused, Unreachable)) as caught:
        step(provider_of(scene.server).read([WWW]))
    return caught.value


def test_bad_signature_reads_as_in_the_mock_up() -> None:
    error = sent(UpdateReply("NOTAUTH", signed=False, tsig_error="BADSIG"))
    assert error.what == "192.0.2.53 does not accept the TSIG key cutover (BADSIG)"
    assert error.why == "The server knows the key's name, but the secret differs."
    assert error.facts == (("used", "hmac-sha256, secret from $CUTOVER_TSIG, 44 characters"),)
    assert error.hints == ("compare it with the server's key file: base64, no quotes, no line end",)


@pytest.mark.parametrize(("told", "words"), [(700, "300 s ahead"), (1100, "100 s behind"), (None, "")])
def test_bad_time_says_by_how_much(told: float | None, words: str) -> None:
    error = asked(UpdateReply("NOTAUTH", told, signed=False, tsig_error="BADTIME"))
    assert "differ by more than 30 s (BADTIME)" in error.what
    assert [v for k, v in error.facts if k == "differ"] == ([f"this machine is {words}"] if words else [])


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (UpdateReply("REFUSED"), "refuses the update (REFUSED)"),
        (UpdateReply("NOTAUTH"), "does not serve the zone example.test. (NOTAUTH)"),
        (UpdateReply("NOTZONE"), "a name is not in example.test."),
        (UpdateReply("NOTIMP"), "does not know dynamic updates"),
        (UpdateReply("FORMERR"), "answered the update with FORMERR"),
        (UpdateReply("NOTAUTH", signed=False), "does not serve the zone example.test. (NOTAUTH, unsigned)"),
        (UpdateReply("REFUSED", signed=False), "does not accept the TSIG key cutover (REFUSED, unsigned)"),
        (UpdateReply("NOTIMP", signed=False), "answered NOTIMP without a signature"),
        (UpdateReply("NOTAUTH", signed=False, tsig_error="BADKEY"), "does not accept the TSIG key cutover (BADKEY)"),
    ],
)
def test_refused_updates_wrote_nothing(reply: UpdateReply, words: str) -> None:
    error = sent(reply)
    assert isinstance(error, Refused)
    assert words in error.what
    assert error.why
    assert error.hints


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (UpdateReply("REFUSED"), "does not serve the zone"),
        (UpdateReply("REFUSED", signed=False), "does not serve the zone"),
        (UpdateReply("NOTAUTH", signed=False), "does not accept the TSIG key"),
        (UpdateReply("FORMERR"), "answered a question with FORMERR"),
    ],
)
def test_refused_questions(reply: UpdateReply, words: str) -> None:
    error = asked(reply)
    assert isinstance(error, Refused)
    assert words in error.what


@pytest.mark.parametrize("rcode", ["NOERROR", "NXRRSET", "YXDOMAIN"])
def test_unsigned_answers_prove_nothing(rcode: str) -> None:
    error = sent(UpdateReply(rcode, signed=False))
    assert isinstance(error, Unreachable)
    assert error.maybe_applied
    assert f"answered without a signature ({rcode})" in error.what


@pytest.mark.parametrize("rcode", ["SERVFAIL", "BADVERS"])
def test_server_that_failed_may_have_written(rcode: str) -> None:
    error = sent(UpdateReply(rcode))
    assert isinstance(error, Unreachable)
    assert error.maybe_applied
    reading = asked(UpdateReply("SERVFAIL"))
    assert isinstance(reading, Unreachable)
    assert not reading.maybe_applied


def test_zone_without_soa_is_not_served() -> None:
    scene = Scene()
    del scene.server.zone[SOA]
    with pytest.raises(Refused, match="has no SOA"):
        step(provider_of(scene.server).guards([]))


def test_soa_and_apex_ns_are_never_deleted() -> None:
    scene = Scene()
    with pytest.raises(Refused, match="cannot be deleted"):
        scene.send(Change(key("@", "NS"), scene.server.zone[ZONE, "NS"], None))
    assert scene.server.updates == []


# -- the rest -------------------------------------------------------------------------------------------------------


def test_history_is_by_key_and_unknown_stays_unknown() -> None:
    scene = Scene()
    other = key("other", "A")
    assert step(provider_of(scene.server).history(1, [WWW])) is None
    scene.server.past = {(WWW.owner, "A"): 3600}
    assert step(provider_of(scene.server).history(1, [WWW, other])) == {WWW: 3600, other: 0}


def test_lock_of_the_root_zone() -> None:
    server = Server()
    assert Rfc2136Provider("root", ".", server, lambda: 0.0).lock_owner == "_dns-cutover."


@pytest.mark.parametrize(
    ("server", "started", "ended", "offset"),
    [
        (None, 10.0, 11.0, None),
        (10.0, 10.2, 10.4, 0.0),
        (10.0, 10.9, 11.1, 0.0),
        (10.0, 10.99, 10.999, 0.0),
        (9.0, 10.2, 10.4, -1.4),
        (14.0, 10.2, 10.4, 3.6),
    ],
)
def test_clock_offset(server: float | None, started: float, ended: float, offset: float | None) -> None:
    assert clock_offset(server, started, ended) == (None if offset is None else pytest.approx(offset))


@given(st.floats(0, 1e6), st.floats(0, 20), st.floats(0, 1), st.floats(-1000, 1000))
def test_clock_offset_never_says_later_than_the_server_is(now: float, trip: float, share: float, true: float) -> None:
    """A wait by the corrected clock ends no sooner than one by the server's."""
    signed = float(int(now + trip * share + true + 1e6)) - 1e6
    offset = clock_offset(signed, now, now + trip)
    assert offset is not None
    assert offset <= max(true, 0) + 1e-6
    assert offset >= min(true, 0) - trip - 1 - 1e-6


def test_guarantees_bound_is_an_argument() -> None:
    server = Server()
    assert Rfc2136Provider("main", ZONE, server, lambda: 0.0).guarantees.propagation_bound == 0.0
    assert (
        Rfc2136Provider("main", ZONE, server, lambda: 0.0, propagation_bound=30.0).guarantees.propagation_bound == 30.0
    )
    assert step(provider_of(server).settled(Receipt((), 1)))


def test_keys_of_another_zone_and_set_identifiers_are_not_for_this_provider() -> None:
    provider = provider_of(Server())
    with pytest.raises(ValueError, match="belongs to zone other"):
        step(provider.read([RRsetKey("other", WWW.owner, "A")]))
    with pytest.raises(Refused, match=r"www A \[blue\] cannot be kept"):
        step(provider.guards([RRsetKey("main", WWW.owner, "A", "blue")]))


def test_partition_keeps_a_small_change_set_whole() -> None:
    change = Change(WWW, A1, A2)
    assert provider_of(Server()).partition((change, change)) == ((change, change),)


def test_without_a_fence_no_lock_is_named() -> None:
    scene = Scene()
    receipt = step(provider_of(scene.server).apply(ChangeSet((scene.change,)), None))
    assert receipt.ignored == ()
    assert LOCK[0] not in {r.owner for s in scene.server.updates for r in (*s.prereqs, *s.edits)}
    with pytest.raises(Conflict):
        step(provider_of(scene.server).apply(ChangeSet((scene.change,)), None))


def test_soa_is_replaced_without_being_deleted() -> None:
    scene = Scene()
    later = RRset(300, ("ns1.example.test. host.example.test. 7 3600 600 86400 60",))
    spec = build(ZONE, LOCK[0], ChangeSet((Change(key("@", "SOA"), scene.server.zone[SOA], later),)), None)
    assert [op.kind for op in spec.edits] == ["add"]
