"""What the verbs share: global options, output, loading plans."""

from __future__ import annotations

import json
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dns_cutover.errors import CutoverError, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly import Examined
    from dns_cutover.plan.loader import LoadedPlan
    from dns_cutover.report.validation import Ignored
    from dns_cutover.store.interface import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Globals:
    """Global options."""

    store: str | None
    debug: bool

    def open(self) -> Store:
        """The store. Raises Unavailable, UsageError."""
        from dns_cutover.store.open import open_store

        return open_store(self.store)

    def scripts(self, run_id: str) -> Path:
        """Where the scripts are kept that take a run back by hand: beside the store, whatever the run is called."""
        from urllib.parse import quote

        from dns_cutover.store.open import beside

        return beside(self.store) / "break-glass" / (quote(run_id, safe="").replace(".", "%2E") or "%")

    def look(self) -> Store:
        """The store, for verbs that only read: one that is not there is not made. Raises Unavailable, UsageError."""
        from dns_cutover.store.open import open_store

        return open_store(self.store, make=False)


def json_text(data: Any) -> str:
    """JSON as people and programs read it; characters that would steer a terminal are written as JSON's escapes."""
    from dns_cutover.report.words import HIDDEN

    # JSON itself escapes C0 only, and what is left of that here is our own newlines.
    lines = json.dumps(data, indent=2, ensure_ascii=False).split("\n")
    return "".join(HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], line) + "\n" for line in lines)


def print_json(data: Any) -> None:
    """JSON alone on standard output."""
    write_text(json_text(data))


def write_text(text: str) -> None:
    """A document on standard output, in UTF-8 whatever the locale is; what UTF-8 cannot hold as an escape."""
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout.write(text)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run it in an event loop: uvloop's where that is installed (the extra `fast`)."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def parse_vars(pairs: list[str]) -> dict[str, str]:
    """`--var name=value`. Raises UsageError."""
    out = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--var {pair} is not NAME=VALUE")
        out[name] = value
    return out


def load(path: Path, variables: list[str]) -> LoadedPlan:
    """The plan at `path`. Raises PlanInvalid, Unavailable, UsageError."""
    from dns_cutover.plan.loader import load_plan

    return load_plan(path, parse_vars(variables))


def ignored_in(examined: Examined) -> tuple[Ignored, ...]:
    """What the plan ignores, with its reasons."""
    from dns_cutover.report.validation import Ignored

    because = {i.check: i.because for i in examined.loaded.plan.safety.ignore}
    return tuple(Ignored(f, because[f.id]) for f in examined.ignored)


def print_findings(examined: Examined) -> None:
    """To standard error, errors last, then what is ignored: as `validate` shows them."""
    from dns_cutover.report.findings import finding_line, ignored_line
    from dns_cutover.report.stream import is_terminal, wants_ascii
    from dns_cutover.report.validation import worst_last

    found, ignored = worst_last(examined.findings), ignored_in(examined)
    if not is_terminal():
        sys.stderr.write("".join((*map(finding_line, found), *map(ignored_line, ignored))))
        return
    from dns_cutover.report.findings_terminal import Screen, finding_block, ignored_block
    from dns_cutover.report.terminal import stderr_console

    console = stderr_console()
    screen = Screen(console.width, wants_ascii())
    for f in found:
        for line in finding_block(f, examined.lines, screen):
            console.print(line, soft_wrap=True)
        console.print()
    for line in ignored_block(ignored, screen):
        console.print(line, soft_wrap=True)


class Invalid(CutoverError):
    """The plan has findings that were shown already."""

    exit_code = 3
