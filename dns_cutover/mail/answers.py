"""Answers to questions about e-mail's records, whoever learned them: live ones, or those that a plan will bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from dns_cutover.records import InvalidRdata
from dns_cutover.records.fields import txt_strings

Question: TypeAlias = tuple[str, str]
"""Absolute canonical owner name, and type."""

MAX_ALIASES = 8


class Unlearned(Exception):
    """The answer to this question is not known: nobody has asked yet, or nobody answered."""

    def __init__(self, question: Question) -> None:
        super().__init__(f"{question[0]} {question[1]}")
        self.question = question


class Answers(Protocol):
    """What DNS says."""

    def __call__(self, name: str, rdtype: str) -> tuple[str, ...]:
        """The RDATA at `name`, aliases followed, in canonical text; empty where there is none. Raises Unlearned."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at one owner name: the RDATA of the type that was asked for, or the absolute name that it is an alias
    of.
    """

    values: tuple[str, ...] = ()
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """Answers that were asked for, and what a plan puts in their place.

    `found` has None where nobody answered. `planned` wins over it, by owner and type; None is absence there.
    """

    found: Mapping[Question, Found | None]
    planned: Mapping[Question, tuple[str, ...] | None]

    def __call__(self, name: str, rdtype: str) -> tuple[str, ...]:
        """See Answers."""
        for _ in range(MAX_ALIASES + 1):
            alias = self.planned.get((name, "CNAME"))
            if alias is None and (name, rdtype) in self.planned:
                return self.planned[name, rdtype] or ()
            if alias is None:
                here = self.found.get((name, rdtype))
                if here is None:
                    raise Unlearned((name, rdtype))
                # An alias that the plan takes away leaves nothing else behind.
                if not here.alias or (name, "CNAME") in self.planned or rdtype == "CNAME":
                    return here.values
                name = here.alias
            elif rdtype == "CNAME":
                return alias
            else:
                name = alias[0]
        return ()


def texts(values: Sequence[str]) -> tuple[str, ...]:
    """TXT RDATA as texts, the strings of each joined without blanks (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2).

    Octets that are no ASCII are replaced: no record of e-mail has them.
    """
    out = []
    for value in values:
        try:
            out.append(b"".join(txt_strings(value)).decode("ascii", "replace"))
        except InvalidRdata:  # not TXT: another type's answer
            continue
    return tuple(out)
