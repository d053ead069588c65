"""The pages and the hints speak of verbs and options that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from dns_cutover.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "action.yml"]
SOURCES = sorted((ROOT / "dns_cutover").rglob("*.py"))
# A command goes on to the end of its code; an option is a word of its own.
PROSE = {"migration", "permission"}  # words behind the program's name that are no verbs
COMMAND = re.compile(r"dns-cutover ((?:--store \S+ )?[a-z]+\b[^`\n]*)")
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


def options() -> dict[str, set[str]]:
    """The options of each verb; of the program itself under the empty name."""
    program = typer.main.get_command(app)
    found = {"": {o for p in program.params for o in p.opts + p.secondary_opts} | {"-h", "--help"}}
    for name, verb in program.commands.items():  # type: ignore[attr-defined]
        parts = (verb, *getattr(verb, "commands", {}).values())  # `runs` has verbs of its own
        found[name] = {o for v in parts for p in v.params for o in p.opts + p.secondary_opts} | {"-h", "--help"}
    return found


KNOWN = options()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    """A command that is copied from a page at night works: its verb and its options are there."""
    wrong = []
    for line in page.read_text(encoding="utf-8").splitlines():
        code = [line] if line.startswith("$ ") else re.findall(r"`([^`]+)`", line)
        for text in code:
            if found := COMMAND.search(text.split(" #")[0].replace("\\ ", " ")):
                wrong += [f"{line}: {w}" for w in _wrong(found[1])]
    assert wrong == []


@pytest.mark.parametrize("verb", ["export", "preview", "validate"])
def test_every_option_has_its_row(verb: str) -> None:
    """The reference page of a verb has all of its options, and no others."""
    page = (ROOT / f"docs/reference/{verb}.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `-")]
    told = {o for row in rows for o in OPTION.findall(row)}
    long = {o for o in KNOWN[verb] if o.startswith("--") and not o.startswith("--no-")}
    assert long - {"--help", "--output"} <= told  # -o stands for --output
    assert told <= KNOWN[verb]


def test_every_hint_names_a_verb_that_exists() -> None:
    """The next command is one."""
    wrong = []
    for path in SOURCES:
        for found in re.finditer(r"dns-cutover ([a-z]+)\b([^\"'`\n]*)", path.read_text(encoding="utf-8")):
            words = found[1] + re.split(r"   |;|\)", found[2])[0]
            if found[1] in KNOWN:
                wrong += [f"{path.name}: {w}" for w in _wrong(words)]
            elif found.string[found.start() - 1] in "\"'(`" and found[1] not in PROSE:
                wrong.append(f"{path.name}: no verb {found[1]}")
    assert wrong == []


def test_help_reads_as_one_text() -> None:
    """One form of an option in every verb; no type of Python in it, and no sentence cut off in the list of verbs."""
    program = typer.main.get_command(app)
    assert "..." not in (shown := program.get_help(typer.Context(program))).split("Commands:")[1], shown
    forms: dict[str, set[str]] = {}
    for name, verb in program.commands.items():  # type: ignore[attr-defined]
        text = " ".join(verb.get_help(typer.Context(verb, info_name=name)).split())
        assert not re.search(r"--\S+ <(list|str|path)|\{[a-z]+\}|--no-(?!wait|network)", text), text
        for option in verb.params:
            if option.opts[0].startswith("--") and option.opts[0] not in ("--format", "--template", "--stage"):
                forms.setdefault(max(option.opts, key=len), set()).add(f"{sorted(option.opts)} {option.metavar}")
    assert {o: f for o, f in forms.items() if len(f) > 1} == {}


def _wrong(command: str) -> list[str]:
    words = command.split()
    while words and words[0].startswith("--"):
        words = words[2:]
    if not words or words[0] not in KNOWN:
        return [f"no verb {words[:1]}"]
    given = set(OPTION.findall(" ".join(words[1:])))
    return [f"{words[0]} has no {o}" for o in sorted(given - KNOWN[words[0]] - KNOWN[""])]
