"""When each stage of a run can happen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.timing.schedule import (
    Moment,
    NoWindow,
    StageTiming,
    Timeline,
    old_side_off,
    plan_timeline,
    raise_ttl_not_before,
)


def offsets(moments: tuple[Moment, ...]) -> list[tuple[str, float]]:
    return [(moment.stage, moment.offset) for moment in moments]


def test_no_stages_take_no_time():
    assert plan_timeline([]) == Timeline((), (), (), (), (), 0.0, 0.0)


def test_stages_without_a_wait_share_one_lowering_and_one_restore():
    line = plan_timeline([StageTiming("a", 3660, 120, 300), StageTiming("b", 7260, 120, 600)])
    assert offsets(line.lowering) == [("a", 0)]
    assert offsets(line.starts) == [("a", 7260), ("b", 7680)]
    assert offsets(line.converged) == [("a", 7380), ("b", 7800)]
    assert offsets(line.baked) == [("a", 7680), ("b", 8400)]
    assert offsets(line.restore_at) == [("b", 8400)]
    assert (line.finish, line.old_side_off) == (8400, 8400)


def test_a_lowering_overlaps_the_bake_before_it_and_the_wait():
    line = plan_timeline([StageTiming("a", 0, 100, 1000), StageTiming("b", 600, 100, 0, wait_s=50)])
    assert offsets(line.lowering) == [("b", 550)]
    assert offsets(line.starts) == [("a", 0), ("b", 1150)]


def test_a_lowering_longer_than_everything_before_it_begins_with_the_run():
    line = plan_timeline([StageTiming("a", 0, 10, 10), StageTiming("b", 600, 10, 10, wait_s=1)])
    assert offsets(line.lowering) == [("b", 0)]
    assert offsets(line.starts)[1] == ("b", 600)


def test_a_stage_that_does_not_share_has_its_own_lowering():
    line = plan_timeline([StageTiming("a", 60, 10, 10), StageTiming("b", 70, 10, 10, shares_lowering=False)])
    assert offsets(line.lowering) == [("a", 0), ("b", 10)]
    assert offsets(line.restore_at) == [("a", 80), ("b", 100)]


def test_stages_that_keep_the_low_ttl_have_no_restore():
    assert plan_timeline([StageTiming("a", 60, 10, 10, restore=False)]).restore_at == ()


@pytest.mark.parametrize(
    ("windows", "start"),
    [(((0, 900),), 600), (((0, 500), (2000, 3000)), 2000), (((600, 601),), 600), (((700, 800),), 700)],
)
def test_a_window_moves_the_change_and_its_lowering_with_it(windows, start):
    line = plan_timeline([StageTiming("a", 600, 10, 10, windows=windows)])
    assert offsets(line.starts) == [("a", start)]
    assert offsets(line.lowering) == [("a", start - 600)]


def test_a_stage_without_a_window_left_names_itself():
    with pytest.raises(NoWindow, match="stage 'late' is ready 600 s after the start"):
        plan_timeline([StageTiming("late", 600, 10, 10, windows=((0, 600),))])


def test_a_window_parts_lowerings():
    line = plan_timeline([StageTiming("a", 60, 10, 10), StageTiming("b", 60, 10, 10, windows=((500, 900),))])
    assert offsets(line.lowering) == [("a", 0), ("b", 440)]


@pytest.mark.parametrize(("way_back", "off"), [(50.0, 110.0), (5000.0, 5000.0)])
def test_the_old_side_stays_until_its_version_is_dead_and_no_way_leads_back(way_back, off):
    assert plan_timeline([StageTiming("a", 10, 100, 1000)], way_back_ends=way_back).old_side_off == off
    assert old_side_off(110.0, way_back) == off


def test_the_ttl_rises_after_death_and_bake():
    assert raise_ttl_not_before(120.0, 300.0) == 420.0


seconds = st.integers(0, 5000)
stage_timings = st.builds(
    StageTiming, st.sampled_from("abc"), seconds, seconds, seconds, seconds | st.just(0), st.booleans(), st.booleans()
)


@settings(deadline=None)
@given(st.lists(stage_timings, max_size=6))
def test_no_stage_starts_before_its_lead_its_wait_and_the_bake_before_it(stages):
    line = plan_timeline(stages)
    starts, baked = [m.offset for m in line.starts], [m.offset for m in line.baked]
    for n, stage in enumerate(stages):
        assert starts[n] >= (baked[n - 1] if n else 0) + stage.wait_s
        assert baked[n] == starts[n] + stage.tail_s + stage.bake_s
        assert starts[n] >= stage.lead_s
    assert all(m.offset >= 0 for m in line.lowering)
    assert line.old_side_off >= max((m.offset for m in line.converged), default=0)
