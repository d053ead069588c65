"""What a loaded plan holds: defaults, units, inheritance, zones; and that loading reads nothing else."""

from datetime import time
from pathlib import Path

import pydantic
import pytest

from dns_cutover.errors import Unavailable
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.plan.finding import PlanInvalid, Position
from dns_cutover.plan.loader import LoadedPlan, load_plan, parse_plan
from dns_cutover.plan.models import Plan
from dns_cutover.plan.probes import probe_spec
from dns_cutover.plan.types import parse_duration, parse_endpoint, parse_ttl
from dns_cutover.probes.interface import ProbeSpec

EXAMPLES = sorted((Path(__file__).parents[2] / "plans").glob("*.yaml"))
FULL = """\
version: 1
name: full
zone: Example.TEST
provider: {type: rfc2136, server: "[2001:db8::53]:5353", key: {name: k, secret: {file: /run/nothing/there}}}
ttl: {lower_to: 30, restore: keep, resolver_floor: [0s, 20s], client_floor: 90s}
propagation: {resolvers: 99.5%, deadline: 1h, on_deadline: {wrong: pause, unreachable: rollback}}
rollback: {automatic: false, until: "2026-03-10T16:00:00+01:00", max_pause: 2d}
stages:
  - name: one
    changes: [{name: www, type: A, ttl: 5m}]
    ttl: {lower_to: 10s}
    propagation: {on_deadline: {wrong: rollback}, violators: pause}
    window: {days: [mon-tue, "sat,sun"], from: "22:00", to: "02:00", timezone: Europe/Berlin}
    unchanged: www/AAAA
    wait: 1.5h
    probes:
      - {type: http, name: h, url: "https://www.example.test/", expect_status: 200, interval: 500ms, role: control}
"""


def load(text: str, /, **variables: str) -> LoadedPlan:
    return parse_plan(text.encode(), "plan.yaml", variables)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_the_example_plans_load_without_a_warning(path: Path) -> None:
    """They are what people copy from."""
    assert load_plan(path).warnings == ()


def test_there_are_example_plans() -> None:
    """So that the tests over them test something."""
    assert {p.name for p in EXAMPLES} >= {"mail-to-newmail.yaml", "ttl-only.yaml", "web-blue-green.yaml"}


DESIGNED = """\
version: 1
name: mail-to-newmail
summary: Outgoing mail moves from OldMail to NewMail. Both may send during the overlap.
owner: sre@example.test
zone: example.test
variables:
  newmail_id: u42
provider:
  type: rfc2136
  server: 192.0.2.53
  key: {name: cutover, algorithm: hmac-sha256, secret: {env: CUTOVER_TSIG}}
lookup:
  bootstrap: [192.0.2.1]
  authoritative: auto
  ignore: [{server: 192.0.2.99, because: "being decommissioned"}]
  resolvers:
    - preset: public
    - {name: office, address: 10.0.0.53, transport: udp}
ttl:
  lower_to: 60s
  restore: original
  resolver_floor: [0s]
  client_floor: 60s
propagation:
  resolvers: 95%
  deadline: 15m
  on_deadline: {wrong: rollback, unreachable: pause}
  violators: warn
rollback:
  automatic: true
  scope: run
  additive: keep
  after: restore_ttl
  until: null
  max_pause: 30m
safety:
  max_changes: 50
  allow: []
  ignore: [{check: DC305, because: "the vendor caps TTLs at one hour, accepted in the review"}]
stages:
  - name: overlap
    summary: Publish the new vendor's names beside the old ones.
    changes:
      - {name: nm1._domainkey, type: CNAME, from: absent, to: "nm1.dkim.${newmail_id}.newmail.test."}
      - name: "@"
        type: TXT
        remove: ["v=spf1 include:spf.oldmail.test -all"]
        add: ["v=spf1 include:spf.oldmail.test include:spf.newmail.test -all"]
    bake: 5m
  - name: switch
    changes:
      - {name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}
    unchanged: ["@/TXT", "www/A"]
    confirm:
      - id: ips-bound
        who: NewMail support
        says: Addresses 198.51.100.7-9 are bound to sub-account ${newmail_id}.
        by: person
        undo: NewMail unbinds them.
        timeout: 24h
    window: {days: mon-thu, from: "09:00", to: "16:00", timezone: Europe/Berlin}
    probes:
      - {type: smtp, name: new-mx, target: mx.newmail.test, starttls: required, interval: 10s,
         consecutive_failure_limit: 3}
      - {type: smtp, name: old-mx, target: mx.oldmail.test, role: way_back}
      - {type: smtp, name: third-party, target: mx.elsewhere.test, role: control}
    bake: 30m
  - name: retire
    wait: 14d
    commit: before
    changes:
      - {names: [om1._domainkey, om2._domainkey], type: CNAME, from: live, to: absent}
"""


