"""Run the benchmarks, print a table, write JSON: `make bench`, or `python tests/bench/run.py startup --rounds 50`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from asking import asking, converging, crowded, losing, verdicts
from measure import Comparison
from rich.console import Console
from rich.table import Table
from startup import startup
from validating import large, live, many, some

BENCHMARKS: dict[str, Callable[[int], Comparison]] = {
    "startup": startup,
    "large": large,
    "many": many,
    # The last ones: from then on this process is in a network of its own.
    "some": some,
    "live": live,
    "asking": asking,
    "crowded": crowded,
    "losing": losing,
    "converging": converging,
}


def machine() -> dict[str, object]:
    """What the figures belong to."""
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


def table(comparison: Comparison) -> Table:
    out = Table(title=f"{comparison.name}: {comparison.question}", box=None, title_justify="left", pad_edge=False)
    out.add_column("subject")
    for heading in ("median", "± quartile", "ours / theirs", "n"):
        out.add_column(heading, justify="right")
    for series in comparison.series:
        ratio = comparison.ratio(series)
        shown = f"{ratio:.2f}" if ratio is not None else ""
        spread = f"{series.spread:.1f} {series.unit}"
        out.add_row(series.subject, f"{series.median:.1f} {series.unit}", spread, shown, str(len(series.samples)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if options.rounds < 2:
        parser.error("--rounds must be 2 or more: a spread needs two samples")

    comparisons = [BENCHMARKS[name](options.rounds) for name in options.names or BENCHMARKS]
    console = Console(file=sys.stdout)
    for comparison in comparisons:
        console.print(table(comparison))
    for line in (held := verdicts(comparisons)):
        console.print(line, highlight=False)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        document = {"machine": machine(), "benchmarks": [c.as_json() for c in comparisons], "promised": held}
        options.output.write_text(json.dumps(document, indent=2) + "\n")
        console.print(f"\n{options.output}", style="dim")


if __name__ == "__main__":
    main()
