"""`report`: the account of a run from its journal, as an incident report and as JSON."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dns_cutover.engine import events as ev
from dns_cutover.engine.journal import from_envelope
from dns_cutover.probes.interface import Verdict
from dns_cutover.report.account import Account, account
from dns_cutover.report.postmortem import postmortem
from tests.simulation.play import play
from tests.simulation.world import World
from tests.unit.test_run_over import call, run_over


def told(**world: object) -> tuple[World, Account, list[ev.Event]]:
    w = World(random.Random(1), **world)  # type: ignore[arg-type]
    play(w)
    events = [from_envelope(e) for e in w.journal]
    return w, account("r", events), events


def test_a_rollback_is_told_with_its_times() -> None:
    """From the change to the first bad sign, to the decision, to the old records at all servers, to the last cache."""
    _, a, events = told(broken=True)
    stage = a.stages[-1]
    sent = next(e for e in events if isinstance(e, ev.Intent) and e.step == "two/apply")
    started = next(e for e in events if isinstance(e, ev.RollbackStarted))
    assert stage.applied == sent.ts
    assert a.first_sign is not None
    assert stage.applied <= a.first_sign[0] <= started.ts
    assert a.decided is not None
    assert a.decided[0] == started.ts
    assert a.repaired is not None
    assert a.repaired > started.ts
    assert a.impact is not None
    assert a.impact.begin == stage.applied
    assert a.impact.end is not None
    # No longer than the model allows for the way back, counted from when it was sent.
    assert a.repaired < a.impact.end <= a.repaired + stage.back_predicted_s + 1
    assert any("two had to be taken back" in action for action in a.actions)


def test_what_was_taken_back_is_said_once_and_with_its_older_stages() -> None:
    """Taking the lock puts nothing back; a stage that only went back with the other one is named beside it."""
    w, a, _ = told(broken=True)
    back = [line.tag for _, line in a.lines if line.level == "UNDO"]
    assert back == ["undo:two: apply", "undo:one: apply", "undo:restore_ttl:default"]
    text = postmortem(a, w.now)
    assert "Counted is `two`, whose gate failed." in text
    assert "`one` was taken back with it: at all servers" in text


def test_a_run_that_succeeded_had_no_impact() -> None:
    """A server that lags is no sign of anything; the tails are told all the same."""
    _, a, _ = told()
    assert (a.impact, a.first_sign, a.decided, a.repaired, a.actions) == (None, None, None, None, ())
    assert [x.name for x in a.stages] == ["one", "two"]
    assert all(x.published is not None and x.published - x.applied < 60 for x in a.stages)
    assert all(x.predicted_s > 0 for x in a.stages)


def test_a_run_that_is_under_way_is_told_as_far_as_it_came() -> None:
    """Half a journal."""
    w, _, events = told(broken=True)
    for cut in range(1, len(events)):
        text = postmortem(account("r", events[:cut]), w.now)
        assert text.startswith("# `sim`")
    assert "is not over" in postmortem(account("r", events[: len(events) // 2]), w.now)


def test_a_journal_without_its_beginning_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with its runbook"):
        account("r", [])


def test_hostile_words_stay_words() -> None:
    """What a server said is no markup, no mention and no new line of the report."""
    w, _, events = told(broken=True)
    at = next(n for n, e in enumerate(events) if isinstance(e, ev.Probed) and e.verdict is Verdict.FAILURE)
    bad = events[at]
    assert isinstance(bad, ev.Probed)
    hostile = "`<img src=x>` @channel | a\n## Impact\n\u202enone"
    events[at] = ev.Probed(bad.ts, bad.step, bad.probe, bad.verdict, bad.latency, hostile)
    text = postmortem(account("r", events), w.now)
    assert text.count("\n## Impact\n") == 1
    assert "\u202e" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| first sign")]
    assert "``p: `<img src=x>` @channel \\| a\\x0a## Impact\\x0a\\u202enone``" in row


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text or JSON on standard output, or a new file that is never overwritten."""
    store = run_over(tmp_path / "runs", broken=True)
    code, text = call(capsys, store, "report", "r")
    assert code == 0
    assert "was taken back, and that is verified" in text
    code, text = call(capsys, store, "report", "r", "--format", "json")
    document = json.loads(text)
    assert (document["schema"], document["outcome"]) == ("dns-cutover/report/1", "rolled_back")
    assert document["decision"]["at"] <= document["repaired"] <= document["impact"]["end"]
    out = tmp_path / "report.md"
    assert call(capsys, store, "report", "r", "-o", str(out))[0] == 0
    assert out.read_text().startswith("# `sim`")
    code, text = call(capsys, store, "report", "r", "-o", str(out))
    assert (code, "is there already" in text) == (64, True)
    code, text = call(capsys, store, "report", "r", "-o", str(tmp_path / "no" / "report.md"))
    assert (code, "cannot be written" in text) == (1, True)
