"""DC4xx: cases in which a careless rule would speak, or be silent, wrongly."""

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.plan.finding import Finding
from tests.unit.checks.situation import findings

WWW = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
LIVE = "www 3600 IN A 192.0.2.10\n"


def plan(*changes: str, allow: str = "", head: str = "") -> str:
    safety = f"safety: {{allow: [{allow}]}}\n" if allow else ""
    body = "".join(f"      - {c}\n" for c in changes)
    return f"{head}{safety}stages:\n  - name: switch\n    changes:\n{body}"


def said(check: str, text: str, zone: str = "", *, offline: bool = False, **more: object) -> list[Finding]:
    found = findings(Example(text, zone, **more), offline=offline)  # type: ignore[arg-type]
    return [f for f in found if f.id == check]


# -- the last of its kind ----------------------------------------------------------------------------------------------

TAKE = '{name: "@", type: MX, remove: ["10 mx.old.test."]}'


def test_an_edit_that_takes_the_last_mx_is_a_deletion_in_disguise() -> None:
    [f] = said("DC402", plan(TAKE), "@ 3600 IN MX 10 mx.old.test.\n")
    assert f.message == "@ MX loses its last value, and mail goes to the address of the name"
    assert "allow: [last_mx]" in f.hint
    assert not said("DC402", plan(TAKE), "@ 3600 IN MX 10 mx.old.test.\n@ 3600 IN MX 20 mx2.old.test.\n")
    assert not said("DC402", plan(TAKE, allow="last_mx"), "@ 3600 IN MX 10 mx.old.test.\n")


def test_a_value_that_comes_in_its_place_is_enough() -> None:
    swap = '{name: "@", type: MX, remove: ["10 mx.old.test."], add: ["10 mx.new.test."]}'
    assert not said("DC402", plan(swap), "@ 3600 IN MX 10 mx.old.test.\n")
    null = '{name: "@", type: MX, from: ["10 mx.old.test."], to: ["0 ."]}'
    assert not said("DC402", plan(null), "@ 3600 IN MX 10 mx.old.test.\n")


def test_what_is_left_is_not_known_offline() -> None:
    """Other values may be there: no alarm."""
    assert not said("DC402", plan(TAKE), offline=True)


def test_a_deletion_is_told_once() -> None:
    """Without `delete` it is a deletion; with it the last MX still wants its own word."""
    gone = '{name: "@", type: MX, from: ["10 mx.old.test."], to: absent}'
    assert [f.id for f in findings(Example(plan(gone)), offline=True)] == ["DC401"]
    found = findings(Example(plan(gone, allow="delete")), offline=True)
    assert [f.id for f in found if f.severity == "error"] == ["DC402"]


def test_a_name_that_keeps_another_address_or_an_alias_is_reachable() -> None:
    take = '{name: www, type: A, remove: ["192.0.2.10"]}'
    assert said("DC402", plan(take), LIVE)
    assert not said("DC402", plan(take), LIVE + "www 3600 IN AAAA 2001:db8::1\n")
    alias = "{name: www, type: CNAME, from: absent, to: [edge.new.test.]}"
    assert not said("DC402", plan(take, alias), LIVE)
    later = (
        plan(take) + "  - name: b\n    changes:\n      - {name: www, type: AAAA, from: absent, to: ['2001:db8::1']}\n"
    )
    assert said("DC402", later, LIVE)  # between the stages there is nothing


def test_a_txt_that_goes_by_value_is_no_loss() -> None:
    assert not said("DC402", plan('{name: "@", type: TXT, remove: ["x"]}'), '@ 3600 IN TXT "x"\n')


# -- the share of the zone ---------------------------------------------------------------------------------------------

FOUR = "{names: [a, b, c, d], type: A, from: ['192.0.2.1'], to: ['192.0.2.2']}"
FOUR_LIVE = "".join(f"{n} 3600 IN A 192.0.2.1\n" for n in "abcd")


@pytest.mark.parametrize(("records", "fires"), [(13, True), (14, False), (10, True), (9, False)])
def test_three_tenths_of_a_zone_of_ten_records(records: int, fires: bool) -> None:
    """4 of 13 are 31 %, 4 of 14 are 29 %; below ten records nobody counts."""
    found = said("DC407", plan(FOUR), FOUR_LIVE, facts={"records": {"default": records}})
    assert [f.message for f in found] == (
        [f"4 of {records} records of example.test. change ({4 / records:.0%})"] if fires else []
    )


