"""Running probes: all at once, each within its timeout, never raising."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from dns_cutover.clock import Clock
from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.network import judge
from dns_cutover.probes.resolve import Resolve, system_resolve

MAX_DETAIL = 200
KINDS = ("tcp", "http", "dns", "command")


def check_specs(specs: Collection[ProbeSpec], *, allow_commands: bool) -> None:
    """Refuse before anything runs what would be refused in the middle. Raises UsageError."""
    for spec in specs:
        if spec.type not in KINDS:
            raise UsageError(
                f"probe {spec.name}: the type {spec.type} is not available in this version",
                "A stage whose probe cannot run would be watched by nobody.",
                (f"use one of {', '.join(KINDS)}",),
            )
        if spec.type == "command" and not allow_commands:
            raise UsageError(
                f"probe {spec.name} runs a command",
                "Commands of a plan run only if you say so.",
                ("read the plan, then add --allow-commands",),
            )


class RealProber:
    """Implements `probes.interface.Prober` over the network."""

    def __init__(self, clock: Clock, resolve: Resolve = system_resolve) -> None:
        self._clock = clock
        self._resolve = resolve

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        """See the interface."""
        results = await asyncio.gather(*(self._one(spec) for spec in probes))
        return judge_with_controls(tuple(results), tuple(probes))

    async def _one(self, spec: ProbeSpec) -> ProbeResult:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            # Real seconds: a service answers in its own time, whatever clock the run has.
            verdict, detail = await asyncio.wait_for(self._run(spec), spec.timeout)
        except Exception as exc:
            known = judge(exc)
            # A fault of this program must not look like one of the service, nor end the run: it could not tell.
            verdict, detail = known if known is not None else (Verdict.ERROR, f"{type(exc).__name__}: {exc}")
            if isinstance(exc, TimeoutError) and verdict is Verdict.FAILURE:
                detail = f"timed out after {spec.timeout:g} s"
        return ProbeResult(spec.name, verdict, self._clock.now(), loop.time() - started, detail[:MAX_DETAIL])

    async def _run(self, spec: ProbeSpec) -> tuple[Verdict, str]:
        match spec.type:
            case "tcp":
                from dns_cutover.probes import tcp

                return await tcp.probe(spec, self._resolve)
            case "http":
                from dns_cutover.probes import http

                return await http.probe(spec, self._resolve)
            case "dns":
                from dns_cutover.probes import dns

                return await dns.probe(spec, self._resolve)
            case "command":
                from dns_cutover.probes import command

                return await command.probe(spec)
            case _:
                return Verdict.ERROR, f"the probe type {spec.type} is not available"


def judge_with_controls(results: tuple[ProbeResult, ...], specs: tuple[ProbeSpec, ...]) -> tuple[ProbeResult, ...]:
    """Where a control fails in the same round, the fault is ours: failures of others become errors. Pure."""
    failing = [
        r.name for r, s in zip(results, specs, strict=True) if s.role == "control" and r.verdict is not Verdict.SUCCESS
    ]
    if not failing:
        return results
    return tuple(
        replace(r, verdict=Verdict.ERROR, detail=f"{r.detail}; the control {failing[0]} fails too"[:MAX_DETAIL])
        if s.role != "control" and r.verdict is Verdict.FAILURE
        else r
        for r, s in zip(results, specs, strict=True)
    )
