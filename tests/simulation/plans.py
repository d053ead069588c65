"""The plans of the stories, compiled against one zone, and what each of them makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from dns_cutover.lookup.interface import Endpoint
from dns_cutover.plan.loader import parse_plan
from dns_cutover.providers.rfc2136.provider import guarantees
from dns_cutover.providers.rfc2136.size import partition_changes
from dns_cutover.providers.rfc2136.update import Question
from dns_cutover.records import Change, RRset, RRsetKey, realise
from dns_cutover.runbook.around import contexts
from dns_cutover.runbook.codec import runbook_json, runbook_sha256
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.compiling import LiveFacts, Partition
from dns_cutover.runbook.model import WRITES, Runbook, StepKind, ZoneInfo

ZONE = "example.test."
LOCK: Question = (f"_dns-cutover.{ZONE}", "TXT")
SOA: Question = (ZONE, "SOA")
LOW = 30
F = 60.0  # what clients add
HEAD = b"""
version: 1
name: sim
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: X}}}
ttl: {lower_to: 30s}
propagation: {deadline: 15m, round_gap: 21s, on_deadline: {wrong: rollback, unreachable: rollback}}
rollback: {additive: remove}
safety: {allow: [apex_ns, delete, split]}
stages:
"""
PROBES = b"    probes: [{type: tcp, name: p, target: x, port: 25, interval: 10s}]\n"
WATCHED = b"""
    probes:
      - {type: tcp, name: p, target: x, port: 25, interval: 10s}
      - {type: tcp, name: old, target: y, port: 25, interval: 20s, role: way_back}
"""
STAGES: Mapping[str, bytes] = {
    # Two stages, names and values that come beside others; the longest TTL goes first.
    "mail": b"""
  - name: one
    changes:
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.9]}
      - {name: nm1, type: CNAME, from: absent, to: nm1.new.test.}
    bake: 2m
  - name: two
    changes:
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}
      - {name: "@", type: TXT, remove: [old], add: [both]}
    unchanged: [keep/A]
""" + PROBES + b"    bake: 5m\n",
    # An alias takes the place of data, and data that of an alias.
    "alias": b"""
  - name: one
    changes:
      - {name: www, type: A, from: [192.0.2.1], to: absent}
      - {name: www, type: CNAME, from: absent, to: www.new.test., ttl: 600}
""" + WATCHED + b"""    bake: 90s
  - name: two
    changes:
      - {name: alias, type: CNAME, from: alias.old.test., to: absent}
      - {name: alias, type: A, from: absent, to: [192.0.2.10], ttl: 900}
    bake: 70s
""",
    # The apex NS set, a TTL alone, a name that goes.
    "apex": b"""
  - name: one
    changes:
      - {name: "@", type: NS, from: [ns1.old.test., ns2.old.test.], to: [ns1.old.test., ns3.new.test.]}
      - {name: www, type: A, ttl: 300}
""" + PROBES + b"""    bake: 2m
  - name: two
    changes:
      - {name: gone, type: A, from: [192.0.2.7], to: absent}
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.]}
    bake: 90s
""",
    # Both sets of the apex NS are other names; the TTL of the second stage is longer than that of the first.
    "short": b"""
  - name: one
    changes:
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}
""" + PROBES + b"""    bake: 2m
  - name: two
    changes:
      - {name: "@", type: NS, from: [ns1.old.test., ns2.old.test.], to: [ns1.new.test., ns2.new.test.], ttl: 3600}
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.8, 192.0.2.9]}
    bake: 2m
""",
    # People confirm, a window, a pause of hours with TTLs and lock given back, what is not taken back any more.
    "long": b"""
  - name: one
    changes:
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}
      - {name: nm1, type: CNAME, from: absent, to: nm1.new.test.}
    confirm: [{id: ready, who: Vendor, says: It is set up., timeout: 2h}]
""" + PROBES + b"""    bake: 2m
  - name: two
    wait: 5h
    window: {days: mon-sun, from: "04:00", to: "20:00", timezone: UTC}
    confirm: [{id: drained, who: Vendor, says: The old one is idle.}]
    changes:
      - {name: gone, type: A, from: [192.0.2.7], to: absent}
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.9]}
    bake: 2m
""",
    # One stage, a message for each RRset.
    "split": b"""
  - name: one
    changes:
      - {name: www, type: A, from: [192.0.2.1], to: [192.0.2.9]}
      - {name: "@", type: MX, from: [10 old.test.], to: [10 new.test.], ttl: 300}
      - {name: "@", type: TXT, remove: [old], add: [both]}
    unchanged: [keep/A]
""" + WATCHED + b"""    bake: 90s
  - name: two
    changes:
      - {name: gone, type: A, from: [192.0.2.7], to: absent}
      - {name: alias, type: CNAME, from: alias.old.test., to: alias.new.test.}
    bake: 2m
