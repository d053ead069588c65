"""DC801-DC814 in subtle cases: what each rule says, where it points, and when it must be silent."""

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.plan.loader import parse_plan
from dns_cutover.runbook.model import StepKind
from dns_cutover.runbook.timeline import finish_after, timeline
from tests.unit.checks.situation import NOW, findings, plan_text, subject
from tests.unit.checks.test_plan_rules import GREEN, A, at, probe, stage

MX = '{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.new.test.]}'
NEW = "type: tcp, name: new, target: mx.new.test, port: 25"
OLD = "type: tcp, name: old, target: mx.old.test, port: 25, role: way_back"
WWW = "www 3600 IN A 192.0.2.10\n"


def said(check: str, text: str, *, live: bool = False, **example: object) -> list[tuple[str, str, str]]:
    """Severity, what stands at the place, and the message, of all findings of the check; the plan must load."""
    found = findings(Example(text, **example), offline=not live)  # type: ignore[arg-type]
    assert not [f for f in found if f.severity == "error" and f.id < "DC126"], found
    return [(f.severity, at(text, f), f.message) for f in found if f.id == check]


# -- DC801, DC802, DC803, DC809: who watches the old side -------------------------------------------------------------


def test_a_stage_that_cannot_go_back_needs_no_way_back_probe() -> None:
    """After its commit point the old side is of no use; additions and TTLs never left it."""
    assert [m for _, _, m in said("DC801", stage(MX))] == [
        "stage switch moves @ MX, and no way_back probe watches the old side"
    ]
    assert said("DC801", stage(MX, rest="    commit: before\n")) == []
    assert len(said("DC801", stage(MX, rest="    commit: after\n"))) == 1
    assert said("DC801", stage("{name: www, type: A, ttl: 300}")) == []


def test_the_hint_is_a_probe_of_the_old_side() -> None:
    """With the old value, in the type that fits."""
    hints = [f.hint for f in findings(Example(stage(MX)), offline=True) if f.id == "DC801"]
    assert hints == [
        'add {type: tcp, name: switch-old, target: mx.old.test, port: 25, expect: "220", role: way_back} to probes'
    ]
    swap = stage(
        '{name: www, type: A, from: ["192.0.2.10"], to: absent}',
        "{name: www, type: CNAME, from: absent, to: [edge.cdn.test.]}",
    )
    hints = [f.hint for f in findings(Example(swap), offline=True) if f.id == "DC801"]
    assert len(hints) == 1
    assert 'address: "192.0.2.10", role: way_back}' in hints[0]


@pytest.mark.parametrize(
    ("change", "way_back", "severity", "place"),
    [
        (MX, "type: tcp, name: w, target: mx.new.test, port: 587", "error", "mx.new.test"),
        (MX, "type: tcp, name: w, target: MX.New.Test., port: 25", "error", "MX.New.Test."),
        (A, "type: http, name: w, url: https://www.example.test/, address: 192.0.2.20", "error", "192.0.2.20"),
        (A, 'type: tcp, name: w, target: "192.0.2.20", port: 443', "error", '"192.0.2.20"'),
        (A, "type: http, name: w, url: https://www.example.test/x", "warning", "https://www.example.test/x"),
        (A, "type: tcp, name: w, target: www.example.test, port: 443", "warning", "www.example.test"),
        (A, "type: dns, name: w, question: example.test, rrtype: SOA, server: 192.0.2.20", "error", "192.0.2.20"),
        (MX, OLD.replace(", role: way_back", ""), None, None),
        (A, "type: http, name: w, url: https://www.example.test/, address: 192.0.2.10", None, None),
        (A, "type: http, name: w, url: https://old.example.test/", None, None),
        (A, "type: command, name: w, argv: [check-old]", None, None),
        ('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.10", "192.0.2.20"]}',
         "type: tcp, name: w, target: 192.0.2.10, port: 443", None, None),
    ],
)  # fmt: skip
def test_way_back_probes_of_the_wrong_side(change: str, way_back: str, severity: str | None, place: str | None) -> None:
    """A host or an address that comes is an error; a name that follows the change a warning."""
    found = said("DC802", probe(f"{way_back}, role: way_back", change=change))
    assert [(s, p) for s, p, _ in found] == ([(severity, place)] if severity else [])


def test_a_copy_of_the_health_probe_is_no_way_back() -> None:
    """The same endpoint is told with the other probe's name, before anything else."""
    text = probe(NEW, NEW.replace("name: new", "name: old") + ", role: way_back", change=MX)
    assert [m for _, _, m in said("DC802", text)] == ["way_back probe old asks the same as probe new"]


