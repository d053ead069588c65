"""From a file to a checked plan, or to all its findings at their lines and columns."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from dns_cutover.errors import Unavailable
from dns_cutover.plan import models
from dns_cutover.plan.finding import Finding, PlanInvalid, Position
from dns_cutover.plan.models import Plan
from dns_cutover.plan.semantic import check_meaning
from dns_cutover.plan.variables import substitute
from dns_cutover.plan.yamltext import Document, Path, parse_yaml

SUPPORTED_VERSIONS = (1,)


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan that may be compiled, with where everything stands. `warnings` do not stop it."""

    plan: Plan
    file: str
    sha256: str
    document: Document
    warnings: tuple[Finding, ...] = ()

    def position(self, path: Path) -> Position:
        """The position of the value at `path`, for example ("stages", 0, "changes", 1, "from")."""
        return self.document.at(path)


def load_plan(path: FilePath, variables: Mapping[str, str] | None = None) -> LoadedPlan:
    """Read and check a plan file. Reads no secrets and no environment. Raises PlanInvalid, Unavailable."""
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise Unavailable(
            f"{path} cannot be read", f"{exc.strerror}.", ("dns-cutover init ZONE   writes a first plan",)
        ) from None
    return parse_plan(raw, str(path), variables or {})


def parse_plan(raw: bytes, file: str, variables: Mapping[str, str]) -> LoadedPlan:
    """The plan in `raw`; `file` is named in findings. Raises PlanInvalid with all findings."""
    doc = parse_yaml(raw, file)
    reporter = _Reporter(doc, file)
    if doc.data is not None and not isinstance(doc.data, dict):
        reporter.add("DC106", "a plan is a mapping of keys to values", "begin with version: 1", Position(1, 1, 2))
    elif doc.data is not None:
        plan = _validate(doc, reporter, variables)
        if plan is not None and not reporter.errors:
            for finding in check_meaning(plan, doc, file):
                reporter.findings.append(finding)
            if not reporter.errors:
                warnings = tuple(f for f in reporter.findings if f.severity != "error")
                return LoadedPlan(plan, file, hashlib.sha256(raw).hexdigest(), doc, warnings)
    found = sorted({*doc.findings, *reporter.findings}, key=lambda f: (f.line, f.column, f.id))
    raise PlanInvalid(file, tuple(f for f in found if f.severity == "error"), doc.lines)


@dataclass(slots=True)
class _Reporter:
    doc: Document
    file: str
    findings: list[Finding]

    def __init__(self, doc: Document, file: str) -> None:
        self.doc = doc
        self.file = file
        self.findings = []

    @property
    def errors(self) -> bool:
        return bool(self.doc.findings) or any(f.severity == "error" for f in self.findings)

    def add(self, check: str, message: str, hint: str, at: Position, why: str = "", severity: str = "error") -> None:
        level: Any = severity
        self.findings.append(Finding(check, level, message, hint, self.file, at.line, at.column, at.end_column, why))


def _validate(doc: Document, reporter: _Reporter, variables: Mapping[str, str]) -> Plan | None:
    version = doc.data.get("version")
    if "version" in doc.data and version not in SUPPORTED_VERSIONS:
        supported = ", ".join(str(v) for v in SUPPORTED_VERSIONS)
        reporter.add(
            "DC109",
            f"plan version {version!r} is not supported",
            f"supported versions: {supported}",
            doc.at(("version",)),
        )
    data, undefined, unused = substitute(doc, variables)
    for path, name in undefined:
        known = ", ".join(sorted({*(doc.data.get("variables") or {}), *variables})) or "none"
        reporter.add(
            "DC107",
            f"the variable {name or '(empty)'} is not defined",
            f"define it under variables; defined: {known}",
            doc.at(path),
        )
    for name in unused:
        reporter.add(
            "DC108",
            f"the variable {name} is never used",
            "remove it, or use it",
            doc.key_at(("variables", name)),
            severity="warning",
        )
    for name in sorted(set(variables) - set(doc.data.get("variables") or {})):
        reporter.add(
            "DC107", f"--var {name} names no variable of this plan", "declare it under variables", Position(1, 1, 2)
        )
    return _model(doc, reporter, data)


def _model(doc: Document, reporter: _Reporter, data: Any) -> Plan | None:
    """The plan's model; with mistakes of form, findings, and the meaning of what is left is checked all the same."""
    plan, seen = None, set[Position]()
    for look in range(_ROUNDS):
        try:
            plan = Plan.model_validate(data)
            break
        except ValidationError as exc:
            wrong = _report_form(doc, reporter, exc, seen, first=look == 0)
            if wrong is None:
                return None
            data, doc = _without(data, doc, wrong)
    if plan is not None and reporter.errors:
        reporter.findings.extend(check_meaning(plan, doc, reporter.file))
        return None
    return plan


_ROUNDS = 4  # leaving out a wrong value can only uncover what depends on it