def test_the_contract() -> None:
    """Every key that the plan format promises, in one plan."""
    loaded = load(DESIGNED)
    plan = loaded.plan
    assert loaded.warnings == ()
    assert [s.name for s in plan.stages] == ["overlap", "switch", "retire"]
    assert plan.stages[0].changes[0].to == ("nm1.dkim.u42.newmail.test.",)
    assert plan.stages[1].confirm[0].says == "Addresses 198.51.100.7-9 are bound to sub-account u42."
    assert [p.role for p in plan.stages[1].probes] == ["health", "way_back", "control"]
    assert (plan.stages[2].wait, plan.stages[2].commit) == (1209600, "before")
    assert loaded.position(("stages", 1, "changes", 0, "from")) == Position(52, 37, 60)


def test_the_demo_plan_runs_unattended() -> None:
    """It waits for no person, no window and no other day, and has a gate and a way back."""
    plan = load_plan(next(p for p in EXAMPLES if p.name == "mail-to-newmail.yaml")).plan
    assert all(s.wait is None and s.window is None and s.confirm == () for s in plan.stages)
    switch = plan.stages[-1]
    assert {(p.name, p.type, p.role) for p in switch.probes} == {
        ("new-mx", "tcp", "health"),
        ("old-mx", "tcp", "way_back"),
    }
    assert switch.probes[0].consecutive_failure_limit == 3
    assert switch.bake > 0


def test_values_are_in_seconds_and_shares() -> None:
    """Durations are seconds, shares are fractions, times carry their zone."""
    plan = load(FULL).plan
    assert plan.ttl.lower_to == 30
    assert plan.ttl.resolver_floor == (0.0, 20.0)
    assert plan.propagation.resolvers == pytest.approx(0.995)
    assert plan.propagation.deadline == 3600
    assert plan.rollback.automatic is False
    assert plan.rollback.until is not None
    assert plan.rollback.until.timestamp() == 1773154800
    assert plan.rollback.max_pause == 172800
    stage = plan.stages[0]
    assert stage.wait == 5400
    assert stage.changes[0].ttl == 300
    assert stage.unchanged == ("www/AAAA",)
    assert stage.window is not None
    assert (stage.window.from_, stage.window.to) == (time(22), time(2))
    assert stage.window.iso_days == (1, 2, 6, 7)


def test_a_stage_inherits_what_it_does_not_override() -> None:
    """An override of one key leaves the plan's other keys as they are."""
    plan = load(FULL).plan
    ttl, propagation = plan.stages[0].ttl, plan.stages[0].propagation
    assert ttl is not None
    assert propagation is not None
    assert (ttl.lower_to, ttl.restore, ttl.client_floor) == (10, "keep", 90)
    assert (propagation.violators, propagation.deadline) == ("pause", 3600)
    assert (propagation.on_deadline.wrong, propagation.on_deadline.unreachable) == ("rollback", "rollback")


def test_the_short_form_is_one_zone_named_default() -> None:
    """With its absolute, canonical name."""
    loaded = load(FULL)
    assert list(loaded.plan.zones) == ["default"]
    assert loaded.plan.zones["default"].zone == "example.test."
    assert loaded.plan.all_zones() == loaded.plan.zones
    assert loaded.position(("zones", "default", "zone")) == Position(3, 7, 19)
    assert loaded.position(("zones", "default", "provider", "type")) == Position(4, 18, 25)


