"""Mutation testing of the rooms that decide: their code is made wrong at one place at a time, and a test must notice.

    python -m tests.mutants.run [GROUP…]     all groups by default; see groups.toml
    python -m tests.mutants.run --show       what survived in earlier runs, without running anything

mutmut makes the mutants and runs the tests; mypy goes first, since what `make lint` refuses needs no test. Each group
has a copy of its own in build/mutants, in which mutmut keeps what it knows: functions that changed run again, and what
survived. After tests were removed or weakened only an empty build/mutants tells the truth.

A mutant that no test notices fails this command, unless harmless.toml says why it changes nothing. Those that only
change the words of a message (a string with a space in it) are not asked about: wording is nobody's contract. Nor are
those at the end of a complete `match`, where mypy proves that nothing comes.
"""

from __future__ import annotations

import argparse
import ast
import collections
import difflib
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutants"
HERE = Path(__file__).parent
NEEDED = ("dns_cutover", "tests", "plans")
KILLED, BY_TYPES, TIMEOUT, SURVIVED, UNREACHED = "killed", "refused by mypy", "timed out", "survived", "no test"
MEANINGS = {1: KILLED, 3: KILLED, 37: BY_TYPES, 36: TIMEOUT, 24: TIMEOUT, -24: TIMEOUT, 152: TIMEOUT, 255: TIMEOUT}
MEANINGS |= {0: SURVIVED, 5: UNREACHED, 33: UNREACHED}
UNREACHABLE = re.compile(r"(case _( as never)?: )?assert_never\([\w.]+\)")
NOTICED = (KILLED, BY_TYPES, TIMEOUT)
STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant that no test noticed: the function it is in, and its statement before and after."""

    function: str
    change: str


def workspace(name: str, group: dict[str, Any]) -> Path:
    """A directory with the project and mutmut's settings for the group."""
    place = BUILD / name
    place.mkdir(parents=True, exist_ok=True)
    for needed in NEEDED:
        link = place / needed
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(ROOT / needed, place))
    files = files_of(group)
    mypy = ["-m", "mypy", "--output=json", "--no-warn-unused-ignores", f"--cache-dir={BUILD}/mypy"]
    settings: dict[str, Any] = {
        "source_paths": ["dns_cutover"],
        "only_mutate": files,
        "also_copy": ["plans"],
        "use_git_change_detection": False,
        "timeout_constant": 5.0,
        "type_check_command": [sys.executable, *mypy, *files],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-p", "no:xdist"],
        "pytest_add_cli_args_test_selection": group["tests"],
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = "\n".join([(ROOT / "pyproject.toml").read_text(), "[tool.mutmut]", *lines, ""])
    target = place / "pyproject.toml"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
    return place


def ask_again(place: Path) -> None:
    """Forget who survived, and which test reaches what: mutmut knows that code has changed, and not that a test has."""
    (place / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    for meta in (place / "mutants").rglob("*.meta"):
        known = json.loads(meta.read_text())
        codes = known["exit_code_by_key"]
        known["exit_code_by_key"] = {n: c if MEANINGS.get(c) in NOTICED else None for n, c in codes.items()}
        meta.write_text(json.dumps(known))


def run(place: Path, children: int) -> None:
    """Run mutmut there; what it says goes to a file, since it draws as it goes."""
    with (place / "output.txt").open("w") as output:
        command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", str(children)]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=place, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise SystemExit((place / "output.txt").read_text()[-3000:])


def results(place: Path) -> tuple[collections.Counter[str], list[Mutant]]:
    """How many mutants had which end, and those that no test noticed."""
    from mutmut.configuration import reset_config
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import walk_mutatable_files

    counts: collections.Counter[str] = collections.Counter()
    left: list[Mutant] = []
    os.chdir(place)
    reset_config()
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            meaning = MEANINGS.get(-1 if code is None else code, "unfinished")
            counts[meaning] += 1
            if meaning not in NOTICED:
                left.append(Mutant(_readable(name), _change(name, path)))
    os.chdir(ROOT)
    return counts, left


def _readable(name: str) -> str:
    """`timing.population.Cache.ask` from mutmut's name for one of its mutants."""
    module, _, function = name.partition("__mutmut_")[0].removeprefix("dns_cutover.").rpartition(".")
    return f"{module}.{function.removeprefix('x_').strip('xǁ').replace('ǁ', '.')}"


def _change(name: str, path: Path) -> str:
    """The statement that was changed, before and after, in one line whatever its layout."""
    from mutmut.mutation.diff_apply import read_functions_from_index

    found = read_functions_from_index(name, path)
    assert found is not None, name
    import libcst

    texts = [ast.unparse(ast.parse(textwrap.dedent(libcst.Module([f]).code))) for f in found]
    lines = list(difflib.ndiff(*(t.splitlines() for t in texts)))
    old = " ".join(line[2:].strip() for line in lines if line.startswith("- "))
    new = " ".join(line[2:].strip() for line in lines if line.startswith("+ "))
    if old.startswith(("def ", "async def ")):  # of a signature, the argument is enough
        before, after = old.split(", "), new.split(", ")
        old = ", ".join(part for part in before if part not in after)
        new = ", ".join(part for part in after if part not in before)
    return f"{old} -> {new}"


def only_words(change: str) -> bool:
    """Whether the change is one of words that people read: a string with a space in it."""
    old, _, new = change.partition(" -> ")
    pairs = [(a, b) for a, b in zip(STRING.findall(old), STRING.findall(new), strict=False) if a != b]
    return len(pairs) == 1 and " " in pairs[0][0] and STRING.sub("", old) == STRING.sub("", new)


def unreachable(change: str) -> bool:
    """Whether only the end of a complete `match` is changed, which mypy proves to be never reached."""
    return UNREACHABLE.fullmatch(change.partition(" -> ")[0]) is not None


def explained() -> dict[Mutant, str]:
    """What harmless.toml says, by mutant."""
    listed = tomllib.loads((HERE / "harmless.toml").read_text())["harmless"]
    return {Mutant(entry["in"], change): entry["because"] for entry in listed for change in entry["changes"]}


def files_of(group: dict[str, Any]) -> list[str]:
    """The group's files, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for pattern in group["files"] for path in ROOT.glob(pattern))


def forgotten(settings: dict[str, Any]) -> list[str]:
    """Files of the rooms that are in no group."""
    rooms = files_of({"files": [f"{room}/*.py" for room in settings["common"]["rooms"]]})
    listed = {file for group in settings["group"].values() for file in files_of(group)}
    return [file for file in rooms if file not in listed]


def main() -> int:
    """Run the groups, compare, tell."""
    settings = tomllib.loads((HERE / "groups.toml").read_text())
    if missing := forgotten(settings):
        raise SystemExit(f"groups.toml forgets {', '.join(missing)}")
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(settings["group"]))
    parser.add_argument("--show", action="store_true", help="tell of earlier runs, run nothing")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    unknown = set(options.groups) - set(settings["group"])
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    reasons, total, bad = explained(), collections.Counter[str](), 0
    seen: set[Mutant] = set()
    wanted = options.groups or list(settings["group"])
    for name in wanted:
        place = workspace(name, settings["group"][name])
        if not options.show:
            ask_again(place)
            run(place, options.children)
        counts, left = results(place)
        words = [m for m in left if only_words(m.change)]
        dead = [m for m in left if unreachable(m.change)]
        open_ = [m for m in left if m not in reasons and m not in words and m not in dead]
        seen |= set(left)
        counts["words only"] = len(words)
        counts["unreachable"] = len(dead)
        counts["explained"] = len(left) - len(words) - len(dead) - len(open_)
        for m in open_:
            print(f"{m.function}\n    {m.change}")
        del counts[SURVIVED], counts[UNREACHED]
        counts["UNEXPLAINED"] = len(open_)
        print(f"{name}: {sum(counts.values())} mutants: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n))
        total += counts
        bad += len(open_) + counts["unfinished"]
    stale = [m for m in reasons if m not in seen] if len(wanted) == len(settings["group"]) else []
    for m in stale:
        print(f"harmless.toml explains what is killed or gone: {m.function}\n    {m.change}")
    print(f"total: {sum(total.values())} mutants: " + ", ".join(f"{n} {what}" for what, n in total.items() if n))
    return 1 if bad or stale else 0


if __name__ == "__main__":
    sys.exit(main())
