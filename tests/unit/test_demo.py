"""The demo is the main job on the lab: both runs end as they should, and no answer outlives the model."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dns_cutover.lab.demo import demo_run, table
from dns_cutover.report.plain import PlainWatcher


@pytest.mark.parametrize(("fault", "outcome"), [(False, "succeeded"), (True, "rolled_back")])
async def test_the_demo_measures_what_it_predicts(fault, outcome):
    out = io.StringIO()

    @contextmanager
    def watcher(now: Callable[[], float]) -> Iterator[PlainWatcher]:
        yield PlainWatcher(out, now)

    told = await demo_run(watcher, fault=fault, factor=250.0)
    assert told.outcome == outcome, out.getvalue()
    assert len(told.rows) >= 3
    assert all(row.holds for row in told.rows), told.rows
    assert any(row.measured for row in told.rows)
    if fault:
        assert told.detection is not None
        assert told.repair is not None
        assert told.detection <= 60
    text = out.getvalue()
    assert text.isascii()
    assert "WAIT" in text
    assert outcome in table(told, told, 1.0)
