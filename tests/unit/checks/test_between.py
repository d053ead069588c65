"""Subtle cases of what plans of one call do to each other."""

from dns_cutover.checks.registry import all_checks, findings_between, split_ignored
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from tests.unit.checks.situation import standard


def load(name: str, changes: str, more: str = "") -> LoadedPlan:
    text = f"name: {name}\n{more}stages:\n  - name: s\n    changes:\n      - {changes}\n"
    return parse_plan(standard(text).encode(), f"{name}.yaml", {})


def between(*plans: LoadedPlan) -> list[dict[str, Finding]]:
    return [{f.id: f for f in own} for own in findings_between(plans)]


def change(name: str, before: str, after: str, rdtype: str = "A") -> str:
    return f"{{name: {name}, type: {rdtype}, from: [{before}], to: [{after}]}}"


def test_one_plan_is_alone():
    """Nothing is found between one plan and nobody."""
    assert findings_between([load("a", change("www", "192.0.2.1", "192.0.2.2"))]) == ((),)
    assert findings_between([]) == ()


def test_a_plan_that_begins_where_another_ends_is_its_successor():
    """A to B, then B to C: a warning that says so, in whatever order they are given. Back and forth is a conflict."""
    first, second = change("www", "192.0.2.1", "192.0.2.2"), change("www", "192.0.2.2", "192.0.2.3")
    for plans in ((load("a", first), load("b", second)), (load("b", second), load("a", first))):
        found = between(*plans)
        assert [f["DC151"].severity for f in found] == ["warning", "warning"]
        assert "in that order" in found[0]["DC151"].hint
    back = load("c", change("www", "192.0.2.2", "192.0.2.1"))
    assert [f["DC151"].severity for f in between(load("a", first), back)] == ["error", "error"]


def test_edits_of_different_values_leave_each_other_alone():
    """Two TXT values at the apex by two teams: a warning about the TTL. The same value twice: an error."""
    one = load("a", '{name: "@", type: TXT, add: ["a=1"]}')
    two = load("b", '{name: "@", type: TXT, add: ["b=1"]}')
    same = load("c", '{name: "@", type: TXT, remove: ["a=1"]}')
    assert between(one, two)[0]["DC151"].severity == "warning"
    assert between(one, same)[0]["DC151"].severity == "error"
    ttl = load("d", '{name: "@", type: TXT, ttl: 300}')
    assert between(one, ttl)[0]["DC151"].severity == "error"


def test_views_of_one_name_are_different_zones():
    """The same RRset at another primary is another RRset; its name is reserved all the same. Port 53 is the default."""
    a = load("a", change("www", "192.0.2.1", "192.0.2.2"))
    key = "key: {name: cutover, secret: {env: K}}"
    text = standard(f"name: b\nprovider: {{type: rfc2136, server: 198.51.100.1, {key}}}\n")
    stages = f"stages:\n  - name: s\n    changes:\n      - {change('www', '192.0.2.1', '192.0.2.2')}\n"
    b = parse_plan((text + stages).encode(), "b.yaml", {})
    assert set(between(a, b)[0]) == {"DC153"}
    c = parse_plan((text.replace("198.51.100.1", '"192.0.2.53:53"') + stages).encode(), "c.yaml", {})
    assert "DC151" in between(a, c)[0]


def test_each_finding_is_at_its_own_plan_and_names_the_others():
    """Three plans: each says one other place and how many more."""
    plans = [load(n, change("www", "192.0.2.1", f"192.0.2.{i}")) for i, n in enumerate("abc", 10)]
    found = between(*plans)
    assert [f["DC151"].file for f in found] == ["a.yaml", "b.yaml", "c.yaml"]
    assert "b.yaml:" in found[0]["DC151"].message
    assert "and 1 more" in found[0]["DC151"].message
    assert "a.yaml:" in found[2]["DC151"].message


def test_a_deletion_makes_room_for_an_alias():
    """One plan takes an address away, another one puts an alias there: the same name, but not alias beside data."""
    a = load("a", "{name: www, type: A, from: [192.0.2.1], to: absent}", "safety: {allow: [delete]}\n")
    b = load("b", "{name: www, type: CNAME, from: absent, to: [edge.test.]}")
    assert set(between(a, b)[0]) == {"DC152", "DC153"}


def test_a_host_that_gets_an_alias_is_not_gone():
    """Its address goes and an alias comes in the same plan: what points to it still leads somewhere."""
    allow = "safety: {allow: [delete]}\n"
    points = load("a", "{name: shop, type: CNAME, from: [old.test.], to: [www]}")
    goes = "{name: www, type: A, from: [192.0.2.1], to: absent}"
    comes = "{name: www, type: CNAME, from: absent, to: [edge.test.]}"
    assert "DC157" in between(points, load("b", goes, allow))[0]
    assert "DC157" not in between(points, load("b", f"{goes}\n      - {comes}", allow))[0]


def test_a_conflict_between_plans_can_be_ignored_with_a_reason():
    """It is accepted where the plan says why, and only there; validated alone, nobody says that it finds nothing."""
    change_ = change("www", "192.0.2.1", "192.0.2.2")
    a = load("a", change_, 'safety: {ignore: [{check: DC151, because: "b waits for a"}]}\n')
    b = load("b", change("www", "192.0.2.1", "192.0.2.3"))
    found = findings_between([a, b])
    kept, ignored = split_ignored(a, found[0], all_checks())
    assert [f.id for f in ignored] == ["DC151"]
    assert "DC151" not in {f.id for f in kept}
    alone = [c for c in all_checks() if c.needs == "plan"]
    assert split_ignored(a, (), alone) == ((), ())


def test_many_findings_of_one_kind_are_counted():
    """Two plans of two hundred common names: fifty findings, and how many more."""
    names = ", ".join(f"n{i}" for i in range(200))
    a = load("a", f"{{names: [{names}], type: A, from: [192.0.2.1], to: [192.0.2.2]}}")
    b = load("b", f"{{names: [{names}], type: A, from: [192.0.2.1], to: [192.0.2.3]}}")
    own = [f for f in findings_between([a, b])[0] if f.id == "DC151"]
    assert len(own) == 51
    assert own[-1].message.startswith("150 more")
