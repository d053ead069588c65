"""DC140-DC146: probes that watch nothing, decide nothing, or cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.checks.moves import decides, endpoint, probe_yaml, replaced, watched
from dns_cutover.plan.models import CommandProbe, DnsProbe, HttpProbe, ProbeConfig, Stage
from dns_cutover.plan.places import Path
from dns_cutover.plan.types import as_written
from dns_cutover.probes.interface import MAX_TIMEOUT
from dns_cutover.records import absolute_name, canonical_type

_CHANGE = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
_GREEN = "type: http, name: green, url: https://www.example.test/, address: 192.0.2.20"


def _stage(probes: str, rest: str = "    bake: 10m\n") -> Example:
    given = f"    probes:\n      - {{{probes}}}\n" if probes else ""
    return Example(f"stages:\n  - name: switch\n    changes:\n      - {_CHANGE}\n{rest}{given}")


_GOOD = _stage(_GREEN)


def _probes(subject: Subject) -> Iterator[tuple[Stage, int, ProbeConfig, Path]]:
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, probe in enumerate(stage.probes):
            yield stage, n, probe, ("stages", n, "probes", m)


@check(
    "DC140",
    "warning",
    "a stage without probes moves a service",
    why="Servers can agree on a new answer that leads nowhere; only a probe of the service tells.",
    hint="add a probe of the new side to the stage",
    source="the plan format, probes",
    fires=_stage(""),
    silent=_GOOD,
)
def no_probe(subject: Subject) -> Iterator[Spot]:
    """Propagation proves that the change is published, not that what it points to works. In the stage that moves users
    a probe of the new side is what notices a closed port, a wrong certificate or a host that refuses, and what starts
    the way back before the first user calls.
    """
    for n, changes in replaced(subject).items():
        stage = changes[0].stage
        if any(map(decides, stage.probes)):
            continue
        path: Path = ("stages", n, "probes" if stage.probes else "name")
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        what = "none of its probes decides about the new side" if stage.probes else "no probe watches the new side"
        probe = probe_yaml(changes[0], "new")
        hint = f"add {probe} to probes" if stage.probes else f"probes: [{probe}]"
        yield Spot(path, f"stage {stage.name} moves {changes[0].label}{more}, and {what}", hint, stage.name)


@check(
    "DC141",
    "warning",
    "a probe that can never fail",
    why="What cannot fail proves nothing, and it will not start the way back.",
    hint="give the probe a limit of failures, and an expectation that a broken service does not meet",
    source="the plan format, probes",
    fires=_stage(f"{_GREEN}, consecutive_failure_limit: null"),
    silent=_GOOD,
)
def never_fails(subject: Subject) -> Iterator[Spot]:
    """A probe is a falsifier: it is worth what would make it fail. Without any limit its failures add up to nothing,
    and the stage waits until somebody looks; with an expectation that every answer meets, error pages included, it
    says that all is well.
    """
    for _, _, probe, path in _probes(subject):
        if probe.role == "control" or probe.report_only:
            continue
        if probe.failure_limit is None and probe.consecutive_failure_limit is None:
            message = f"probe {probe.name} has no limit of failures: it never fails, and the stage waits for ever"
            yield Spot((*path, "consecutive_failure_limit"), message, "write consecutive_failure_limit: 3")
        statuses = probe.expect_status if isinstance(probe, HttpProbe) else ()
        if statuses and min(statuses) < 400 and max(statuses) >= 500:
            message = f"probe {probe.name} takes the server's error {max(statuses)} for success"
            yield Spot((*path, "expect_status"), message, "write expect_status: [200]")
        if isinstance(probe, CommandProbe) and _always_true(probe.argv):
            message = f"probe {probe.name} runs a command that always succeeds"
            yield Spot((*path, "argv"), message, "let its exit code be that of the check: 0 is success")


def _always_true(argv: tuple[str, ...]) -> bool:
    return argv[0].rpartition("/")[2] in ("true", ":") or any(
        re.search(r"(\|\||;)\s*(true|:|exit 0)\s*$", arg) for arg in argv[1:]
    )


@check(
    "DC142",
    "error",
    "a probe that cannot run",
    why="The run would refuse to begin, on the day.",
    hint=f"a timeout of {MAX_TIMEOUT:g}s at most",
    source="dns-cutover schema",
    fires=_stage(f"{_GREEN}, timeout: 20m, interval: 30m", "    bake: 2h\n"),
    silent=_GOOD,
)
def cannot_run(subject: Subject) -> Iterator[Spot]:
    """No probe may take longer than ten minutes. Commands run only where --allow-commands says so, which is told here,
    since a run without it does not begin.
    """
    for _, _, probe, path in _probes(subject):
        if isinstance(probe, CommandProbe):
            message = f"probe {probe.name} runs a command"
            yield Spot((*path, "argv"), message, "the run needs --allow-commands", severity="info")
        if probe.timeout > MAX_TIMEOUT:
            message = f"probe {probe.name}: a timeout of {as_written(probe.timeout)} is more than a probe may take"
            yield Spot((*path, "timeout"), message, f"write timeout: {MAX_TIMEOUT:g}s at most")


@check(
    "DC143",
    "warning",
    "a timeout longer than the interval",
    why="While one question hangs the next one is not asked, so that a dead service is noticed late.",
    hint="give the probe a timeout that is shorter than its interval",
    source="the plan format, probes",
    fires=_stage(f"{_GREEN}, interval: 10s, timeout: 30s"),
    silent=_GOOD,
)
def slow_timeout(subject: Subject) -> Iterator[Spot]:
    """The interval runs from one answer to the next question. A service that hangs is then asked every interval plus
    timeout, and its failures in a row take that much longer than the plan seems to say.
    """
    for _, _, probe, path in _probes(subject):
        if probe.timeout <= probe.interval:
            continue
        limit = _limit(probe)
        late = (limit - 1) * (probe.interval + probe.timeout) + probe.timeout
        took = f": {limit} failures of a dead service take {as_written(late)}" if probe.role != "control" else ""
        message = f"probe {probe.name} waits {as_written(probe.timeout)}, longer than its interval of "
        message += f"{as_written(probe.interval)}{took}"
        given = "timeout" if subject.loaded.document.has((*path, "timeout")) else "interval"
        hint = f"write timeout: {as_written(min(5.0, probe.interval))}"
        yield Spot((*path, given), message, hint)


def _limit(probe: ProbeConfig) -> int:
    """How many failures it takes at least."""
    return min((x for x in (probe.failure_limit, probe.consecutive_failure_limit) if x is not None), default=1)


@check(
    "DC144",
    "warning",
    "a probe that is slower than its stage",
    why="A fault that begins after the first answer is not noticed in time.",
    hint="shorten the interval, or lengthen the bake",
    source="the plan format, probes",
    fires=_stage(f"{_GREEN}, interval: 15m", "    bake: 5m\n"),
    silent=_stage(f"{_GREEN}, interval: 15s", "    bake: 5m\n"),
)
def slow_probe(subject: Subject) -> Iterator[Spot]:
    """A probe asks from the change to the end of the bake. With an interval as long as that it asks once, just after
    the change, when most users still are on the old side. With many failures to go until it fails, a broken service
    is served for longer than the plan means to look.
    """
    times = watched(subject)
    for stage, n, probe, path in _probes(subject):
        seconds = times[n]
        if seconds is None or probe.role == "control" or probe.report_only:
            continue
        needed = (_limit(probe) - 1) * probe.interval
        what = f"stage {stage.name} is watched for {as_written(seconds)}"
        if probe.interval >= seconds:
            message = f"probe {probe.name} asks every {as_written(probe.interval)}, and {what}: it asks once"
        elif needed > seconds:
            message = f"{_limit(probe)} failures of probe {probe.name} take {as_written(needed)}, and {what}"
        else:
            continue
        keys = ("interval", "consecutive_failure_limit", "failure_limit")
        given = next((k for k in keys if subject.loaded.document.has((*path, k))), "interval")
        better = max(1.0, min(10.0, seconds // 10))
        yield Spot((*path, given), message, f"write interval: {as_written(better)}, or a longer bake", stage.name)


@check(
    "DC145",
    "warning",
    "a probe that makes the bake longer than it says",
    why="The stage does not end before each probe has passed, so the plan's own time does not hold.",
    hint="lengthen the bake to what the probe needs, or let the probe begin earlier",
    source="the plan format, probes",
    fires=_stage(f"{_GREEN}, initial_delay: 30m", "    bake: 5m\n"),
    silent=_stage(f"{_GREEN}, initial_delay: 1m", "    bake: 5m\n"),
)
def late_probe(subject: Subject) -> Iterator[Spot]:
    """What a probe sees within its initial delay counts for nothing, and it passes only after so many successes in a
    row. If both together take longer than the stage is watched, the stage is held until they are there, with users on
    a side that nothing has proved.
    """
    times = watched(subject)
    for stage, n, probe, path in _probes(subject):
        seconds = times[n]
        if seconds is None or not decides(probe):
            continue
        needed = probe.initial_delay + (probe.consecutive_successes - 1) * probe.interval
        if needed <= seconds:
            continue
        key = "initial_delay" if probe.initial_delay > needed / 2 else "consecutive_successes"
        message = f"probe {probe.name} can pass after {as_written(needed)} only, and stage {stage.name} is watched "
        message += f"for {as_written(seconds)}"
        longer = (stage.bake or 0.0) + needed - seconds
        yield Spot((*path, key), message, f"write bake: {as_written(longer)} or more, or a smaller {key}", stage.name)


@check(
    "DC146",
    "warning",
    "a DNS probe that the old answer satisfies",
    why="It succeeds whether or not the change has arrived.",
    hint="write under expect what the answer is after the change",
    source="the plan format, probes",
    fires=_stage("type: dns, name: seen, question: www.example.test., server: 192.0.2.1"),
    silent=_stage('type: dns, name: seen, question: www.example.test., server: 192.0.2.1, expect: ["192.0.2.20"]'),
)
def any_answer(subject: Subject) -> Iterator[Spot]:
    """Without expect any answer is a success. For a name that the stage changes, the old answer is one too, so that
    the probe would be content with a server that never got the change.
    """
    by_stage: dict[tuple[int, str, str], Located] = {
        (c.n, c.key.owner, c.key.rdtype): c for c in subject.changes if c.planned.after or c.planned.add
    }
    for stage, n, probe, path in _probes(subject):
        if not isinstance(probe, DnsProbe) or probe.expect or probe.role != "health":
            continue
        change = by_stage.get((n, absolute_name(probe.question), canonical_type(probe.rrtype)))
        if change is None or (change.planned.kind == "set" and change.planned.before is None):
            continue
        values = change.planned.after or change.planned.add
        listed = ", ".join("'" + v.replace("'", "''") + "'" for v in values[:5])
        message = f"probe {probe.name} takes any answer, and {change.label} has one before the change too"
        yield Spot((*path, "question"), message, f"write expect: [{listed}]", stage.name)


@check(
    "DC147",
    "error",
    "a control that asks what the probe asks",
    why="Whenever the service fails its control fails too, and nothing is ever rolled back.",
    hint="let the control ask a service that the change does not touch",
    source="the plan format, probes",
    fires=Example(
        f"stages:\n  - name: switch\n    changes:\n      - {_CHANGE}\n    bake: 10m\n    probes:\n"
        f"      - {{{_GREEN}}}\n      - {{{_GREEN.replace('green', 'ours')}, role: control}}\n",
    ),
    silent=Example(
        f"stages:\n  - name: switch\n    changes:\n      - {_CHANGE}\n    bake: 10m\n    probes:\n"
        f"      - {{{_GREEN}}}\n      - {{type: tcp, name: ours, target: elsewhere.test, port: 443, role: control}}\n",
    ),
)
def control_of_itself(subject: Subject) -> Iterator[Spot]:
    """A control tells a fault of the service from one of ours: if something that has nothing to do with the move fails
    as well, the failure counts as an error, and the run only pauses. A control that asks the new side itself turns
    every failure into such an error.
    """
    for stage, _, probe, path in _probes(subject):
        if probe.role != "control":
            continue
        same = next((p.name for p in stage.probes if p.role == "health" and endpoint(p) == endpoint(probe)), "")
        if same:
            yield Spot((*path, "role"), f"the control {probe.name} asks the same as probe {same}", stage=stage.name)


CHECKS = (
    no_probe,
    never_fails,
    cannot_run,
    slow_timeout,
    slow_probe,
    late_probe,
    any_answer,
    control_of_itself,
)
