"""Runbooks as canonical JSON, and the SHA-256 that people confirm."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dns_cutover.errors import CutoverError
from dns_cutover.runbook.integrity import faults
from dns_cutover.runbook.model import Runbook

MAX_BYTES = 64 * 1024 * 1024
_NEW = ("dns-cutover preview PLAN -o RUNBOOK   make a new one",)


class BadRunbook(CutoverError):
    """The file is not a runbook that this version can run."""

    exit_code = 3


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Runbook]:
    return TypeAdapter(Runbook)


def runbook_data(book: Runbook) -> dict[str, Any]:
    """The runbook as JSON data."""
    data: dict[str, Any] = _adapter().dump_python(book, mode="json")
    if not book.notify:
        del data["notify"]  # a runbook that was agreed on before there were notifications keeps its hash
    return data


def runbook_json(book: Runbook) -> str:
    """Canonical JSON: keys sorted, no blanks, UTF-8 unescaped; byte-stable, without a final newline."""
    return json.dumps(runbook_data(book), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def runbook_file(book: Runbook) -> bytes:
    """The runbook as a file: canonical JSON in one line. It has no time in it: the same plan and live view give the
    same bytes.
    """
    return runbook_json(book).encode() + b"\n"


def runbook_sha256(book: Runbook) -> str:
    """Lower-case hex SHA-256 of the file, as `sha256sum` gives it."""
    return hashlib.sha256(runbook_file(book)).hexdigest()


def parse_runbook(text: str) -> Runbook:
    """The runbook in `text`. Raises BadRunbook."""
    try:
        return _adapter().validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if where == "schema":
            raise BadRunbook(
                "this runbook was made by another version of dns-cutover",
                "Its schema is not dns-cutover/runbook/1, which is the one that this version can run.",
                _NEW,
            ) from None
        raise _bad(f"{where or 'the document'}: {first['msg']}") from None


def journaled_runbook(text: str, sha256: str) -> Runbook:
    """The runbook in a run's journal, perhaps of an earlier version that had fewer fields: it must make sense, and be
    the one of that hash. Raises BadRunbook.
    """
    try:
        book = parse_runbook(text)
        wrong = next(faults(book), "")
        found = hashlib.sha256(text.encode() + b"\n").hexdigest()
    except ValueError as exc:
        raise _bad(str(exc)) from None
    if wrong:
        raise _bad(wrong)
    if found != sha256:
        raise _bad("it is not the one that was agreed on")
    return book


def read_runbook(data: bytes) -> Runbook:
    """The runbook in a file. Besides its form it must make sense, and must be as it was written, byte for byte (the
    final newline apart): what people agreed on by its hash is not edited by hand. Raises BadRunbook.
    """
    if len(data) > MAX_BYTES:
        raise _bad(f"it has more than {MAX_BYTES} bytes, which no runbook has")
    try:
        text = data.decode()
    except UnicodeDecodeError as exc:
        raise _bad(f"byte {exc.start} is no UTF-8") from None
    book = parse_runbook(text)
    try:
        wrong = next(faults(book), "")
        same = runbook_json(book) == text.rstrip("\r\n")
        older = not same and _canonical(text) and _lacks(json.loads(text), runbook_data(book))
    except ValueError as exc:
        # Numbers that JSON does not have, lone surrogates.
        raise _bad(str(exc)) from None
    if wrong:
        raise _bad(wrong)
    if older:
        raise BadRunbook(
            "this runbook was made by an earlier version of dns-cutover",
            "It does not say all that this version goes by, and its hash would be another one.",
            _NEW,
        )
    if not same:
        raise BadRunbook(
            "this runbook was changed after preview wrote it",
            "People agree on a runbook by its hash, so it is run as it was written or not at all.",
            ("dns-cutover preview PLAN -o RUNBOOK   change the plan and make a new one",),
        )
    return book


def _canonical(text: str) -> bool:
    again = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return again == text.rstrip("\r\n")


def _lacks(written: Any, whole: Any) -> bool:
    """Whether it is the same but for fields that are not there."""
    match written, whole:
        case dict(), dict():
            return all(key in whole and _lacks(value, whole[key]) for key, value in written.items())
        case list(), list():
            return len(written) == len(whole) and all(map(_lacks, written, whole))
        case _:
            return type(written) is type(whole) and bool(written == whole)


def _bad(why: str) -> BadRunbook:
    return BadRunbook("this file is not a runbook that this version can run", why, _NEW)
