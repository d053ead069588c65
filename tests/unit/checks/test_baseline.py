"""DC2xx in subtle cases: what is right although it looks wrong, and who is named where something is wrong."""

from dataclasses import replace

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.checks.registry import all_checks, findings_of
from dns_cutover.plan.loader import parse_plan
from tests.unit.checks.situation import SERVERS, findings, plan_text, subject

WWW = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
ZONE = "www 3600 IN A 192.0.2.10\n"
SOA = "@ 3600 IN SOA ns1.example.test. hostmaster.example.test. {} 7200 3600 1209600 300\n@ 3600 IN NS ns1\n" + ZONE


def stages(*changes, more=""):
    """One stage with these changes; the first of them stands in line 12."""
    lines = "".join(f"      - {c}\n" for c in changes)
    return f"stages:\n  - name: switch\n    changes:\n{lines}{more}"


def two_stages(first, second):
    return stages(first) + stages(second).removeprefix("stages:\n").replace("switch", "later")


def family(example):
    return {f.id: f.message for f in findings(example) if f.id.startswith("DC2")}


def about(example, change):
    """The findings of all checks about the live view when `change` has been made to it."""
    loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
    seen = subject(loaded, example)
    seen = replace(seen, live=change(seen.live))
    return {f.id: f.message for f in findings_of(all_checks(), seen) if f.id.startswith("DC2")}


# -- servers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem", "message"),
    [
        ("silent", "no answer in 3 tries", "ns2.example.test 192.0.2.2 cannot be reached: no answer in 3 tries"),
        (
            "refuses",
            "answers REFUSED",
            "ns2.example.test 192.0.2.2 is named as a server of example.test. but does not serve it: answers REFUSED",
        ),
        (
            "no-authority",
            "is not authoritative for the zone (lame)",
            "ns2.example.test 192.0.2.2 answers, but without authority: it is not authoritative for the zone (lame)",
        ),
        ("wrong", "answers for the zone x. instead", "ns2.example.test 192.0.2.2: answers for the zone x. instead"),
    ],
)
def test_unusable_servers_are_told_apart(fault, problem, message):
    example = Example(stages(WWW), zone=ZONE, facts={"problem": problem, "fault": fault})
    assert family(example) == {"DC204": message}


@pytest.mark.parametrize("fault", ["cut", "tcp"])
def test_what_is_not_the_servers_fault_or_has_a_check_of_its_own(fault):
    example = Example(stages(WWW), zone=ZONE, facts={"problem": "x", "fault": fault})
    assert "DC204" not in family(example)


def test_a_serial_that_wrapped_is_the_newer_one():
    said = family(Example(stages(WWW), zone=SOA.format(2), secondary=SOA.format(2**32 - 1)))
    assert said == {
        "DC206": "the servers of example.test. have different serials: ns1.example.test has 2; "
        "ns2.example.test has 4294967295 (older)"
    }


def test_serials_say_nothing_where_data_differs():
    other = SOA.format(6).replace("192.0.2.10", "192.0.2.11")
    assert set(family(Example(stages(WWW), zone=SOA.format(7), secondary=other))) == {"DC203"}


def test_servers_that_differ_are_named_with_what_they_have():
    said = family(Example(stages(WWW), zone=ZONE, secondary=""))
    assert said == {}, "an empty text means that there is no difference"
    said = family(Example(stages(WWW), zone=ZONE, secondary="other 60 IN A 192.0.2.1\n"))
    assert said == {
        "DC203": "the servers of example.test. disagree about www A: ns1.example.test has 192.0.2.10; "
        "ns2.example.test has absent"
    }


def test_a_ttl_that_differs_is_another_matter():
    assert family(Example(stages(WWW), zone=ZONE, secondary=ZONE.replace("3600", "60"))) == {}


def test_name_servers_are_compared_only_where_both_sides_are_known():
    for facts in ({"parent_ns": ()}, {"child_ns": (), "parent_ns": ("ns1.example.test.",)}):
        assert family(Example(stages(WWW), zone=ZONE, facts=facts)) == {}


