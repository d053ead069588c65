"""A plan in; its findings, and its runbook if nothing stands in the way, out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.assembly.setting import Setting

if TYPE_CHECKING:
    from dns_cutover.assembly.looking import Live
    from dns_cutover.checks.interface import Subject
    from dns_cutover.checks.world import World
    from dns_cutover.errors import CutoverError
    from dns_cutover.lookup.interface import Endpoint
    from dns_cutover.lookup.views import LiveView
    from dns_cutover.plan.finding import Finding
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.compiling import Drift
    from dns_cutover.runbook.model import Runbook


PATIENCE = 300.0  # real seconds for the whole live view: a server may answer each question just in time


@dataclass(frozen=True, slots=True)
class Request:
    """What an examination may do beside reading the plan. The defaults look at DNS and do nothing else.

    `probe` connects to the new targets; `probe_write` asks the primary with an UPDATE that changes nothing, for which
    it reads the secret. `owner_files` are other tools' files. `resolvers` are asked about a few RRsets that exist.
    `bootstrap` are the recursive resolvers that find the zones' servers; where `trust_plan` is false the plan may not
    name others.
    """

    offline: bool = False
    probe: bool = False
    probe_write: bool = False
    owner_files: tuple[Path, ...] = ()
    resolvers: tuple[Endpoint, ...] = ()
    bootstrap: tuple[Endpoint, ...] = ()
    trust_plan: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Examined:
    """What came out. `book` is None offline and where an error stands in the way.

    `findings` count, `ignored` were ignored with a reason that `safety.ignore` gives; both in the order of the file.
    `checks` is how many checks were made, `servers` how many servers were asked, `seconds` how long it took; `made` are
    the checks' ids, `lines` the source to be shown.
    """

    loaded: LoadedPlan
    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    book: Runbook | None = None
    live: LiveView | None = None
    checks: int = 0
    servers: int = 0
    seconds: float = 0.0
    lines: tuple[str, ...] = field(default=())
    made: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The runbook's SHA-256, empty without one. Made when asked for: as text a large runbook takes its time."""
        from dns_cutover.runbook.codec import runbook_sha256

        return runbook_sha256(self.book) if self.book is not None else ""

    def __repr__(self) -> str:
        # asyncio.run makes the text of its task's result, and throws it away.
        return f"<Examined {self.loaded.file}: {len(self.findings)} findings>"


async def examine_all(
    plans: Sequence[LoadedPlan], setting: Setting, request: Request | None = None
) -> tuple[Examined | CutoverError, ...]:
    """All plans at the same time, and what they do to each other; in the order given, an error in its plan's place."""
    from dns_cutover.checks.registry import findings_between
    from dns_cutover.errors import CutoverError

    between = await asyncio.to_thread(findings_between, plans) if len(plans) > 1 else ((),) * len(plans)

    async def one(loaded: LoadedPlan, found: tuple[Finding, ...]) -> Examined | CutoverError:
        try:
            return await examine(loaded, setting, request, found if len(plans) > 1 else None)
        except CutoverError as error:
            return error

    return tuple(await asyncio.gather(*map(one, plans, between)))


async def examine(
    loaded: LoadedPlan,
    setting: Setting,
    request: Request | None = None,
    between: tuple[Finding, ...] | None = None,
) -> Examined:
    """Look at DNS (unless offline), check, compile. Network trouble becomes findings.

    `between` is what was found between this plan and others, None where it is alone.
    """
    from dns_cutover.assembly.looking import look, partitions, promises
    from dns_cutover.checks.interface import Subject
    from dns_cutover.checks.registry import checks_for, findings_of, split_ignored
    from dns_cutover.runbook.compile import compile_runbook
    from dns_cutover.runbook.compiling import DriftFound

    request = request or Request()
    began = time.monotonic()
    zones = loaded.plan.all_zones()
    promised = {ref: g for ref, config in zones.items() if (g := promises(config.provider)) is not None}
    live = None if request.offline else await _patiently(look(loaded, _asking(setting, request)), loaded.plan.name)
    book: Runbook | None = None
    drifts: tuple[Drift, ...] = ()
    if live is not None and len(live.facts.zones) == len(zones):
        try:
            book = compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))
        except DriftFound as found:
            drifts = found.drifts
    subject = Subject(
        loaded,
        setting.clock.now(),
        live.view if live is not None else None,
        book,
        drifts,
        promised,
    )
    subject = replace(subject, world=await _world(subject, setting, request, live))
    needs = {"plan", *_asked(request)}
    needs |= {"live"} if live is not None else set()
    needs |= {"plans"} if between is not None else set()
    made = checks_for(needs)
    found_all = (*loaded.warnings, *(between or ()), *await asyncio.to_thread(findings_of, made, subject))
    kept, ignored = split_ignored(loaded, found_all, made, complete=book is not None)
    if any(f.severity == "error" for f in kept):
        book = None
    return Examined(
        loaded,
        kept,
        ignored,
        book,
        live.view if live is not None else None,
        len(made),
        len({str(v.server) for v in live.view.servers}) if live is not None else 0,
        time.monotonic() - began,
        loaded.document.lines,
        tuple(c.id for c in made),
    )


def _asking(setting: Setting, request: Request) -> Setting:
    """The setting with whom the request lets be asked; all plans share one asker, and its limit."""
    setting.asker()
    return replace(setting, bootstrap=request.bootstrap or setting.bootstrap, trust_plan=request.trust_plan)


async def _patiently(looking: Awaitable[Live], name: str) -> Live:
    """Raises Unavailable where servers answer so slowly that nobody would wait for it."""
    from dns_cutover.errors import Unavailable

    try:
        async with asyncio.timeout(PATIENCE):
            return await looking
    except TimeoutError:
        why = f"Not all of them had answered after {PATIENCE / 60:g} minutes."
        hints = ("dns-cutover validate --offline …   checks the plan by itself",)
        raise Unavailable(f"the DNS servers that {name} needs are too slow", why, hints) from None


def _asked(request: Request) -> Sequence[str]:
    """The needs that options meet."""
    options = (("probe", request.probe), ("probe-write", request.probe_write), ("owner-file", request.owner_files))
    return [need for need, given in options if given]


async def _world(subject: Subject, setting: Setting, request: Request, live: Live | None) -> World:
    """What only options bring."""
    from dns_cutover.assembly.clamping import caps, clamps
    from dns_cutover.assembly.mailing import sts_policies
    from dns_cutover.assembly.outside import certificates, owned_records
    from dns_cutover.checks.world import World

    found = None
    if request.probe_write and not request.offline:
        from dns_cutover.assembly.permission import permissions

        found = await permissions(subject.loaded, setting)
    kept: dict[tuple[str, RRsetKey], int] = {}
    if live is not None and request.resolvers:
        kept = await clamps(setting.asker(), live.view, subject.touched, request.resolvers)
    return World(
        certificates=await certificates(subject) if request.probe and live is not None else None,
        owned=owned_records(request.owner_files, subject.names.values()),
        permissions=found.refused if found is not None else None,
        grants=found.grants if found is not None else {},
        clamps=kept,
        caps=caps(request.resolvers),
        policies=await sts_policies(subject, setting) if request.probe and live is not None else {},
    )
