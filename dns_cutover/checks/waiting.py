"""DC161-DC163, DC313: windows that are too short, freezes that are over, confirmations whose settings mean nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.plan.models import Stage
from dns_cutover.plan.types import as_written
from dns_cutover.runbook.lowering import window_of
from dns_cutover.runbook.window import longest
from dns_cutover.timing.words import bound

_CHANGE = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
_LIVE = "www 300 IN A 192.0.2.10\n"


def _stage(rest: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {_CHANGE}\n{rest}"


_HOUR = '    window: {from: "09:00", to: "10:00", timezone: Europe/Berlin}\n'
_CONFIRM = "    confirm: [{id: ready, who: Support, says: The account is open., %s}]\n"


def _open_for(subject: Subject, stage: Stage) -> float:
    """For how long (seconds) the stage's window is open at most in the next days."""
    window = window_of(stage)
    assert window is not None
    return longest(window, subject.now)


@check(
    "DC161",
    "error",
    "a bake that is longer than the window is open",
    why="The stage would wait for ever for a window that is long enough.",
    hint="shorten the bake, or let the window end later",
    source="the plan format, window",
    ignorable=False,
    fires=Example(_stage(_HOUR + "    bake: 2h\n")),
    silent=Example(_stage(_HOUR + "    bake: 15m\n")),
)
def bake_beyond_window(subject: Subject) -> Iterator[Spot]:
    """A stage starts only if all of it fits before its window closes: the change, the death of old answers, the bake,
    and a rollback after that. What comes on top of the bake is known only with live DNS; a bake that is longer than the
    window alone never fits.
    """
    for n, stage in enumerate(subject.loaded.plan.stages):
        if stage.window is None or stage.bake <= (span := _open_for(subject, stage)):
            continue
        message = f"stage {stage.name} bakes for {as_written(stage.bake)}, and its window is open for {bound(span)}"
        yield Spot(("stages", n, "bake"), message, stage=stage.name)


@check(
    "DC313",
    "error",
    "a stage that never fits into its window",
    why="The stage would wait for ever for a window that is long enough.",
    hint="let the window end later, or shorten the bake or propagation.deadline",
    source="the plan format, window",
    needs="live",
    ignorable=False,
    fires=Example(
        _stage('    window: {from: "09:00", to: "09:20", timezone: Europe/Berlin}\n    bake: 20m\n'), zone=_LIVE
    ),
    silent=Example(_stage(_HOUR + "    bake: 20m\n"), zone=_LIVE),
)
def never_fits(subject: Subject) -> Iterator[Spot]:
    """A stage starts only if its worst case fits before the window closes: two rounds in which all servers agree, the
    life of the old answers and the bake, or the deadline for all of that if it is longer, and then the rounds and the
    life of the new answers, in case it is taken back. Where no window is open for so long the stage can never start.
    """
    if subject.book is None:
        return
    for n, stage in enumerate(subject.loaded.plan.stages):
        if stage.window is None or stage.bake > (span := _open_for(subject, stage)):
            continue
        needs = subject.book.stage(stage.name).needs
        if needs <= span:
            continue
        gate = stage.propagation or subject.loaded.plan.propagation
        parts = f"bake {as_written(stage.bake)}, deadline {as_written(gate.deadline)}, then the way back"
        message = (
            f"stage {stage.name} needs {bound(needs)} at worst ({parts}), and its window is open for {bound(span)}"
        )
        hint = f"let the window be open for {as_written(math.ceil(needs / 60) * 60)}, or shorten the bake"
        yield Spot(("stages", n, "window"), message, f"{hint} or propagation.deadline", stage=stage.name)


@check(
    "DC162",
    "warning",
    "a freeze that is over",
    why="It holds nothing any more, and whoever reads it may think that it does.",
    hint="take it out, or write the days that are meant",
    source="the plan format, freeze",
    fires=Example(
        'freeze: [{from: "2025-12-20", to: "2026-01-06", timezone: Europe/Berlin, because: year end}]\n' + _stage(""),
        note="Now it is 10 March 2026.",
    ),
    silent=Example(
        'freeze: [{from: "2026-12-20", to: "2027-01-06", timezone: Europe/Berlin, because: year end}]\n' + _stage("")
    ),
)
def freeze_over(subject: Subject) -> Iterator[Spot]:
    """Freezes are absolute times. One that lies in the past comes from a plan that was copied, or has the wrong year:
    the time that ought to be frozen is open.
    """
    for n, freeze in enumerate(subject.loaded.plan.freeze):
        if freeze.ends <= subject.now:
            when = datetime.fromtimestamp(freeze.ends, UTC).strftime("%Y-%m-%dT%H:%MZ")
            yield Spot(("freeze", n, "to"), f"this freeze ended {when}")


@check(
    "DC163",
    "warning",
    "a setting of a confirmation that means nothing",
    why="Whoever wrote it expects something that does not happen.",
    hint="write timeout as well, such as timeout: 24h",
    source="the plan format, confirm",
    fires=Example(_stage(_CONFIRM % "on_timeout: pause")),
    silent=Example(_stage(_CONFIRM % "timeout: 24h, on_timeout: pause")),
)
def idle_setting(subject: Subject) -> Iterator[Spot]:
    """on_timeout says what happens when the timeout of a confirmation ends; without a timeout the run waits for as long
    as it takes. valid_for says for how long an approval counts; shorter than a minute, it has expired before the stage
    that it is for has looked at its servers.
    """
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, item in enumerate(stage.confirm):
            at = ("stages", n, "confirm", m)
            if item.timeout is None and subject.loaded.document.has((*at, "on_timeout")):
                message = f"{item.id} has on_timeout: {item.on_timeout}, and no timeout"
                yield Spot((*at, "on_timeout"), message, stage=stage.name)
            if item.valid_for is not None and item.valid_for < 60:
                message = f"what {item.who} confirms counts for {as_written(item.valid_for)}"
                yield Spot((*at, "valid_for"), message, "write valid_for: 4h", stage=stage.name)


CHECKS = (bake_beyond_window, never_fits, freeze_over, idle_setting)