def test_a_probe_that_follows_the_change_is_to_be_pinned() -> None:
    """The hint is the old address, in the key of the probe's type."""
    text = probe("type: http, name: w, url: https://www.example.test/, role: way_back")
    hints = [f.hint for f in findings(Example(text), offline=True) if f.id == "DC802"]
    assert hints == ['write address: "192.0.2.10"']


def test_a_way_back_probe_of_an_earlier_stage_is_not_held_against_a_later_one() -> None:
    """Each stage has its own old side."""
    text = probe(NEW, OLD, change=MX) + (
        "  - name: back\n    changes:\n"
        '      - {name: "@", type: MX, from: [10 mx.new.test.], to: [10 mx.old.test.]}\n'
        f"    probes: [{{{NEW.replace('name: new', 'name: w2')}, role: way_back}}]\n"
    )
    assert said("DC802", text) == []


def test_old_and_new_hosts_with_the_same_addresses() -> None:
    """Compared as sets over all hosts that go and come; unknown ones prove nothing; an alias is only mentioned."""
    zone = "@ 3600 IN MX 10 mx.old.test.\n"
    same = "mx.old.test. 60 IN A 192.0.2.7\nmx.new.test. 60 IN CNAME a.new.test.\na.new.test. 60 IN A 192.0.2.7\n"
    assert [(s, m) for s, _, m in said("DC803", stage(MX), live=True, zone=zone, elsewhere=same)] == [
        ("warning", "@ MX: the old and the new hosts have the same addresses, 192.0.2.7")
    ]
    more = same + "a.new.test. 60 IN A 192.0.2.8\n"
    assert said("DC803", stage(MX), live=True, zone=zone, elsewhere=more) == []
    unknown = {"unresolved": ("mx.old.test.",)}
    assert said("DC803", stage(MX), live=True, zone=zone, elsewhere=same, facts=unknown) == []
    assert said("DC803", stage(MX), live=True, zone=zone) == []
    cdn = "{name: www, type: CNAME, from: [mx.old.test.], to: [mx.new.test.]}"
    found = said("DC803", stage(cdn), live=True, zone="www 60 IN CNAME mx.old.test.\n", elsewhere=same)
    assert [s for s, _, _ in found] == ["info"]


def test_hosts_that_stay_are_not_compared() -> None:
    """Only what goes is held against what comes."""
    text = stage('{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.old.test., 20 mx.new.test.]}')
    same = "mx.old.test. 60 IN A 192.0.2.7\nmx.new.test. 60 IN A 192.0.2.7\n"
    assert said("DC803", text, live=True, zone="@ 3600 IN MX 10 mx.old.test.\n", elsewhere=same) == []


def test_a_way_back_probe_that_only_reports() -> None:
    """It must decide; a health probe may well only report."""
    assert [p for _, p, _ in said("DC809", probe(f"{OLD}, report_only: true", change=MX))] == ["true"]
    assert said("DC809", probe(f"{NEW}, report_only: true", OLD, change=MX)) == []


# -- DC804, DC805, DC806, DC814: time ----------------------------------------------------------------------------------


def test_the_tail_of_a_rollback_and_the_bake() -> None:
    """The new answer at 60 s and 60 s in clients, against the bake; the hint is what would be enough."""
    text = probe(GREEN, bake="1m")
    found = [f for f in findings(Example(text, zone=WWW)) if f.id == "DC804"]
    assert [(at(text, f), f.message, f.hint) for f in found] == [
        (
            "1m",
            "after a rollback of www A the new answer lives for up to 2m (A at 60 s), and stage switch bakes for 1m",
            "write bake: 2m or more",
        )
    ]
    assert said("DC804", probe(GREEN, bake="2m"), live=True, zone=WWW) == []


def test_what_a_rollback_leaves_has_no_tail() -> None:
    """Additions stay, unless the plan takes them back: then the positive answer lives on."""
    new = probe(GREEN, bake="1m", change='{name: new, type: A, from: absent, to: ["192.0.2.20"]}')
    assert said("DC804", new, live=True) == []
    assert len(said("DC804", "rollback: {additive: remove}\n" + new, live=True)) == 1


def test_a_stage_that_nobody_watches_or_that_is_committed_has_no_bake_to_compare() -> None:
    """Without bake and probes DC140 speaks; past a commit point nothing is undone; what does not fit has no runbook."""
    assert said("DC804", stage(A), live=True, zone=WWW) == []
    assert said("DC804", probe(GREEN, bake="1m") + "    commit: before\n", live=True, zone=WWW) == []
    assert (
        said("DC804", probe(GREEN), live=True, zone="www 3600 IN A 192.0.2.99\n") == []
    )  # it does not fit: no runbook


