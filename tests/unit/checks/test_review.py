"""Findings that would contradict each other, say the same twice, or advise what does not fit."""

from dns_cutover.checks.interface import Example
from tests.unit.checks.situation import findings


def stage(*changes: str, more: str = "    bake: 30m\n") -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {c}\n" for c in changes) + more


A = '{name: %s, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
GONE = '{name: www, type: A, from: ["192.0.2.10"], to: absent}'
ALIAS = "{name: www, type: CNAME, from: absent, to: [edge.cdn.test.]}"
EDGE = "edge.cdn.test. 60 IN A 192.0.2.20\n"


def test_what_others_answer_for_is_not_compared() -> None:
    """Below a cut or a DNAME nothing is live in this zone, and the plan is not to be written after that."""
    cut = {f.id for f in findings(Example(stage(A % "www.shop"), zone="shop 3600 IN NS ns1.shophost.test.\n"))}
    dname = {f.id for f in findings(Example(stage(A % "www.b"), zone="b 3600 IN DNAME b.other.test.\n"))}
    assert "DC208" in cut
    assert "DC210" in dname
    assert "DC201" not in cut | dname
    moved = "safety: {allow: [delegation]}\n" + stage("{name: shop, type: NS, from: [a.test.], to: [b.test.]}")
    assert "DC201" in {f.id for f in findings(Example(moved))}


def test_what_is_not_there_is_written_as_absent() -> None:
    [f] = [f for f in findings(Example(stage(A % "www"))) if f.id == "DC201"]
    assert f.hint == "the plan expects 192.0.2.10: correct the name or the type, or write from: absent"
    wild = Example(stage(A % "shop.apps"), zone="*.apps 3600 IN A 192.0.2.10\n")
    [f] = [f for f in findings(wild) if f.id == "DC201"]
    assert f.hint.endswith("*.apps.example.test. answers for it: write from: absent")
    [f] = [f for f in findings(Example(stage("{name: www, type: A, ttl: 1h}"))) if f.id == "DC201"]
    assert f.hint == "nothing is there that could change or go: correct the name or the type"


def test_an_address_in_the_place_of_a_name_is_told_once() -> None:
    plan = stage("{name: www, type: CNAME, from: [edge.cdn.test.], to: [192.0.2.1.]}")
    found = [f.id for f in findings(Example(plan, zone="www 300 IN CNAME edge.cdn.test.\n", elsewhere=EDGE))]
    assert "DC131" in found
    assert not {"DC610", "DC807"} & set(found)


def test_it_is_the_alias_that_would_stand_beside_other_data() -> None:
    """Not the address that goes, though it is named first."""
    zone = 'www 300 IN A 192.0.2.10\nwww 300 IN TXT "x"\n'
    [f] = [f for f in findings(Example(stage(GONE, ALIAS), zone=zone, elsewhere=EDGE)) if f.id == "DC214"]
    assert f.message == 'www CNAME would stand beside TXT that is live there: "x"'


def test_a_move_to_an_alias_is_no_slow_deletion() -> None:
    """The CDN move of the examples, in a zone with an ordinary negative TTL."""
    found = findings(Example(stage(GONE, ALIAS), zone="www 300 IN A 192.0.2.10\n", elsewhere=EDGE))
    assert not {"DC307", "DC401", "DC805"} & {f.id for f in found}


def test_an_alias_that_takes_the_place_of_an_address_is_no_addition() -> None:
    """Going back takes it away, and its tail counts in a bake that is too short."""
    plan = stage(GONE, ALIAS, more="    bake: 1m\n")
    found = findings(Example(plan, zone="www 300 IN A 192.0.2.10\n", elsewhere=EDGE))
    assert "DC804" in {f.id for f in found}


def test_a_deliberate_act_is_added_to_what_the_plan_allows() -> None:
    """A second safety: would be a key twice."""
    gone = stage('{name: old, type: A, from: ["192.0.2.10"], to: absent}')

    def hint(head: str) -> list[str]:
        return [f.hint for f in findings(Example(head + gone), offline=True) if f.id == "DC401"]

    assert hint("") == ["if that is meant: safety: {allow: [delete]}"]
    assert hint("safety: {max_changes: 9}\n") == ["if that is meant: allow: [delete] under safety"]
    assert hint("safety: {allow: [wildcard]}\n") == ["if that is meant: add delete to safety.allow"]
