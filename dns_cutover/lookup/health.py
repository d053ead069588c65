"""How an authoritative server takes what resolvers send: TCP (RFC 7766) and EDNS (RFC 6891). Two questions for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dns_cutover.lookup.answer import NoReply, Outcome, Reply
from dns_cutover.lookup.interface import Endpoint, Fault, ServerView
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import ServerHealth

UNKNOWN_VERSION = 100
UNKNOWN_OPTION = 100


async def servers_health(
    asker: Asker, views: Sequence[ServerView], names: Mapping[str, str]
) -> tuple[ServerHealth, ...]:
    """What each server does badly beside answering, one value for each view. `names`: zone reference -> zone name.

    A server of many zones is tried once for EDNS. Never raises for the network.
    """
    first: dict[Endpoint, ServerView] = {}
    for view in views:
        if view.server not in first or first[view.server].serial is None:
            first[view.server] = view
    found = await asyncio.gather(*(_edns(asker, view, names[view.zone]) for view in first.values()))
    edns = dict(zip(first, found, strict=True))
    return tuple(
        ServerHealth(v.zone, v.server, v.problem.removeprefix("TCP: ") if v.fault is Fault.TCP else "", edns[v.server])
        for v in views
    )


async def _edns(asker: Asker, view: ServerView, zone: str) -> str:
    """What is wrong with its EDNS. One that answers nothing gets a question without: some only drop what they do not
    know.
    """
    server = view.server
    if view.serial is None:
        alive = view.fault is Fault.SILENT and isinstance(await asker.ask_plain(server, zone, "SOA"), Reply)
        return "it answers only questions without EDNS" if alive else ""
    option, version = await asyncio.gather(
        asker.ask_edns(server, zone, "SOA", option=UNKNOWN_OPTION),
        asker.ask_edns(server, zone, "SOA", version=UNKNOWN_VERSION),
    )
    if fault := _refusal(option):
        plain = _refusal(await asker.ask_edns(server, zone, "SOA"))
        return f"a question with EDNS gets {plain}" if plain else f"a question with an unknown EDNS option gets {fault}"
    if isinstance(option, Reply) and UNKNOWN_OPTION in option.options:
        return "an unknown EDNS option is sent back"
    return _version_fault(version)


def _refusal(outcome: Outcome) -> str:
    """What is given instead of an answer; an unknown option must be ignored (RFC 6891 section 6.1.2)."""
    if isinstance(outcome, NoReply):
        return outcome.reason
    return "" if outcome.rcode == "NOERROR" else outcome.rcode


def _version_fault(outcome: Outcome) -> str:
    """An unknown version gets BADVERS (RFC 6891 section 6.1.3). A server without EDNS may ignore all of it."""
    what = "a question with an unknown EDNS version gets"
    if isinstance(outcome, NoReply):
        return f"{what} {outcome.reason}"
    if outcome.rcode == "BADVERS" or (outcome.rcode == "NOERROR" and outcome.edns < 0):
        return ""
    return f"{what} {outcome.rcode} instead of BADVERS"