def test_new_names_and_ttls_do_not_count() -> None:
    new = "{names: [e, f, g, h], type: A, from: absent, to: ['192.0.2.1']}"
    ttl = "{names: [a, b, c, d], type: A, ttl: 300}"
    assert not said("DC407", plan(new, ttl), FOUR_LIVE, facts={"records": {"default": 10}})


def test_a_zone_that_nobody_could_transfer_is_not_judged() -> None:
    assert not said("DC407", plan(FOUR), FOUR_LIVE)


# -- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "ds", "severity"),
    [
        pytest.param(-60, True, "error", id="expired"),
        pytest.param(-60, False, "warning", id="expired, and nobody validates"),
        pytest.param(3000, True, "error", id="before the change: the signer has stopped"),
        pytest.param(14 * 86400, True, None, id="long after the run"),
    ],
)
def test_signatures(seconds: int, ds: bool, severity: str | None) -> None:
    above = "example.test. 3600 IN DS 1 13 2 " + "ab" * 32 + "\n" if ds else ""
    found = said("DC408", plan(WWW), LIVE, elsewhere=above, facts={"signatures_expire": seconds})
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_long_run_outlives_every_signature() -> None:
    """Two weeks of waiting are longer than most signatures live: signers renew them, and this is a reminder only."""
    text = (
        plan(WWW)
        + "  - name: b\n    wait: 14d\n    changes:\n      - {name: x, type: A, from: absent, to: ['192.0.2.1']}\n"
    )
    above = "example.test. 3600 IN DS 1 13 2 " + "ab" * 32 + "\n"
    [f] = said("DC408", text, LIVE, elsewhere=above, facts={"signatures_expire": 7 * 86400})
    assert (f.severity, f.message.split(",")[0]) == (
        "warning",
        "the signature of the SOA of example.test. expires in 7 days",
    )


def test_an_unsigned_zone_has_no_signatures() -> None:
    found = findings(Example(plan(WWW), LIVE))
    assert not [f for f in found if f.id in ("DC408", "DC415")]


# -- what the provider cannot do ---------------------------------------------------------------------------------------


def test_each_missing_promise_has_its_own_finding() -> None:
    weak = {"compare_and_swap": False, "atomic": False, "fenced": False, "replace_type": False}
    two = '{name: b, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}'
    every = findings(Example(plan(WWW, two), facts={"guarantees": weak}), offline=True)
    found = [f for f in every if f.id.startswith("DC4")]
    assert [(f.id, f.severity) for f in found] == [("DC410", "warning"), ("DC411", "warning"), ("DC412", "warning")]
    assert "the provider rfc2136 of example.test." in found[0].message


def test_a_stage_of_one_change_is_atomic_anywhere() -> None:
    assert not said("DC411", plan(WWW), facts={"guarantees": {"atomic": False}})


def test_a_gap_is_only_where_types_change_places() -> None:
    weak = {"guarantees": {"replace_type": False}}
    gone = '{name: www, type: A, from: ["192.0.2.10"], to: absent}'
    comes = "{name: www, type: CNAME, from: absent, to: [edge.new.test.]}"
    [f] = said("DC413", plan(gone, comes), LIVE, facts=weak)
    assert f.record == "www CNAME"
    assert not said("DC413", plan("{name: new, type: CNAME, from: absent, to: [edge.new.test.]}"), facts=weak)


def test_an_apex_that_the_provider_keeps_for_itself() -> None:
    ns = "{name: '@', type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.new.test., ns2.new.test.]}"
    weak = {"guarantees": {"apex_ns": False}}
    [f] = said("DC409", plan(ns, allow="apex_ns"), facts=weak)
    assert f.message == "@ NS: the provider rfc2136 cannot write the NS set of the apex"
    sub = "{name: sub, type: NS, from: [ns1.old.test.], to: [ns1.new.test., ns2.new.test.]}"
    assert not said("DC409", plan(sub, allow="delegation"), facts=weak)


def test_a_permission_is_not_judged_unless_it_was_asked_for() -> None:
    assert not said("DC414", plan(WWW), LIVE)
    facts = {"permissions": {"default": "no"}, "grants": {"default": "grant it"}}
    [f] = said("DC414", plan(WWW), LIVE, facts=facts)
    assert (f.message, f.hint, f.line) == ("no", "grant it", 5)
