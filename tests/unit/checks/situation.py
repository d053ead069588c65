"""An example of a check as the subject that checks look at: plan text and zone text in, no network.

`facts` of an example say what no zone text can:

- `servers`: () if no server is known.
- `problem`: what is wrong with ns2's answers, `fault`: the kind of that (ServerView); `tcp`, `edns`: what else is wrong
  with it (ServerHealth).
- `zone_problems`: what went wrong while servers were looked for (ZoneServers).
- `views`: zone text by zone reference, where views of one zone differ.
- `parent_ns`, `child_ns`: name-server host names; `parent_ns_ttl`, `child_ns_ttl`.
- `too_large`: the provider takes one change in a message.
- `guarantees`: fields of the provider's Guarantees that differ.
- `newcomers`: (zone name, host name) of new name servers -> their DNSKEY values, empty if unsigned.
- `signatures_expire`: seconds after NOW; `ds_known`, `dnskey_known`: whether the parent
  answered for DS, and the zone for DNSKEY (default: yes).
- `unresolved`: host names (absolute) whose own authority could not be asked.
- `certificates`, `permissions`, `grants`, `owned`, `clamps`, `caps`: as in World; `records`: as in LiveView.
- `policies`: domain -> the fields of its MTA-STS policy.
- `now`: seconds UTC instead of NOW.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from dns_cutover.assembly.looking import live_facts, lock_names, promises
from dns_cutover.checks.interface import Example, Subject
from dns_cutover.checks.mail_questions import questions
from dns_cutover.checks.marks import mark_keys
from dns_cutover.checks.registry import all_checks, findings_between, findings_of, ignore_findings
from dns_cutover.checks.world import World
from dns_cutover.lookup.interface import Endpoint, Fault, ServerView
from dns_cutover.lookup.live import merge_views
from dns_cutover.lookup.views import LiveView, NameView, ServerHealth, TargetView, ZoneSecurity, ZoneServers
from dns_cutover.mail.answers import Found
from dns_cutover.mail.transport_policy import StsPolicy
from dns_cutover.plan.expand import expand_changes, unchanged_keys, zone_names
from dns_cutover.plan.finding import Finding, PlanInvalid
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.records.name import is_below, parent_names
from dns_cutover.records.zonetext import parse_zone_text
from dns_cutover.runbook.around import keys_to_ask
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.compiling import DriftFound

NOW = 1773144000.0  # Tue 10 Mar 2026 12:00:00 UTC
ZONE = "example.test."
SERVERS = (Endpoint("ns1.example.test", "192.0.2.1"), Endpoint("ns2.example.test", "192.0.2.2"))
TOP = {
    "version": "version: 1\n",
    "name": "name: example\n",
    "zone": "zone: example.test\n",
    "provider": "provider:\n  type: rfc2136\n  server: 192.0.2.53\n"
    "  key: {name: cutover, secret: {env: CUTOVER_TSIG}}\n",
}
APEX = (
    "@ 3600 IN SOA ns1.example.test. hostmaster.example.test. 1 7200 3600 1209600 300\n"
    "@ 3600 IN NS ns1.example.test.\n@ 3600 IN NS ns2.example.test.\n"
    "ns1 3600 IN A 192.0.2.1\nns2 3600 IN A 192.0.2.2\n"
)
WORLD = ("certificates", "permissions", "grants", "owned", "clamps", "caps")
Zone = Mapping[tuple[str, str], RRset]


def plan_text(example: Example) -> str:
    """The standard plan with what the example replaces or adds at the top level, or the example's own file."""
    return example.plan if example.whole else standard(example.plan)


def standard(plan: str) -> str:
    given = plan.lstrip("\n")
    keys = {line.split(":")[0] for line in given.splitlines() if line[:1].isalpha()}
    several = "zones" in keys
    head = "".join(t for k, t in TOP.items() if k not in keys and not (several and k in ("zone", "provider")))
    return head + given


def findings(example: Example, *, offline: bool = False) -> tuple[Finding, ...]:
    """What all checks say about the example, whatever options they need."""
    try:
        loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
    except PlanInvalid as exc:
        return exc.findings
    checks = [c for c in all_checks() if not offline or c.needs == "plan"]
    found = (*loaded.warnings, *findings_of(checks, subject(loaded, example, offline=offline)))
    if example.other:
        other = parse_plan(standard(example.other).encode(), "other.yaml", {})
        found += tuple(f for own in findings_between((loaded, other)) for f in own)
    return (*found, *ignore_findings(loaded, found, checks))


