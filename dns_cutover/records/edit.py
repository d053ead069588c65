"""What a plan wants to do with an RRset, and what that means for the RRset that is there now.

An *edit* is a wish that may be stated without knowing the whole RRset (a value-level edit pins only
its own values). A *change* is concrete: one RRset with its exact before and after. `realise` turns
the first into the second against the RRset just read; `inverse` gives the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from dns_cutover.records.rrset import RRset, RRsetKey


@dataclass(frozen=True, slots=True)
class Change:
    """One RRset and its exact before- and after-image; None is absence."""

    key: RRsetKey
    before: RRset | None
    after: RRset | None


@dataclass(frozen=True, slots=True)
class SetEdit:
    """The whole RRset goes from `before` to `after`: anything else that is found is a mismatch."""

    key: RRsetKey
    before: RRset | None
    after: RRset | None
    kind: Literal["set"] = "set"


@dataclass(frozen=True, slots=True)
class ValueEdit:
    """Some values of an RRset go and come; its other values stay, whoever put them there.

    `require` must be there and `forbid` must not be there before the edit, whether or not they are
    edited. With empty `remove` and `add` only the TTL changes. `ttl_before` None accepts any TTL (only
    where the RRset may be absent), `ttl` is the TTL afterwards.
    """

    key: RRsetKey
    remove: tuple[str, ...]
    add: tuple[str, ...]
    ttl_before: int | None
    ttl: int
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    kind: Literal["values"] = "values"


Edit: TypeAlias = SetEdit | ValueEdit


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What was found is not what the edit expects; `done` says that it is already the result."""

    key: RRsetKey
    expected: str
    found: RRset | None
    done: bool


def _describe(rrset: RRset | None) -> str:
    return "absent" if rrset is None else f"{', '.join(rrset.values)} (TTL {rrset.ttl})"


def realise(edit: Edit, found: RRset | None) -> Change | Mismatch:
    """The exact change that `edit` means for the RRset `found`, or why it does not fit."""
    match edit:
        case SetEdit(key, before, after):
            if found == before:
                return Change(key, before, after)
            return Mismatch(key, _describe(before), found, done=found == after)
        case ValueEdit():
            return _realise_values(edit, found)
        case _:
            assert_never(edit)


def _realise_values(edit: ValueEdit, found: RRset | None) -> Change | Mismatch:
    present = set(found.values) if found else set()
    must, must_not = {*edit.require, *edit.remove}, {*edit.forbid, *edit.add}
    ttl_fits = edit.ttl_before is None or (found is not None and found.ttl == edit.ttl_before)
    if not (must <= present and not must_not & present and ttl_fits):
        return Mismatch(edit.key, _expected(edit), found, done=satisfied(edit, found))
    values = tuple(sorted((present - set(edit.remove)) | set(edit.add)))
    return Change(edit.key, found, RRset(edit.ttl, values) if values else None)


def _expected(edit: ValueEdit) -> str:
    parts = [f"with {v}" for v in sorted({*edit.require, *edit.remove})]
    parts += [f"without {v}" for v in sorted({*edit.forbid, *edit.add})]
    if edit.ttl_before is not None:
        parts.append(f"TTL {edit.ttl_before}")
    return ", ".join(parts) or "present"


def satisfied(edit: Edit, found: RRset | None) -> bool:
    """Whether `found` is what `edit` leaves behind, TTL included."""
    match edit:
        case SetEdit(_, _, after):
            return found == after
        case ValueEdit():
            present = set(found.values) if found else set()
            if not present:
                return not edit.add and not edit.require
            kept = set(edit.require) - set(edit.remove)
            return (
                {*edit.add, *kept} <= present
                and not ({*edit.remove, *edit.forbid} - set(edit.add)) & present
                and found is not None
                and found.ttl == edit.ttl
            )
        case _:
            assert_never(edit)


def inverse(edit: Edit, change: Change) -> Edit:
    """The edit that takes `change`, which was made for `edit`, back.

    By value where the edit was by value: what others added meanwhile stays.
    """
    match edit:
        case SetEdit(key):
            return SetEdit(key, change.after, change.before)
        case ValueEdit():
            before = change.before
            return ValueEdit(
                edit.key,
                remove=edit.add,
                add=edit.remove,
                ttl_before=change.after.ttl if change.after else None,
                ttl=before.ttl if before else edit.ttl,
                require=tuple(v for v in edit.require if v not in edit.remove),
                forbid=(),
            )
        case _:
            assert_never(edit)
