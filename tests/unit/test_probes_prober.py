"""The prober: all at once, each within its timeout, never raising; controls; what details may hold."""

import asyncio
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dns_cutover.errors import UsageError
from dns_cutover.plan.models import ProbeConfig
from dns_cutover.plan.probes import probe_spec
from dns_cutover.probes.detail import MAX_DETAIL, shown
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.kind import Outcome
from dns_cutover.probes.prober import RealProber, check_specs, judge_with_controls


class StoppedClock:
    def now(self) -> float:
        return 1777881600.0

    async def sleep_until(self, when: float) -> None:
        raise AssertionError("a prober does not sleep by the run's clock")


class Scripted:
    """A kind whose `act(spec)` is the probe."""

    def __init__(self, act):
        self.act = act

    def check(self, spec: ProbeSpec) -> None:
        pass

    async def probe(self, spec: ProbeSpec) -> Outcome:
        return await self.act(spec)


def spec_of(name="p", role="health", kind="x", **fields) -> ProbeSpec:
    return ProbeSpec(name, kind, role, {}, **fields)


async def ask(act, *specs: ProbeSpec) -> tuple[ProbeResult, ...]:
    return await RealProber(StoppedClock(), kinds={"x": lambda: Scripted(act)}).ask(specs)


async def test_one_result_per_probe_in_their_order():
    async def act(spec):
        return Outcome(Verdict.SUCCESS, f"saw {spec.name}")

    names = [f"p{n}" for n in range(20)]
    results = await ask(act, *(spec_of(name) for name in names))
    assert [r.name for r in results] == names
    assert [r.detail for r in results] == [f"saw {name}" for name in names]
    assert {r.at for r in results} == {1777881600.0}
    assert all(r.latency >= 0 for r in results)


async def test_no_probes():
    assert await RealProber(StoppedClock()).ask([]) == ()


async def test_all_at_once():
    """Three probes that can only end together do end."""
    barrier = asyncio.Barrier(3)

    async def act(spec):
        await barrier.wait()
        return Outcome(Verdict.SUCCESS, "")

    results = await ask(act, spec_of(), spec_of(), spec_of())
    assert {r.verdict for r in results} == {Verdict.SUCCESS}


async def test_each_has_its_own_timeout():
    async def act(spec):
        if spec.name == "slow":
            await asyncio.Event().wait()
        return Outcome(Verdict.SUCCESS, "")

    slow, quick = await ask(act, spec_of("slow", timeout=0.05), spec_of("quick", timeout=20.0))
    assert (slow.verdict, slow.detail) == (Verdict.FAILURE, "timed out after 0.05 s")
    assert quick.verdict is Verdict.SUCCESS


@pytest.mark.parametrize("timeout", [math.nan, math.inf, 1e9, 601.0])
async def test_a_timeout_is_bounded(timeout):
    seen = []

    async def act(spec):
        seen.append(spec.timeout)
        return Outcome(Verdict.SUCCESS, "")

    spec = spec_of(timeout=timeout)
    await ask(act, spec)
    assert seen == [600.0]
    with pytest.raises(UsageError, match="timeout"):
        check_specs([spec], allow_commands=False, kinds={"x": lambda: Scripted(act)})


@pytest.mark.parametrize("timeout", [0.0, -1.0])
async def test_no_time_at_all(timeout):
    async def act(spec):
        await asyncio.Event().wait()

    (result,) = await ask(act, spec_of(timeout=timeout))
    assert result.verdict is Verdict.FAILURE
    with pytest.raises(UsageError, match="timeout"):
        check_specs([spec_of(timeout=timeout)], allow_commands=False, kinds={"x": lambda: Scripted(act)})


@pytest.mark.parametrize(
    "fault",
    [
        KeyError("geheim"),
        RecursionError("geheim"),
        UsageError("no", "why"),
        ExceptionGroup("geheim", [ValueError("x")]),
    ],
)
async def test_a_fault_of_ours_is_an_error_and_ends_nothing(fault):
    """It does not look like one of the service, and quotes nothing."""

    async def act(spec):
        if spec.name == "bad":
            raise fault
        return Outcome(Verdict.SUCCESS, "")

    bad, good = await ask(act, spec_of("bad"), spec_of("good"))
    assert bad.verdict is Verdict.ERROR
    assert bad.detail
    assert "geheim" not in bad.detail
    assert good.verdict is Verdict.SUCCESS


async def test_a_timeout_that_the_system_reports_is_not_ours():
    async def act(spec):
        raise TimeoutError(110, "Connection timed out")

    (result,) = await ask(act, spec_of())
    assert (result.verdict, result.detail) == (Verdict.FAILURE, "connection timed out")


