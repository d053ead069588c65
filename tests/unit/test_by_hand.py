"""What is left to do by hand: messages of both directions, their text, and the runbook for people."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from dns_cutover.assembly import scripts_for
from dns_cutover.engine import events as ev
from dns_cutover.engine.fold import evolve, fold
from dns_cutover.engine.journal import from_envelope
from dns_cutover.engine.rollback import way_back
from dns_cutover.engine.state import RunState
from dns_cutover.providers.interface import Token
from dns_cutover.providers.rfc2136.nsupdate import NsupdateScripts
from dns_cutover.providers.rfc2136.update import operations, prerequisites
from dns_cutover.records import Change, RRset, RRsetKey, SetEdit, ValueEdit
from dns_cutover.report.by_hand import current, from_run, from_runbook, left_over
from dns_cutover.report.by_hand_files import Renderer, conditions, exactly
from dns_cutover.report.preview import CROSS_ZONES
from dns_cutover.report.runbook_page import runbook_page
from dns_cutover.runbook.export_messages import images, messages
from dns_cutover.runbook.model import WRITES, Runbook, Step, StepKind
from tests.simulation.plans import AFTER, BASE, runbook
from tests.simulation.play import play
from tests.simulation.world import World
from tests.unit.preview_world import MAIL, MAIL_ZONE, NOW, book_of, mail, many, retire, two_zones

GOLDEN = Path(__file__).parents[1] / "data" / "export"
SHA = "ab" * 32
MX = (("example.test.", "MX"), RRset(30, ("5 foreign.test.",)))


def renderer(book: Runbook, stage: str = "") -> Renderer:
    return Renderer(from_runbook(book, stage), SHA, scripts_for(book))


@cache
def states(*, broken: bool = False, foreign: float = 0.0) -> list[RunState]:
    """The state after each event of one run of the simulation."""
    world = World(random.Random(1), broken=broken)
    play(world, foreign_at={foreign: MX} if foreign else {})
    events = [from_envelope(e) for e in world.journal]
    out = [fold("r", events[:1])]
    for event in events[1:]:
        out.append(evolve(out[-1], event))
    return out


def base(key: RRsetKey) -> RRset | None:
    return BASE.get((key.owner, key.rdtype))


# -- the same text for everybody ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("forward.nsupdate", lambda: renderer(retire()).script("forward")),
        ("back.nsupdate", lambda: renderer(retire()).script("back")),
        ("readme.txt", lambda: renderer(retire()).folder("forward", "back")[0].text),
        ("runbook.md", lambda: runbook_page(retire(), SHA, NOW)),
    ],
)
def test_golden(name: str, text) -> None:
    """What people get is what was read over; to make it anew delete the file, run the test, and read the difference."""
    path = GOLDEN / name
    if not path.exists():
        path.write_text(text(), encoding="utf-8")
        pytest.fail(f"{path} is made anew: read it, then run the test again")
    assert text() == path.read_text(encoding="utf-8")


# -- messages ----------------------------------------------------------------------------------------------------------


def test_forward_ends_where_the_plan_ends_and_back_where_it_began() -> None:
    """The arithmetic of the messages is that of the run."""
    book = runbook()
    found = from_runbook(book)
    end = {(k.owner, k.rdtype): r for k, r in found.forward.image.items() if (k.owner, k.rdtype) in AFTER}
    assert end == AFTER
    assert found.back.image == {**images(book)}


def test_a_message_has_the_prerequisites_of_the_tool() -> None:
    """Word for word what the provider would send, the run's own lock and SOA apart."""
    book = retire()
    for part in (from_runbook(book).forward, from_runbook(book).back):
        for m in part.messages:
            text = scripts_for(book)["default"].message((), m.changes)
            lines = [t for t in text.splitlines() if t.startswith(("prereq", "update"))]
            assert lines[0] == "prereq nxrrset _dns-cutover.example.test. TXT"
            told = sum(max(1, len(p.values)) for p in prerequisites(m.changes))
            told += sum(max(1, len(e.values)) for e in operations(m.changes, "example.test."))
            assert len(lines) == 1 + told


def test_stages_are_the_whole_cut_in_pieces() -> None:
    book = retire()
    whole = [m.changes for m in from_runbook(book).forward.messages]
    pieces = [m.changes for s in book.stages for m in from_runbook(book, s.name).forward.messages]
    assert pieces == whole


