"""DC3xx: cases in which a careless rule would speak, or be silent, wrongly."""

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.plan.finding import Finding
from dns_cutover.records import RRsetKey
from tests.unit.checks.situation import NOW, findings

HOUR, DAY = 3600.0, 86400.0
WWW = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
WINDOW = "    window: {{days: {days}, from: '{opens}', to: '{closes}', timezone: {zone}}}\n"


def stage(*changes: str, name: str = "switch", more: str = "") -> str:
    return f"  - name: {name}\n{more}    changes:\n" + "".join(f"      - {c}\n" for c in changes)


def plan(*stages: str, **top: str) -> str:
    return "".join(f"{k}: {v}\n" for k, v in top.items()) + "stages:\n" + "".join(stages)


def said(check: str, text: str, zone: str = "", **more: object) -> list[Finding]:
    return [f for f in findings(Example(text, zone, **more)) if f.id == check]  # type: ignore[arg-type]


def windowed(days: str = "mon-thu", opens: str = "09:00", closes: str = "16:00", zone: str = "UTC") -> str:
    return stage(WWW, more=WINDOW.format(days=days, opens=opens, closes=closes, zone=zone))


# -- windows -----------------------------------------------------------------------------------------------------------


def test_the_wait_and_the_next_opening_are_told_in_the_windows_own_time_zone() -> None:
    """Thursday 17:01 in Berlin is past four: the stage waits until Monday."""
    text = plan(windowed(zone="Europe/Berlin"))
    [f] = said("DC301", text, "www 172800 IN A 192.0.2.10\n", facts={"now": NOW + 4 * HOUR})
    assert f.message == (
        "the old TTL must be lowered 48h 02m before stage switch, which is too late for Wed 11 Mar 09:00: "
        "the stage waits until Mon 16 Mar 09:00 (Europe/Berlin)"
    )
    assert (f.line, f.stage) == (10, "switch")


def test_a_start_that_reaches_the_next_window_misses_none() -> None:
    """Started early enough for the window, the wait ends as it opens."""
    text, live = plan(windowed()), "www 172800 IN A 192.0.2.10\n"
    assert said("DC301", text, live, facts={"now": NOW + 4 * HOUR})
    later = NOW + 4 * HOUR + (4 * DAY - 7 * HOUR - 1 * HOUR) + HOUR
    assert not said("DC301", text, live, facts={"now": later})


@pytest.mark.parametrize(
    ("text", "live", "now"),
    [
        pytest.param(windowed(), "www 3600 IN A 192.0.2.10\n", NOW + 3 * DAY, id="on a Friday it waits in any case"),
        pytest.param(windowed("mon-sun"), "www 3600 IN A 192.0.2.10\n", NOW + 3.5 * HOUR, id="one night"),
        pytest.param(windowed(), "www 60 IN A 192.0.2.10\n", NOW + 2.4 * DAY, id="nothing to wait for"),
        pytest.param(stage(WWW), "www 172800 IN A 192.0.2.10\n", NOW, id="no window"),
    ],
)
def test_a_wait_that_the_old_ttl_does_not_cause_is_not_told(text: str, live: str, now: float) -> None:
    assert not said("DC301", plan(text), live, facts={"now": now})


def test_a_window_of_a_later_stage_is_not_the_waits_matter() -> None:
    """Between the wait and this window another stage changes records, and takes its own time."""
    first = stage('{name: api, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}', name="first")
    live = "www 172800 IN A 192.0.2.10\napi 172800 IN A 192.0.2.1\n"
    assert not said("DC301", plan(first, windowed()), live, facts={"now": NOW + 4 * HOUR})


# -- low already -------------------------------------------------------------------------------------------------------


