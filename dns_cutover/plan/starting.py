"""What a first plan begins with: what is live, which records are meant, and what only a person can answer. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from dns_cutover.address import split_address
from dns_cutover.plan.expand import rdata_value
from dns_cutover.plan.types import parse_ttl
from dns_cutover.records import InvalidName, InvalidRdata, RRset, absolute_name, canonical_type
from dns_cutover.records.name import is_below, relative_name

Record: TypeAlias = tuple[str, str]
"""Absolute owner name and type."""
Answers: TypeAlias = Mapping[str, tuple[str, ...]]

# Where in the RDATA a name stands that one writes without its final dot.
_TARGETS = {"CNAME": 0, "DNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "SRV": 3}
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\Z", re.IGNORECASE)
# Types whose values can be told apart by commas at a prompt.
_COMMAS = frozenset({"A", "AAAA", "MX", "CNAME", "SRV", "PTR"})
# The server's own, and those that move the zone itself: no first plan is made of them.
_REFUSED = frozenset({"SOA", "NS", "DS", "DNSKEY", "CDS", "CDNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNAME"})


class Unfit(ValueError):
    """What is live does not fit the template. The message is one sentence; `hint` is the next act."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Found:
    """What a zone's servers say. `rrsets` has what is there, at the highest TTL that any server gives it.

    `wildcards`: owner -> the wildcard that answers for it. `servers` are for people.
    """

    zone: str
    soa: RRset
    rrsets: Mapping[Record, RRset]
    wildcards: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    servers: tuple[str, ...] = ()

    def types_at(self, owner: str) -> dict[str, RRset]:
        """The RRsets at one name by type."""
        return {rdtype: rrset for (name, rdtype), rrset in self.rrsets.items() if name == owner}

    def shown(self, owner: str) -> str:
        """The name as one writes it in the plan."""
        return relative_name(owner, self.zone)

    @property
    def primary(self) -> str:
        """The primary that the SOA names (RFC 1035 section 3.3.13), without its final dot; empty if that is no host."""
        name = self.soa.values[0].split()[0].rstrip(".")
        return name if is_host(name) else ""

    @property
    def serial(self) -> int:
        """The SOA serial."""
        return int(self.soa.values[0].split()[2])


def is_host(name: str) -> bool:
    """Whether a name can stand in a URL: letters, digits and hyphens, and not all digits, which would be an address."""
    return bool(_HOST.match(name.rstrip("."))) and not name.rstrip(".").replace(".", "").isdigit()


Kind: TypeAlias = Literal["rdata", "ttl", "name", "server", "key", "word"]


@dataclass(frozen=True, slots=True)
class Question:
    """What cannot be known from DNS. `name` is what `--set` takes, `asks` says it to a person, `example` is one answer.

    `kind`: RDATA of `rdtype`, a TTL, a domain name, host[:port], a key's name, or a word as it is. `default` is taken
    where nobody answers; `prompt`: it is asked on a terminal. `absent`: "absent" is an answer too.
    """

    name: str
    asks: str
    example: str
    kind: Kind = "word"
    rdtype: str = ""
    default: tuple[str, ...] = ()
    prompt: bool = True
    absent: bool = False


def parse_record(text: str, zone: str) -> Record:
    """`www/A` in `zone`. Raises ValueError."""
    owner, slash, rdtype = text.rpartition("/")
    if not slash or not owner or not rdtype:
        raise ValueError(f"{text!r} is no record: write NAME/TYPE, such as www/A")
    name, kind = absolute_name(owner, zone), canonical_type(rdtype)
    if not is_below(name, zone):
        raise ValueError(f"{text} is outside the zone {zone}")
    if kind in _REFUSED:
        raise ValueError(f"{text}: init writes no plan that changes {kind}")
    return name, kind


def check_answer(question: Question, given: Sequence[str], found: Found) -> tuple[str, ...]:
    """The answer in canonical form. Raises ValueError."""
    if question.absent and list(given) == ["absent"]:
        return ("absent",)
    if question.kind != "rdata" and len(given) != 1:
        raise ValueError("give one answer")
    match question.kind:
        case "rdata":
            values = {rdata_value(question.rdtype, _dotted(question.rdtype, v), found.zone) for v in given}
            return tuple(sorted(values))
        case "ttl":
            return (str(parse_ttl(given[0])),)
        case "name":
            return (absolute_name(given[0], None if "." in given[0].rstrip(".") else found.zone),)
        case "server":
            split_address(given[0])
        case "key":
            absolute_name(given[0])
        case "word":
            if not given[0] or not given[0].isprintable():
                raise ValueError("an empty answer, or one that cannot be printed")
    return (given[0],)


def _dotted(rdtype: str, value: str) -> str:
    """A target with dots in it is meant to be absolute: that is how people answer."""
    words = value.split()
    at = _TARGETS.get(rdtype)
    if at is not None and len(words) == at + 1 and "." in words[at] and not words[at].endswith("."):
        words[at] += "."
        return " ".join(words)
    return value


def split_answer(question: Question, line: str) -> list[str]:
    """A line from a prompt as values."""
    line = line.strip()
    if question.kind == "rdata" and question.rdtype in _COMMAS:
        return [part for piece in line.split(",") if (part := piece.strip())]
    return [line] if line else []


@dataclass(frozen=True, slots=True)
class Settled:
    """Answers so far: those that hold, `wrong` ones as (name, reason), and the questions that nobody answered."""

    answers: Answers
    wrong: tuple[tuple[str, str], ...] = ()
    missing: tuple[Question, ...] = ()


def settle(questions: Sequence[Question], given: Mapping[str, Sequence[str]], found: Found) -> Settled:
    """Check what was given, take defaults, and say what is missing: everything at once."""
    names = {q.name: q for q in questions}
    wrong = [(name, _unknown(name, names)) for name in given if name not in names]
    answers: dict[str, tuple[str, ...]] = {}
    missing = []
    for question in questions:
        values = given.get(question.name) or question.default
        if not values:
            missing.append(question)
            continue
        try:
            answers[question.name] = check_answer(question, values, found)
        except (InvalidName, InvalidRdata, ValueError) as exc:
            wrong.append((question.name, str(exc)))
    return Settled(answers, tuple(wrong), tuple(missing))


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name[:100], list(known), 1)
    return f"nothing is asked by this name{f'; did you mean {close[0]}?' if close else ''}"
