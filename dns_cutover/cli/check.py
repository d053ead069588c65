"""`check NAME TYPE`: propagation of one RRset, or of many, without a plan."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dns_cutover.cli.check_arguments import Arguments
from dns_cutover.cli.common import print_json, write_text
from dns_cutover.cli.options import Authoritative, Bootstrap, Many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import ConsoleRenderable

    from dns_cutover.assembly import Setting
    from dns_cutover.lookup.propagation import Propagation
    from dns_cutover.lookup.views import Spread
    from dns_cutover.report.check import CheckView

MOST_PAUSE = 60.0  # seconds
CONVERGED, NOT_YET, CONTRADICTED = 0, 75, 3


class Format(StrEnum):
    """How it is shown."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(check)


def check(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The owner name.")] = None,
    rrtype: Annotated[str | None, typer.Argument(metavar="TYPE", help="The record type.")] = None,
    expect: Annotated[
        Many, typer.Option(metavar="RDATA", help="The expected value; repeat for several; absent: it is gone.")
    ] = None,
    one_of: Annotated[Many, typer.Option(metavar="RDATA", help="Any one of these values is right.")] = None,
    subset_of: Annotated[Many, typer.Option(metavar="RDATA", help="Any of these values, and no other.")] = None,
    cidr: Annotated[Many, typer.Option(metavar="NETWORK", help="Any address in these networks.")] = None,
    ends_at: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whatever an alias that leads to this name gives.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until it has converged.")] = False,
    timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="Watch no longer than this.")] = None,
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Many: a line for each, NAME TYPE [VALUE…]; - is the input.")
    ] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="The zone that the name is in.")] = None,
    authoritative: Authoritative = None,
    bootstrap: Bootstrap = None,
    resolver: Annotated[
        Many,
        typer.Option(
            metavar="ADDRESS[:PORT]",
            help="Resolvers to ask, tls:// or https:// before it; or a preset; default: public.",
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    json: Annotated[bool, typer.Option("--json", hidden=True, help="The same as --format json.")] = False,
) -> None:
    """Ask every authoritative server, then resolvers. Exit 0 converged, 75 not yet, 3 contradicted."""
    from dns_cutover.cli.common import run_async

    arguments = Arguments(
        name,
        rrtype,
        tuple(expect or ()),
        tuple(one_of or ()),
        tuple(subset_of or ()),
        tuple(cidr or ()),
        ends_at,
        timeout,
        from_file,
        zone,
        tuple(authoritative or ()),
        tuple(bootstrap or ()),
        tuple(resolver or ()),
    )
    raise typer.Exit(run_async(_check(arguments, watch, json or output is Format.JSON)))


async def _check(arguments: Arguments, watch: bool, json: bool) -> int:
    from dns_cutover.assembly import Setting
    from dns_cutover.lookup.live import LiveLookup
    from dns_cutover.lookup.propagation import Propagation

    setting = Setting()
    sought = arguments.sought()
    resolvers = arguments.resolvers()
    limit = arguments.seconds()
    zones, placed, problems = await arguments.placed(setting, sought)
    lookup = LiveLookup(zones, resolvers, setting.clock, setting.rng, setting.asker())
    propagation = Propagation(lookup, placed, setting.clock)
    screen = _Screen(setting, problems, json=json, watch=watch, many=arguments.from_file is not None)
    until = setting.clock.now() + limit if limit is not None else float("inf")
    with screen:
        return await _followed(propagation, setting, screen, until if watch else 0.0)


async def _followed(propagation: Propagation, setting: Setting, screen: _Screen, until: float) -> int:
    while True:
        spreads = await propagation.look()
        now = setting.clock.now()
        code = _code(spreads)
        over = code == CONVERGED or now >= until
        screen.show(spreads, propagation.next_due, over=over)
        if over:
            return code
        await setting.clock.sleep_until(min(propagation.next_due, now + MOST_PAUSE, until))


def _code(spreads: Sequence[Spread]) -> int:
    if any(s.contradicted for s in spreads):
        return CONTRADICTED
    return CONVERGED if all(s.converged for s in spreads) else NOT_YET


class _Screen:
    """Where it is shown: a block that is drawn anew on a terminal, lines elsewhere, one JSON document at the end."""

    def __init__(self, setting: Setting, problems: tuple[str, ...], *, json: bool, watch: bool, many: bool) -> None:
        from dns_cutover.report.stream import wants_ascii
        from dns_cutover.report.words import local_zone

        self._clock = setting.clock
        self._began = setting.clock.now()
        self._problems = problems
        self._json, self._many, self._watch = json, many, watch
        self._terminal = sys.stdout.isatty() and not json
        self._ascii = wants_ascii() or not self._terminal
        self._zone = local_zone()
        self._view: CheckView | None = None
        self._said = ""

    def __enter__(self) -> _Screen:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False, markup=False, emoji=False)
        self._live = None
        if self._terminal and self._watch and not self._many:
            self._live = Live(console=self._console, refresh_per_second=2, transient=True, get_renderable=self._drawn)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, spreads: Sequence[Spread], next_due: float, *, over: bool) -> None:
        """One look's result; `over`: the last one."""
        from dns_cutover.report.check import check_line, check_table, many_lines

        self._view = view = self._viewed(spreads[0], next_due)
        if over and self._live is not None:
            self._live.stop()
        if self._json:
            if over:
                from dns_cutover.report.check_json import check_document

                print_json(check_document(spreads, many=self._many))
        elif over and self._live is not None:
            self._ended(view)
        elif over:
            self._write(many_lines(spreads) if self._many else check_table(view))
        elif self._live is None:
            lines = [check_line(self._viewed(s, next_due)) for s in spreads[:1]] if not self._many else []
            line = lines[0] if lines else many_lines(spreads)[-1]
            if (said := line.partition(" ")[2]) != self._said:
                self._said = said
                self._write([line])

    def _ended(self, view: CheckView) -> None:
        from dns_cutover.report.check import check_block, closing_lines

        for line in check_block(view):
            self._console.print(line, soft_wrap=True)
        if view.spread.converged:
            self._write(closing_lines(view))

    def _drawn(self) -> ConsoleRenderable:
        from dataclasses import replace

        from rich.console import Group
        from rich.text import Text

        from dns_cutover.report.check import check_block

        if self._view is None:
            return Text("finding the servers", style="dim")
        size = self._console.size
        return Group(*check_block(replace(self._view, now=self._clock.now(), width=size.width, height=size.height - 1)))

    def _viewed(self, spread: Spread, next_due: float) -> CheckView:
        from dns_cutover.report.check import CheckView

        size = self._console.size
        return CheckView(
            spread,
            self._began,
            self._clock.now(),
            next_due,
            self._zone,
            size.width,
            size.height,
            self._ascii,
            self._problems,
        )

    def _write(self, lines: Sequence[str]) -> None:
        """Off a terminal, and on one that cannot show UTF-8, in ASCII."""
        from dns_cutover.report.words import safe, to_ascii

        if self._ascii:
            lines = [safe(to_ascii(line), ascii_only=True) for line in lines]
        write_text("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