def test_the_way_back_of_a_stage_is_a_rollback_of_it_alone() -> None:
    """What the stage before did stays, and the stage's own RRsets have their old TTLs again."""
    found = from_runbook(mail(), "switch")
    assert [m.step.id for m in found.back.messages] == ["undo:switch/apply", "undo:restore_ttl:default"]
    mx = found.back.image[RRsetKey("default", "example.test.", "MX")]
    assert mx == RRset(3600, ("10 mx.oldmail.test.",))
    txt = found.back.image[RRsetKey("default", "example.test.", "TXT")]
    assert txt is not None
    assert any("newmail" in v for v in txt.values)


def test_one_renderer_tells_directions_apart() -> None:
    made = renderer(mail())
    forward, back = made.folder("forward")[1:], made.folder("back")[1:]
    assert {s.name.partition("-")[0] for s in forward} == {"forward"}
    assert {s.name.partition("-")[0] for s in back} == {"back"}
    assert made.folder("forward", "back")[1:] == (*forward, *back)


def test_what_only_adds_is_named() -> None:
    assert from_runbook(mail()).stays == ("nm1._domainkey CNAME",)
    assert "nm1._domainkey CNAME" in renderer(mail()).folder("back")[0].text


def test_a_rollback_down_to_a_stage_leaves_older_ones_as_they_are() -> None:
    before = next(s for s in states() if s.step is None and s.outcome is None)
    went = evolve(before, ev.RollbackStarted(2000.0, "", "command", "asked for", "two"))
    assert went.back is not None
    over = replace(went, bi=len(went.back))
    kept = {c.key: c.after for w in over.done if w.stage == "one" and w.kind is StepKind.APPLY for c in w.changes}
    image = current(over)
    assert kept
    assert {k: r.values if r is not None else None for k, r in image.items() if k in kept} == {
        k: r.values if r is not None else None for k, r in kept.items()
    }
    assert not from_run(over).back.messages


def test_a_stage_whose_way_back_is_closed_is_named() -> None:
    plan = MAIL.replace("    bake: 5m\n", "    bake: 5m\n    commit: after\n", 1)
    made = renderer(book_of(plan, MAIL_ZONE))
    assert made.found.closed == ("overlap",)
    assert "Stage overlap is not taken back" in made.folder("back")[0].text


def test_a_stage_without_changes_has_no_messages() -> None:
    book = retire()
    bare = replace(book, steps=tuple(s for s in book.steps if s.stage != "switch"))
    found = from_runbook(bare, "switch")
    assert found.forward.messages == ()
    assert found.back.messages == ()


def test_an_edit_that_does_not_fit_is_told_by_its_prerequisites() -> None:
    """A runbook that was made by hand still gives scripts, which the server refuses."""
    key = RRsetKey("default", "x.example.test.", "TXT")
    step = Step("s/apply", StepKind.APPLY, "s", "default", (ValueEdit(key, ('"a"',), ('"b"',), 60, 60),))
    assert messages([step], {}, "forward").messages[0].changes == (Change(key, None, RRset(60, ('"b"',))),)
    gone = replace(step, edits=(ValueEdit(key, ('"a"',), (), 60, 60),))
    assert messages([gone], {key: RRset(30, ('"a"',))}, "forward").image == {key: None}
    assert messages([replace(step, edits=())], {}, "forward").messages == ()


# -- where a run stands ------------------------------------------------------------------------------------------------


def test_at_every_event_the_way_back_leads_to_the_beginning() -> None:
    """Whenever a run dies: the scripts of that moment put back what it had changed, and nothing else."""
    for state in states():
        found = from_run(state)
        for key, rrset in found.back.image.items():
            assert rrset == base(key), (state.seq, key)
        rest = found.forward
        if rest.messages:
            end = {(k.owner, k.rdtype): r for k, r in rest.image.items() if (k.owner, k.rdtype) in AFTER}
            assert end == AFTER, state.seq


def test_at_every_event_of_a_rollback_the_rest_leads_to_the_beginning() -> None:
    for state in states(broken=True):
        found = from_run(state)
        assert {k: base(k) for k in found.back.image} == dict(found.back.image), state.seq
        if state.back is not None:
            assert found.forward.messages == ()
    assert found.back.messages == ()


