"""Runs as a file that goes from one store to another: a header, then one line for each entry of each journal. Pure.

    {"schema": "dns-cutover/runs/1", "runs": [{"run_id": …, "entries": …, "sha256": …}]}
    {"run_id": …, "seq": 0, "ts": …, "body": "…"}

The runs follow each other in the order of the header, each whole and from its first entry on. `sha256` is over the
lines of the run, line ends included. `ts` is seconds UTC, `body` one JSON object as the store keeps it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dns_cutover.errors import CutoverError
from dns_cutover.store.interface import MAX_RUN_ID, Envelope

SCHEMA = "dns-cutover/runs/1"
MAX_LINE = 128 * 1024 * 1024  # octets: the first entry holds a runbook of up to 64 MiB, as JSON in JSON
_RUN_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_RUN_ID}}}")


class BadRuns(CutoverError):
    """The file is not what an export of runs wrote. Nothing was taken from it."""

    exit_code = 3

    def __init__(self, line: int, why: str, hints: tuple[str, ...] = ()) -> None:
        what = f"line {line} is not as `runs export` writes it" if line else "this is no file of runs"
        hints = hints or ("dns-cutover runs export RUN -o FILE   in the store that has the run: make it anew",)
        super().__init__(f"{what}. Nothing was imported", f"{why[:1].upper()}{why[1:]}.", hints)
        self.line = line


@dataclass(frozen=True, slots=True)
class Journal:
    """All entries of one run. `line` is where its first one stands in the file (from 1), 0 for one from a store."""

    run_id: str
    envelopes: tuple[Envelope, ...]
    line: int = 0


def runs_text(journals: Iterable[Journal]) -> Iterator[str]:
    """The file's lines, line ends included. The same journals give the same text."""
    told = [(j, [_line(e) for e in j.envelopes]) for j in journals]
    runs = [{"run_id": j.run_id, "entries": len(lines), "sha256": _digest(lines)} for j, lines in told]
    yield _json({"schema": SCHEMA, "runs": runs})
    for _, lines in told:
        yield from lines


def read_runs(lines: Iterable[bytes]) -> tuple[Journal, ...]:
    """The journals in a file, complete and undamaged; what is in their bodies is not looked at. Raises BadRuns."""
    numbered = enumerate(lines, 1)
    journals = []
    for run_id, entries, digest in _header(next(numbered, (1, b""))[1]):
        first, raw, envelopes = 0, [], []
        for seq in range(entries):
            number, line = next(numbered, (0, b""))
            if not number:
                raise BadRuns(0, f"it ends before entry {seq} of run {run_id}: it was cut off")
            first = first or number
            envelopes.append(_envelope(number, line, run_id, seq))
            raw.append(line.decode())
        if _digest(raw) != digest:
            raise BadRuns(first, f"from there on run {run_id} is not what its SHA-256 says: it was changed")
        journals.append(Journal(run_id, tuple(envelopes), first))
    if (rest := next(((n, t) for n, t in numbered if t.strip()), None)) is not None:
        raise BadRuns(rest[0], "the header does not know of it")
    return tuple(journals)


def missing(there: Sequence[Envelope], journal: Journal) -> tuple[Envelope, ...] | None:
    """What a store that has `there` lacks of the journal; None where the two are different stories."""
    both = min(len(there), len(journal.envelopes))
    if tuple(there[:both]) != journal.envelopes[:both]:
        return None
    return journal.envelopes[len(there) :]


def _header(line: bytes) -> list[tuple[str, int, str]]:
    data = _object(1, line)
    if data.get("schema") != SCHEMA:
        raise BadRuns(0, f"its first line does not say {SCHEMA}")
    out: list[tuple[str, int, str]] = []
    for item in data["runs"] if isinstance(data.get("runs"), list) else [None]:
        match item:
            case {"run_id": str(run_id), "entries": int(entries), "sha256": str(digest)} if (
                _RUN_ID.fullmatch(run_id)
                and entries > 0
                and entries is not True
                and run_id not in {r for r, _, _ in out}
            ):
                out.append((run_id, entries, digest))
            case _:
                raise BadRuns(1, "its list of runs makes no sense")
    return out


def _envelope(number: int, line: bytes, run_id: str, seq: int) -> Envelope:
    data = _object(number, line)
    ts, body = data.get("ts"), data.get("body")
    if data.get("run_id") != run_id or data.get("seq") != seq or isinstance(data.get("seq"), bool):
        raise BadRuns(number, f"entry {seq} of run {run_id} is expected there")
    if not isinstance(ts, int | float) or isinstance(ts, bool) or not math.isfinite(ts):
        raise BadRuns(number, "its ts is no time")
    if not isinstance(body, str):
        raise BadRuns(number, "its body is no text")
    return Envelope(run_id, seq, float(ts), body)


def _object(number: int, line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise BadRuns(number, "it is longer than any entry")
    try:
        data = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise BadRuns(number, "it is no JSON") from None
    if not isinstance(data, dict):
        raise BadRuns(number, "it is no JSON object")
    return data


def _line(e: Envelope) -> str:
    return _json({"run_id": e.run_id, "seq": e.seq, "ts": e.ts, "body": e.body})


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":")) + "\n"


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()
