"""Runbooks as files: canonical, hashed as they are, and a clean refusal for whatever is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dns_cutover.report.lines import Look
from dns_cutover.report.preview import preview_text
from dns_cutover.report.preview_json import preview_document
from dns_cutover.report.preview_markdown import preview_markdown
from dns_cutover.runbook import codec
from dns_cutover.runbook.codec import (
    BadRunbook,
    journaled_runbook,
    parse_runbook,
    read_runbook,
    runbook_data,
    runbook_file,
    runbook_json,
    runbook_sha256,
)
from dns_cutover.runbook.model import Notify
from tests.unit.preview_world import NOW, book_of, mail, retire, two_zones

BOOKS = (mail(), retire(), two_zones())
DATA = [runbook_data(book) for book in BOOKS]


@pytest.mark.parametrize("book", BOOKS)
def test_a_runbook_is_read_back_as_it_was_written(book):
    data = runbook_file(book)
    assert read_runbook(data) == book
    assert read_runbook(data.rstrip(b"\n")) == book  # an editor may take the last newline, or add one
    assert read_runbook(data + b"\r\n") == book
    assert runbook_sha256(book) == hashlib.sha256(data).hexdigest()
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == sorted(json.loads(data))


def test_whom_it_tells_is_in_it_only_where_it_tells_somebody():
    plain = mail()
    assert "notify" not in runbook_data(plain)
    told = replace(plain, notify=(Notify("ops", "exec", ("held",), {"argv": ["page"]}),))
    assert read_runbook(runbook_file(told)) == told
    assert runbook_sha256(told) != runbook_sha256(plain)


def test_an_edit_that_only_adds_values_pins_none():
    plan = 'stages: [{name: s, changes: [{name: "@", type: TXT, add: [b]}]}]'
    book = book_of(plan, '@ 3600 IN TXT "theirs"\n')
    assert read_runbook(runbook_file(book)) == book


def test_no_time_is_in_it():
    """The same plan and live view give the same runbook at any time."""
    assert runbook_file(mail()) == runbook_file(mail())
    assert not {"now", "at", "time", "created"} & set(runbook_data(mail()))


def refused(data: bytes) -> BadRunbook:
    with pytest.raises(BadRunbook) as caught:
        read_runbook(data)
    assert caught.value.exit_code == 3
    assert caught.value.hints
    return caught.value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the document"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"null", "the document"),
        (b"[" * 100_000, "the document"),
        (b'{"schema": "dns-cutover/runbook/1"}', "Field required"),
        (runbook_file(mail())[:-200], "the document"),
        (b"{" + b'"plan":"x",' * 20_000 + b'"plan":"x"}', "Field required"),
    ],
)
def test_what_is_no_runbook_is_one_error(data, why):
    assert why in refused(data).why


def test_huge_files_are_not_read(monkeypatch):
    monkeypatch.setattr(codec, "MAX_BYTES", 1000)
    assert "which no runbook has" in refused(runbook_file(mail())).why


def test_another_version_is_named():
    text = runbook_json(mail()).replace("dns-cutover/runbook/1", "dns-cutover/runbook/2")
    assert "another version" in refused(text.encode()).what


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"grace":600.0', '"grace":600.0,"note":"a key that nobody knows"'),
        lambda text: text.replace('"grace":600.0', '"grace":600.0,"grace":600.0'),
        lambda text: text.replace('"grace":600.0', '"grace":600'),
        lambda text: json.dumps(json.loads(text), indent=2),
    ],
)
def test_what_was_edited_by_hand_is_not_run(edit):
    assert "changed after preview wrote it" in refused(edit(runbook_json(mail())).encode()).what


def change_one(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one value replaced."""
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = change_one(data[path[0]], path[1:], value)
    return copy


def canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("floors",), [1e12], "no number of seconds"),
        (("grace",), -1.0, "no number of seconds"),
        (("zones", 0, "name"), "example.test", "no absolute name"),
        (("zones", 0, "soa"), "nonsense", "is not SOA data"),
        (("zones", 0, "negative_ttl"), 5, "lower than that of its SOA"),
        (("zones", 0, "lookup"), {"resolvers": 5}, "resolvers"),
        (("zones", 0, "provider"), {"type": "rfc2136"}, "server"),
        (("zones",), [], "no zones"),
        (("steps", 0, "stage"), "other", "there is no stage other"),
        (("steps", 0, "zone"), "other", "there is no zone other"),
        (("steps", 1, "id"), "overlap/lower_ttl", "is there twice"),
        (("steps", 0, "exposures", 0, "old_s"), -5.0, "no number of seconds"),
        (("steps", 0, "edits", 0, "ttl"), -1, "is no TTL"),
        (("steps", 0, "edits", 0, "key", "owner"), "EXAMPLE.test.", "not written as it must be"),
        (("seen", 0, "found", "values"), ["10 B.test."], "not written as they must be"),
        (("seen", 0, "key", "zone"), "other", "there is no zone other"),
    ],
)
def test_what_cannot_be_is_told(path, value, why):
    assert why in refused(canonical(change_one(DATA[0], path, value))).why


@pytest.mark.parametrize("zone", ["Nowhere/Else", "../../etc/passwd", "", "Europe"])
def test_a_window_in_no_time_zone(zone):
    step = next(n for n, s in enumerate(DATA[0]["steps"]) if s["window"])
    data = change_one(DATA[0], ("steps", step, "window", "timezone"), zone)
    assert "time zone" in refused(canonical(data)).why