def test_one_high_ttl_makes_the_stage_wait() -> None:
    """With one RRset left to lower there is a wait, and nothing to tell."""
    both = stage('{names: [www, api], type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
    assert not said("DC302", plan(both), "www 60 IN A 192.0.2.10\napi 300 IN A 192.0.2.10\n")
    [f] = said("DC302", plan(both), "www 60 IN A 192.0.2.10\napi 30 IN A 192.0.2.10\n")
    assert (
        f.message == "all 2 TTLs are at most 60 s already, and lower_to is 60 s: stage switch has nothing to wait for"
    )
    assert f.severity == "info"


def test_creations_and_changes_of_the_ttl_alone_have_nothing_to_lower() -> None:
    new, ttl = '{name: new, type: A, from: absent, to: ["192.0.2.1"]}', "{name: www, type: A, ttl: 300}"
    assert not said("DC302", plan(stage(new, ttl)), "www 60 IN A 192.0.2.10\n")


def test_a_stage_has_its_own_low_ttl() -> None:
    own = stage(WWW, more="    ttl: {lower_to: 600s}\n")
    assert said("DC302", plan(own), "www 300 IN A 192.0.2.10\n")
    assert not said("DC302", plan(stage(WWW)), "www 300 IN A 192.0.2.10\n")


# -- the provider's minimum --------------------------------------------------------------------------------------------


def test_the_minimum_is_told_once_where_it_is_written() -> None:
    """At lower_to for all stages that share it, at a stage's own, and at a change's final TTL."""
    text = plan(
        stage(WWW),
        stage('{name: api, type: A, from: absent, to: ["192.0.2.1"], ttl: 100}', name="b"),
        stage('{name: c, type: A, from: absent, to: ["192.0.2.1"]}', name="c", more="    ttl: {lower_to: 90s}\n"),
        ttl="{lower_to: 60s}",
    )
    found = said("DC303", text, "www 3600 IN A 192.0.2.10\n", facts={"guarantees": {"min_ttl": 120}})
    assert [f.message.split(",")[0] for f in found] == [
        "lower_to is 60 s",
        "api A is to have TTL 100",
        "lower_to is 90 s",
    ]
    assert [f.line for f in found] == [8, 15, 17]


# -- servers and targets -----------------------------------------------------------------------------------------------


def test_different_data_is_another_finding_than_different_ttls() -> None:
    other = "www 86400 IN A 192.0.2.11\n"
    assert not said("DC304", plan(stage(WWW)), "www 3600 IN A 192.0.2.10\n", secondary=other)
    [f] = said("DC304", plan(stage(WWW)), "www 3600 IN A 192.0.2.10\n", secondary="www 86400 IN A 192.0.2.10\n")
    assert f.message.endswith("3600 s and 86400 s (the highest at ns2.example.test 192.0.2.2)")


MX = '{name: "@", type: MX, from: ["10 mx.old.test."], to: ["10 mx.new.test."]}'
MX_LIVE = "@ 3600 IN MX 10 mx.old.test.\n"


def test_only_what_comes_new_is_looked_at_behind_a_record() -> None:
    """The old target's TTL does not matter, since the answer for the old record dies with the record's own TTL."""
    assert not said("DC305", plan(stage(MX)), MX_LIVE, elsewhere="mx.old.test. 86400 IN A 198.51.100.1\n")
    [f] = said("DC305", plan(stage(MX)), MX_LIVE, elsewhere="mx.new.test. 86400 IN A 198.51.100.2\n")
    assert (f.severity, f.record) == ("info", "@ MX")
    assert "the addresses of mx.new.test. have TTL 86400, longer than 60 s" in f.message


def test_the_longest_link_of_the_chain_is_named() -> None:
    chain = (
        "edge.new.test. 300 IN CNAME a.cdn.test.\na.cdn.test. 7200 IN CNAME b.cdn.test.\n"
        "b.cdn.test. 60 IN A 198.51.100.2\n"
    )
    change = "{name: www, type: CNAME, from: [edge.old.test.], to: [edge.new.test.]}"
    [f] = said("DC305", plan(stage(change)), "www 3600 IN CNAME edge.old.test.\n", elsewhere=chain)
    assert "the alias a.cdn.test. has TTL 7200" in f.message


def test_a_target_that_cannot_be_asked_or_has_no_address_says_nothing_of_ttls() -> None:
    assert not said("DC305", plan(stage(MX)), MX_LIVE)
    long = "mx.new.test. 86400 IN A 198.51.100.2\n"
    assert not said("DC305", plan(stage(MX)), MX_LIVE, elsewhere=long, facts={"unresolved": ("mx.new.test.",)})


def test_a_target_that_the_plan_lowers_as_well_is_no_matter() -> None:
    """mail moves with the MX, at the same low TTL: the live 86400 is dead by then."""
    moves = '{name: mail, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}'
    points = '{name: "@", type: MX, from: ["10 old"], to: ["10 mail"]}'
    live = "@ 3600 IN MX 10 old\nmail 86400 IN A 192.0.2.1\n"
    assert not said("DC305", plan(stage(points, moves)), live)


def test_a_target_that_moves_at_a_longer_ttl_makes_the_record_as_slow() -> None:
    """The MX stays as it is but for a preference, and its host moves at an hour: a warning, though nobody's target is
    new."""
    points = '{name: "@", type: MX, from: ["10 mail"], to: ["20 mail"]}'
    moves = stage(
        '{name: mail, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}', name="b", more="    ttl: {lower_to: 1h}\n"
    )
    live = "@ 3600 IN MX 10 mail\nmail 86400 IN A 192.0.2.1\n"
    [f] = said("DC305", plan(stage(points), moves), live)
    assert f.severity == "warning"
    assert f.message == "@ MX leads to mail.example.test., whose A the plan moves at TTL 3600, not 60"


# -- absence -----------------------------------------------------------------------------------------------------------


def soa(minimum: int, ttl: int = 3600) -> str:
    return (
        f"@ {ttl} IN SOA ns1.example.test. hostmaster.example.test. 1 7200 3600 1209600 {minimum}\n"
        "@ 3600 IN NS ns1.example.test.\n@ 3600 IN NS ns2.example.test.\n"
    )


NEW = '{name: new, type: A, from: absent, to: ["192.0.2.20"]}'


def test_absence_lives_for_the_lower_of_the_soas_two_numbers() -> None:
    """RFC 2308 section 5, and one minute for clients."""
    [f] = said("DC306", plan(stage(NEW)), soa(7200, 900))
    assert f.message == "new A is new: who asked for it before waits up to 16m 00s, its absence is cached for 900 s"
    assert not said("DC306", plan(stage(NEW)), soa(60))
    assert not said("DC306", plan(stage(NEW)), soa(7200, 30))


def test_a_new_type_in_the_place_of_another_one_is_no_new_name() -> None:
    """Whoever asked until then had an answer."""
    swap = stage(
        '{name: www, type: A, from: ["192.0.2.10"], to: absent}',
        "{name: www, type: CNAME, from: absent, to: [edge.new.test.]}",
    )
    assert not said("DC306", plan(swap), soa(3600) + "www 3600 IN A 192.0.2.10\n")
    beside = '{name: www, type: AAAA, from: absent, to: ["2001:db8::1"]}'
    assert said("DC306", plan(stage(beside)), soa(3600) + "www 3600 IN A 192.0.2.10\n")


GONE = '{name: www, type: A, from: ["192.0.2.10"], to: absent}'


def test_undoing_a_deletion_costs_the_negative_ttl() -> None:
    [f] = said("DC307", plan(stage(GONE), safety="{allow: [delete]}"), soa(1800) + "www 3600 IN A 192.0.2.10\n")
    assert f.message == (
        "www A is deleted: going back from that takes up to 31m 00s (its absence is cached for 1800 s)"
    )


@pytest.mark.parametrize("minimum", [0, 30, 60])
def test_undoing_a_deletion_is_quick_in_a_zone_with_a_low_negative_ttl(minimum: int) -> None:
    text = plan(stage(GONE), safety="{allow: [delete]}")
    assert not said("DC307", text, soa(minimum) + "www 3600 IN A 192.0.2.10\n")


def test_what_makes_room_for_another_type_is_no_deletion() -> None:
    """At no moment is the name without an answer, so that commit: before would give up a good way back."""
    swap = stage(GONE, "{name: www, type: CNAME, from: absent, to: [edge.new.test.]}")
    assert not said("DC307", plan(swap), soa(1800) + "www 3600 IN A 192.0.2.10\n")


# -- resolvers ---------------------------------------------------------------------------------------------------------

KEY = RRsetKey("default", "www.example.test.", "A")


def clamp(ttl: int, floor: str = "[0s]", live: int = 60) -> list[Finding]:
    text = plan(stage(WWW), ttl=f"{{resolver_floor: {floor}}}")
    return said("DC308", text, f"www {live} IN A 192.0.2.10\n", facts={"clamps": {("office 10.0.0.53", KEY): ttl}})


def test_a_resolver_that_lifts_ttls_wants_a_floor() -> None:
    [f] = clamp(300)
    assert f.message == "the resolver office 10.0.0.53 keeps www A for 300 s, longer than its TTL of 60 s"
    assert "resolver_floor: [300s]" in f.hint
    assert "lowered only just now" in f.hint  # an older answer looks the same


@pytest.mark.parametrize(("ttl", "floor"), [(60, "[0s]"), (12, "[0s]"), (300, "[300s]"), (90, "[0s, 30s]")])
def test_a_resolver_within_the_plans_floors_is_no_news(ttl: int, floor: str) -> None:
    """Counted down, equal, or covered: minimum TTLs of stacked caches add up, the first hides behind the TTL."""
    assert not clamp(ttl, floor)


def test_a_floor_that_is_too_low_is_told() -> None:
    assert clamp(300, "[200s]")
    assert clamp(91, "[0s, 30s]")


def test_a_known_maximum_below_the_old_ttl_is_a_remark() -> None:
    facts = {"caps": {"opendns 208.67.222.222": 3600}}
    [f] = said("DC308", plan(stage(WWW)), "www 86400 IN A 192.0.2.10\n", facts=facts)
    assert (f.severity, f.record) == ("info", "www A")
    assert not said("DC308", plan(stage(WWW)), "www 3600 IN A 192.0.2.10\n", facts=facts)


# -- the way back ------------------------------------------------------------------------------------------------------

LIVE = "www 3600 IN A 192.0.2.10\n"


@pytest.mark.parametrize(
    ("text", "live"),
    [
        pytest.param(plan(stage(WWW, more="    bake: 30m\n")), LIVE, id="bakes"),
        pytest.param(plan(stage(WWW, more="    commit: after\n")), LIVE, id="no way back is wanted"),
        pytest.param(plan(stage(WWW), ttl="{restore: keep}"), LIVE, id="nothing is restored"),
        pytest.param(plan(stage(WWW)), "www 60 IN A 192.0.2.10\n", id="nothing is raised"),
        pytest.param(plan(stage(NEW)), soa(60), id="what was only added stays"),
    ],
)
def test_a_restore_that_costs_no_way_back(text: str, live: str) -> None:
    assert not said("DC309", text, live)


def test_a_new_name_does_not_hide_the_record_that_is_replaced() -> None:
    spf = '{name: "@", type: TXT, remove: ["v=spf1 -all"], add: ["v=spf1 mx -all"]}'
    live = '@ 3600 IN TXT "v=spf1 -all"\n'
    [f] = said("DC309", plan(stage(NEW, spf)), live)
    assert f.message == "stage switch does not bake: TTLs go up once it is proved, and going back then takes 1h 01m"


def test_a_bake_is_missed_where_something_was_taken_away() -> None:
    """Not in a last stage that only adds, and not where DC150 misses it already."""
    baked = stage(WWW, more="    bake: 30m\n") + f"  - name: more\n    changes:\n      - {NEW}\n"
    assert not said("DC309", plan(baked), LIVE)
    assert not said("DC309", plan(stage(WWW)), LIVE)
    assert said("DC150", plan(stage(WWW)), LIVE)


def test_a_ptr_leads_nobody_to_its_target() -> None:
    change = "{name: www, type: PTR, from: [old.test.], to: [new.test.]}"
    live = "www 3600 IN PTR old.test.\n"
    assert not said("DC305", plan(stage(change)), live, elsewhere="new.test. 3600 IN A 192.0.2.1\n")


def test_a_way_back_that_outlasts_the_low_ttl() -> None:
    """Restored after an hour or two, with a way back until the next day: it gets slow in between."""
    text = plan(stage(WWW, more="    bake: 30m\n"), rollback='{until: "2026-03-11T12:00:00Z"}')
    [f] = said("DC309", text, LIVE)
    assert f.message.startswith("TTLs go up 22h 2")
    assert f.message.endswith("from then on going back takes 1h 01m")
    assert f.line == 8


def test_a_way_back_that_ends_before_the_change_is_an_error_unless_it_is_given_up() -> None:
    gone = '{until: "2026-03-10T13:00:00Z"}'
    [f] = said("DC312", plan(stage(WWW), rollback=gone), LIVE)
    assert f.message.startswith("stage switch can change its records 1m")
    assert not said("DC312", plan(stage(WWW, more="    commit: before\n"), rollback=gone), LIVE)
    assert not said("DC312", plan(stage(WWW), rollback='{until: "2026-03-10T13:05:00Z"}'), LIVE)


def test_a_keep_is_told_where_it_stands() -> None:
    own = stage(WWW, more="    ttl: {restore: keep}\n")
    [f] = said("DC311", plan(own), LIVE)
    assert f.line == 10
    assert len(said("DC311", plan(stage(WWW), stage(NEW, name="b"), ttl="{restore: keep}"), LIVE)) == 1


# -- the parent --------------------------------------------------------------------------------------------------------

NS = '{name: "@", type: NS, from: [ns1.example.test., ns2.example.test.], to: [ns1.new.test., ns2.new.test.]}'


def test_both_lives_of_the_ns_set_are_told() -> None:
    text = plan(stage(NS), safety="{allow: [apex_ns]}")
    [f] = said("DC310", text, facts={"parent_ns_ttl": 86400})
    assert "for up to 24h 02m after the parent has changed" not in f.message  # the longer one, not the sum
    assert "for up to 24h 01m after the parent has changed, and for 25h 01m if" in f.message


@pytest.mark.parametrize("ttl", [None, 60, 30])
def test_a_parent_that_nobody_asked_or_that_is_quick(ttl: int | None) -> None:
    assert not said("DC310", plan(stage(NS), safety="{allow: [apex_ns]}"), facts={"parent_ns_ttl": ttl})
