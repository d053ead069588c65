"""Whether the plan's keys may write: only with --probe-write, since it reads secrets and sends an UPDATE."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dns_cutover.assembly.looking import bare_zones
from dns_cutover.assembly.setting import Setting
from dns_cutover.assembly.wiring import provider

if TYPE_CHECKING:
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.records import RRsetKey


@dataclass(frozen=True, slots=True)
class Permissions:
    """By zone reference: what is refused (empty: all is granted), and what would mend it where something is."""

    refused: Mapping[str, str]
    grants: Mapping[str, str]


async def permissions(loaded: LoadedPlan, setting: Setting) -> Permissions:
    """Ask the primary of each zone. A server or a secret that is not there is a reason, too: a run would need it."""
    from dns_cutover.errors import CutoverError
    from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
    from dns_cutover.providers.route53.provider import Route53Provider

    refused: dict[str, str] = {}
    grants: dict[str, str] = {}
    offered = _offered(loaded)
    for zone in bare_zones(loaded):
        ref = zone.ref
        if zone.provider["type"] not in ("rfc2136", "route53"):
            continue
        try:
            backend = provider(zone, setting)
            own = {k: v for k, v in offered.items() if k.zone == ref}
            match backend:
                case Rfc2136Provider():
                    found = await backend.permission(own)
                    refused[ref], grants[ref] = found.reason, found.grant
                case Route53Provider():
                    allowed = await backend.permission(own, secrets.token_hex(8))
                    refused[ref], grants[ref] = allowed.reason, allowed.grant
                case _:
                    pass
        except CutoverError as exc:
            refused[ref], grants[ref] = exc.what, exc.hints[0] if exc.hints else exc.why
    return Permissions(refused, grants)


def _offered(loaded: LoadedPlan) -> dict[RRsetKey, tuple[str, ...]]:
    """What the plan writes: every RRset, with the values that it brings."""
    from dns_cutover.plan.expand import expand_changes

    out: dict[RRsetKey, tuple[str, ...]] = {}
    for stage in loaded.plan.stages:
        for p in expand_changes(loaded.plan, stage):
            out[p.key] = (*out.get(p.key, ()), *(p.after or ()), *p.add)
    return out
