"""The preview as Markdown: whole, harmless whatever is in it, and never longer than a comment may be."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dns_cutover.records import RRset, SetEdit
from dns_cutover.report.markdown import block, code, cut, inline, table
from dns_cutover.report.preview_markdown import preview_markdown
from dns_cutover.runbook.model import Runbook, StepKind
from tests.unit.preview_world import MAIL, MAIL_ZONE, NOW, book_of, mail, many, retire, two_zones

SHA = "9f2c41ab77d0" + "0" * 52
BAD = "`x` ```` <script>alert(1)</script> <!-- @everyone #1 https://evil.test [a](b) **b** | & ![i](j) $x$ :+1: \\|"


def outside(markdown: str) -> str:
    """What is no fenced block and no code span: all that can be markup."""
    out, fence = [], ""
    for item in markdown.splitlines():
        opening = re.match(r"(`{3,})[^`]*$", item)  # a backtick later on makes it a code span
        if fence:
            fence = "" if item == fence else fence
        elif opening:
            fence = opening[1]
        else:
            out.append(_without_spans(item))
    assert not fence
    return "\n".join(out)


def _without_spans(item: str) -> str:
    """Code spans go as CommonMark has it: a run of backticks to the next run of the same length."""
    out, at = "", 0
    for run in re.finditer("`+", item):
        if run.start() < at:
            continue
        end = next((m.end() for m in re.finditer("`+", item[run.end() :]) if m[0] == run[0]), None)
        assert end is not None, item
        out += item[at : run.start()]
        at = run.end() + end
    return out + item[at:]


def markdown_of(book: Runbook) -> str:
    return preview_markdown(book, SHA, NOW)


def test_it_has_diff_timeline_worst_cases_and_guarantees():
    told = markdown_of(mail())
    assert told.startswith("### Preview of `mail-to-newmail`\n\n`example.test` · 3 changes in 2 stages · ")
    assert (
        "```diff\n@@ create nm1._domainkey CNAME · ttl 60, then 3600 @@\n+ nm1.dkim.u42.newmail.test.\n@@ edit " in told
    )
    assert "  = 2 other values stay, and what others add\n```" in told
    assert "- `confirm ips-bound NewMail support, within 24h: “Addresses" in told
    assert "| 2026-03-10T13:41:23Z | `overlap/apply` | – |" in told
    assert "| `switch` | 2m 00s | 2m 00s | `@ MX: MX at 60 s` |" in told
    assert "| if done now | 1h 01m | 1h 01m | `TXT at 3600 s: the same change without lowering first` |" in told
    assert "\n```\n              12:45" in told or "\n```\n              12:40" in told
    assert "- ✓ **atomic**: `each stage is one message`" in told
    assert f"Runbook `{SHA}` · 21 steps forward, 9 back" in told
    assert "Old side off 2026-03-15T13:55:05Z at the earliest: mail on its way" in told


def test_several_zones_are_said_not_to_be_atomic():
    assert "**Writes are atomic within a zone, not across zones" in markdown_of(two_zones())


def hostile() -> Runbook:
    quoted = BAD.replace("\\", "\\\\").replace('"', '\\"')
    plan = re.sub("(summary|says): .*", lambda m: f'{m[1]}: "{quoted}"', MAIL)
    plan = plan.replace("include:spf.newmail.test -all", quoted)
    return book_of(plan, MAIL_ZONE)


@pytest.mark.parametrize("book", [hostile(), mail(), retire(), many(), two_zones()])
def test_nothing_of_others_is_markup(book):
    left = outside(markdown_of(book))
    for sign in ("<", "@", "&", "[", "$", "https:", "#1", ":+1:", "evil"):
        assert sign not in left, left
    assert not re.search("[^#]#[0-9]", left)
    heads = [item for item in left.splitlines() if item.startswith("#")]
    assert len(heads) == 5


def test_hostile_values_are_whole_in_the_diff():
    assert "<script>alert(1)</script> <!-- @everyone" in markdown_of(hostile())
    fences = {item for item in markdown_of(hostile()).splitlines() if re.fullmatch("`{3,}(diff)?", item)}
    assert "`````diff" in fences  # longer than the run of four inside


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("", "` `"),
        ("  ", "` `"),
        ("a|b", "`a\\|b`"),
        ("a\\|b", "`a\\x7cb`"),
        ("a\nb", "`a\\x0ab`"),
        ("a" * 400, "`" + "a" * 300 + "… (400 characters in all)`"),
    ],
)
def test_code_spans(text, span):
    assert code(text) == span


def test_outside_of_tables_a_bar_is_a_bar():
    assert inline("a\\|b|c") == "`a\\|b|c`"


def test_blocks_tables_and_cuts():
    assert block(["a", "~~~", "```` x"], "diff") == "`````diff\na\n~~~\n```` x\n`````\n"
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert cut("abc", 3) == "abc"
    assert cut("abcd" * 1000, 3) == "abc… (4,000 characters in all)"


def test_thousands_of_different_records_fit_and_the_rest_is_counted():
    names = [f"n{n}" for n in range(1200)]
    zone = "".join(f"{n} {600 + i} IN A 192.0.2.1\n" for i, n in enumerate(names))
    book = book_of(
        "safety: {max_changes: 5000}\nstages: [{name: s, changes: "
        f"[{{names: [{', '.join(names)}], type: A, from: [192.0.2.1], to: [192.0.2.2]}}]}}]",
        zone,
    )
    told = markdown_of(book)
    assert len(told) <= 65_536
    shown = told.count("@@ replace")
    assert shown > 300
    assert f"… and {1200 - shown} more changes: `dns-cutover preview PLAN --full` shows all 1,200." in told


def test_many_stages_leave_room_for_the_diff():
    change = "changes: [{{name: w{n}, type: A, from: [192.0.2.1], to: [192.0.2.2]}}]"
    stages = "".join(f"  - {{name: s{n}, {change.format(n=n)}}}\n" for n in range(400))
    zone = "".join(f"w{n} 600 IN A 192.0.2.1\n" for n in range(400))
    told = markdown_of(book_of("safety: {max_changes: 5000}\nstages:\n" + stages, zone))
    assert len(told) <= 65_536
    assert "more steps" in told
    assert "more stages" in told
    assert "more rows" in told
    assert told.count("@@ replace") > 20


def test_a_huge_value_is_cut_and_counted():
    book = mail()
    huge = RRset(60, ('"' + "x" * 70_000 + '"', *(f'"v{n:03d}"' for n in range(30))))
    steps = tuple(
        replace(s, edits=tuple(SetEdit(e.key, None, huge) if e.key.rdtype == "CNAME" else e for e in s.edits))
        if s.kind is StepKind.APPLY
        else s
        for s in book.steps
    )
    told = markdown_of(replace(book, steps=steps))
    assert len(told) <= 65_536
    assert "… (70,002 characters in all)" in told
    assert "+ … 11 more values" in told
