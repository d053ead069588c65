"""The plan's changes as one value per RRset."""

import pytest

from dns_cutover.lookup.interface import Accept
from dns_cutover.plan.expand import PlannedChange, expand_changes, unchanged_keys
from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import parse_plan
from dns_cutover.plan.models import Plan
from dns_cutover.records import RRsetKey

ONE = "zone: example.test\nprovider: {type: manual}\n"
SEVERAL = """\
zones:
  public: {zone: example.test, provider: {type: manual}}
  private: {zone: example.test, provider: {type: manual}}
  child: {zone: child.example.test, provider: {type: manual}}
  other: {zone: other.test, provider: {type: manual}}
"""


def plan(zones: str, *changes: str, rest: str = "") -> Plan:
    lines = "".join(f"      - {c}\n" for c in changes)
    text = f"version: 1\nname: p\n{zones}stages:\n  - name: s\n    changes:\n{lines}{rest}"
    return parse_plan(text.encode(), "p.yaml", {}).plan


def expand(zones: str, *changes: str) -> tuple[PlannedChange, ...]:
    p = plan(zones, *changes)
    return expand_changes(p, p.stages[0])


def key(owner: str, rdtype: str, zone: str = "default") -> RRsetKey:
    return RRsetKey(zone, owner, rdtype)


def test_a_whole_set_change() -> None:
    """Values are canonical, sorted and unique; names relative to the zone become absolute."""
    change = '{name: "@", type: mx, from: ["20 B", "10 a", "10 A.example.test."], to: [10 x.other.test.], ttl: 300}'
    assert expand(ONE, change) == (
        PlannedChange(
            key("example.test.", "MX"),
            "set",
            ("10 a.example.test.", "20 b.example.test."),
            ("10 x.other.test.",),
            (),
            (),
            300,
            None,
            0,
        ),
    )


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        ("from: absent, to: x.test.", None, ("x.test.",)),
        ("from: x.test., to: absent", ("x.test.",), None),
        ("from: live, to: absent", "live", None),
        ("from: live, to: [y]", "live", ("y.example.test.",)),
    ],
)
def test_absence_and_whatever_is_there(given: str, before: object, after: object) -> None:
    """`absent` is None; `live` is pinned later, when the live view is known."""
    (change,) = expand(ONE, f"{{name: a, type: CNAME, {given}}}")
    assert (change.kind, change.before, change.after) == ("set", before, after)


def test_by_value_and_ttl_only() -> None:
    """Neither pins the whole set."""
    by_value, ttl = expand(
        ONE, '{name: "@", type: TXT, remove: [old], add: ["new one"]}', "{name: www, type: A, ttl: 10m}"
    )
    assert (by_value.kind, by_value.before, by_value.after) == ("values", None, None)
    assert (by_value.remove, by_value.add, by_value.ttl, by_value.index) == (('"old"',), ('"new one"',), None, 0)
    assert (ttl.kind, ttl.add, ttl.remove, ttl.ttl, ttl.index) == ("ttl", (), (), 600, 1)


def test_txt_is_given_as_text() -> None:
    """Long text is split, special characters are escaped; what begins with a quote is zone-file form."""
    long = "a" * 300
    (change,) = expand(ONE, f"""{{name: t, type: TXT, from: absent, to: ['{long}', 'v=x; "q" \\ é', '"one" "two"']}}""")
    assert change.after is not None
    assert set(change.after) == {
        f'"{"a" * 255}" "{"a" * 45}"',
        '"v=x; \\"q\\" \\\\ \\195\\169"',
        '"one" "two"',
    }


def test_several_names() -> None:
    """One entry for each name, in their order."""
    changes = expand(ONE, "{names: [b, a, '*.w', _x._tcp], type: SRV, from: live, to: absent}")
    assert [c.key.owner for c in changes] == [
        "b.example.test.",
        "a.example.test.",
        "*.w.example.test.",
        "_x._tcp.example.test.",
    ]
    assert {c.index for c in changes} == {0}


