"""Findings on a terminal: the place is under its carets, whatever is in the line and however narrow it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from dns_cutover.plan.finding import Finding
from dns_cutover.report.excerpt import excerpt, visible
from dns_cutover.report.findings import finding_line, plain_report
from dns_cutover.report.findings_terminal import Screen, finding_block, terminal_report, terminal_summary
from dns_cutover.report.validation import Ignored, Report

LINE = '      - {name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}'


def finding(line: str, part: str, **more: str) -> Finding:
    column = line.index(part) + 1
    given = {"message": "the live MX of example.test is not what the plan expects", "hint": "", **more}
    severity = given.pop("severity", "error")
    return Finding(
        given.pop("id", "DC201"),
        severity,  # type: ignore[arg-type]
        given.pop("message"),
        given.pop("hint"),
        "plans/mail.yaml",
        1,
        column,
        column + len(part),
        **given,
    )


def shown(texts: object) -> list[str]:
    return [t.plain for t in texts]  # type: ignore[attr-defined]


def test_a_finding_reads_like_a_compiler_s():
    """Severity and id, place, source with carets and the note beside them, why, and the next act."""
    f = finding(
        LINE,
        '"10 mx.oldmail.test."',
        note="live: also 20 mx2.oldmail.test.",
        why="A whole-set change would delete the second host.",
        hint="write both in from, or start from live: dns-cutover init example.test",
        stage="switch",
        record="@ MX",
    )
    assert shown(finding_block(f, [LINE], Screen(100))) == [
        "error[DC201]: the live MX of example.test is not what the plan expects",
        "  --> plans/mail.yaml:1:38  switch, @ MX",
        '1 │ - {name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}',
        "  │                                ^^^^^^^^^^^^^^^^^^^^^ live: also 20 mx2.oldmail.test.",
        "     why    A whole-set change would delete the second host.",
        "     Hint:  write both in from, or start from live: dns-cutover init example.test",
    ]


def test_a_guess_stands_under_the_word_and_is_not_said_twice():
    """`did you mean …?` is the note; what else the hint says stays the hint."""
    f = finding(LINE, "ttl", hint="did you mean tll? All keys: dns-cutover schema")
    lines = shown(finding_block(f, [LINE], Screen(100)))
    assert lines[3].endswith("^^^ did you mean tll?") or lines[4].strip(" │") == "did you mean tll?"
    assert lines[-1] == "     Hint:  All keys: dns-cutover schema"
    assert "".join(lines).count("did you mean") == 1


def test_ascii_terminals_get_ascii_only():
    f = finding(LINE, "ttl", message="„so“ → …", note="x · y")
    report = Report("p", "p.yaml", "p.yaml", (f,), (Ignored(f, "c’est ainsi – oui"),), (LINE,))
    for width in (40, 80, 100):
        assert all(line.isascii() for line in shown(terminal_report(report, Screen(width, ascii_only=True))))


def test_commands_are_never_broken_across_lines():
    """A narrow terminal breaks between words, and a command is one word."""
    command = "dns-cutover preview plans/some-rather-long-name.yaml -o runbook.json"
    f = finding(LINE, "ttl", hint=f"make a new runbook and agree on it: {command}; then run it")
    lines = shown(finding_block(f, [LINE], Screen(60)))
    assert any(command in line for line in lines)


def test_hostile_text_is_never_markup_nor_control():
    """Rich markup stays text, escapes are visible, and no style comes from a plan."""
    line = "\x1b[31m[bold red]x[/bold red]\u202e\t日本"
    f = finding(line, "日", message="[red]m[/red] \x1b[2J", note="[link=http://x]y[/link]")
    texts = list(finding_block(f, [line], Screen(100)))
    joined = "\n".join(shown(texts))
    assert "\x1b" not in joined
    assert "\u202e" not in joined
    assert "[bold red]x[/bold red]" in joined
    assert {str(s.style) for t in texts for s in t.spans} <= {"bold red", "bold", "dim", "red", "yellow", "cyan"}


def test_errors_come_last_then_what_is_ignored_then_the_verdict():
    found = tuple(
        finding(LINE, "ttl", id=i, severity=s) for i, s in (("DC301", "error"), ("DC302", "info"), ("DC303", "warning"))
    )
    report = Report("mail", "p.yaml", "p.yaml", found, (Ignored(found[0], "so be it"),), (LINE,), ("DC301",), 4, 1.24)
    text = "\n".join(shown(terminal_report(report, Screen(100))))
    order = [
        text.index(w) for w in ("info[DC302]", "warning[DC303]", "error[DC301]", "ignored[DC301]: so be it", "✗ mail")
    ]
    assert order == sorted(order)
    verdict = next(line for line in text.splitlines() if line.startswith("✗"))
    assert verdict.startswith("✗ mail is not valid: 1 error, 1 warning, 1 for information, 1 ignored  ")
    assert verdict.endswith("1 check, 4 servers, 1.2 s")
    assert cell_len(verdict) == 100
    narrow = shown(terminal_report(report, Screen(60)))
    assert all(cell_len(line) <= 60 for line in narrow if line.startswith(("✗", "  ")) and "servers" in line)
    assert plain_report(report).splitlines()[-1].startswith("mail is not valid: 1 error")


def test_a_summary_names_the_plans_that_failed():
    good, bad = Report("a", "a.yaml", "a.yaml"), Report("b", "b.yaml", "b.yaml", problem="cannot be read")
    assert terminal_summary([good, bad], Screen(80)).plain == "✗ 1 of 2 plans is not valid: b.yaml"
    assert terminal_summary([good, good], Screen(80, ascii_only=True)).plain == "v all 2 plans are valid"


def test_one_line_off_a_terminal_is_one_line():
    """Editors and grep read it: no newline from a plan, ASCII only, the note in parentheses."""
    f = finding(LINE, "ttl", message="a\nb → é", note="live: x", hint="do\r\nthis")
    assert finding_line(f) == (
        "plans/mail.yaml:1:91: error DC201: a\\x0ab -> \\u00e9 (live: x)\n  Hint: do\\x0d\\x0athis\n"
    )


@pytest.mark.parametrize("room", [20, 37, 76, 200])
@pytest.mark.parametrize("part", ["{name", '"10 mx.oldmail.test."', "ttl", "300}", LINE.strip()])
def test_the_place_is_shown_in_any_room(room, part):
    """The marked text begins where the carets begin; what is cut is said with an ellipsis."""
    column = LINE.index(part) + 1
    cut = excerpt(LINE, column, column + len(part), room)
    assert cell_len(cut.shown) <= room
    assert part.startswith(cut.shown[cut.offset : cut.offset + cut.width])
    assert cut.width == len(part) or cut.width >= room - 6


def test_a_place_behind_the_end_is_one_cell():
    cut = excerpt("a: b", 5, 6, 40)
    assert (cut.offset, cut.width) == (4, 1)
    assert excerpt("", 1, 2, 40).width == 1
    assert excerpt("a: b", 99, 100, 40).offset == 4


@given(
    line=st.text(st.characters(exclude_characters="\n\r"), max_size=300),
    column=st.integers(1, 310),
    length=st.integers(1, 60),
    room=st.integers(20, 120),
    ascii_only=st.booleans(),
)
def test_any_line_fits_and_its_place_is_inside(line, column, length, room, ascii_only):
    """Wide, invisible and hostile characters included: never wider than the room, carets within what is shown."""
    cut = excerpt(line, column, column + length, room, ascii_only=ascii_only)
    assert cell_len(cut.shown) <= room
    assert 0 <= cut.offset < room
    assert 1 <= cut.width <= room
    assert cut.offset + cut.width <= max(cell_len(cut.shown), cut.offset + 1)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in cut.shown)
    if ascii_only:
        assert cut.shown.isascii()


def test_wide_characters_move_the_carets():
    """Two cells each: the carets are where the terminal draws the word."""
    cut = excerpt("日本: xyz", 5, 8, 40)
    assert cell_len(Text(cut.shown[: cut.shown.index("xyz")]).plain) == cut.offset
    assert visible("\u0301") == "\\u0301"


def test_a_command_to_copy_runs_nothing_of_a_files_name():
    """A stranger names the file; a person at night copies the last line."""
    report = Report("mail", "plans/a $(id);b.yaml", "plans/a.yaml", checks=("DC101",))
    assert shown(terminal_report(report, Screen(100)))[-1] == "Next: dns-cutover preview 'plans/a $(id);b.yaml'"
