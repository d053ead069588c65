"""From a file to a checked plan, or to all its findings at their lines and columns."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from dns_cutover.errors import Unavailable
from dns_cutover.plan.explain import explain, real_path, suggestion
from dns_cutover.plan.finding import MAX_FINDINGS, Finding, PlanInvalid, Position, Severity
from dns_cutover.plan.models import DEFAULT_ZONE, Plan, Stage
from dns_cutover.plan.places import Document, Path
from dns_cutover.plan.reading import read_at_most
from dns_cutover.plan.redact import shown_lines
from dns_cutover.plan.semantic import check_meaning
from dns_cutover.plan.variables import substitute
from dns_cutover.plan.yamltext import MAX_BYTES, parse_yaml
from dns_cutover.records import absolute_name

SUPPORTED_VERSIONS = (1,)
_START = Position(1, 1, 2)
# Where one of these is, what else is said about the same place only follows from it.
_CAUSES = frozenset({"DC103", "DC107", "DC109", "DC121"})


@dataclass(frozen=True, slots=True, repr=False)
class LoadedPlan:
    """A plan that may be compiled, with where everything stands. `warnings` do not stop it.

    `document.lines` is the source to be shown, without what looks like a secret; `sha256` is that of the file.
    """

    plan: Plan
    file: str
    sha256: str
    document: Document
    warnings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        # All of a large plan as text takes seconds, and no traceback should show one.
        return f"<LoadedPlan {self.file}>"

    def position(self, path: Path) -> Position:
        """The position of the value at `path`, for example ("stages", 0, "changes", 1, "from").

        That of the nearest enclosing value where the plan leaves it out. In the short form the path
        ("zones", "default", …) means the keys at the top.
        """
        if path[:2] == ("zones", DEFAULT_ZONE) and not self.document.has(("zones",)):
            path = path[2:] or ("zone",)
        return self.document.at(path)


def load_plan(path: FilePath, variables: Mapping[str, str] | None = None) -> LoadedPlan:
    """Read and check a plan file. Reads no secrets and no environment. Raises PlanInvalid, Unavailable."""
    try:
        raw = read_at_most(path, MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        hints = ("name a plan file; plans/ has examples",)
        raise Unavailable(f"{path} cannot be read", f"{reason}.", hints) from None
    return parse_plan(raw, str(path), variables or {})


def parse_plan(raw: bytes, file: str, variables: Mapping[str, str]) -> LoadedPlan:
    """The plan in `raw`; `file` is named in findings. Raises PlanInvalid with all findings, in the file's order."""
    doc = parse_yaml(raw, file)
    doc.lines = shown_lines(doc)
    reporter = _Reporter(doc, file)
    for finding in doc.findings:
        reporter.put(finding)
    plan: Plan | None = None
    if isinstance(doc.data, dict):
        plan = _validate(doc, reporter, variables)
    elif not doc.findings:
        reporter.add("DC106", "a plan is a mapping of keys to values", "begin with version: 1", _START)
    found = _sorted(reporter.findings)
    if plan is None or any(f.severity == "error" for f in found):
        raise PlanInvalid(file, found, doc.lines)
    return LoadedPlan(_resolved(plan), file, hashlib.sha256(raw).hexdigest(), doc, found)


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    causes = {(f.line, f.column) for f in findings if f.id in _CAUSES}
    kept = {f for f in findings if f.id in _CAUSES or (f.line, f.column) not in causes}
    return tuple(sorted(kept, key=lambda f: (f.line, f.column, f.id, f.message)))


def _resolved(plan: Plan) -> Plan:
    """With `zones` in the short form too, absolute zone names, and stages that inherit what they do not override."""
    zones = {
        ref: config.model_copy(update={"zone": absolute_name(config.zone)}) for ref, config in plan.all_zones().items()
    }
    return plan.model_copy(update={"zones": zones, "stages": tuple(_inherited(plan, s) for s in plan.stages)})


def _inherited(plan: Plan, stage: Stage) -> Stage:
    update: dict[str, Any] = {}
    if stage.ttl is not None:
        update["ttl"] = plan.ttl.model_copy(update=_given(stage.ttl))
    if stage.propagation is not None:
        given = _given(stage.propagation)
        if stage.propagation.on_deadline.model_fields_set:
            inner = _given(stage.propagation.on_deadline)
            given["on_deadline"] = plan.propagation.on_deadline.model_copy(update=inner)
        update["propagation"] = plan.propagation.model_copy(update=given)
    return stage.model_copy(update=update) if update else stage


def _given(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.model_fields_set}


@dataclass(slots=True)
class _Reporter:
    doc: Document
    file: str
    findings: list[Finding] = field(default_factory=list)
    seen: set[tuple[Position, str]] = field(default_factory=set)
    counts: dict[Severity, int] = field(default_factory=dict)
    looks: int = 0  # how many times the form was found wrong
    guessed: set[Position] = field(default_factory=set)  # values with a misspelt key

    def full(self, severity: Severity = "error") -> bool:
        """Errors and warnings are counted apart: no warning may crowd out an error."""
        return self.counts.get(severity, 0) >= MAX_FINDINGS

    def add(
        self, check: str, message: str, hint: str, at: Position, why: str = "", severity: Severity = "error"
    ) -> None:
        self.put(Finding(check, severity, message, hint, self.file, at.line, at.column, at.end_column, why))

    def put(self, finding: Finding) -> None:
        key = (Position(finding.line, finding.column, finding.end_column), finding.message)
        if key not in self.seen and not self.full(finding.severity):
            self.seen.add(key)
            self.counts[finding.severity] = self.counts.get(finding.severity, 0) + 1
            self.findings.append(finding)