def test_undoing_a_deletion_is_slow() -> None:
    """Forward 60 s + 60 s at the low TTL, back the zone's negative TTL of 300 s + 60 s."""
    old = '      - {name: old, type: A, from: ["192.0.2.30"], to: absent}\n'
    gone = stage(A, head="safety: {allow: [delete]}\n", rest=old)
    assert said("DC805", gone, live=True, zone=WWW + "old 3600 IN A 192.0.2.30\n") == [
        (
            "info",
            "switch",
            "stage switch is over for users after 2m, and taking old A back takes 6m (its absence is cached for 300 s)",
        )
    ]
    alone = stage('{name: www, type: A, from: ["192.0.2.10"], to: absent}', head="safety: {allow: [delete]}\n")
    assert said("DC805", alone, live=True, zone=WWW) == []
    assert len(said("DC307", alone, live=True, zone=WWW)) == 1
    assert said("DC805", stage("{name: www, type: A, ttl: 1h}"), live=True, zone="www 300 IN A 192.0.2.10\n") == []
    assert said("DC805", stage(A), live=True, zone=WWW) == []
    assert said("DC805", gone + "    commit: before\n", live=True, zone=WWW) == []


@pytest.mark.parametrize(
    ("until", "severity", "message"),
    [
        ("2026-03-10T12:00:00Z", "error", "2026-03-10T12:00+00:00 has passed"),
        ("2026-03-10T12:05:00Z", "warning", "until 2026-03-10T12:11+00:00 at least"),
        ("2026-03-10T13:05:00+01:00", "warning", "until 2026-03-10T13:11+01:00 at least"),
        ("2026-03-10T12:11:00Z", None, ""),
    ],
)
def test_until_against_what_the_plan_itself_needs(until: str, severity: str | None, message: str) -> None:
    """Offline only bakes and waits count; times are told in the zone in which the plan gives them."""
    text = f'rollback: {{until: "{until}"}}\n' + probe(GREEN)
    found = said("DC806", text)
    assert [s for s, _, _ in found] == ([severity] if severity else [])
    assert all(message in m and p == f'"{until}"' for _, p, m in found)


def test_until_against_the_timeline() -> None:
    """Live the wait for the old TTL and the tail of the undoing count too: 3,660 s + 21 + 21 + 120 + 600 + 120."""
    text = 'rollback: {until: "2026-03-10T12:30:00Z"}\n' + probe(GREEN)
    assert said("DC806", text, live=True, zone=WWW) == []
    assert said("DC814", text, live=True, zone=WWW) == []  # the change itself comes too late: DC312
    assert len(said("DC312", text, live=True, zone=WWW)) == 1
    text = text.replace("12:30", "13:10")
    found = said("DC814", text, live=True, zone=WWW)
    assert len(found) == 1
    end = NOW + 3660 + 21 + 21 + 120 + 600 + 120
    loaded = parse_plan(plan_text(Example(text)).encode(), "p", {})
    book = subject(loaded, Example(text, zone=WWW)).book
    assert book is not None
    bake = next(m for m in timeline(book) if m.step.kind is StepKind.BAKE)
    assert NOW + bake.end + 120 == end
    assert finish_after(book) >= bake.end
    assert "until 2026-03-10T13:16+00:00 at least" in found[0][2]


def test_until_says_nothing_where_nothing_goes_back_by_itself() -> None:
    """Committed stages need no way back, and without automatic rollback the time has no effect."""
    head = 'rollback: {until: "2026-03-10T12:05:00Z"}\n'
    assert said("DC806", head + probe(GREEN) + "    commit: before\n") == []
    assert said("DC806", head.replace("{", "{automatic: false, ") + probe(GREEN)) == []
    head = head.replace("12:05", "12:30")
    assert said("DC814", head + probe(GREEN) + "    commit: before\n", live=True, zone=WWW) == []
    assert said("DC814", head.replace("12:30", "12:05") + probe(GREEN), live=True, zone=WWW) == []  # DC806 says so


# -- DC807, DC808, DC810-DC813: people and policy ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fires"),
    [
        (MX, True),
        ('{name: "@", type: MX, from: [10 mx1.old.test.], to: [10 mx2.old.test.]}', False),
        ('{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.example.test.]}', False),
        ('{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.old.test., 20 mx.new.net.]}', True),
        ('{name: "@", type: MX, remove: [10 mx.old.com.], add: [10 mx2.old.com.]}', False),
        ("{name: www, type: CNAME, from: absent, to: [shop.vendor.net.]}", True),
        ("{name: s1._domainkey, type: CNAME, from: absent, to: [s1.vendor.net.]}", False),
        ('{name: "@", type: MX, from: [10 mx.old.com.], to: ["0 ."]}', False),
    ],
)
def test_acts_outside(change: str, fires: bool) -> None:
    """Another organisation than before and than the zone's own; keys and the null MX ask nobody for anything."""
    change = change.replace("mx.new.test", "mx.new.net").replace("mx.old.test", "mx.old.com")
    assert bool(said("DC807", stage(change.replace("old.test", "old.com")))) is fires


