"""Several arms, each in a process of its own as far as there are processors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from multiprocessing import get_context

from dns_cutover.errors import UsageError
from dns_cutover.lab.replay.arms import ARMS, Arm
from dns_cutover.lab.replay.figures import ArmResult

PHASES = 20
_NEEDED = {"aiosmtpd": "aiosmtpd", "dkim": "dkimpy", "cryptography": "cryptography"}


def check_installed() -> None:
    """Whether the lab's mail hosts can be had. Raises UsageError."""
    missing = [name for module, name in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"the replay needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            "Its mail hosts are part of the extra `lab`.",
            ("pip install 'dns-cutover[lab]'",),
        )


def arms_named(names: Sequence[str]) -> tuple[Arm, ...]:
    """Those arms in their own order, or all. Raises UsageError."""
    known = {arm.name for arm in ARMS}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no arm {name[:40]}", "", (f"known: {', '.join(a.name for a in ARMS)}",))
    return tuple(arm for arm in ARMS if not names or arm.name in names)


def run_arms(arms: Sequence[Arm], phases: int, done: Callable[[ArmResult], None]) -> tuple[ArmResult, ...]:
    """All of them; `done` is told of each as it ends. Raises Unavailable, UsageError."""
    check_installed()
    from dns_cutover.lab.replay.playing import play
    from dns_cutover.lab.replay.world import check_addresses

    check_addresses()
    workers = min(os.cpu_count() or 1, len(arms))
    found: dict[str, ArmResult] = {}
    if workers == 1:
        for arm in arms:
            found[arm.name] = play(arm, phases=phases)
            done(found[arm.name])
    else:
        # Spawned: a process that has run an event loop, or threads, must not be forked.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(play, arm, phases=phases) for arm in arms]):
                result = future.result()
                found[result.name] = result
                done(result)
    return tuple(found[arm.name] for arm in arms)