def test_a_message_under_way_counts_as_sent() -> None:
    """Its undo is among the scripts before the tool knows what became of it."""
    state = next(s for s in states() if s.pending is not None and s.pending.purpose == "write" and s.pending.changes)
    made = Renderer(from_run(state), SHA, scripts_for(_with_provider(state.book)))
    assert state.pending is not None
    assert {c.key for c in state.pending.changes} <= {c.key for m in made.found.back.messages for c in m.changes}
    text = made.folder("back")[0].text
    assert f"op={state.pending.op}" in text
    assert state.pending.next is not None
    assert state.pending.held is not None
    unlocks = made.unlocks()
    assert [s.name for s in unlocks] == ["00-unlock-1.nsupdate", "00-unlock-2.nsupdate"]
    for sheet, token in zip(unlocks, (state.pending.held, state.pending.next), strict=True):
        assert token.text() in sheet.text
        assert "the others are refused" in sheet.note
    burned = replace(state, burns=(Token("r", 99, "burn", 5),))
    assert "n=99 op=burn" in Renderer(from_run(burned), SHA, made.scripts).unlocks()[2].text


def _with_provider(book: Runbook) -> Runbook:
    provider = {"type": "rfc2136", "server": "192.0.2.53", "key": {"name": "k", "algorithm": "hmac-sha256"}}
    return replace(book, zones=tuple(replace(z, provider=provider) for z in book.zones))


def failed() -> RunState:
    """A rollback that met somebody else's MX."""
    for at in range(300, 900, 50):
        last = states(broken=True, foreign=1000.0 + at)[-1]
        if last.outcome == "rollback_failed" and last.left:
            return last
    raise AssertionError("no moment makes the rollback fail")


def test_what_a_rollback_left_is_exact() -> None:
    """From what was found to what was there at the beginning, the TTL before the run included."""
    state = failed()
    (message,) = left_over(state)
    key = RRsetKey("default", *MX[0])
    assert message.changes == (Change(key, MX[1], base(key)),)
    assert current(state)[key] == MX[1]
    made = Renderer(from_run(state), SHA, scripts_for(_with_provider(state.book)))
    sheet = made.folder("back")[-1]
    assert sheet.name == "left-01-left-example.test.nsupdate"
    assert "prereq yxrrset example.test. MX 5 foreign.test.\n" in sheet.text
    assert "update add example.test. 300 MX 10 old.test.\n" in sheet.text
    assert "Find out who changed it" in sheet.text
    assert made.script("back").startswith("; plan sim")


def test_what_the_server_ignored_is_left_too() -> None:
    """The server took the message of an undo and left a record as it was: the script says so from our own image."""
    state = states(broken=True)[-1]
    key = RRsetKey("default", "www.example.test.", "A")
    stuck = replace(state, ignored=(key,))
    (message,) = left_over(stuck)
    assert message.changes[0].before is not None
    assert message.changes[0].before.values == ("192.0.2.9",)
    assert message.changes[0].after == base(key)
    assert current(stuck)[key] == message.changes[0].before
    assert left_over(state) == ()


def test_the_journal_tells_what_the_server_ignored() -> None:
    """Each undo that was taken in part adds to what is left, and no such rollback is called a success."""
    undone = [s for s in states(broken=True) if s.pending is not None and s.pending.purpose == "undo"]
    told: tuple[RRsetKey, ...] = ("earlier",)  # type: ignore[assignment]
    for state in undone:
        assert state.pending is not None
        key = state.pending.changes[0].key
        event = ev.Applied(state.pending.ts, state.pending.step, state.pending.op, (key,), 9)
        after = evolve(replace(state, ignored=told), event)
        assert after.ignored == (*told, key)
        assert after.unproven
        assert key in {c.key for m in left_over(replace(after, ignored=(key,))) for c in m.changes}
    assert len(undone) > 1


def test_values_of_others_stay_in_what_is_left() -> None:
    """An edit by value is taken back by value, whatever else stands there now."""
    state = states(broken=True)[-1]
    key = RRsetKey("default", "example.test.", "TXT")
    found = RRset(30, ('"both"', '"somebody"'))
    left = replace(state, left=(ev.Foreign(key, "with both", found, False),))
    (message,) = left_over(left)
    assert message.changes[0].after == RRset(600, ('"old"', '"somebody"'))


def test_only_one_stage_of_a_run() -> None:
    state = states()[-1]
    found = from_run(state, "two")
    assert {m.step.stage for m in found.back.messages} == {"two"}


def test_the_undo_list_is_the_engines() -> None:
    """After a rollback began, what is left of its own list is what is left to do by hand."""
    for state in states(broken=True):
        if state.back is not None:
            rest = [s.id for s in state.back[state.bi :] if s.kind in WRITES and s.edits]
            assert [m.step.id for m in from_run(state).back.messages] == rest
            assert way_back(state.book, state.done, state.i)


