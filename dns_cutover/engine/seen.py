"""What servers and probes said, and until when caches may hold what was replaced: a part of the fold. Pure."""

from __future__ import annotations

from dns_cutover.engine import events as ev
from dns_cutover.engine.state import RunState, changed, probe_specs, with_items, without
from dns_cutover.probes.gate import GateState, observe
from dns_cutover.probes.interface import ProbeResult
from dns_cutover.runbook.model import Step, StepKind


def observed(s: RunState, event: ev.Observed) -> RunState:
    """One more round of all authoritative servers."""
    step = s.step
    s = changed(s, looked=event.ts, trouble=event.trouble, servers=event.servers, misses=0)
    if event.trouble or step is None or step.id != event.step:
        return changed(s, rounds=0)
    s = changed(s, rounds=s.rounds + 1)
    # The second agreeing round is when the last server is known to have stopped serving the old version.
    if step.kind is StepKind.CONVERGE and s.rounds == 2:
        s = begin_tail(s, step, event.ts)
    elif step.kind is StepKind.APPLY and s.rounds == 2:
        s = outlive(s, step)
    return s


def begin_tail(s: RunState, step: Step, ts: float) -> RunState:
    """From `ts` on the last copies of what `step` replaced are dying."""
    bounds = {z.ref: z.guarantees.propagation_bound for z in s.book.zones}
    # It may have had a longer TTL for a while than the plan knew.
    lives = ((x.key, max(x.old_s, s.longer.get(x.key, x.old_s))) for x in step.exposures)
    until = ((key, ts + bounds.get(key.zone, 0.0) + life) for key, life in lives)
    dead = with_items(s.dead, ((key, max(t, s.dead.get(key, t))) for key, t in until))
    return changed(s, dead=dead, longer=without(s.longer, {x.key for x in step.exposures}))


def extended(s: RunState, event: ev.Extended) -> RunState:
    """A version with a longer TTL was published meanwhile. Some server may serve it still: before the stage's first
    message the servers are looked at again, and the wait begins when all of them have stopped.
    """
    lifetime = event.until - event.ts
    s = changed(
        s,
        dead=with_items(s.dead, [(event.key, max(event.until, s.dead.get(event.key, event.until)))]),
        longer=with_items(s.longer, [(event.key, max(lifetime, s.longer.get(event.key, lifetime)))]),
        serials=with_items(s.serials, [(event.key, event.serial)]),
    )
    step = s.step
    if step is None or s.back is not None or step.kind is not StepKind.APPLY:
        return s
    if any(w.stage == step.stage and w.kind is StepKind.APPLY for w in s.done):
        # What the preflight expects is half changed by now: before this message its own RRsets are looked at.
        return changed(s, since=event.ts, rounds=0, looked=0.0, trouble=())
    before = [n for n in range(s.i) if s.book.steps[n].kind is StepKind.PREFLIGHT]
    if not before:
        return s  # a runbook that was made by hand
    return changed(s, i=before[-1], since=event.ts, rounds=0, looked=0.0, trouble=(), resolvers=None)


def outlive(s: RunState, step: Step) -> RunState:
    """All servers were seen without the longer-lived version: from then on its last copies are dying."""
    bounds = {z.ref: z.guarantees.propagation_bound for z in s.book.zones}
    edits = {e.key for e in step.edits}
    until = ((k, s.looked + bounds.get(k.zone, 0.0) + t) for k, t in s.longer.items() if k in edits)
    dead = with_items(s.dead, ((key, max(t, s.dead.get(key, t))) for key, t in until))
    return changed(s, dead=dead, longer=without(s.longer, edits))


def probed(s: RunState, event: ev.Probed) -> RunState:
    """One more result of a probe."""
    spec = probe_specs(s.book).get(event.probe)
    if spec is None:
        return s
    result = ProbeResult(event.probe, event.verdict, event.ts, event.latency, event.detail)
    gate = observe(s.gates.get(event.probe, GateState()), result, spec)
    gates, asked = with_items(s.gates, [(event.probe, gate)]), with_items(s.probed, [(event.probe, event.ts)])
    return changed(s, gates=gates, probed=asked)
