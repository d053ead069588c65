"""Running probes: all at once, each within its timeout, never raising."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dns_cutover.clock import Clock
from dns_cutover.errors import CutoverError, UsageError
from dns_cutover.probes.detail import shown
from dns_cutover.probes.interface import MAX_TIMEOUT, ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.resolve import Resolve, system_resolve

if TYPE_CHECKING:
    from dns_cutover.probes.kind import Kind

# Makes a kind when its first probe is asked, so that nothing is imported that no probe needs.
KindFactory = Callable[[], "Kind"]


def builtin_kinds(resolve: Resolve, *, allow_commands: bool) -> Mapping[str, KindFactory]:
    """A factory for each of `interface.KINDS`. That of `command` raises UsageError unless commands are allowed."""

    def tcp() -> Kind:
        from dns_cutover.probes.tcp import TcpKind

        return TcpKind(resolve)

    def http() -> Kind:
        from dns_cutover.probes.http import HttpKind

        return HttpKind(resolve)

    def dns() -> Kind:
        from dns_cutover.probes.dns import DnsKind

        return DnsKind()

    def smtp() -> Kind:
        from dns_cutover.probes.smtp import SmtpKind

        return SmtpKind(resolve)

    def command() -> Kind:
        from dns_cutover.probes.command import CommandKind

        return CommandKind(allow=allow_commands)

    return {"tcp": tcp, "http": http, "dns": dns, "smtp": smtp, "command": command}


def check_specs(
    specs: Collection[ProbeSpec], *, allow_commands: bool, kinds: Mapping[str, KindFactory] | None = None
) -> None:
    """Refuse before anything runs what would be refused in the middle. Does no network I/O. Raises UsageError."""
    available = builtin_kinds(system_resolve, allow_commands=allow_commands) if kinds is None else kinds
    for spec in specs:
        if spec.type not in available:
            raise UsageError(
                f"probe {spec.name}: the type {spec.type} is not available in this version",
                "A stage whose probe cannot run would be watched by nobody.",
                (f"use one of {', '.join(available)}",),
            )
        if not (math.isfinite(spec.timeout) and 0 < spec.timeout <= MAX_TIMEOUT):
            raise UsageError(
                f"probe {spec.name}: a timeout of {spec.timeout:g} s is not possible",
                f"A probe may take up to {MAX_TIMEOUT:g} s.",
                ("correct the plan, then preview it again",),
            )
        try:
            kind = available[spec.type]()
        except UsageError as exc:
            raise UsageError(f"probe {spec.name}: {exc.what}", exc.why, exc.hints) from None
        kind.check(spec)


class RealProber:
    """Implements `probes.interface.Prober` over the network.

    `kinds` replaces the built-in ones. Command probes are answered by an error unless `allow_commands` is set.
    """

    def __init__(
        self,
        clock: Clock,
        resolve: Resolve = system_resolve,
        *,
        allow_commands: bool = False,
        kinds: Mapping[str, KindFactory] | None = None,
    ) -> None:
        self._clock = clock
        self._factories = builtin_kinds(resolve, allow_commands=allow_commands) if kinds is None else kinds

    async def ask(self, probes: Collection[ProbeSpec]) -> tuple[ProbeResult, ...]:
        """See the interface."""
        specs = tuple(probes)
        results = await asyncio.gather(*(self._one(spec) for spec in specs))
        return judge_with_controls(results, specs)

    async def _one(self, spec: ProbeSpec) -> ProbeResult:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            kind = self._kind(spec)  # before the timer: what it imports is not the service's time
            started = loop.time()
            verdict, detail = await _within(spec, kind)
        except CutoverError as exc:
            verdict, detail = Verdict.ERROR, f"{exc.what}: {exc.why}"
        return ProbeResult(spec.name, verdict, self._clock.now(), loop.time() - started, shown(detail))

    def _kind(self, spec: ProbeSpec) -> Kind:
        if spec.type not in self._factories:
            raise UsageError("this probe cannot run", f"the type {spec.type} is not available in this version")
        return self._factories[spec.type]()


async def _within(spec: ProbeSpec, kind: Kind) -> tuple[Verdict, str]:
    """Raises CutoverError."""
    # Not a number would make a timer that never fires. Real seconds: a service answers in its own time, whatever
    # clock the run has.
    seconds = min(max(spec.timeout, 0.0), MAX_TIMEOUT) if math.isfinite(spec.timeout) else MAX_TIMEOUT
    try:
        async with asyncio.timeout(seconds) as limit:
            return await kind.probe(replace(spec, timeout=seconds))
    except CutoverError:
        raise
    except Exception as exc:
        from dns_cutover.probes.network import judge

        if limit.expired():
            return Verdict.FAILURE, f"timed out after {seconds:g} s"
        # A fault of this program must neither look like one of the service nor end the run: it could not tell. Only
        # its kind is shown, since its text may quote what was sent.
        return judge(exc) or (Verdict.ERROR, f"the probe itself failed ({type(exc).__name__})")


def judge_with_controls(results: Sequence[ProbeResult], specs: Sequence[ProbeSpec]) -> tuple[ProbeResult, ...]:
    """Where a control does not succeed in the same round, the fault may be ours: failures of the others become errors,
    and name the control. Successes and controls stay as they are. Pure; both sequences are in the same order."""
    pairs = tuple(zip(results, specs, strict=True))
    control = next((r for r, s in pairs if s.role == "control" and r.verdict is not Verdict.SUCCESS), None)
    if control is None:
        return tuple(results)
    fails = "fails too" if control.verdict is Verdict.FAILURE else "cannot tell either"
    return tuple(
        replace(r, verdict=Verdict.ERROR, detail=shown(f"the control {control.name} {fails}: {r.detail}"))
        if s.role != "control" and r.verdict is Verdict.FAILURE
        else r
        for r, s in pairs
    )