def subject(loaded: LoadedPlan, example: Example, *, offline: bool = False) -> Subject:
    facts, plan = example.facts, loaded.plan
    promised = {
        ref: replace(g, **facts.get("guarantees", {}))  # type: ignore[arg-type]
        for ref, config in plan.all_zones().items()
        if (g := promises(config.provider)) is not None
    }
    live, book, drifts = None, None, ()
    if not offline:
        live = live_view(loaded, example)
        keys = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
        keys |= {k for s in plan.stages for k in unchanged_keys(plan, s)}
        known = live_facts(loaded, live, keys)
        known = replace(known, zones=tuple(replace(z, guarantees=promised[z.ref]) for z in known.zones))
        if len(known.zones) == len(plan.all_zones()):
            one_each = bool(facts.get("too_large"))
            split = {
                z.ref: (lambda cs: tuple((c,) for c in cs)) if one_each else (lambda cs: (cs,)) for z in known.zones
            }
            try:
                book = compile_runbook(plan, loaded.sha256, known, split)
            except DriftFound as found:
                drifts = found.drifts
        live = replace(live, mail=mail(Subject(loaded, NOW, live), example))
    given = {k: v for k, v in facts.items() if k in WORLD}
    given["policies"] = {d: StsPolicy(*p) for d, p in facts.get("policies", {}).items()}  # type: ignore[attr-defined]
    world = World(**given)  # type: ignore[arg-type]
    return Subject(loaded, float(facts.get("now", NOW)), live, book, drifts, promised, world)  # type: ignore[arg-type]


def live_view(loaded: LoadedPlan, example: Example) -> LiveView:
    plan, names, facts = loaded.plan, zone_names(loaded.plan), example.facts
    keys = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
    keys |= {k for s in plan.stages for k in unchanged_keys(plan, s)}
    keys = set(keys_to_ask(keys, names))
    keys |= {RRsetKey(ref, k.owner, k.rdtype) for k in keys for ref in names if names[ref] == names[k.zone]}
    servers = facts.get("servers", SERVERS)
    assert isinstance(servers, tuple)
    views: list[ServerView] = []
    name_views: dict[tuple[str, str], NameView] = {}
    elsewhere = zone_of(example.elsewhere, ".", "")
    for ref, origin in names.items():
        text = facts.get("views", {}).get(ref, example.zone)  # type: ignore[attr-defined]
        first, second = zone_of(text, origin), zone_of(example.secondary or text, origin)
        own = sorted({k for k in keys if k.zone == ref} | {RRsetKey(ref, origin, "SOA")})
        for server, data in zip(servers, (first, second), strict=False):
            problem = str(facts.get("problem", "")) if server == SERVERS[1] else ""
            answers = {} if problem else {k: answer(data, origin, k) for k in own}
            fault = Fault(str(facts.get("fault", "wrong"))) if problem else Fault.NONE
            serial = int(data[origin, "SOA"].values[0].split()[2])
            views.append(ServerView(ref, server, answers, serial, problem, bool(problem), fault=fault))
        if servers:
            for owner in {k.owner for k in own} | {o for r, o in lock_names(plan) if r == ref}:
                name_views[ref, owner] = name_view(first, ref, origin, owner)
    rrsets, disagreements = merge_views(views)
    for v in name_views.values():
        for rdtype in v.types:
            key = RRsetKey(v.zone, v.owner, rdtype)
            if v.wildcard or key not in rrsets:
                rrsets[key] = None if v.wildcard else v.rrsets.get(rdtype)
    every = {**elsewhere}
    for origin in names.values():
        every |= zone_of(example.zone, origin)
    child = tuple(str(n) for n in facts.get("child_ns", ("ns1.example.test.", "ns2.example.test.")))  # type: ignore[attr-defined]
    parent = tuple(str(n) for n in facts.get("parent_ns", child))  # type: ignore[attr-defined]
    problems = facts.get("zone_problems", ())
    ttls = {k: facts.get(k, 3600) for k in ("parent_ns_ttl", "child_ns_ttl")}
    dnskey = {ref: zone_of(example.zone, origin).get((origin, "DNSKEY")) for ref, origin in names.items()}
    expire = facts.get("signatures_expire")
    return LiveView(
        zones={ref: ZoneServers(z, servers, parent, child, problems=problems, **ttls) for ref, z in names.items()},  # type: ignore[arg-type]
        at=NOW,
        servers=tuple(views),
        soa={ref: soa for ref, z in names.items() if (soa := rrsets.get(RRsetKey(ref, z, "SOA"))) is not None},
        rrsets=rrsets,
        names=name_views,
        disagreements=disagreements,
        problems=(),
        targets={o: target(every, o, o in facts.get("unresolved", ())) for o in targets(plan, names, rrsets)},  # type: ignore[operator]
        security={
            ref: ZoneSecurity(
                elsewhere.get((z, "DS")),
                bool(facts.get("ds_known", True)),
                dnskey[ref],
                NOW + float(expire) if expire is not None else None,  # type: ignore[arg-type]
                bool(facts.get("dnskey_known", True)),
            )
            for ref, z in names.items()
        },
        health=tuple(
            ServerHealth(ref, s, str(facts.get("tcp", "")), str(facts.get("edns", "")))
            if s == SERVERS[1]
            else ServerHealth(ref, s)
            for ref in names
            for s in servers
        ),
        caa={
            o: next(((a, c) for a in (o, *parent_names(o)) if (c := every.get((a, "CAA"))) is not None), None)
            for o in {k.owner for k in keys}
        },
        records=facts.get("records", {}),  # type: ignore[arg-type]
        marks=marks(plan, names, example),
        newcomers={k: RRset.of("DNSKEY", 3600, *v) if v else None for k, v in facts.get("newcomers", {}).items()},  # type: ignore[attr-defined]
    )


