"""Sentences in a pull request's comment: names become code, and nothing of a plan's is ever interpreted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.report.prose import cell, prose
from dns_cutover.report.words import safe

SPAN = re.compile(r"(?s)(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the live MX of example.test. is not right", "the live MX of `example.test.` is not right"),
        ("write {env: NAME} or {file: PATH}, and go", "write `{env: NAME}` or `{file: PATH}`, and go"),
        ("start from live: dns-cutover init example.test", "start from live: `dns-cutover init example.test`"),
        ("if meant: safety: {allow: [delete]}", "if meant: `safety: {allow: [delete]}`"),
        ("(RFC 1912 section 2.4)", "(RFC 1912 section `2.4`)"),
        ("thanks @octocat, see #12 and GH-12", "thanks `@octocat`, see `#12` and `GH-12`"),
        ("deadbeef1 is a commit, cafe is none", "`deadbeef1` is a commit, cafe is none"),
        ("a_b *c* <b> [x](y)", "`a_b *c* <b> [x](y`)"),
        ("did you mean consecutive_failure_limit?", "did you mean `consecutive_failure_limit`?"),
        ("a\nb", "`a\\x0ab`"),
        ("", ""),
    ],
)
def test_words_that_could_be_read_otherwise_are_code(text, shown):
    assert prose(text) == shown


@given(st.text(max_size=200))
def test_outside_of_code_there_are_only_words(text):
    """No mark of Markdown, HTML, mentions, references, links or emoji is left outside of code, whatever came in."""
    shown = prose(text)
    assert "\n" not in shown
    bare = SPAN.sub("", shown)
    assert not re.search(r"[`@#<>&\[\]{}*_~|\\$^/]|\w\.\w|\w:\w|:\w+:|(?<!\w)[0-9a-f]{7,40}(?!\w)", bare)
    # Nothing is lost: what is not space is all there, in its order.
    given_, kept = "".join(safe(text).split()), "".join(shown.replace("`", "").split())
    assert kept.startswith(given_.replace("`", "")[:50])


@given(st.text(alphabet="a|`\\ x", max_size=40))
def test_a_cell_is_one_cell(text):
    """Every bar is escaped, and no backslash undoes that."""
    assert not re.search(r"(?<!\\)\|", cell(text))
    assert not re.search(r"\\\\\|", cell(text))


def test_yaml_to_be_copied_is_one_span() -> None:
    text = 'probes: [{type: http, name: new, url: "https://www.example.test/"}]'
    assert prose(text) == f"`{text}`"
