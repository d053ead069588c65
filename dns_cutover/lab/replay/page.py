"""The replay as one page of HTML: no script, nothing fetched, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2

from dns_cutover.lab.replay.arms import KINDS, MAIL_EVERY, MINUTE
from dns_cutover.lab.replay.figures import ArmResult, middle, worst
from dns_cutover.lab.replay.playing import AFTER, BEFORE
from dns_cutover.lab.replay.words import MODELLED, NOT_MODELLED, bound, minutes
from dns_cutover.report.words import safe

WIDTH, HEIGHT = 720.0, 90.0


def page(results: Sequence[ArmResult]) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("dns_cutover.lab.replay").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        arms=[_arm(r) for r in results],
        kinds=[k.name for k in KINDS],
        phases=results[0].phases,
        modelled=MODELLED,
        not_modelled=NOT_MODELLED,
        width=WIDTH,
        height=HEIGHT,
        ticks=[(round(_x(m * MINUTE), 1), m) for m in range(0, int(AFTER / MINUTE) + 1, 10)],
    )


def _x(after: float) -> float:
    return (after + BEFORE) / (BEFORE + AFTER) * WIDTH


def _arm(r: ArmResult) -> dict[str, Any]:
    limit = bound(r)
    return {
        "name": safe(r.name),
        "what": safe(r.what),
        "outcome": safe(r.outcome),
        "why": safe(r.why),
        "outages": [(minutes(middle(r.of(k.name))), minutes(worst(r.of(k.name)))) for k in KINDS],
        "refused": r.refused,
        "detection": minutes(r.detection),
        "by": safe(r.noticed_by),
        "repair": minutes(r.repair),
        "duration": minutes(r.duration),
        "false": r.false_rollbacks,
        "bound": minutes(limit),
        "area": _area(r.picture),
        "end": round(_x(len(r.picture) * MAIL_EVERY - BEFORE), 1),
        "peak": f"{max(r.picture, default=0.0):.0%}",
        "marks": [
            (round(_x(m.at - r.zero), 1), safe(m.what), minutes(m.at - r.zero))
            for m in r.moments
            if -BEFORE <= m.at - r.zero <= AFTER
        ],
    }


def _area(shares: Sequence[float]) -> str:
    """A stepped outline, from the base line to the base line."""
    points = [f"0,{HEIGHT:g}"]
    for n, share in enumerate(shares):
        y = HEIGHT - share * HEIGHT
        points += [f"{_x(n * MAIL_EVERY - BEFORE):.1f},{y:.1f}", f"{_x((n + 1) * MAIL_EVERY - BEFORE):.1f},{y:.1f}"]
    points.append(f"{_x(len(shares) * MAIL_EVERY - BEFORE):.1f},{HEIGHT:g}")
    return " ".join(points)