def test_defaults_are_those_of_the_design() -> None:
    """A plan that says nothing gets the careful values."""
    plan = load(FULL[: FULL.index("ttl:")] + "stages: [{name: s, changes: [{name: www, type: A, ttl: 5}]}]\n").plan
    assert (plan.ttl.lower_to, plan.ttl.restore, plan.ttl.resolver_floor, plan.ttl.client_floor) == (
        60,
        "original",
        (0.0,),
        60.0,
    )
    assert (plan.propagation.resolvers, plan.propagation.deadline, plan.propagation.violators) == (0.95, 900.0, "warn")
    assert (plan.propagation.on_deadline.wrong, plan.propagation.on_deadline.unreachable) == ("rollback", "pause")
    r = plan.rollback
    assert (r.automatic, r.scope, r.additive, r.after, r.until, r.max_pause) == (
        True,
        "run",
        "keep",
        "restore_ttl",
        None,
        1800.0,
    )
    assert (plan.safety.max_changes, plan.safety.allow, plan.safety.ignore) == (50, (), ())
    assert (plan.stages[0].commit, plan.stages[0].bake, plan.stages[0].wait) == ("never", 0.0, None)
    assert plan.zones["default"].lookup.authoritative == "auto"


def test_variables() -> None:
    """They stand anywhere in a text, as they are written; --var overrides; `$${` is a literal."""
    text = """\
version: 1
name: vars
variables: {v: 1.10, port: 25, flag: true, text: "a b", ttl: 300}
zone: example.test
provider: {type: manual}
rollback: {automatic: "${flag}"}
stages:
  - name: s
    summary: ${text} and ${text}
    changes:
      - {name: x, type: TXT, from: absent, to: ["v=${v} $${v} $x {y}"], ttl: "${ttl}"}
    probes:
      - {type: tcp, name: p, target: h, port: "${port}"}
"""
    plan = load(text).plan
    assert plan.stages[0].changes[0].to == ("v=1.10 ${v} $x {y}",)
    assert plan.stages[0].changes[0].ttl == 300
    assert plan.stages[0].summary == "a b and a b"
    assert plan.stages[0].probes[0].model_dump()["port"] == 25
    assert plan.rollback.automatic is True
    changed = load(text, v="2", text="${v}").plan
    assert changed.stages[0].changes[0].to == ("v=2 ${v} $x {y}",)
    assert changed.stages[0].summary == "${v} and ${v}"  # what is filled in is not looked at again


def test_loading_reads_no_environment_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable nor a file that holds a secret is looked at; a ${name} is never from the environment."""
    monkeypatch.setenv("nowhere", "from-the-environment")
    assert load(FULL).plan.zones["default"].provider.type == "rfc2136"  # the secret's file does not exist
    with pytest.raises(PlanInvalid) as caught:
        load(FULL.replace("name: one", "name: one\n    summary: ${nowhere}"))
    assert [f.id for f in caught.value.findings] == ["DC107"]


def test_a_plan_is_frozen() -> None:
    """What was confirmed cannot be changed afterwards."""
    plan = load(FULL).plan
    with pytest.raises(pydantic.ValidationError):
        plan.name = "other"  # type: ignore[misc] - it must not work


def test_models_are_made_from_names_and_from_aliases() -> None:
    """Code may write from_, a file may not."""
    change = {"name": "www", "type": "A", "from_": "absent", "to": ["192.0.2.1"]}
    stage = {"name": "s", "changes": [change]}
    plan = {"version": 1, "name": "p", "zone": "a.test", "provider": {"type": "manual"}, "stages": [stage]}
    assert Plan.model_validate(plan).stages[0].changes[0].from_ == "absent"


def test_the_source_is_kept(tmp_path: Path) -> None:
    """Its hash is that of the file's bytes."""
    path = tmp_path / "plan.yaml"
    path.write_bytes(FULL.encode())
    loaded = load_plan(path)
    assert loaded.file == str(path)
    assert loaded.sha256 == load(FULL).sha256
    assert len(loaded.sha256) == 64
    assert loaded.document.lines[1] == "name: full"
    assert loaded.position(("stages", 0, "changes", 0, "ttl")) == Position(10, 41, 43)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The error says why, and what to do."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(Unavailable) as caught:
            load_plan(path)
        assert str(path) in caught.value.what
        assert caught.value.why
    with pytest.raises(Unavailable):
        load_plan(Path("a\0b"))


