"""How an authoritative server takes what resolvers send: TCP (RFC 7766) and EDNS (RFC 6891). Two questions for each."""

from __future__ import annotations

import asyncio

from dns_cutover.lookup.answer import NoReply, Outcome, Reply
from dns_cutover.lookup.interface import ServerView
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import ServerHealth

UNKNOWN_VERSION = 100
UNKNOWN_OPTION = 100
TCP = "TCP: "  # how ServerView says that only TCP is at fault


async def server_health(asker: Asker, view: ServerView, zone: str) -> ServerHealth:
    """What a server does badly beside answering, as far as its answers in `view` did not show it. `zone`: its name.

    A server that answers nothing at all gets one question more, without EDNS: some only drop what they do not know.
    """
    server = view.server
    tcp = view.problem.removeprefix(TCP) if view.problem.startswith(TCP) and not view.wrong else ""
    if view.serial is None:
        edns = ""
        if not view.wrong and isinstance(await asker.ask_plain(server, zone, "SOA"), Reply):
            edns = "it answers only questions without EDNS"
        return ServerHealth(view.zone, server, tcp, edns)
    option, version = await asyncio.gather(
        asker.ask_edns(server, zone, "SOA", option=UNKNOWN_OPTION),
        asker.ask_edns(server, zone, "SOA", version=UNKNOWN_VERSION),
    )
    fault = _refusal(option)
    if fault:
        plain = _refusal(await asker.ask_edns(server, zone, "SOA"))
        edns = f"a question with EDNS gets {plain}" if plain else f"a question with an unknown EDNS option gets {fault}"
    elif isinstance(option, Reply) and UNKNOWN_OPTION in option.options:
        edns = "an unknown EDNS option is sent back"
    else:
        edns = _version_fault(version)
    return ServerHealth(view.zone, server, tcp, edns)


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
