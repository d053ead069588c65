"""Providers and their promises as text and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Protocol

from dns_cutover.providers.interface import Guarantees

SCHEMA = "dns-cutover/providers/1"

# Each with what it means where it is true and where it is not.
_WORDS = (
    ("atomic", "a stage is written whole or not at all", "a stage is written one record after the other"),
    (
        "replace_type",
        "CNAME and other types change places in one message",
        "a CNAME leaves a gap when it comes or goes",
    ),
    ("compare_and_swap", "nothing is overwritten that is not as expected", "what others write meanwhile is lost"),
    ("apex_ns_swap", "the apex NS set too", "but the NS set of the apex is overwritten without a condition"),
    ("fenced", "the lock is in the zone, and in every message", "a lease in the store keeps two runs apart"),
    ("sees_ttl", "a TTL that others change is seen", "a TTL that others change is not seen"),
    ("history", "TTLs that were served in between are known", "TTLs are looked at every minute instead"),
    ("sync_wait", "it says when all of its servers have a change", "its servers are watched instead"),
)


class Known(Protocol):
    """One type of provider."""

    @property
    def type(self) -> str:
        """As in a plan."""
        ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    @property
    def guarantees(self) -> Guarantees | None:
        """None where this version cannot write to it."""
        ...


def providers_text(known: Iterable[Known]) -> str:
    """Each provider with what it promises, one line each."""
    return "\n".join("\n".join(_lines(k)) + "\n" for k in known)


def _lines(known: Known) -> Iterator[str]:
    yield f"{known.type}   {known.title}"
    if known.guarantees is None:
        yield "  not available in this version"
        return
    promises = asdict(known.guarantees)
    for name, yes, no in _WORDS:
        yield f"  {'✓' if promises[name] else '!'} {name.replace('_', ' '):<17} {yes if promises[name] else no}"


def providers_document(known: Iterable[Known]) -> dict[str, Any]:
    """`providers --format json`."""
    return {
        "schema": SCHEMA,
        "providers": [
            {
                "type": k.type,
                "title": k.title,
                "available": k.guarantees is not None,
                "guarantees": asdict(k.guarantees) if k.guarantees is not None else None,
            }
            for k in known
        ],
    }
