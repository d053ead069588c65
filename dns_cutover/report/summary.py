"""How a run ended, or why it stands still: the last lines that a person reads. Pure."""

from __future__ import annotations

from dns_cutover.engine.actions import Wait
from dns_cutover.engine.holding import unlock_command
from dns_cutover.engine.observe import describe, found_there
from dns_cutover.engine.rollback import kept
from dns_cutover.engine.state import RunState
from dns_cutover.errors import CutoverError
from dns_cutover.report.by_hand import current, finish_by_hand, left_over
from dns_cutover.report.by_hand_files import README, Kept
from dns_cutover.report.errors import LABEL, error_text
from dns_cutover.report.status import headline
from dns_cutover.report.words import safe, shell_word, utc
from dns_cutover.runbook.model import StepKind

SHOWN = 8  # commands and records; the rest is in the scripts' own list


def summary_text(s: RunState, wait: Wait | None, scripts: Kept | None = None) -> str:
    """Ends with what matters: the verdict, then the next command. `scripts`: those that were written for the run."""
    if s.final and s.denied is not None and s.outcome == "refused":
        d = s.denied
        return error_text(CutoverError(f"{d.what}. Nothing was written", d.why, d.hints, d.facts))
    if s.final and s.missed is not None and s.outcome == "unreachable":
        m = s.missed
        return error_text(CutoverError(f"{m.what}. Nothing was written", m.why, m.hints))
    word, _ = headline(s, wait)
    zones = ", ".join(z.name.rstrip(".") for z in s.book.zones)
    rows = [(word, f"{s.book.plan}, {zones}, run {s.run_id}")]
    if s.final:
        rows += _ended(s, scripts)
    elif wait is not None:
        rows.append(("why", wait.why))
        if wait.deadline is not None:
            rows.append(("until", utc(wait.deadline)))
        rows += _foreign(s)
        rows += [("Hint:" if n == 0 else "", f"{c}   {e}") for n, (c, e) in enumerate(wait.unblock)]
        if not wait.unblock:
            rows.append(("Hint:", f"dns-cutover resume {s.run_id}   go on from here"))
    return "".join(f"{safe(a):<{LABEL}}{safe(b)}".rstrip() + "\n" for a, b in rows)


def _foreign(s: RunState) -> list[tuple[str, str]]:
    out = []
    for f in s.foreign if (s.hold is not None and s.hold.kind == "conflict") or s.outcome == "conflict" else ():
        out += [("record", s.book.label(f.key)), ("expected", f.expected), ("found", found_there(f))]
    return out


def kept_text(scripts: Kept) -> str:
    """Where the scripts are that take the run back by hand, or why they are not there."""
    return "".join(f"{safe(a):<{LABEL}}{safe(b)}".rstrip() + "\n" for a, b in _kept(scripts))


def _kept(scripts: Kept) -> list[tuple[str, str]]:
    if not scripts.trouble:
        return [("by hand", f"{scripts.folder}   scripts to go back without this tool")]
    return [
        ("by hand", f"no scripts to go back without this tool in {scripts.folder}: {scripts.trouble}"),
        ("", f"{scripts.again}   writes them elsewhere"),
    ]


def _by_hand(s: RunState, scripts: Kept | None) -> list[tuple[str, str]]:
    """The exact commands for what is left."""
    out = []
    if scripts is None:
        out.append(("by hand", f"{finish_by_hand(s)}   what is left"))
    elif scripts.trouble:
        out += _kept(scripts)
    else:
        out.append(("by hand", f"cd {shell_word(scripts.folder)}   {README} says it all"))
        commands = [x for x in scripts.sheets if x.command]
        out += [("", f"{x.command}   {x.note}") for x in commands[:SHOWN]]
        if len(commands) > SHOWN:
            out.append(("", f"and {len(commands) - SHOWN} more, in {README}"))
    if s.unproven and s.back is not None:
        image = current(s)
        for key in list(dict.fromkeys(e.key for step in s.back for e in step.edits))[:SHOWN]:
            rrset = image.get(key)
            expect = "".join(f" --expect {shell_word(v)}" for v in (rrset.values[:3] if rrset is not None else ()))
            at = "".join(f" --authoritative {e}" for e in s.book.zone(key.zone).servers[:4])
            out.append(("", f"dns-cutover check {shell_word(key.owner)} {key.rdtype}{expect}{at}"))
    return out


def _locked(s: RunState) -> list[tuple[str, str]]:
    """Who holds the lock, for how long, and what takes it away."""
    lost = s.lock_lost
    out = [("until", utc(lost.until))] if lost is not None and lost.until else []
    hints = ["wait until the other run has finished, then run the same command again"]
    if lost is not None:
        hints += [f"{command}   {effect}" for command, effect in unlock_command(lost)]
    return out + [("Hint:" if n == 0 else "", hint) for n, hint in enumerate(hints)]


def _ended(s: RunState, scripts: Kept | None) -> list[tuple[str, str]]:
    out = []
    if s.why:
        out.append(("why", s.why))
    match s.outcome:
        case "conflict":
            out += [*_foreign(s), ("", "Nothing was written: it could undo work that nobody here knows of.")]
            out.append(("Hint:", "dns-cutover preview PLAN   make a new runbook from what is live"))
        case "rollback_failed":
            targets = {c.key: c.after for m in left_over(s) for c in m.changes}
            for key in dict.fromkeys((*(f.key for f in s.left), *s.ignored)):
                ours = key in s.ignored
                why = "was not changed by the server" if ours else "is no longer ours, so it was left alone"
                found = current(s)[key]
                there = next((found_there(f) for f in s.left if f.key == key), describe(found))
                out += [("record", f"{s.book.label(key)} {why}")]
                out += [("should be", describe(targets.get(key, found))), ("is", there)]
            out += _by_hand(s, scripts)
            out.append(
                ("Hint:", f"dns-cutover events {s.run_id}   what was done, step by step; a person is needed now")
            )
        case "rolled_back":
            applied = [w for w in s.done if w.kind is StepKind.APPLY]
            stays = kept(s.book, applied)
            if names := [s.book.label(e.key) for w in applied for e in w.edits if stays(e)]:
                shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                out.append(("stays", f"{shown}: only added, which harms nobody (rollback: {{additive: keep}})"))
        case "aborted" if s.done:
            out.append(("mind", "the records stay as they are, and so do lowered TTLs"))
        case "locked":
            out += _locked(s)
        case _:
            pass
    return out