def test_a_device_without_an_end() -> None:
    """Reading stops behind the largest plan."""
    with pytest.raises(PlanInvalid) as caught:
        load_plan(Path("/dev/zero"))
    assert "5 MiB" in caught.value.findings[0].message


def test_probes_as_plain_data() -> None:
    """Gate fields have their places, what belongs to the type is among the options."""
    spec = probe_spec(load(FULL).plan.stages[0].probes[0])
    assert spec == ProbeSpec(
        name="h",
        type="http",
        role="control",
        options={"url": "https://www.example.test/", "expect_status": [200], "headers": {}, "verify": True},
        interval=0.5,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("15m", 900), ("48h", 172800), ("2d", 172800), ("1w", 604800), ("250ms", 0.25)],
)
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "5", 5, 5.0, True, None, "5 m", "-5m", "5M", "m", "1h30m", "٥s", "9" * 400 + "d", "99999d", "5s\n", "1e3s"],
)
def test_what_is_no_duration(value: object) -> None:
    """Never a guess about a unit, never infinite."""
    with pytest.raises(ValueError, match=r"duration|longer than ten years"):
        parse_duration(value)


def test_ttls() -> None:
    """Whole seconds, bare or as a duration, within RFC 2181 section 8."""
    assert [parse_ttl(v) for v in (0, 300, "300", "5m", 2**31 - 1)] == [0, 300, 300, 300, 2**31 - 1]
    for value in (-1, 2**31, True, 1.5, "500ms", "x", None, "99999999999"):
        with pytest.raises(ValueError, match="TTL"):
            parse_ttl(value)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1", Endpoint("192.0.2.1", "192.0.2.1")),
        ("192.0.2.1:5353", Endpoint("192.0.2.1:5353", "192.0.2.1", 5353)),
        ("2001:DB8::1", Endpoint("2001:DB8::1", "2001:db8::1")),
        ("[2001:db8::1]", Endpoint("[2001:db8::1]", "2001:db8::1")),
        ("[2001:db8::1]:53", Endpoint("[2001:db8::1]:53", "2001:db8::1")),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    """An address, optionally with a port."""
    assert parse_endpoint(text) == endpoint


def test_the_port_is_the_transports_own() -> None:
    """Unless it is given."""
    assert parse_endpoint("192.0.2.1", "x", "tls") == Endpoint("x", "192.0.2.1", 853, "tls")
    assert parse_endpoint("192.0.2.1:8853", "x", "tls").port == 8853
    assert parse_endpoint("192.0.2.1", "x", "https").port == 443


@pytest.mark.parametrize("text", ["", "ns1.test", ":53", "192.0.2.1:x", "[::1", "[::1]53", "1.2.3", "::1:g"])
def test_what_is_no_endpoint(text: str) -> None:
    """A name would have to be looked up first."""
    with pytest.raises(ValueError, match=r"IP address|host|port|address"):
        parse_endpoint(text)


def test_a_variables_own_value_can_have_a_literal_reference() -> None:
    """`$${` means `${` in the file; on the command line a value is what it is."""
    text = """\
version: 1
name: vars
variables: {v: "a $${b} $$"}
zone: example.test
provider: {type: manual}
stages:
  - name: s
    changes:
      - {name: x, type: TXT, from: absent, to: ["${v}"]}
"""
    assert load(text).plan.stages[0].changes[0].to == ("a ${b} $$",)
    assert load(text, v="$${c}").plan.stages[0].changes[0].to == ("$${c}",)