async def test_interrupts_pass():
    """Ctrl-C ends a round of probes; it is no result."""
    started = asyncio.Event()

    async def act(spec):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ask(act, spec_of()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_type_that_is_not_available():
    (result,) = await RealProber(StoppedClock()).ask([spec_of(kind="telepathy")])
    assert (result.verdict, "telepathy" in result.detail) == (Verdict.ERROR, True)
    with pytest.raises(UsageError, match="telepathy") as caught:
        check_specs([spec_of(kind="telepathy")], allow_commands=False)
    assert "tcp, http, dns" in caught.value.hints[0]


# Controls

verdicts = st.sampled_from(list(Verdict))
roles = st.sampled_from(["health", "way_back", "control"])
rounds = st.lists(st.tuples(roles, verdicts), max_size=6)


def round_of(seen) -> tuple[tuple[ProbeResult, ...], tuple[ProbeSpec, ...]]:
    specs = tuple(spec_of(f"p{n}", role) for n, (role, _) in enumerate(seen))
    results = tuple(ProbeResult(f"p{n}", verdict, 1.0, 0.5, "seen") for n, (_, verdict) in enumerate(seen))
    return results, specs


async def test_with_a_failing_control_the_fault_is_ours():
    async def act(spec):
        return Outcome(Verdict.SUCCESS if spec.name == "fine" else Verdict.FAILURE, "connection refused")

    specs = [spec_of("mx"), spec_of("fine"), spec_of("third-party", "control"), spec_of("old-mx", "way_back")]
    mx, fine, control, old = await ask(act, *specs)
    assert (mx.verdict, mx.detail) == (Verdict.ERROR, "the control third-party fails too: connection refused")
    assert old.verdict is Verdict.ERROR
    assert fine.verdict is Verdict.SUCCESS
    assert (control.verdict, control.detail) == (Verdict.FAILURE, "connection refused")


def test_a_control_that_cannot_tell_vouches_for_nothing():
    results, specs = round_of([("health", Verdict.FAILURE), ("control", Verdict.ERROR)])
    judged = judge_with_controls(results, specs)
    assert judged[0].verdict is Verdict.ERROR
    assert judged[0].detail == "the control p1 cannot tell either: seen"


@given(rounds)
def test_controls_change_failures_of_others_only(seen):
    results, specs = round_of(seen)
    judged = judge_with_controls(results, specs)
    ours = any(role == "control" and verdict is not Verdict.SUCCESS for role, verdict in seen)
    for before, after, spec in zip(results, judged, specs, strict=True):
        if ours and spec.role != "control" and before.verdict is Verdict.FAILURE:
            assert after.verdict is Verdict.ERROR
            assert (after.name, after.at, after.latency) == (before.name, before.at, before.latency)
        else:
            assert after == before
    assert judge_with_controls(judged, specs) == judged


# Details


@given(st.text(st.characters(), max_size=400) | st.text("\x00\u202e\U000e0001\ud800a", max_size=400))
def test_details_are_one_short_line_that_prints(text):
    """Controls, line ends, bidirectional marks and surrogates become escapes, none of them cut in two."""
    line = shown(text)
    assert len(line) <= MAX_DETAIL
    assert line.isprintable()
    whole = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(whole) <= MAX_DETAIL:
        assert line == whole
    else:
        assert line.endswith("…")
        assert whole.startswith(line[:-1])
        assert len(line) > MAX_DETAIL - 10
        escapes = {
            "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:n])
            for n in range(len(text) + 1)
        }
        assert line[:-1] in escapes


async def test_details_of_probes_are_bounded():
    async def act(spec):
        return Outcome(Verdict.FAILURE, "\x1b[2J" + "x" * 1000000)

    (result,) = await ask(act, spec_of())
    assert result.detail.startswith("\\x1b[2Jxxx")
    assert len(result.detail) == MAX_DETAIL


# What the plan gives


@pytest.mark.parametrize(
    "written",
    [
        {"type": "tcp", "target": "mx.newmail.test", "port": 25},
        {"type": "tcp", "target": "2001:db8::1", "port": 25, "expect": "220 ", "send": "EHLO x\r\n"},
        {"type": "http", "url": "https://www.example.test/health"},
        {
            "type": "http",
            "url": "http://www.example.test:8080/",
            "address": "[2001:db8::1]:8080",
            "expect_status": [200, 301],
            "expect_body": "ok",
            "headers": {"X-Check": "1"},
            "verify": "ca.pem",
        },
        {"type": "http", "url": "https://www.example.test/", "expect_status": 200, "verify": False},
        {"type": "dns", "question": "www.example.test.", "server": "192.0.2.53"},
        {
            "type": "dns",
            "question": "example.test.",
            "rrtype": "MX",
            "server": "192.0.2.53:5353",
            "expect": "10 mx.a.test.",
        },
        {"type": "command", "argv": ["./check", "--now"]},
    ],
    ids=str,
)
def test_what_a_plan_gives_is_understood(written):
    """Through the runbook's JSON, as it comes from a file."""
    spec = probe_spec(TypeAdapter(ProbeConfig).validate_python({"name": "p", **written}))
    check_specs([spec], allow_commands=True)
    options = json.loads(json.dumps(dict(spec.options)))
    check_specs([ProbeSpec(spec.name, spec.type, spec.role, options)], allow_commands=True)


def test_nothing_is_imported_that_no_probe_needs():
    """The engine's gate and the making of a prober cost no heavy import."""
    heavy = ("dns.message", "httpcore", "pydantic")
    code = f"import sys, dns_cutover.probes.prober, dns_cutover.probes.gate; print({{*{heavy!r}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