def test_acts_outside_that_are_confirmed_or_proved() -> None:
    """By a confirmation now or earlier, or by a page that the vendor gives under the moved name."""
    mx = MX.replace("mx.new.test", "mx.new.net")
    confirm = "    confirm: [{id: c, who: V, says: ready}]\n"
    assert said("DC807", stage(mx, rest=confirm)) == []
    assert said("DC807", stage(A, rest=confirm) + f"  - name: mail\n    changes: [{mx}]\n") == []
    assert len(said("DC807", stage(mx) + f"  - name: later\n    changes: [{A}]\n{confirm}")) == 1
    cdn = "{name: www, type: CNAME, from: absent, to: [shop.vendor.net.]}"
    assert said("DC807", probe("type: http, name: p, url: https://www.example.test/", change=cdn)) == []
    assert len(said("DC807", probe("type: http, name: p, url: https://shop.vendor.net/", change=cdn))) == 1


def test_removals_that_nobody_answers_for() -> None:
    """A wait, a confirmation or a probe answers for them; a value that goes for good is one; the plan's own names are
    not.
    """
    head = "safety: {allow: [delete]}\n"
    gone = '{name: old, type: A, from: ["192.0.2.1"], to: absent}'
    value = '{name: "@", type: TXT, remove: ["token"]}'
    assert [p for _, p, _ in said("DC808", stage(gone, value, head=head))] == ["absent"]
    assert [p for _, p, _ in said("DC808", stage(value))] == ['["token"]']
    assert said("DC808", stage(gone, head=head, rest=f"    probes: [{{{GREEN}}}]\n")) == []
    assert said("DC808", stage('{name: "@", type: TXT, remove: ["a"], add: ["b"]}')) == []
    own = stage('{name: old, type: A, from: absent, to: ["192.0.2.1"]}', head=head)
    assert said("DC808", own + f"  - name: tidy\n    changes: [{gone}]\n") == []
    room = stage(gone, "{name: old, type: CNAME, from: absent, to: [a.example.net.]}", head=head)
    assert said("DC808", room) == []


def test_probes_past_the_commit_point() -> None:
    """Only deciding ones, and once: where nothing is automatic at all DC811 says so."""
    text = probe(GREEN, OLD) + "    commit: before\n"
    assert said("DC810", text) == [
        ("info", "before", "with commit: before a failure of green only pauses stage switch")
    ]
    assert said("DC810", probe(GREEN + ", report_only: true", OLD) + "    commit: before\n") == []
    by_hand = "rollback: {automatic: false}\n" + text
    assert said("DC810", by_hand) == []
    assert said("DC811", by_hand) == [("info", "false", "a failure of green only pauses the run")]
    assert said("DC811", "rollback: {automatic: false}\n" + stage(A)) == []


@pytest.mark.parametrize(
    ("first", "second", "head", "fires"),
    [
        ("", "    wait: 14d\n", "", True),
        ("", "    wait: 1h\n", "", False),
        ("    commit: after\n", "    wait: 14d\n", "", False),
        ("    commit: before\n", "    wait: 14d\n", "", True),
        ("", "    wait: 14d\n    commit: before\n", "", False),
        ("", "    wait: 14d\n    commit: after\n", "", True),
        ("", "    wait: 14d\n", "rollback: {scope: stage}\n", False),
        ("", "    wait: 14d\n", "rollback: {automatic: false}\n", False),
    ],
)
def test_a_late_stage_that_takes_all_back(first: str, second: str, head: str, fires: bool) -> None:
    """After a day or more, unless a commit point or the scope stands between the stages."""
    later = '  - name: retire\n    changes: [{name: t, type: TXT, add: ["x"]}]\n'
    found = said("DC812", head + stage(A, rest=first) + later + second)
    assert [m for _, _, m in found] == (["a failure in stage retire takes back switch too, 14d later"] if fires else [])


def test_a_late_stage_after_additions_takes_nothing_back() -> None:
    """What only added names harms nobody, whenever it goes."""
    add = '{name: t, type: TXT, add: ["x"]}'
    assert said("DC812", stage(add) + f"  - name: late\n    changes: [{A}]\n    wait: 14d\n") == []


def test_the_scope_matters_from_the_second_move_on() -> None:
    """Additions before a move do not count."""
    head = "rollback: {scope: stage}\n"
    both = stage(A, head=head) + f"  - name: mail\n    changes: [{MX}]\n"
    assert said("DC813", both) == [("info", "stage", "if stage mail fails, switch stays as it is")]
    add = '{name: t, type: TXT, add: ["x"]}'
    assert said("DC813", stage(add, head=head) + f"  - name: mail\n    changes: [{MX}]\n") == []