""",
}  # fmt: skip
BASE: Mapping[Question, RRset] = {
    SOA: RRset(3600, ("ns.example.test. host.example.test. 1 7200 900 1209600 300",)),
    (ZONE, "NS"): RRset(7200, ("ns1.old.test.", "ns2.old.test.")),
    (f"www.{ZONE}", "A"): RRset(3600, ("192.0.2.1",)),
    (ZONE, "MX"): RRset(300, ("10 old.test.",)),
    (ZONE, "TXT"): RRset(600, ('"old"', '"verification"')),
    (f"alias.{ZONE}", "CNAME"): RRset(1800, ("alias.old.test.",)),
    (f"gone.{ZONE}", "A"): RRset(900, ("192.0.2.7",)),
    (f"keep.{ZONE}", "A"): RRset(600, ("192.0.2.5",)),
}
KEEP: Question = (f"keep.{ZONE}", "A")
SERVERS = ("ns1", "ns2", "ns3")


@dataclass(frozen=True)
class Variant:
    """A compiled plan. `after` is what it makes of the records that it changes, `stage_of` which stage changes each,
    `lowered` what has its TTL lowered first, `service` the RRset that brings the new service and its new values.
    """

    name: str
    book: Runbook
    json: str
    sha256: str
    after: Mapping[Question, RRset | None]
    stage_of: Mapping[Question, str]
    lowered: frozenset[Question]
    service: tuple[tuple[Question, tuple[str, ...]], ...]

    @property
    def names(self) -> tuple[Question, ...]:
        """The RRsets that it changes."""
        return tuple(self.after)

    @property
    def stages(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(s.name for s in self.book.stages)


PLAN = HEAD + STAGES["mail"]


def runbook(plan: bytes = PLAN, partition: Partition = partition_changes, *, servers: int = 2) -> Runbook:
    """The plan compiled against the base zone."""
    loaded = parse_plan(plan, "sim.yaml", {})
    soa = BASE[SOA]
    endpoints = tuple(Endpoint(name, f"192.0.2.{n}") for n, name in enumerate(SERVERS[:servers], 1))
    info = ZoneInfo(
        "default", ZONE, {"type": "rfc2136"}, {}, endpoints, soa.values[0], soa.ttl, 1, 300, guarantees()
    )  # fmt: skip
    created = ((f"nm1.{ZONE}", "CNAME"), (f"www.{ZONE}", "CNAME"), (f"alias.{ZONE}", "A"))
    rrsets = {RRsetKey("default", *q): BASE.get(q) for q in (*BASE, *created) if q != SOA}
    around = contexts(rrsets, rrsets, {"default": 300}, {"default": ZONE})
    facts = LiveFacts((info,), rrsets, around)
    return compile_runbook(loaded.plan, loaded.sha256, facts, {"default": partition})


def _one_by_one(changes: tuple[Change, ...]) -> tuple[tuple[Change, ...], ...]:
    return tuple((c,) for c in changes)


@cache
def _compiled(name: str) -> Runbook:
    # Quicker than one would have it: a story has to be short.
    plan = HEAD.replace(b"deadline: 15m", b"deadline: 5m") + STAGES[name]
    plan = plan.replace(b"interval: 10s", b"interval: 20s").replace(b"bake: 5m", b"bake: 2m")
    return runbook(plan, _one_by_one if name == "split" else partition_changes)


def variant_of(name: str, book: Runbook) -> Variant:
    """What a runbook does to the base zone."""
    image: dict[Question, RRset | None] = dict(BASE)
    changed: dict[Question, str] = {}
    lowered = set()
    for step in book.steps:
        for edit in step.edits if step.kind in WRITES and not step.ahead else ():
            q = (edit.key.owner, edit.key.rdtype)
            change = realise(edit, image.get(q))
            assert isinstance(change, Change), change
            image[q] = change.after
            if step.kind is StepKind.APPLY:
                changed[q] = step.stage
            elif step.kind is StepKind.LOWER_TTL:
                lowered.add(q)
    after = {q: image.get(q) for q in changed}
    watched = next((s.stage for s in book.steps if s.kind is StepKind.BAKE and s.probes), "")
    service = tuple(
        (q, new.values)
        for q, new in after.items()
        if new is not None and changed[q] == watched and (q not in BASE or BASE[q].values != new.values)
    )
    return Variant(name, book, runbook_json(book), runbook_sha256(book), after, changed, frozenset(lowered), service)


# How a plan may want things. The first of each is the usual one.
COMMITS = (("never", "never"), ("never", "before"), ("after", "never"), ("before", "never"))
WRONG = ("rollback", "pause")
INCONCLUSIVE = ("pause", "rollback")
VIOLATORS = ("warn", "pause", "rollback")
ADDITIVE = ("remove", "keep")
SCOPE = ("run", "stage")
POLICIES = tuple(product(range(len(COMMITS)), WRONG, INCONCLUSIVE, VIOLATORS, ADDITIVE, SCOPE))


@cache
def variant(name: str, policy: int) -> Variant:
    """A plan with a policy: what a rollback takes back, what becomes of a deadline, where the commit point is."""
    base = _compiled(name)
    commits, wrong, inconclusive, violators, additive, scope = POLICIES[policy]
    stages = tuple(replace(s, commit=c) for s, c in zip(base.stages, COMMITS[commits], strict=True))
    gate = {"wrong": wrong, "unreachable": wrong, "on_inconclusive": inconclusive, "violators": violators}
    steps = tuple(replace(s, gate=replace(s.gate, **gate)) for s in base.steps)
    rollback = replace(base.rollback, additive=additive, scope=scope)
    return variant_of(name, replace(base, stages=stages, steps=steps, rollback=rollback))


MAIL = variant_of("mail", runbook())
BOOK = MAIL.book
AFTER = MAIL.after
NAMES = MAIL.names
