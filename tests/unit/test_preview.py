"""The preview in text: diff and groups, the time line, worst cases, guarantees, on paper of any width."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from dns_cutover.report.diff import groups, notes, ranges
from dns_cutover.report.foreseen import foresee
from dns_cutover.report.lines import Look, line, rich_lines
from dns_cutover.report.preview import decided, preview_lines, preview_text, window_words
from dns_cutover.report.words import bound, brief
from dns_cutover.runbook.changes import stage_changes
from dns_cutover.runbook.model import Runbook, Window
from dns_cutover.runbook.otherwise import after_restore, if_done_now
from tests.unit.preview_world import MAIL, MAIL_ZONE, NOW, book_of, mail, many, retire, single, two_zones

BERLIN = ZoneInfo("Europe/Berlin")
SAYS = "Addresses 198.51.100.7-9 are bound to sub-account u42."
STYLES = {"red", "green", "yellow", "cyan", "bold", "dim"}
SHA = "9f2c41ab77d0" + "0" * 52


def text_of(book: Runbook, look: Look | None = None, **options: object) -> str:
    return preview_text(book, SHA, NOW, look, **options)  # type: ignore[arg-type]


def block(text: str, begin: str) -> list[str]:
    """The lines from the one that begins so to the next empty one."""
    lines = text.splitlines()
    start = next(n for n, item in enumerate(lines) if item.startswith(begin))
    return lines[start : next((n for n in range(start, len(lines)) if not lines[n]), len(lines))]


# -- diff -------------------------------------------------------------------------------------------------------


def test_the_diff_of_the_mail_move():
    assert block(text_of(mail()), "overlap  ")[1:-1] == [
        "  create   nm1._domainkey    CNAME   ttl 60, then 3600",
        "    + nm1.dkim.u42.newmail.test.",
        "  edit     @                 TXT     ttl 3600 → 60, then 3600",
        '    - "v=spf1 include:spf.oldmail.test -all"',
        '    + "v=spf1 include:spf.oldmail.test include:spf.newmail.test -all"',
        "    = 2 other values stay, and what others add",
    ]
    assert block(text_of(mail()), "switch  ")[1:] == [
        "  replace  @                 MX      ttl 3600 → 60, then 300",
        "    - 10 mx.oldmail.test.",
        "    + 10 mx.newmail.test.",
        f"  confirm  ips-bound         NewMail support, within 24h: “{SAYS}”",
        "                             to go back: NewMail unbinds them.",
        "  window   mon-thu           09:00-16:00 Europe/Berlin, starts with 34m 42s left or more",
        "  same     2 records         @ TXT, www A, before and after",
        "  probe    new-mx            tcp mx.newmail.test:25 every 10 s, 3 in a row failed: roll back",
        "  probe    old-mx            tcp mx.oldmail.test:25 every 10 s, says if a rollback would help",
        "  bake     30m               watched at the low TTL, so that a rollback is quick",
    ]


def test_a_waiting_stage_that_commits_and_deletes():
    assert block(text_of(retire()), "retire  ")[1:] == [
        "  delete   om1._domainkey    CNAME   ttl 3600  ! allowed by safety.allow: delete",
        "    - om1.dkim.oldmail.test.",
        "  delete   om2._domainkey    CNAME   ttl 3600  ! allowed by safety.allow: delete",
        "    - om2.dkim.oldmail.test.",
        "  wait     14 days           after the stage before; TTLs and the lock are given back meanwhile",
        "  commit   before            nothing rolls back by itself once this stage starts",
    ]


def test_two_hundred_records_are_a_few_groups_deletions_first():
    lines = block(text_of(many()), "switch  ")
    assert lines[0].endswith("200 changes in 3 groups")
    assert lines[1:] == [
        "  delete   legacy            A       ttl 300  ! allowed by safety.allow: delete",
        "    - 192.0.2.200",
        "  replace  56 names          CNAME   ttl 600 → 60, then 600",
        "    - lb.old.test.",
        "    + lb.new-edge.test.",
        "    c1 to c56",
        "  replace  143 names         A       ttl 3600 → 60, then 3600",
        "    - 192.0.2.10",
        "    + 198.51.100.10",
        "    api, cdn-001 to cdn-140, static, www",
    ]


def test_full_lifts_grouping():
    lines = block(text_of(many(), full=True), "switch  ")
    assert lines[0].endswith("  200 changes")
    assert sum(item.startswith("  replace  ") for item in lines) == 199


def test_odd_ones_come_before_groups():
    rows = "".join(f"n{n} 3600 IN A 192.0.2.1\n" for n in range(3)) + "odd 60 IN A 192.0.2.1\n"
    change = "{names: [n0, n1, n2, odd], type: A, from: [192.0.2.1], to: [192.0.2.2]}"
    book = book_of(f"stages: [{{name: s, changes: [{change}]}}]", rows)
    assert [len(g.changes) for g in groups(stage_changes(book))] == [1, 3]
    assert "replace  odd               A       ttl 60\n" in text_of(book)


def test_a_change_of_the_ttl_alone():
    book = book_of("stages: [{name: s, changes: [{name: www, type: A, ttl: 60}]}]", "www 3600 IN A 192.0.2.1\n")
    assert block(text_of(book), "s  ")[1:3] == [
        "  ttl      www               A       ttl 3600 → 60",
        "    = 1 value stays",
    ]


def test_an_alias_makes_room_for_addresses():
    changes = "[{name: www, type: CNAME, from: live, to: absent}, {name: www, type: A, from: absent, to: 192.0.2.1}]"
    book = book_of(f"stages: [{{name: s, changes: {changes}}}]", "www 600 IN CNAME x.test.\n")
    told = text_of(book)
    assert "delete   www               CNAME   ttl 600 → 60" not in told
    assert "! makes room for A" in told
    assert "replace type      CNAME and other types change places in one message" in told


def test_a_stage_that_changes_what_an_earlier_one_changed_shows_its_own_before():
    book = book_of(
        "stages:\n  - {name: a, changes: [{name: www, type: A, from: [192.0.2.1], to: [192.0.2.2]}]}\n"
        "  - {name: b, changes: [{name: www, type: A, from: [192.0.2.2], to: [192.0.2.3]}]}",
        "www 3600 IN A 192.0.2.1\n",
    )
    first, second = stage_changes(book)
    assert (first.ttl_before, first.ttl, first.ttl_final) == (3600, 60, 3600)
    assert (second.ttl_before, second.ttl, second.ttl_final) == (60, 60, 3600)
    assert (second.removed, second.added) == (("192.0.2.2",), ("192.0.2.3",))


@pytest.mark.parametrize(
    ("owners", "shown"),
    [
        (["a", "b"], "a, b"),
        (["c1", "c2", "c3", "c5"], "c1 to c3, c5"),
        (["c8", "c9", "c10"], "c8 to c10"),
        (["c08", "c09", "c10"], "c08 to c10"),
        (["n1.x", "n2.x", "n3.x"], "n1.x to n3.x"),
        (["n1.x", "n2.y", "n3.x"], "n1.x, n2.y, n3.x"),
        (["c1", "c2"], "c1, c2"),
        ([], ""),
    ],
)
def test_runs_of_names_are_ranges(owners, shown):
    assert ", ".join(ranges(owners)) == shown


# -- time -------------------------------------------------------------------------------------------------------


def test_the_picture_of_the_mail_move():
    look = Look(100, zone=BERLIN)
    told = block(text_of(mail(), look), "Timeline")
    assert told[0] == "Timeline  Tue 10 Mar +01:00, if started now and nobody is late"
    assert [item[:14].strip() for item in told[3:-1]] == [
        "lower ttl",
        "wait ttl",
        "overlap",
        "lower ttl",
        "wait ttl",
        "switch",
        "confirm",
        "window",
        "restore ttl",
        "old side",
    ]
    notes = [item[14:].strip("─░▓━◆ ") for item in told[3:-1]]
    assert notes == [
        "now, 3600 → 60 s",
        "1h 01m, old TTL dies",
        "6m tail + 5m bake",
        "now, 3600 → 60 s",
        "1h 12m, old TTL dies",
        "2m tail + 30m bake",
        "ips-bound by 14:52",
        "→ 16:00, 1h 07m to spare",
        "15:25, commit point",
        "→ Sun 15 Mar 14:55, then off",
    ]
    assert told[1].split()[0] == "13:40"


def test_finish_and_old_side_have_reasons():
    told = text_of(mail(), Look(100, zone=BERLIN))
    assert "finish        Tue 10 Mar 15:25 at the earliest, after 1h 45m" in told
    assert "old side off  Sun 15 Mar 14:55 at the earliest · mail on its way still needs" in told
    told = text_of(single())
    assert "old side off  2026-03-10T13:43:44Z" not in told
    assert "open connections outlive DNS" in told


def test_a_plan_of_two_weeks_is_not_to_scale_where_nothing_happens():
    told = block(text_of(retire(), Look(100, zone=BERLIN)), "Timeline")
    assert "24 Mar 14:23" in told[1]
    assert "┄" * 9 in told[2]
    assert told[-1].endswith("┄ not to scale")
    rows = [item for item in told if item.startswith(("overlap", "switch", "retire"))]
    assert all("▓" in item for item in rows)


def test_a_window_that_is_closed_is_waited_for():
    window = 'window: {days: mon-thu, from: "09:00", to: "10:00", timezone: Europe/Berlin}, '
    told = text_of(single(stage=window), Look(100, zone=BERLIN))
    row = next(item for item in told.splitlines() if item.startswith("  window      "))
    assert row.endswith("→ Wed 10:00, 1h to spare")
    # TTLs are lowered as late as the window allows, so that they are not low all night.
    assert next(item for item in told.splitlines() if item.startswith("lower ttl")).endswith("Wed 07:58, 3600 → 60 s")


# -- worst cases ------------------------------------------------------------------------------------------------


def test_worst_cases_say_what_decides_them():
    assert block(text_of(mail()), "Worst case") == [
        "Worst case  how long the other answer may live, 1m for clients included",
        "                   after change  after rollback  decided by",
        "overlap                  6m 00s          2m 00s  nm1._domainkey CNAME: its absence is cached for 300 s",
        "switch                   2m 00s          2m 00s  MX at 60 s",
        "after restore                 –          1h 01m  TXT back at 3600 s: restoring is the commit point",
        "if done now              1h 01m          1h 01m  TXT at 3600 s: the same change without lowering first",
    ]


def test_without_a_restore_there_is_nothing_after_it():
    book = single(top="ttl: {restore: keep}\n")
    assert after_restore(book, stage_changes(book)) is None
    assert "after restore" not in text_of(book)


def test_if_done_now_knows_absence_and_wildcards():
    book = book_of(
        "stages: [{name: s, changes: [{name: a.b, type: A, from: absent, to: 192.0.2.1, ttl: 60}]}]",
        "*.b 7200 IN A 192.0.2.9\n",
    )
    other = if_done_now(book, stage_changes(book))
    assert other is not None
    assert (other.after_change_s, other.after_rollback_s, other.ttl) == (7260, 360, None)
    assert "a.b A is new: its absence is cached" in text_of(book)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "1s"), (59.5, "1m 00s"), (3660, "1h 01m"), (3661, "1h 02m"), (172_860, "48h 01m")]
)
def test_a_worst_case_is_never_rounded_down(seconds, shown):
    assert bound(seconds) == shown


def test_small_words():
    assert [brief(s) for s in (5, 60, 90, 3600, 1_209_600)] == ["5s", "1m", "1m 30s", "1h", "14 days"]
    assert decided("@ MX: MX at 60 s") == "MX at 60 s"
    assert decided("www A: A at 60 s") == "www: A at 60 s"
    assert decided("www A: its absence is cached for 5 s") == "www A: its absence is cached for 5 s"
    window = Window((1, 2, 3, 5, 7), "22:00", "02:00", "UTC")
    assert window_words(window) == ("mon-wed fri sun", "22:00-02:00 (the next day) UTC")


# -- providers, zones -------------------------------------------------------------------------------------------


def test_guarantees_in_words():
    assert block(text_of(mail()), "Provider") == [
        "Provider  rfc2136 at 192.0.2.53, key cutover, hmac-sha256",
        "✓ atomic            each stage is one message",
        "✓ compare and swap  values are checked by the server; the TTL is read back",
        "✓ fenced            lock TXT _dns-cutover.example.test in every message",
        "✓ history           IXFR shows every TTL that was served since the live view",
        "– sync wait         no: all 2 servers are watched instead",
    ]


def test_what_a_provider_cannot_do_is_priced():
    changes = "[{name: www, type: CNAME, from: live, to: absent}, {name: www, type: A, from: absent, to: 192.0.2.1}]"
    weak = dict.fromkeys(("atomic", "replace_type", "compare_and_swap", "fenced", "sees_ttl", "history"), False)
    book = book_of(
        f"stages: [{{name: s, changes: {changes}}}]",
        "www 600 IN CNAME x.test.\n",
        guarantees={**weak, "sync_wait": True, "propagation_bound": 60.0},
    )
    told = block(text_of(book), "Provider")
    assert [item[:20].rstrip() for item in told[1:]] == [
        "! atomic",
        "! replace type",
        "! compare and swap",
        "! sees TTL",
        "! fenced",
        "! lost reply",
        "– history",
        "✓ sync wait",
        "! propagation",
    ]
    assert all("caches keep that for 300 s" in item for item in told[1:3])


def test_several_messages_are_said():
    book = book_of(
        "safety: {allow: [split]}\nstages: [{name: s, changes: "
        "[{names: [a, b], type: A, from: absent, to: 192.0.2.1, ttl: 60}]}]",
        too_large=True,
    )
    told = text_of(book)
    assert "! 2 messages: the server takes no message that is large enough for all of it." in told
    assert "! atomic            each message is, but s needs several" in told


def test_zones_are_not_atomic_together():
    told = text_of(two_zones())
    assert told.count("Writes are atomic within a zone, not across zones") == 2
    assert "    public: api\n    private: api\n" in told
    assert sum(item.startswith("Provider") for item in told.splitlines()) == 2


def test_the_end_says_what_to_agree_on():
    told = text_of(mail(), out="mail.runbook.json").splitlines()
    assert told[-3:] == [
        "Runbook  21 steps forward, 9 back · mail.runbook.json",
        f"sha256 {SHA}",
        "Next: agree on the first 12 characters, then dns-cutover run mail.runbook.json",
    ]
    told = text_of(mail(), source="plan.yaml").splitlines()
    assert told[-3] == "Runbook  21 steps forward, 9 back · not kept: -o RUNBOOK writes it"
    assert told[-1] == "Next: dns-cutover run plan.yaml"


# -- paper ------------------------------------------------------------------------------------------------------

BOOKS = {"mail": mail, "retire": retire, "many": many, "two_zones": two_zones, "short": lambda: single(10)}


@pytest.mark.parametrize("width", [60, 72, 80, 100])
@pytest.mark.parametrize("name", BOOKS)
def test_on_a_terminal_nothing_is_wider_than_it_but_what_is_copied(name, width):
    look = Look(width, zone=BERLIN, fold=True)
    foreseen = foresee(BOOKS[name](), SHA, NOW)
    lines = [text.plain for text in rich_lines(preview_lines(foreseen, look, out="x.json"), look)]
    wide = [item for item in lines if cell_len(item) > width and not item.startswith(("sha256 ", "Next: "))]
    assert wide == []
    assert all(item == item.rstrip() for item in lines)


@pytest.mark.parametrize("name", BOOKS)
def test_in_ascii_nothing_is_lost_but_marks(name):
    plain = text_of(BOOKS[name](), Look(ascii_only=True))
    assert plain.isascii()
    assert len(plain.splitlines()) == len(text_of(BOOKS[name]()).splitlines())


def test_styles_say_nothing_that_words_do_not():
    look = Look(100, zone=BERLIN)
    foreseen = foresee(many(), SHA, NOW)
    rich = "".join(f"{text.plain}\n" for text in rich_lines(preview_lines(foreseen, look), look))
    assert rich == preview_text(many(), SHA, NOW, look)
    styles = {style for item in preview_lines(foreseen, look) for _, style in item.parts}
    assert (
        {"red", "green", "yellow", "cyan", "bold", "dim"}
        <= styles
        <= {"", *["red", "green", "yellow", "cyan", "bold", "dim"]}
    )


def test_hostile_text_changes_nothing():
    says = r"[bold]x[/bold] \x1b[2J ✗ \u202e @everyone"
    plan = MAIL.replace(f"says: {SAYS}", f'says: "{says}"')
    plan = plan.replace(
        "summary: Publish the new vendor's names beside the old ones.", r'summary: "\x07 [red]\n::error::"'
    )
    told = text_of(book_of(plan, MAIL_ZONE), Look(100, fold=True))
    assert r"“[bold]x[/bold] \x1b[2J ✗ \u202e @everyone”" in told
    assert r"\x07 [red]\x0a::error::" in told
    assert "\x1b" not in told
    assert text_of(book_of(plan, MAIL_ZONE), Look(ascii_only=True)).isascii()


def test_long_words_are_broken_and_wide_characters_counted():
    look = Look(20, fold=True)
    folded = [t.plain for t in rich_lines([line("    - ", ("長" * 20, "red"), hang=6)], look)]
    assert all(cell_len(item) <= 20 for item in folded)
    assert "".join(item.strip(" -") for item in folded) == "長" * 20
    assert folded[1].startswith("      長")
    units = [t.plain for t in rich_lines([line("it is cached for 300 s in all")], look)]
    assert units == ["it is cached for", "300 s in all"]
    kept = [t.plain for t in rich_lines([line("x" * 50, whole=True)], look)]
    assert kept == ["x" * 50]


def test_a_plan_without_changes_is_told_as_one():
    book = book_of("stages: [{name: s, changes: [{name: www, type: A, ttl: 60}]}]", "www 60 IN A 192.0.2.1\n")
    assert "0 changes in 1 stage" in text_of(book)
    assert if_done_now(book, stage_changes(book)) is None
    assert text_of(replace(book, steps=()))


def test_what_probes_do_and_who_decides():
    probe = "{{type: tcp, name: {0}, target: x.test, port: 25{1}}}"
    probes = ", ".join(
        (
            probe.format("a", ", role: control"),
            probe.format("b", ", report_only: true"),
            probe.format("c", ", consecutive_failure_limit: null, failure_limit: 9, interval: 2m"),
            "{type: http, name: d, url: 'https://x.test/'}",
            "{type: command, name: e, argv: [check, --it]}",
        )
    )
    confirm = "confirm: [{id: k, who: Vendor, says: It is so., by: probe, probe: d}], "
    told = block(text_of(single(stage=f"bake: 1m, {confirm}probes: [{probes}], ")), "s  ")
    assert "  confirm  k                 Vendor, no bound, proved by d: “It is so.”" in told
    assert [item[30:].split(" every ")[1] for item in told if item.startswith("  probe")] == [
        "10 s, if it fails too, the fault is ours",
        "10 s, only reported",
        "2m, 9 in all failed: roll back",
        "10 s, 3 in a row failed: roll back",
        "10 s, 3 in a row failed: roll back",
    ]
    held = text_of(single(top="rollback: {automatic: false}\n", stage=f"probes: [{probe.format('a', '')}], "))
    assert "3 in a row failed: hold, a person decides" in held


def test_deliberate_acts_are_marked():
    book = book_of(
        "safety: {allow: [wildcard, apex_ns, delegation]}\nstages: [{name: s, changes: ["
        "{name: '*', type: A, from: ['192.0.2.1'], to: ['192.0.2.2']}, "
        "{name: '@', type: TXT, add: [b]}]}]",
        '* 60 IN A 192.0.2.1\n@ 60 IN TXT "a"\n',
    )
    told = text_of(book)
    assert "! a wildcard: it answers for every name that is not there" in told
    changes = stage_changes(book)
    ns = replace(changes[0], key=replace(changes[0].key, owner="example.test.", rdtype="NS"))
    assert notes(book, ns, ()) == ["the zone's own NS"]
    last = replace(changes[0], verb="delete", key=replace(ns.key, rdtype="MX"))
    assert notes(replace(book, allow=("delete", "last_mx")), last, ()) == ["allowed by safety.allow: delete, last_mx"]


def test_an_edit_by_value_of_one_value_keeps_what_others_add():
    book = book_of("stages: [{name: s, changes: [{name: t, type: TXT, remove: [a], add: [b]}]}]", 't 60 IN TXT "a"\n')
    assert "    = what others add stays" in text_of(book)