def mail(subject: Subject, example: Example) -> dict[tuple[str, str], Found | None]:
    """What the rules about e-mail ask for, round after round, out of the zone and what is elsewhere."""
    every = zone_of(example.elsewhere, ".", "")
    for ref, origin in subject.names.items():
        every = {**every, **zone_of(example.facts.get("views", {}).get(ref, example.zone), origin)}  # type: ignore[attr-defined]
    found: dict[tuple[str, str], Found | None] = {}
    while missing := questions(subject, found):
        for owner, rdtype in missing:
            alias, rrset = every.get((owner, "CNAME")), every.get((owner, rdtype))
            there = Found(rrset.values if rrset is not None else (), alias.values[0] if alias is not None else "")
            found[owner, rdtype] = None if owner in example.facts.get("unresolved", ()) else there  # type: ignore[operator]
    return found


def marks(plan: Any, names: Mapping[str, str], example: Example) -> dict[RRsetKey, RRset]:
    """What other tools have marked, by the names that are asked on live servers too."""
    planned = {p.key for stage in plan.stages for p in expand_changes(plan, stage)}
    data = {ref: zone_of(example.zone, origin) for ref, origin in names.items()}
    found = {k: answer(data[k.zone], names[k.zone], k) for k in mark_keys(planned, names)}
    return {k: v for k, v in found.items() if v is not None}


def zone_of(text: str, origin: str, apex: str = APEX) -> Zone:
    """Zone text as RRsets by (owner, type), with SOA and NS where the text has none."""
    whole = ("" if " SOA " in text else apex) + text
    return {(k.owner, k.rdtype): r for k, r in parse_zone_text(whole, "zone", origin).items()}


def answer(data: Zone, origin: str, key: RRsetKey) -> RRset | None:
    return name_view(data, key.zone, origin, key.owner, (key.rdtype,)).rrsets.get(key.rdtype)


def name_view(data: Zone, ref: str, origin: str, owner: str, types: tuple[str, ...] = ()) -> NameView:
    """As an authoritative server answers (RFC 1034 section 4.3.2), wildcards and empty non-terminals included."""
    types = types or tuple(sorted({t for _, t in data} | {"A", "AAAA", "CNAME", "HTTPS", "MX", "TXT"}))
    cuts = [a for a in (owner, *parent_names(owner)) if a != origin and is_below(a, origin) and (a, "NS") in data]
    if cuts:
        at_cut = {t: data[owner, t] for t in ("NS", "DS") if cuts[-1] == owner and (owner, t) in data}
        return NameView(ref, owner, cuts[-1] == owner, at_cut, cut=cuts[-1], delegation=data[cuts[-1], "NS"], types=())
    dname = next((a for a in parent_names(owner) if is_below(a, origin) and (a, "DNAME") in data), "")
    if dname:
        return NameView(ref, owner, exists=False, dname=dname, types=())
    own = {t: r for (o, t), r in data.items() if o == owner}
    exists = bool(own) or any(is_below(o, owner) for o, _ in data)
    if exists:
        return NameView(ref, owner, True, {t: r for t, r in own.items() if t in types}, types=types)
    for ancestor in (a for a in parent_names(owner) if is_below(a, origin)):
        star = {t: r for (o, t), r in data.items() if o == f"*.{ancestor}"}
        if star:
            return NameView(ref, owner, False, star, wildcard=f"*.{ancestor}", types=types)
        if any(is_below(o, ancestor) for o, _ in data):
            break
    return NameView(ref, owner, exists=False, types=types)


def targets(plan: Any, names: Mapping[str, str], rrsets: Mapping[RRsetKey, RRset | None]) -> set[str]:
    """The hosts that records of the plan and live ones point to."""
    from dns_cutover.records.targets import targets_of

    out: set[str] = set()
    for stage in plan.stages:
        for p in expand_changes(plan, stage):
            out |= {t for v in (*(p.after or ()), *p.add) for t in targets_of(p.key.rdtype, v)}
    for key, rrset in rrsets.items():
        out |= {t for v in (rrset.values if rrset is not None else ()) for t in targets_of(key.rdtype, v)}
    return out


def target(data: Zone, owner: str, unknown: bool) -> TargetView:
    if unknown:
        return TargetView(owner, asked=False, problem="no answer in 3 tries")
    links: list[tuple[str, int]] = []
    name = owner
    while (alias := data.get((name, "CNAME"))) is not None and len(links) < 8:
        links.append((name, alias.ttl))
        name = alias.values[0]
    found = [r for t in ("A", "AAAA") if (r := data.get((name, t))) is not None]
    addresses = tuple(a for r in found for a in r.values)
    return TargetView(owner, tuple(links), addresses, max((r.ttl for r in found), default=None))


def zone_data(text: str) -> dict[str, Any]:
    """YAML as data, for tests that look at an example's plan."""
    data = yaml.safe_load(text)
    assert isinstance(data, dict)
    return data
