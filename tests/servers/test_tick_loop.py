"""A loop of `tick`, as cron runs it, carries a plan through TTL waits, a confirmation and a window; and back again."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from .test_cutover import Tool, assert_after, assert_before, eventually, tool

__all__ = ["tool"]  # the fixture

EVERY = 2.0  # seconds between two ticks
PATIENCE = 180.0  # seconds for the whole of it

MORE = """\
    confirm: [{{id: ips-bound, who: NewMail support, says: "The addresses are bound.", timeout: 1h}}]
    window: {{from: "{opens}", to: "{closes}", timezone: UTC}}
"""


def with_window(tool: Tool) -> None:
    """The first stage waits for a confirmation, and for a window that opens with a minute to come."""
    now = datetime.now(UTC)
    # Soon, and not so soon that nobody sees it closed.
    opens = (now + timedelta(seconds=85)).replace(second=0, microsecond=0)
    more = MORE.format(opens=f"{opens:%H:%M}", closes=f"{opens + timedelta(hours=3):%H:%M}")
    tool.plan.write_text(tool.plan.read_text().replace("  - name: overlap\n", "  - name: overlap\n" + more))


def test_a_loop_of_ticks_finishes_a_plan_that_waits_for_everything(tool: Tool) -> None:
    """No process lives longer than what is due. Exit codes as documented: 75 while it waits, 0 from a plain tick and at
    the end, 4 for a confirmation of another runbook, 6 for the rollback of what succeeded.
    """
    with_window(tool)
    code, _, err = tool.call("run", str(tool.plan), "--yes", "--no-wait", "--events", str(tool.events))
    assert code == 75, err
    assert tool.journal()[0]["type"] == "version"
    run, seen = tool.run_id(), Counter[str]()
    confirmed = False
    deadline = time.monotonic() + PATIENCE
    while code == 75:
        assert time.monotonic() < deadline, seen
        time.sleep(EVERY)
        status = json.loads(tool.call("status", run, "--format", "json")[1])
        reason = status["waiting"]["reason"] if status["waiting"] else status["state"]
        seen[reason] += 1
        if reason == "confirm" and not confirmed:
            sha256 = status["runbook_sha256"]
            code, _, err = tool.call("confirm", run, "ips-bound", "--by", "Ann", "--runbook", "0" * 12)
            assert code == 4, err
            # Whoever only ticks is told nothing by the exit code; who asks for it is.
            assert tool.call("tick", run)[0] == 0
            code, _, err = tool.call("confirm", run, "ips-bound", "--by", "Ann", "--runbook", sha256[:12])
            assert code == 0, err
            confirmed = True
        code, _, err = tool.call("tick", run, "--detailed-exitcode", "--events", str(tool.events))
        assert code in (0, 75), err
    assert {"ttl", "confirm", "window"} <= seen.keys(), seen
    eventually(lambda: assert_after(tool))

    events = [json.loads(line) for line in tool.call("events", run)[1].splitlines()]
    written = [e for e in events if e["type"] == "intent" and e["purpose"] == "write"]
    assert len({e["step"] for e in written}) == len(written), "each step was sent once"
    said = next(e for e in events if e["type"] == "command" and e["verb"] == "confirm")
    assert (said["by"], said["subject"]) == ("Ann", "ips-bound")
    assert len({e["runner"] for e in events if e["type"] == "claimed"}) > 5

    # The way back is open for a day (rollback.keep_for), from any process.
    assert tool.call("tick", run)[0] == 0
    code, _, err = tool.call("rollback", run, "--yes", "--by", "Bob")
    assert code == 6, err
    eventually(lambda: assert_before(tool))
