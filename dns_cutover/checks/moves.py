"""What a plan's texts say and where they stand, and which changes users notice. Pure; shared by families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from dns_cutover.checks.interface import Located, Subject
from dns_cutover.plan.expand import rdata_value
from dns_cutover.plan.models import (
    CommandProbe,
    DnsProbe,
    HttpProbe,
    Plan,
    ProbeConfig,
    SmtpProbe,
    Stage,
    TcpProbe,
)
from dns_cutover.plan.places import Path
from dns_cutover.records import absolute_name, canonical_type
from dns_cutover.records.targets import POSITIONS
from dns_cutover.timing.lifetime import CachePolicy, lifetime

# Types that decide where a service is found. TXT, CAA and the like change what is said about it.
SERVICE_TYPES = frozenset({"A", "AAAA", "CNAME", "HTTPS", "MX", "NS", "SRV", "SVCB"})


def value_path(subject: Subject, change: Located, value: str) -> Path:
    """Where the canonical `value` that `change` brings is written."""
    config = change.stage.changes[change.planned.index]
    origin = subject.names[change.key.zone]
    for key, texts in (("to", config.to), ("add", config.add)):
        for k, text in enumerate(texts if isinstance(texts, tuple) else ()):
            if rdata_value(change.key.rdtype, text, origin) == value:
                return (*change.path, key, k)
    return change.path


def target_word(rdtype: str, text: str) -> str:
    """The host's name in a value as it is written; empty for types without one."""
    position, words = POSITIONS.get(rdtype), text.split()
    return words[position] if position is not None and len(words) > position else ""


def by_stage(subject: Subject) -> Mapping[int, Sequence[Located]]:
    """The changes of each stage."""
    return subject.once(_by_stage)


def _by_stage(subject: Subject) -> dict[int, list[Located]]:
    out: dict[int, list[Located]] = {}
    for c in subject.changes:
        out.setdefault(c.n, []).append(c)
    return out


def replaced(subject: Subject) -> Mapping[int, Sequence[Located]]:
    """By stage: the changes after which users find a service elsewhere. Stages without such are left out.

    Names below an underscore label are no services of their own, except those of SRV (RFC 8552): a DKIM key is not
    connected to. What is new, and what only goes, moves nobody; an address that makes room for an alias, or an alias
    for an address, does.
    """
    return subject.once(_replaced)


def _replaced(subject: Subject) -> dict[int, list[Located]]:
    out: dict[int, list[Located]] = {}
    at_name: dict[tuple[int, str, str], list[Located]] = {}
    for c in subject.changes:
        if not serves(c):
            continue
        p = c.planned
        if p.kind == "values" or (p.before is not None and p.after is not None):
            if p.remove or p.before == "live" or set(p.before or ()) - set(p.after or ()):
                out.setdefault(c.n, []).append(c)
        elif p.kind == "set":
            at_name.setdefault((c.n, c.key.zone, c.key.owner), []).append(c)
    for (n, _, _), changes in at_name.items():
        if len({c.planned.after is None for c in changes}) == 2 and any(c.key.rdtype == "CNAME" for c in changes):
            out.setdefault(n, []).extend(c for c in changes if c.planned.after is not None)
    return out


def serves(change: Located) -> bool:
    """Whether users find a service by the RRset."""
    owner, rdtype = change.key.owner, change.key.rdtype
    return rdtype in SERVICE_TYPES and (rdtype == "SRV" or not (owner.startswith("_") or "._" in owner))


def watched(subject: Subject) -> tuple[float | None, ...]:
    """For how many seconds the probes of each stage ask at most, if nothing is late: from the change until the bake
    ends. None where the plan alone cannot tell, as for names that are new: the negative TTL decides there.
    """
    plan = subject.loaded.plan
    out: list[float | None] = []
    for stage in plan.stages:
        tail, gate = _tail(plan, stage), stage.propagation or plan.propagation
        out.append(gate.round_gap + tail + stage.bake if tail is not None else None)
    return tuple(out)


def _tail(plan: Plan, stage: Stage) -> float | None:
    """The most that an old answer can live after the stage's change, by the plan alone; None if that is not known."""
    tail = 0.0
    policy = CachePolicy(tuple(plan.ttl.resolver_floor) or (0.0,), plan.ttl.client_floor)
    for change in stage.changes:
        if change.from_ == "absent" or not (change.from_ is not None or change.remove):
            return None
        tail = lifetime((stage.ttl or plan.ttl).lower_to, policy)
    return tail


def decides(probe: ProbeConfig) -> bool:
    """Whether the probe's failures count."""
    return probe.role == "health" and not probe.report_only


def additive(change: Located) -> bool:
    """Whether the change only adds a name or values. A rollback leaves it in place, unless the plan says otherwise."""
    p = change.planned
    return bool((p.kind == "set" and p.before is None and p.after) or (p.add and not p.remove))


def endpoint(probe: ProbeConfig) -> tuple[object, ...]:
    """What a probe asks: equal for two probes that see the same thing, whatever they expect of it."""
    match probe:
        case TcpProbe() | SmtpProbe():
            return ("tcp", probe.target.rstrip(".").lower(), probe.port)
        case HttpProbe():
            return ("http", probe.url, probe.address)
        case DnsProbe():
            return ("dns", absolute_name(probe.question), canonical_type(probe.rrtype), probe.server)
        case CommandProbe():
            return ("command", probe.argv)


def probe_yaml(change: Located, side: Literal["new", "old"]) -> str:
    """A probe of one side of a change, to be copied into the plan and completed."""
    p = change.planned
    old = (p.before if isinstance(p.before, tuple) else ()) or p.remove
    values = (p.after or p.add) if side == "new" else old
    name = f"{change.stage.name[:50]}-{side}"
    role = ", role: way_back" if side == "old" else ""
    host = change.key.owner.removesuffix(".").replace("*", "any", 1)
    value = values[0] if values else side.upper()
    words = value.split()
    match change.key.rdtype:
        case "A" | "AAAA":
            return f'{{type: http, name: {name}, url: "https://{host}/", address: "{value}"{role}}}'
        case "MX" if len(words) == 2:
            target = words[1].removesuffix(".")
            return f'{{type: tcp, name: {name}, target: {target}, port: 25, expect: "220"{role}}}'
        case "SRV" if len(words) == 4:
            return f"{{type: tcp, name: {name}, target: {words[3].removesuffix('.')}, port: {words[2]}{role}}}"
        case "CNAME" | "HTTPS" | "SVCB" if side == "old":
            target = words[0] if len(words) == 1 else words[1] if len(words) > 1 and words[1] != "." else "OLD"
            return f"{{type: tcp, name: {name}, target: {target.removesuffix('.')}, port: 443{role}}}"
        case "NS":
            return (
                f"{{type: dns, name: {name}, question: {host}., rrtype: SOA, server: ADDRESS-OF-{side.upper()}{role}}}"
            )
        case _:
            return f'{{type: http, name: {name}, url: "https://{host}/"{role}}}'
