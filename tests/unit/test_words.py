"""Hostile text: what nobody sees, or what steers a terminal, is shown as an escape."""

import json
import unicodedata

import pytest

from dns_cutover.cli.common import json_text
from dns_cutover.report.words import safe

# Arabic and Kaithi signs that stand before a number: format characters with a shape.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
EVERY = [chr(n) for n in range(0x110000)]


def test_no_control_or_format_character_is_left() -> None:
    """The whole of Unicode: controls, format characters, separators of lines, surrogates."""
    bad = [c for c in EVERY if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(c) not in SEEN]
    assert not set(safe("".join(bad))) & set(bad)


@pytest.mark.parametrize("char", ["\u3164", "\u115f", "\uffa0", "\U000e0100", "\ufff9"])
def test_letters_without_a_shape_are_seen(char: str) -> None:
    """Two names that look alike are not the same name."""
    assert safe(f"a{char}b").isascii()


def test_ascii_is_ascii_and_what_can_be_seen_stays() -> None:
    """Letters, marks and emoji as they are; in ASCII everything else is an escape."""
    assert safe("ä 漢 😀 →") == "ä 漢 😀 →"
    assert safe("".join(EVERY), ascii_only=True).isascii()
    assert safe("a\n\x1b\x85ä😀", ascii_only=True) == r"a\x0a\x1b\x85\u00e4\U0001f600"


def test_json_means_what_it_meant() -> None:
    """Escapes of JSON, and no others: every character comes back, and none steers a terminal."""
    text = json_text({"a": "".join(EVERY)})
    back = json.loads(text)["a"]
    assert back.encode("utf-16", "surrogatepass") == "".join(EVERY).encode("utf-16", "surrogatepass")
    assert all(safe(line) == line for line in text.split("\n"))