# -- text --------------------------------------------------------------------------------------------------------------


def test_no_text_becomes_a_command() -> None:
    """Names and sentences of a hostile runbook stay in comments; the lines that nsupdate acts on are ours."""
    book = retire()
    evil = "x\nserver 203.0.113.1\nupdate delete example.test. ANY\x1b[2J"
    steps = tuple(
        replace(
            s,
            confirm=replace(s.confirm, who=evil, says=evil, undo=evil) if s.confirm is not None else None,
            probes=tuple(replace(p, name=evil) for p in s.probes),
            exposures=tuple(replace(x, old_why=evil) for x in s.exposures),
            id=f"{s.id}/../{evil}",
        )
        for s in book.steps
    )
    zones = tuple(replace(z, provider={**z.provider, "server": evil, "key": {"name": evil}}) for z in book.zones)
    made = renderer(replace(book, plan=evil, steps=steps, zones=zones))
    for sheet in made.folder("forward", "back"):
        assert "/" not in sheet.name
        assert "\x1b" not in sheet.text
        if sheet.name.endswith(".nsupdate"):
            own = [t for t in sheet.text.splitlines() if not t.startswith(";")]
            assert {t.split()[0] for t in own} <= {"zone", "check-names", "prereq", "update", "send"}
            assert not any("203.0.113.1" in t or "ANY" in t for t in own)


def test_no_secret_is_in_a_script() -> None:
    text = "".join(s.text for s in renderer(mail()).folder("forward", "back"))
    assert "CUTOVER_TSIG" not in text
    assert 'secret "BASE64"' in text


def test_zones_of_their_own_providers() -> None:
    """Each message goes to its zone's server; a zone that nothing is known for is named."""
    book = two_zones()
    sheets = renderer(book).folder("forward")
    assert any("server 192.0.2.53 53\nzone example.test.\n" in s.text for s in sheets)
    assert any("server 192.0.2.54 53\nzone corp.test.\n" in s.text for s in sheets)
    odd = replace(book, zones=(book.zones[0], replace(book.zones[1], provider={"type": "manual"})))
    made = renderer(odd)
    assert len(made.folder("forward")) < len(sheets)
    assert (
        "No scripts for private corp.test.: nothing is known for the provider manual" in made.folder("forward")[0].text
    )
    assert scripts_for(odd, "route53") == {}
    locked = Renderer(
        replace(made.found, locks=dict.fromkeys(("private", "public"), (Token("r", 1, "x", 2),))),
        SHA,
        made.scripts,
    )
    assert [s.name for s in locked.unlocks()] == ["00-unlock-public.nsupdate"]
    assert "manual" not in made.script("forward")


def test_nothing_left_to_send_is_said() -> None:
    state = states(broken=True)[-1]
    made = Renderer(from_run(state), SHA, scripts_for(_with_provider(state.book)))
    assert made.script("back") == ""
    assert "Nothing is left to send." in made.folder("back")[0].text


def test_where_the_server_is_unknown_a_person_writes_it() -> None:
    text = NsupdateScripts("example.test.", "[::1", "k", "hmac-sha256").message((), ())
    assert "; write the primary server's address here" in text
    assert "\nserver " not in text


def test_a_server_with_a_port() -> None:
    assert "server 2001:db8::1 5353\n" in NsupdateScripts(".", "[2001:db8::1]:5353", "k", "a").message((), ())
    assert NsupdateScripts(".", "x", "k", "a").lock_owner == "_dns-cutover."
    assert NsupdateScripts("x.", "x", "k", "a", "lock.x.").lock_owner == "lock.x."


def test_a_long_value_goes_as_octets() -> None:
    key = RRsetKey("default", "x.example.test.", "TXT")
    value = " ".join('"' + r"\001" * 255 + '"' for _ in range(120))
    text = NsupdateScripts("example.test.", "x", "k", "a").message((), (Change(key, None, RRset(60, (value,))),))
    assert f"update add x.example.test. 60 TXT \\# {120 * 256} ff0101" in text
    assert max(map(len, text.splitlines())) < 128 * 1024


