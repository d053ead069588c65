"""YAML as plans may use it: YAML 1.2 scalars, exact places, and nothing that could harm the reader."""

import math

import pytest

from dns_cutover.plan.finding import Finding, Position
from dns_cutover.plan.yamltext import MAX_BYTES, parse_yaml, scalar


def only(raw: bytes | str) -> Finding:
    """The one finding about the document, which has no data then or has None in the place."""
    doc = parse_yaml(raw.encode() if isinstance(raw, str) else raw, "p.yaml")
    assert len(doc.findings) == 1, doc.findings
    return doc.findings[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2026-03-10", "2026-03-10"),
        ("0o14", 12),
        ("014", 14),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("=", "="),
        ("<<", "<<"),
        ("9" * 40, "9" * 40),
        ("0o9", "0o9"),
        ("1.2.3", "1.2.3"),
        (".inf", ".inf"),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    """What YAML 1.1 turns into something else stays text."""
    got = scalar(text)
    assert got == value
    assert type(got) is type(value)
    assert parse_yaml(f"a: {text}\n".encode(), "p").data == {"a": value}
    assert parse_yaml(f"a: '{text}'\n".encode(), "p").data == {"a": text}


def test_huge_exponents_do_no_harm() -> None:
    """A float beyond all bounds is infinite, not an error."""
    assert scalar("1e999") == math.inf


def test_explicit_core_tags() -> None:
    """A tag of the core schema says how a scalar is meant."""
    doc = parse_yaml(b"a: !!str 12\nb: !!int '12'\nc: ! 12\nd: !!seq [1]\n", "p")
    assert doc.data == {"a": "12", "b": 12, "c": "12", "d": [1]}
    assert doc.findings == []


@pytest.mark.parametrize(
    ("raw", "check", "line", "column", "words"),
    [
        (b"", "DC101", 1, 1, "empty"),
        (b"# only a comment\n", "DC101", 1, 1, "empty"),
        (b"---\na: 1\n---\nb: 2\n", "DC101", 3, 1, "more than one"),
        (b"a: 1\n  b: 2\n", "DC101", 2, 4, "not YAML"),
        (b"a: [1, 2\n", "DC101", 1, 9, "not YAML"),
        (b'a: "x\n', "DC101", 1, 6, "not YAML"),
        (b"a: {b: ${c}}\n", "DC101", 1, 9, "not YAML"),
        (b"a:\n\tb: 1\n", "DC101", 2, 1, "tab"),
        (b"a: \x00\n", "DC101", 1, 4, "U+0000"),
        ("a: ü\x1b[2J\n".encode(), "DC101", 1, 5, "U+001B"),
        (b"a: \xffb\n", "DC101", 1, 4, "UTF-8"),
        ("b: ü\n".encode() + b"a: \xff\n", "DC101", 2, 4, "UTF-8"),
        ("a: 1\n".encode("utf-16"), "DC101", 1, 1, "UTF-8"),
        (b"a: !!python/object/apply:os.system [id]\n", "DC103", 1, 4, "python/object/apply:os.system"),
        (b"a: !!binary aGk=\n", "DC103", 1, 4, "binary"),
        (b"a: !local {b: c}\n", "DC103", 1, 4, "!local"),
        (b"a: !!map [1]\n", "DC103", 1, 4, "map"),
        (b"? [a]\n: b\n", "DC103", 1, 3, "a key that is not text"),
        (b"? {a: b}\n: {c: [d]}\n", "DC103", 1, 3, "a key that is not text"),
        (b"a: 1\nb: 2\na: {c: d}\n", "DC102", 3, 1, "the key a is given twice"),
        (b"x: &base [1]\ny: *bsae\n", "DC121", 2, 4, "has no anchor"),
        (b"x: &x [1, *x]\n", "DC103", 1, 11, "contains itself"),
        (b"x: &x {a: {b: *x}}\n", "DC103", 1, 15, "contains itself"),
        (b"[" * 51 + b"]" * 51, "DC103", 1, 51, "50 levels"),
        (b"{a: " * 100_000, "DC103", 1, 201, "50 levels"),
        (b"- " * 200_000, "DC103", 1, 101, "50 levels"),
        (b"? " * 100_000, "DC103", 1, 101, "50 levels"),
        (b"x" * (MAX_BYTES + 1), "DC101", 1, 1, "5 MiB"),
        (b"- a\n" * 600_000, "DC103", 1, 1, "too many values"),
        (b"%YAML 9.9\n---\na: 1\n", "DC101", 1, 1, "not YAML"),
    ],
    ids=lambda p: repr(p)[:30] if isinstance(p, bytes) else "",
)
def test_what_cannot_be_a_plan(raw: bytes, check: str, line: int, column: int, words: str) -> None:
    """One clear finding at the place; never a traceback, and never the end of the process."""
    found = only(raw)
    assert (found.id, found.line, found.column) == (check, line, column)
    assert words in found.message
    assert found.hint


def test_aliases() -> None:
    """Anchored values can be used again, scalars and collections, at their own place's position."""
    doc = parse_yaml(b"a: &p {x: &q 1, y: [2]}\nb: *p\nc: [*q, *p]\n", "p")
    assert doc.findings == []
    assert doc.data["b"] == doc.data["c"][1] == {"x": 1, "y": [2]}
    assert doc.data["c"][0] == 1
    assert doc.at(("b", "x")) == doc.at(("a", "x")) == Position(1, 11, 15)
    assert doc.key_at(("b",)) == Position(2, 1, 2)


def test_a_key_can_be_an_anchor() -> None:
    """As YAML has it."""
    assert parse_yaml(b"&k key: v\nb: *k\n", "p").data == {"key": "v", "b": "key"}


def test_an_anchor_can_be_given_again() -> None:
    """As in YAML, the latest one counts."""
    assert parse_yaml(b"a: &x 1\nb: *x\nc: &x 2\nd: *x\n", "p").data == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_an_alias_bomb() -> None:
    """Ten levels of ten aliases each would be ten thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = only("\n".join(lines))
    assert found.id == "DC103"
    assert "aliases expand" in found.message


def test_deep_nesting_by_aliases() -> None:
    """The depth counts where the value is used."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)]
    assert "50 levels" in only("\n".join(lines)).message


def test_positions() -> None:
    """Lines and columns count from 1 and by characters; the end column is exclusive."""
    doc = parse_yaml('ä: "ü" # c\nlist:\n  - {k: väl, n: 12}\n  - |\n    text\n    more\nempty:\n'.encode(), "p")
    assert doc.at(("ä",)) == Position(1, 4, 7)
    assert doc.key_at(("ä",)) == Position(1, 1, 2)
    assert doc.at(("list", 0)) == Position(3, 5, 20)
    assert doc.at(("list", 0, "k")) == Position(3, 9, 12)
    assert doc.at(("list", 0, "n")) == Position(3, 17, 19)
    assert doc.at(("list", 1)) == Position(4, 5, 6)
    assert doc.key_at(("list", 0, "n")) == Position(3, 14, 15)
    assert doc.key_at(("list", 0)) == Position(3, 5, 20)
    assert doc.at(("list", 0, "nope", 3)) == Position(3, 5, 20)
    assert doc.at(("nope",)) == doc.at(())
    assert doc.lines[2] == "  - {k: väl, n: 12}"
    assert doc.at(("empty",)).line == 7


def test_positions_after_other_line_breaks() -> None:
    """CRLF, CR and a byte order mark do not move anything."""
    doc = parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: 2\rc: 3\n", "p")
    assert [doc.at((k,)) for k in "abc"] == [Position(1, 4, 5), Position(2, 4, 5), Position(3, 4, 5)]
    assert doc.lines[:3] == ("a: 1", "b: 2", "c: 3")


def test_leaving_out_keeps_the_places_of_the_rest() -> None:
    """Items move up, and so do their places."""
    doc = parse_yaml(b"a: [x, y, z]\nb: {c: 1, d: 2}\n", "p")
    data, rest = doc.without(doc.data, [("a", 0), ("a", 0), ("b", "c"), ("b", "c", "x"), ("nope", 1)])
    assert data == {"a": ["y", "z"], "b": {"d": 2}}
    assert rest.at(("a", 1)) == doc.at(("a", 2))
    assert rest.at(("b", "d")) == doc.at(("b", "d"))
    assert rest.has(("b", "d"))
    assert not rest.has(("b", "c"))
    assert doc.has(("b", "c"))


def test_brackets_without_end_are_one_finding_wherever_the_parser_gives_up() -> None:
    """libyaml 0.2.5 gives events on the way, 0.2.6 refuses at its own thousandth level before the first one."""
    found = only(b"[" * 200_000)
    assert (found.id, found.line) == ("DC103", 1)
    assert found.column in (51, 1001)
    assert "50 levels" in found.message


def test_a_name_that_begins_with_at_needs_quotes() -> None:
    """The commonest slip: the apex without quotes."""
    doc = parse_yaml(b"name: @\n", "p.yaml")
    assert [(f.id, f.line, f.column, f.hint) for f in doc.findings] == [("DC101", 1, 7, 'put it in quotes: "@"')]
