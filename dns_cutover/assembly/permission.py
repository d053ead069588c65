"""Whether the plan's keys may write: only with --probe-write, since it reads secrets and sends an UPDATE."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dns_cutover.assembly.looking import promises
from dns_cutover.assembly.setting import Setting
from dns_cutover.assembly.wiring import provider

if TYPE_CHECKING:
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.records import RRsetKey
    from dns_cutover.runbook.model import ZoneInfo


@dataclass(frozen=True, slots=True)
class Permissions:
    """By zone reference: what is refused (empty: all is granted), and what would mend it where something is."""

    refused: Mapping[str, str]
    grants: Mapping[str, str]


async def permissions(loaded: LoadedPlan, setting: Setting) -> Permissions:
    """Ask the primary of each zone. A server or a secret that is not there is a reason, too: a run would need it."""
    from dns_cutover.errors import CutoverError
    from dns_cutover.plan.expand import zone_names
    from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
    from dns_cutover.providers.route53.provider import Route53Provider

    refused: dict[str, str] = {}
    grants: dict[str, str] = {}
    offered = _offered(loaded)
    for ref, name in zone_names(loaded.plan).items():
        zone = _zone(loaded, ref, name)
        if zone is None or zone.provider["type"] not in ("rfc2136", "route53"):
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


def _zone(loaded: LoadedPlan, ref: str, name: str) -> ZoneInfo | None:
    """As much of a zone as its provider needs; nothing was asked. None where this version cannot write to it."""
    from dns_cutover.runbook.model import ZoneInfo

    config = loaded.plan.all_zones()[ref]
    promised = promises(config.provider)
    if promised is None:
        return None
    return ZoneInfo(
        ref=ref,
        name=name,
        provider=config.provider.model_dump(mode="json"),
        lookup=config.lookup.model_dump(mode="json"),
        servers=(),
        soa="",
        soa_ttl=0,
        serial=0,
        negative_ttl=0,
        guarantees=promised,
    )