def test_zones_of_a_change() -> None:
    """Those given; else all zones for a relative name, and the most specific ones that hold an absolute name."""
    given, absolute, below, relative = (
        "{in: [public, private], name: api, type: A, ttl: 5}",
        "{name: www.other.test., type: A, ttl: 5}",
        "{name: www.child.example.test., type: A, ttl: 5}",
        "{name: rel, type: A, ttl: 5}",
    )
    changes = expand(SEVERAL, given, absolute, below, relative)
    zones: dict[int, list[str]] = {}
    for c in changes:
        zones.setdefault(c.index, []).append(f"{c.key.zone} {c.key.owner}")
    assert zones == {
        0: ["public api.example.test.", "private api.example.test."],
        1: ["other www.other.test."],
        2: ["child www.child.example.test."],
        3: [
            "public rel.example.test.",
            "private rel.example.test.",
            "child rel.child.example.test.",
            "other rel.other.test.",
        ],
    }


def test_data_is_relative_to_each_zone() -> None:
    """The same text can mean different names in different zones."""
    changes = expand(SEVERAL, "{in: [public, other], name: a, type: CNAME, from: absent, to: b}")
    assert [c.after for c in changes] == [("b.example.test.",), ("b.other.test.",)]


def test_names_that_no_zone_holds() -> None:
    """Found when the plan is loaded."""
    with pytest.raises(PlanInvalid) as caught:
        plan(
            SEVERAL,
            "{name: www.elsewhere.test., type: A, ttl: 5}",
            "{in: [other], name: x.example.test., type: A, ttl: 5}",
        )
    assert [f.id for f in caught.value.findings] == ["DC111", "DC111"]


def test_a_dot_in_a_label_is_no_border() -> None:
    """`a\\.example.test.` is one label below `test.`, not a name in the zone."""
    with pytest.raises(PlanInvalid) as caught:
        plan(ONE, r"{name: 'a\.example.test.', type: A, ttl: 5}")
    assert [f.id for f in caught.value.findings] == ["DC111"]
    (change,) = expand(ONE, r"{name: 'a\.b', type: A, ttl: 5}")
    assert change.key.owner == r"a\.b.example.test."


@pytest.mark.parametrize(
    ("given", "accept"),
    [
        ("one_of: [192.0.2.1, 192.0.2.2]", Accept(one_of=("192.0.2.1", "192.0.2.2"))),
        ("subset_of: [192.0.2.2, 192.0.2.1]", Accept(subset_of=("192.0.2.1", "192.0.2.2"))),
        ("cidr: [192.0.2.0/24, '2001:db8::/32']", Accept(cidr=("192.0.2.0/24", "2001:db8::/32"))),
        ("ends_at: LB.Vendor.test.", Accept(ends_at="lb.vendor.test.")),
    ],
)
def test_answers_that_vary_by_design(given: str, accept: Accept) -> None:
    """In canonical form."""
    (change,) = expand(ONE, f"{{name: a, type: A, from: live, to: [192.0.2.1], expect: {{{given}}}}}")
    assert change.accept == accept


def test_unchanged_rrsets() -> None:
    """name/TYPE, by the same rules for zones; a name may have slashes of its own (RFC 2317)."""
    p = plan(ONE, "{name: a, type: A, ttl: 5}", rest='    unchanged: ["@/mx", "www/A", "0/25/NS"]\n')
    assert unchanged_keys(p, p.stages[0]) == (
        key("example.test.", "MX"),
        key("www.example.test.", "A"),
        key("0/25.example.test.", "NS"),
    )
    p = plan(SEVERAL, "{in: [other], name: a, type: A, ttl: 5}", rest="    unchanged: [www.other.test./A]\n")
    assert unchanged_keys(p, p.stages[0]) == (key("www.other.test.", "A", "other"),)