def test_many_values_are_cut_in_comments_alone() -> None:
    key = RRsetKey("default", "x.example.test.", "TXT")
    values = tuple(sorted(f'"{n:03d}{"y" * 500}"' for n in range(50)))
    book = mail()
    step = Step("s/apply", StepKind.APPLY, "s", "default", (SetEdit(key, None, RRset(60, values)),))
    (sheet,) = renderer(book).sheets(messages([step], {}, "forward").messages)
    assert ";   + and 10 more\n" in sheet.text
    assert sheet.text.count("update add") == 50
    pinned = Step("s/apply", StepKind.APPLY, "s", "default", (SetEdit(key, RRset(60, values), RRset(60, values)),))
    (sheet,) = renderer(book).sheets(messages([pinned], {}, "forward").messages)
    assert "= must be as it is" in sheet.text
    assert "update" not in [t.split()[0] for t in sheet.text.splitlines() if not t.startswith(";")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s (0 s)"), (59.2, "1m 00s (60 s)"), (3660, "1h 01m (3660 s)"), (1e6, "11.6 days")]
)
def test_a_worst_case_is_never_rounded_down(seconds: float, text: str) -> None:
    assert int(exactly(seconds).split("(")[1].split()[0]) >= seconds
    if seconds < 1e6:
        assert exactly(seconds) == text


def test_quiet_steps_say_nothing() -> None:
    steps = (
        Step("a", StepKind.PREFLIGHT),
        Step("b", StepKind.CONVERGE),
        Step("c", StepKind.WAIT_TTL),
        Step("d", StepKind.CONFIRM),
        Step("e", StepKind.WINDOW),
        Step("f", StepKind.BAKE),
    )
    assert list(conditions(mail(), steps)) == []


# -- the runbook for people --------------------------------------------------------------------------------------------


def test_the_hash_stands_first() -> None:
    lines = [t for t in runbook_page(mail(), SHA, NOW).splitlines() if t]
    assert lines[1] == f"SHA-256 `{SHA}`"


def test_times_are_those_of_the_start() -> None:
    """The same start, the same page; another start, other times."""
    assert runbook_page(mail(), SHA, NOW) == runbook_page(mail(), SHA, NOW)
    assert runbook_page(mail(), SHA, NOW) != runbook_page(mail(), SHA, NOW + 60)


def test_a_page_of_a_run_has_its_commands() -> None:
    page = runbook_page(mail(), SHA, NOW, "7f3a")
    assert "dns-cutover rollback 7f3a" in page
    assert "RUN" not in page.replace("RUNBOOK", "")


def test_a_page_of_one_stage() -> None:
    page = runbook_page(mail(), SHA, NOW, stage="overlap")
    assert "## Stage 1: `overlap`" in page
    assert "## Stage 2" not in page
    assert "Nobody: the plan asks for no confirmation." in page


def test_a_page_without_a_time_zone_is_in_utc() -> None:
    page = runbook_page(two_zones(), SHA, NOW)
    assert "| After | UTC | Stage |" in page
    assert f"**{CROSS_ZONES}**" in page


def test_no_text_becomes_markup() -> None:
    """Whatever a plan says stays text: no HTML, link, table cell, heading or mention comes of it."""
    evil = "| x <img src=x> `# [a](b) @team\n# head"
    plan = MAIL.replace("who: NewMail support", f"who: {evil!r}").replace("summary: Publish", "summary: '<b>' #")
    book = book_of(plan, MAIL_ZONE)
    book = replace(book, owner=evil, summary=evil, plan=evil, zones=tuple(replace(z, name=z.name) for z in book.zones))
    page = runbook_page(book, SHA, NOW)
    assert not any(t.startswith("# head") for t in page.splitlines())
    for line in page.splitlines():
        outside = "".join(line.split("`")[::2]) if line.count("`") % 2 == 0 and "``" not in line else ""
        assert "<img" not in outside
        assert "@team" not in outside


def test_policies_of_the_way_back() -> None:
    """Manual rollback, one stage at a time, an end of the way back, commit points, and a probe as a proof."""
    top = 'rollback: {automatic: false, scope: stage, until: "2026-03-12T00:00:00Z"}\n'
    plan = MAIL.replace("    bake: 5m\n", "    bake: 5m\n    commit: after\n", 1).replace("safety:", f"{top}safety:", 1)
    plan = plan.replace("        by: person\n", "        by: probe\n        probe: new-mx\n")
    page = runbook_page(book_of(plan, MAIL_ZONE), SHA, NOW)
    assert "Nothing goes back by itself: a person decides." in page
    assert "**Once it has baked** its way back is closed." in page
    assert "The way back ends at Thu 2026-03-12 00:00:00 UTC" in page
    assert "proved by the probe `new-mx`" in page
    assert "takes back `switch` (1 message), and proves it" in page


def test_a_large_plan_is_one_page() -> None:
    page = runbook_page(many(), SHA, NOW)
    assert "cdn-001 to cdn-140" in page