def test_what_could_not_be_learned_is_told_once():
    """Troubles of servers and names have findings of their own."""
    example = Example(
        stages(WWW), zone=ZONE, facts={"zone_problems": ("a",), "problem": "answers REFUSED", "fault": "refuses"}
    )
    server = SERVERS[1]
    texts = ("a", f"{server.name} {server}: answers REFUSED", "60 of 70 hosts are looked at")
    loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
    seen = subject(loaded, example)
    seen = replace(seen, live=replace(seen.live, problems=texts))
    told = [f.message for f in findings_of(all_checks(), seen) if f.id == "DC216"]
    assert told == ["a", "60 of 70 hosts are looked at"]


# -- names -----------------------------------------------------------------------------------------------------

CUT = "shop 3600 IN NS ns.shop\nshop 3600 IN NS ns1.else.test.\nns.shop 3600 IN A 192.0.2.1\n"


def test_a_delegation_and_its_glue_are_the_parents():
    for change in (
        '{name: ns.shop, type: A, from: live, to: ["192.0.2.2"]}',
        "{name: shop, type: NS, from: live, to: [ns1.else.test.]}",
    ):
        assert "DC208" not in family(Example(stages(change), zone=CUT))


def test_data_at_a_cut_and_below_it_is_not():
    for name, where in (("shop", "at"), ("a.b.shop", "below")):
        change = f'{{name: {name}, type: TXT, from: absent, to: ["x"]}}'
        said = family(Example(stages(change), zone=CUT))
        assert said["DC208"] == (
            f"{name} TXT is {where} the zone cut shop.example.test.: ns.shop.example.test, ns1.else.test answer for it"
        )


def test_a_cut_that_goes_first_is_in_nobodys_way():
    change = '{name: www.shop, type: A, from: absent, to: ["192.0.2.1"]}'
    gone = "{name: shop, type: NS, from: live, to: absent}"
    assert "DC208" not in family(Example(two_stages(gone, change), zone=CUT))
    assert "DC208" in family(Example(two_stages(change, gone), zone=CUT))


def test_a_dname_that_goes_first_is_in_nobodys_way():
    zone = "brand 60 IN DNAME other.test.\n"
    change = '{name: www.brand, type: A, from: absent, to: ["192.0.2.1"]}'
    gone = "{name: brand, type: DNAME, from: live, to: absent}"
    assert "DC210" not in family(Example(two_stages(gone, change), zone=zone))
    assert "DC210" in family(Example(two_stages(change, gone), zone=zone))


def test_an_alias_that_is_live_where_the_plan_adds_data():
    change = '{name: www, type: TXT, from: absent, to: ["x"]}'
    said = family(Example(stages(change), zone="www 60 IN CNAME edge.old.test.\n"))
    assert said == {"DC214": "www TXT would stand beside CNAME that is live there: edge.old.test."}


def test_an_alias_beside_data_is_told_once_for_a_name():
    change = "{name: www, type: CNAME, from: absent, to: edge.new.test.}"
    later = "{name: www, type: CNAME, from: edge.new.test., to: edge2.new.test.}"
    found = [f for f in findings(Example(two_stages(change, later), zone=ZONE)) if f.id == "DC214"]
    assert [(f.stage, f.hint) for f in found] == [
        ("switch", 'add to the stage {name: "www", type: A, from: live, to: absent}')
    ]


def test_an_alias_that_takes_the_place_of_all_data_is_right():
    alias = "{name: www, type: CNAME, from: absent, to: edge.new.test.}"
    gone = [f"{{name: www, type: {t}, from: live, to: absent}}" for t in ("A", "TXT")]
    zone = ZONE + 'www 60 IN TXT "x"\n'
    assert "DC214" not in family(Example(stages(alias, *gone), zone=zone))
    assert "TXT" in family(Example(stages(alias, gone[0]), zone=zone))["DC214"]


def test_what_a_plan_itself_puts_together_is_found_without_dns():
    alias = "{name: www, type: CNAME, from: absent, to: edge.new.test.}"
    address = '{name: www, type: A, from: absent, to: ["192.0.2.1"]}'
    found = {f.id for f in findings(Example(stages(alias, address)))}
    assert "DC114" in found
    assert "DC214" not in found


# -- wildcards -------------------------------------------------------------------------------------------------


