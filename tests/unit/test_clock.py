"""The clock of a run: never set back, never stopped by a suspend."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import pytest

from dns_cutover.clock import SystemClock, steady


@dataclass
class Machine:
    """A wall clock that can be set, and a steady one that cannot."""

    wall: float = 1_000_000.0
    elapsed: float = 50.0

    def pass_(self, seconds: float) -> None:
        """Awake or asleep: both clocks go on."""
        self.wall += seconds
        self.elapsed += seconds

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.elapsed)


@pytest.mark.parametrize("jump", [-7200.0, -0.5, 0.5, 7200.0])
def test_a_wall_clock_that_is_set_is_ignored(jump):
    machine = Machine()
    clock = machine.clock()
    machine.pass_(10)
    machine.wall += jump
    assert clock.now() == 1_000_010.0
    machine.pass_(5)
    assert clock.now() == 1_000_015.0


def test_a_suspended_machine_wakes_to_the_right_time():
    """An hour of sleep is an hour of the wait: it ends at once, and not an hour late."""
    machine = Machine()
    clock = machine.clock()
    machine.pass_(3600)
    assert clock.now() == 1_003_600.0
    asyncio.run(clock.sleep_until(1_003_599.0))


@pytest.mark.parametrize("offset", [-300.0, 300.0])
def test_the_provider_s_clock_takes_its_place_and_goes_on_steadily(offset):
    machine = Machine()
    clock = machine.clock()
    clock.bound(offset)
    assert clock.now() == 1_000_000.0 + offset
    machine.wall += 86400
    machine.elapsed += 1
    assert clock.now() == 1_000_001.0 + offset


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="a clock of Linux")
def test_on_linux_the_steady_clock_is_the_one_that_counts_suspends():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= steady() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_clocks_that_came_apart_are_noticed_until_the_provider_s_clock_is_taken_over():
    """Set by somebody, or both of a virtual machine stood still, and the wall clock was set right afterwards."""
    machine = Machine()
    clock = machine.clock()
    machine.pass_(10)
    machine.wall += 0.5  # being slewed
    assert not clock.disturbed()
    machine.wall += 300.0
    assert clock.disturbed()
    clock.bound(0.0)
    assert (clock.now(), clock.disturbed()) == (machine.wall, False)