def _without(data: Any, doc: Document, paths: list[Path]) -> tuple[Any, Document]:
    """The data and positions without the values at `paths`: a second look then finds what they hid."""
    data = deepcopy(data)
    rest = Document(data, doc.lines, dict(doc.values), dict(doc.keys))
    for path in sorted(paths, key=lambda p: tuple(str(x).zfill(8) for x in p), reverse=True):
        parent: Any = data
        try:
            for part in path[:-1]:
                parent = parent[part]
            if len(path) == 1 and path[0] in _PLACEHOLDERS:
                parent[path[0]] = _PLACEHOLDERS[str(path[0])]
                continue
            del parent[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        if isinstance(path[-1], int):
            rest.values, rest.keys = _shifted(rest.values, path), _shifted(rest.keys, path)
    return data, rest


def _shifted(positions: dict[Path, Position], gone: Path) -> dict[Path, Position]:
    depth, index = len(gone) - 1, gone[-1]
    assert isinstance(index, int)
    out: dict[Path, Position] = {}
    for path, position in positions.items():
        here = path[depth] if len(path) > depth and path[:depth] == gone[:-1] else None
        if here == index and isinstance(here, int):
            continue
        if isinstance(here, int) and here > index:
            path = (*path[:depth], here - 1, *path[depth + 1 :])
        out[path] = position
    return out


def _report_form(
    doc: Document, reporter: _Reporter, exc: ValidationError, seen: set[Position], *, first: bool
) -> list[Path] | None:
    """Findings for pydantic's errors; returns the paths to leave out for a second look, None if that makes no sense."""
    wrong: set[Path] = set()
    hopeless = False
    errors = exc.errors(include_url=False, include_input=False)
    # A value that fits no branch of a union is one mistake: the branch that explains itself is told.
    for error in sorted(errors, key=lambda e: e["type"] != "value_error"):
        path = _real_path(doc, error["loc"])
        if _nested(errors, error):
            continue
        part = _removable(path, error["type"])
        hopeless = hopeless or part is None
        wrong.update([part] if part is not None else [])
        if not first and error["type"] in ("missing", "too_short"):
            continue
        finding = _explain(doc, reporter.file, path, error)
        where = Position(finding.line, finding.column, finding.end_column)
        if where in seen or (finding.id == "DC109"):
            continue
        seen.add(where)
        if path[:1] == ("version",) and any(f.id == "DC109" for f in reporter.findings):
            continue
        reporter.findings.append(finding)
    return None if hopeless else sorted(wrong, key=str)


# What a plan cannot do without: with one of these wrong, looking at the rest would only guess.
_ESSENTIAL = frozenset({"version", "zone", "zones", "stages"})
_PLACEHOLDERS: dict[str, Any] = {"version": 1, "name": "x", "provider": {"type": "manual"}}


def _removable(path: Path, kind: str) -> Path | None:
    """The smallest part around a mistake that a plan can do without; None if there is none."""
    if kind == "extra_forbidden" and path:
        return path
    if path[:1] == ("stages",) and len(path) >= 3:
        if path[2] in ("changes", "probes", "confirm", "unchanged") and len(path) >= 4:
            return path[:4]
        return path[:2] if path[2] in ("name", "changes") else path[:3]
    if path[:1] == ("safety",):
        return path[:1]
    return path[:1] if path and (path[0] not in _ESSENTIAL or path[0] in _PLACEHOLDERS) else None


def _nested(errors: list[Any], error: Any) -> bool:
    """Whether the error only says that its inner errors left too little over."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(e["loc"][: len(loc)] == loc and e is not error for e in errors)


def _real_path(doc: Document, loc: tuple[int | str, ...]) -> Path:
    """pydantic's location without the names of union branches; a missing key stays as the last part."""
    path: Path = ()
    for n, part in enumerate(loc):
        key = {"in_": "in", "from_": "from"}.get(str(part), part)
        if (*path, key) in doc.values or (n == len(loc) - 1 and isinstance(key, str)):
            path = (*path, key)
    return path


def _explain(doc: Document, file: str, path: Path, error: Any) -> Finding:
    kind, last = error["type"], str(path[-1]) if path else ""
    where = doc.at(path)
    message, hint, check, why = str(error["msg"]), "", "DC106", ""
    match kind:
        case "extra_forbidden":
            check, where = "DC104", doc.key_at(path)
            message = f"unknown key {last}"
            close = difflib.get_close_matches(last, _field_names(), 1, 0.7)
            hint = f"did you mean {close[0]}? All keys: dns-cutover schema" if close else "all keys: dns-cutover schema"
            why = "Ignoring it would leave out something that its author wanted."
        case "missing":
            check, where = "DC105", doc.key_at(path[:-1]) if path[:-1] else Position(1, 1, 2)
            message, hint = f"the key {last} is missing", f"add {last}"
        case "value_error" if not path:
            message, where = str(error.get("ctx", {}).get("error", message)), Position(1, 1, 2)
        case "value_error":
            message = str(error.get("ctx", {}).get("error", message))
            check = (
                "DC119" if "secret" in message and "plan" in message else "DC120" if "change" in message else "DC106"
            )
        case "literal_error":
            expected = str(error["ctx"]["expected"])
            message, hint = f"{_shown(doc, path)} is not one of the values of {last}", f"write {expected}"
        case "union_tag_invalid":
            where = doc.at((*path, "type"))
            message = f"unknown type {error['ctx']['tag']}"
            hint = f"known types: {error['ctx']['expected_tags']}"
        case "union_tag_not_found":
            check, where = "DC105", doc.key_at(path)
            message, hint = "the key type is missing", "add type"
        case "string_pattern_mismatch":
            message, hint = f"{_shown(doc, path)} has the wrong form", f"it must match {error['ctx']['pattern']}"
        case _:
            message = f"{last or 'the plan'}: {message[:1].lower()}{message[1:]}"
            hint = "see dns-cutover schema"
    return Finding(check, "error", message, hint, file, where.line, where.column, where.end_column, why)


def _shown(doc: Document, path: Path) -> str:
    value: Any = doc.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return "the value"
    return repr(value)[:60] if isinstance(value, str | int | float | bool) else "the value"


@lru_cache(maxsize=1)
def _field_names() -> tuple[str, ...]:
    names: set[str] = set()
    for item in vars(models).values():
        if isinstance(item, type) and issubclass(item, BaseModel):
            names.update(info.alias or name for name, info in item.model_fields.items())
    return tuple(sorted(names))