def test_names_between_the_new_one_and_the_wildcard_are_named():
    zone = "*.apps 60 IN A 192.0.2.1\n*.apps 60 IN MX 10 mx.example.test.\n"
    change = '{name: a.b.c.apps, type: A, from: absent, to: ["192.0.2.1"]}'
    assert family(Example(stages(change), zone=zone)) == {
        "DC209": "*.apps answers for a.b.c.apps today and would stop; its MX would be gone there; "
        "so it would for b.c.apps, c.apps"
    }


def test_a_name_that_keeps_all_is_told_all_the_same():
    """A type that somebody adds to the wildcard later will be missing there."""
    change = '{name: shop.apps, type: A, from: absent, to: ["192.0.2.1"]}'
    said = family(Example(stages(change), zone="*.apps 60 IN A 192.0.2.1\n"))
    assert said == {"DC209": "*.apps answers for shop.apps today and would stop"}


def test_a_change_of_the_wildcard_itself_stops_nothing():
    change = '{name: "*.apps", type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}'
    said = family(Example("safety: {allow: [wildcard]}\n" + stages(change), zone="*.apps 60 IN A 192.0.2.1\n"))
    assert said == {}


def test_a_wildcard_elsewhere_begins_nothing():
    change = '{name: old.apps, type: A, from: ["192.0.2.10"], to: absent}'
    zone = "old.apps 60 IN A 192.0.2.10\n*.other 60 IN A 192.0.2.1\n* 60 IN A 192.0.2.1\n"
    assert "DC218" not in family(Example(stages(change), zone=zone))


# -- unchanged -------------------------------------------------------------------------------------------------


def test_unchanged_may_be_created_by_an_earlier_stage():
    create = '{name: new, type: A, from: absent, to: ["192.0.2.1"]}'
    text = two_stages(create, WWW) + '    unchanged: ["new/A"]\n'
    assert family(Example(text, zone=ZONE)) == {}


def test_unchanged_that_only_a_wildcard_answers_for_says_so():
    text = stages(WWW, more='    unchanged: ["shop.apps/A"]\n')
    said = family(Example(text, zone=ZONE + "*.apps 60 IN A 192.0.2.1\n"))
    assert said == {"DC215": "shop.apps A is not there: *.apps.example.test. answers for it"}


# -- views -----------------------------------------------------------------------------------------------------

VIEWS = """
zones:
  public: &zone
    zone: example.test
    provider: {type: rfc2136, server: 192.0.2.53, key: {name: cutover, secret: {env: CUTOVER_TSIG}}}
  private: *zone
"""


def test_views_may_differ_on_purpose():
    change = '{in: [public], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    views = {"public": ZONE, "private": ZONE.replace("192.0.2.10", "10.0.0.1")}
    assert family(Example(VIEWS + stages(change), facts={"views": views})) == {}


def test_a_ttl_alone_leaves_the_other_view_as_it_is():
    change = "{in: [public], name: www, type: A, ttl: 60s}"
    assert family(Example(VIEWS + stages(change), zone=ZONE)) == {}


def test_a_record_that_only_the_other_view_has():
    change = '{in: [public], name: www, type: A, from: absent, to: ["192.0.2.20"]}'
    views = {"public": "x 60 IN A 192.0.2.1\n", "private": ZONE}
    assert family(Example(VIEWS + stages(change), facts={"views": views})) == {
        "DC211": "www A (public) exists in private only (192.0.2.10), not in public"
    }


def test_a_view_that_could_not_be_looked_at_says_nothing():
    change = '{in: [public], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    example = Example(VIEWS + stages(change), zone=ZONE)
    blind = about(
        example,
        lambda live: replace(live, names={k: replace(v, problem="no answer") for k, v in live.names.items()}),
    )
    assert blind == {}


def test_an_edit_by_value_says_which_value_does_not_fit() -> None:
    """Each at its own key: what is missing at `remove`, what is there already at `add`."""
    plan = 'stages: [{name: s, changes: [{name: "@", type: TXT, remove: [old], add: [new, newer]}]}]'
    found = [f for f in findings(Example(plan, zone="@ 60 IN TXT new\n")) if f.id == "DC202"]
    assert [(f.message, f.hint) for f in found] == [
        ('"old" is to be removed from @ TXT, and is not there', "copy the live value into the plan, letter by letter"),
        ('"new" is to be added to @ TXT, and is there already', "leave it out of add"),
    ]
    assert found[0].column < found[1].column
    assert {f.note for f in found} == {'live: "new"'}
