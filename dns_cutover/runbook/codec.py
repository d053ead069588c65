"""Runbooks as canonical JSON, and the SHA-256 that people confirm."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dns_cutover.errors import CutoverError
from dns_cutover.runbook.model import Runbook


class BadRunbook(CutoverError):
    """The file is not a runbook that this version can run."""

    exit_code = 3


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Runbook]:
    return TypeAdapter(Runbook)


def runbook_data(book: Runbook) -> dict[str, Any]:
    """The runbook as JSON data."""
    data: dict[str, Any] = _adapter().dump_python(book, mode="json")
    return data


def runbook_json(book: Runbook) -> str:
    """Canonical JSON: keys sorted, no blanks, UTF-8 unescaped; byte-stable, without a final newline."""
    return json.dumps(runbook_data(book), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def runbook_sha256(book: Runbook) -> str:
    """Lower-case hex SHA-256 of the canonical JSON."""
    return hashlib.sha256(runbook_json(book).encode()).hexdigest()


def parse_runbook(text: str) -> Runbook:
    """The runbook in `text`. Raises BadRunbook."""
    try:
        return _adapter().validate_json(text)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRunbook(
            "this file is not a runbook that this version can run",
            f"{where or 'the document'}: {first['msg']}",
            ("dns-cutover preview PLAN -o RUNBOOK   make a new one",),
        ) from None
