"""The seed corpus: example plans, the examples of every check, and the cases that earlier runs taught."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from dns_cutover.checks.registry import all_checks  # noqa: E402 - this folder is no package of the project
from tests.unit.checks.situation import plan_text  # noqa: E402

SMALL = [
    "",
    "a",
    "&a : *a",
    "a: &a\n? *a\n: b",
    "{a, b: {c}}",
    "? &x\n: *x",
    "- - -",
    "a: |2\n   b\n",
    "\ufeffversion: 1",
]


def seeds() -> Iterator[bytes]:
    """One file each."""
    for folder in (ROOT / "plans", ROOT / "tests" / "data" / "fuzz"):
        yield from (path.read_bytes() for path in sorted(folder.glob("*.yaml")))
    for check in all_checks():
        yield from (plan_text(example).encode() for example in (check.fires, check.silent))
    yield from (text.encode() for text in SMALL)


def main(folder: Path) -> None:
    """Write them to a folder, named by what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    for raw in seeds():
        (folder / hashlib.sha256(raw).hexdigest()[:16]).write_bytes(raw)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