def _validate(doc: Document, reporter: _Reporter, variables: Mapping[str, str]) -> Plan | None:
    version = doc.data.get("version")
    if "version" in doc.data and (version not in SUPPORTED_VERSIONS or isinstance(version, bool)):
        supported = ", ".join(str(v) for v in SUPPORTED_VERSIONS)
        hint = f"supported versions: {supported}"
        reporter.add("DC109", f"plan version {str(version)[:20]} is not supported", hint, doc.at(("version",)))
    data = _substituted(doc, reporter, variables)
    plan: Plan | None = None
    for _ in range(_ROUNDS):
        try:
            plan = Plan.model_validate(data, by_alias=True, by_name=False)
            break
        except ValidationError as exc:
            wrong = _report_form(doc, reporter, exc)
            if wrong is None:
                return None
            data, doc = doc.without(data, [p for p in wrong if p[0] not in _PLACEHOLDERS or len(p) > 1])
            data |= {p[0]: _PLACEHOLDERS[p[0]] for p in wrong if len(p) == 1 and p[0] in _PLACEHOLDERS}
    if plan is not None:
        for finding in check_meaning(plan, doc, reporter.file):
            reporter.put(finding)
    return plan


def _substituted(doc: Document, reporter: _Reporter, given: Mapping[str, str]) -> dict[str, Any]:
    filled = substitute(doc, given)
    known = sorted(filled.declared)
    for path, name in filled.undefined:
        if name is None:
            hint = "close it with }, or write $${ for the text ${"
            reporter.add("DC107", "a ${ that is not closed", hint, doc.at(path))
        else:
            hint = _did_you_mean(name, known) or f"define it under variables; defined: {', '.join(known) or 'none'}"
            reporter.add("DC107", f"the variable {name[:60] or '(empty)'} is not defined", hint, doc.at(path))
    if filled.too_much is not None:
        message, hint = "the values of variables fill more than 10 MiB", "shorten them, or use them less often"
        reporter.add("DC103", message, hint, doc.at(filled.too_much))
    for path in filled.nested:
        message = "a variable's value refers to a variable"
        reporter.add("DC107", message, "write the text out, or write $${ for the text ${", doc.at(path))
    for name in filled.unused:
        at = doc.key_at(("variables", name))
        reporter.add("DC108", f"the variable {name} is never used", "remove it, or use it", at, severity="warning")
    for name in sorted(set(given) - filled.declared):
        hint = _did_you_mean(name, known) or f"declare it under variables; declared: {', '.join(known) or 'none'}"
        reporter.add("DC107", f"--var {name} names no variable of this plan", hint, doc.key_at(("variables",)))
    return dict(filled.data)


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word[:100], known[:500], 1)
    return f"did you mean {close[0]}?" if close else ""


_ROUNDS = 5  # leaving out a wrong value can only uncover what it hid, a few levels deep


def _report_form(doc: Document, reporter: _Reporter, exc: ValidationError) -> list[Path] | None:
    """Findings for pydantic's errors; returns the paths to leave out for a second look, None if that makes no sense.

    A value that fits no branch of a union is one mistake: the deepest error, or the one that explains itself, is told.
    """
    located: dict[Path, Any] = {}
    for e in exc.errors(include_url=False, include_input=False):
        path = real_path(doc, e["loc"])
        if path not in located or e["type"] == "value_error":
            located[path] = e
    inner = {path[:n] for path in located for n in range(len(path))}
    unknown = [path for path, e in located.items() if e["type"] == "extra_forbidden"][:MAX_FINDINGS]
    meant = {(*path[:-1], suggestion(doc, path)) for path in unknown}
    guessed = {doc.at(path[:-1]) for path in meant if path[-1]}
    wrong: list[Path] = []
    hopeless = False
    for path, error in located.items():
        if path in inner:
            continue
        # A misspelt key is one mistake: the right one is not missing besides, now or at the next look.
        follows = path in meant if error["type"] == "missing" else doc.at(path) in reporter.guessed
        # What is missing at a later look was taken out by the first.
        if (
            not follows
            and not reporter.full()
            and (not reporter.looks or error["type"] not in ("missing", "too_short"))
        ):
            reporter.put(explain(doc, reporter.file, path, error))
        part = _removable(path, error["type"])
        hopeless = hopeless or part is None
        wrong += [part] if part is not None else []
    reporter.looks += 1
    reporter.guessed |= guessed
    return None if hopeless else wrong


# What a plan cannot do without: with one of these wrong, looking at the rest would only guess.
_ESSENTIAL = frozenset({"zone", "zones", "stages"})
_PLACEHOLDERS: dict[str | int, Any] = {"version": 1, "name": "x", "provider": {"type": "manual"}}


def _removable(path: Path, kind: str) -> Path | None:
    """The smallest part around a mistake that a plan can do without; None if there is none."""
    if kind == "extra_forbidden" and path:
        return path
    if path[:1] == ("stages",) and len(path) >= 3:
        if path[2] in ("changes", "probes", "confirm", "unchanged") and len(path) >= 4:
            return path[:4]
        return path[:2] if path[2] in ("name", "changes") else path[:3]
    if path[:1] == ("zones",) and len(path) >= 3:
        return path[:3] if path[2] == "lookup" else None
    return path[:1] if path and path[0] not in _ESSENTIAL else None