def test_a_window_on_no_day():
    step = next(n for n, s in enumerate(DATA[0]["steps"]) if s["window"])
    for days in ([], [0], [8], [1, 9]):
        data = change_one(DATA[0], ("steps", step, "window", "days"), days)
        assert "days" in refused(canonical(data)).why


def test_an_edit_in_another_zone_than_its_message():
    step = next(n for n, s in enumerate(DATA[2]["steps"]) if s["zone"] == "public")
    data = change_one(DATA[2], ("steps", step, "zone"), "private")
    assert "is not in its zone" in refused(canonical(data)).why


def test_a_confirmation_that_asks_nothing():
    step = next(n for n, s in enumerate(DATA[0]["steps"]) if s["confirm"])
    data = change_one(DATA[0], ("steps", step, "confirm"), None)
    assert "asks for no confirmation" in refused(canonical(data)).why


def paths(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in the document."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(p for key, value in items for p in paths(value, (*at, key)))]


PATHS = [(n, path) for n, data in enumerate(DATA) for path in paths(data)]
WORDS = ["@everyone", "\x1b[2J", "[bold]", "www.example.test.", "A", "confirm", "apply", "9" * 5000, "\ud800"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["@everyone", "\x1b[2J", "[bold]", "www.example.test.", "A", "confirm", "apply", "9" * 5000, "\ud800"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def survives(data: bytes) -> None:
    """It is refused with one clean error, or it is a runbook that every report can show."""
    try:
        book = read_runbook(data)
    except BadRunbook:
        return
    assert preview_text(book, "0" * 64, NOW, Look(80))
    assert len(preview_markdown(book, "0" * 64, NOW)) <= 65_536
    assert json.dumps(preview_document(book, "0" * 64, NOW))


def as_written(text: str) -> bytes:
    """What a runbook with these values would be if preview had written it: its form is right, its values are not."""
    try:
        return runbook_file(parse_runbook(text))
    except (BadRunbook, ValueError):
        return b""


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PATHS), ANYTHING)
def test_fuzzed_values_never_break_anything(place, value):
    number, path = place
    data = change_one(DATA[number], path, value)
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    survives(text.encode(errors="surrogatepass"))
    survives(as_written(text))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BOOKS), st.data())
def test_fuzzed_bytes_never_break_anything(book, data):
    text = bytearray(runbook_file(book))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(begin, min(len(text), begin + 50)))
        text[begin:end] = data.draw(st.binary(max_size=20))
    survives(bytes(text))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATHS))
def test_keys_that_are_missing_or_there_twice_never_break_anything(place):
    number, path = place
    if not path or not isinstance(path[-1], str):
        path = ("steps",)
    holder: Any = DATA[number]
    for key in path[:-1]:
        holder = holder[key]
    rest = {k: v for k, v in holder.items() if k != path[-1]}
    survives(canonical(change_one(DATA[number], path[:-1], rest)))
    twice = runbook_json(BOOKS[number]).replace(f'"{path[-1]}":', f'"{path[-1]}":null,"{path[-1]}":', 1)
    survives(twice.encode())


def test_the_journal_takes_runbooks_that_are_no_files():
    book = replace(mail(), seen=())
    assert parse_runbook(runbook_json(book)) == book


def earlier() -> str:
    """A runbook as a version wrote it that knew nothing of freezes and of what stages need."""
    data = json.loads(runbook_json(mail()))
    del data["freezes"], data["rollback"]["keep_for"]
    for stage in data["stages"]:
        del stage["needs"]
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_runbook_of_an_earlier_version_is_not_taken_for_one_that_was_changed() -> None:
    assert "made by an earlier version" in refused(earlier().encode() + b"\n").what
    assert "changed after preview wrote it" in refused(earlier().replace("mail-to-newmail", "m").encode() + b" ").what
    whole = runbook_json(mail())
    assert "changed after preview wrote it" in refused(whole.replace('"stages":[', '"stages": [').encode()).what


def test_a_run_of_an_earlier_version_has_the_runbook_that_was_agreed_on() -> None:
    text = earlier()
    sha256 = hashlib.sha256(text.encode() + b"\n").hexdigest()
    assert journaled_runbook(text, sha256) == parse_runbook(text)
    assert journaled_runbook(runbook_json(mail()), runbook_sha256(mail())) == mail()
    with pytest.raises(BadRunbook) as caught:
        journaled_runbook(text, runbook_sha256(mail()))
    assert "not the one that was agreed on" in caught.value.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (runbook_json(mail()).replace('"bake"', '"boil"'), "steps"),
        (runbook_json(mail()).replace("10 mx.newmail.test.", "ten mx.newmail.test."), "ten"),
        (runbook_json(replace(mail(), steps=())), "it has no zones or no steps"),
    ],
    ids=["no runbook", "no RDATA", "no sense"],
)
def test_a_journal_s_runbook_must_make_sense_even_with_the_hash_that_was_agreed_on(text, why) -> None:
    with pytest.raises(BadRunbook) as caught:
        journaled_runbook(text, hashlib.sha256(text.encode() + b"\n").hexdigest())
    assert why in caught.value.why
