"""Whom a plan can make `validate` ask: the zone's servers, within bounds; resolvers only if it is trusted."""

from __future__ import annotations

from typing import Any

import pytest

from dns_cutover.assembly import Request, Setting, examine
from dns_cutover.clock import SystemClock
from dns_cutover.errors import Unavailable
from dns_cutover.lookup.answer import NoReply, Outcome
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.live import take_live_view
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.views import ZoneServers
from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from dns_cutover.records import RRsetKey

SYSTEM, OURS = Endpoint("system", "192.0.2.200"), Endpoint("ours", "192.0.2.201")
PLAN = """\
version: 1
name: p
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: KEY}}}
lookup: {LOOKUP}
stages: [{name: s, changes: [{name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}]}]
"""


def plan(lookup: str = "bootstrap: [192.0.2.66], resolvers: [{name: evil, address: 192.0.2.67}]") -> LoadedPlan:
    return parse_plan(PLAN.replace("LOOKUP", lookup).encode(), "p.yaml", {})


class Silent(Asker):
    """Nobody answers; who was asked is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Endpoint] = []

    async def ask(self, server: Endpoint, *_: Any, **__: Any) -> Outcome:
        self.asked.append(server)
        return NoReply("no answer")

    async def ask_stream(self, server: Endpoint, questions: Any, **_: Any) -> tuple[Outcome, ...]:
        self.asked.append(server)
        return tuple(NoReply("no answer") for _ in questions)


@pytest.fixture(autouse=True)
def _system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dns_cutover.lookup.resolvers.system_resolvers", lambda: (SYSTEM,))


async def asked(request: Request, loaded: LoadedPlan | None = None) -> set[str]:
    asker = Silent()
    await examine(loaded or plan(), Setting(asker_=asker), request)
    return {server.address for server in asker.asked}


async def test_a_plan_that_is_not_trusted_names_no_resolvers() -> None:
    assert await asked(Request(trust_plan=False)) == {SYSTEM.address}


async def test_the_command_line_names_them() -> None:
    assert await asked(Request(trust_plan=False, bootstrap=(OURS,))) == {OURS.address}
    assert await asked(Request(bootstrap=(OURS,))) == {OURS.address}


async def test_a_plan_that_is_run_names_them_too() -> None:
    assert await asked(Request()) == {"192.0.2.66"}


async def test_nobody_is_asked_offline() -> None:
    assert await asked(Request(offline=True)) == set()


async def test_listed_servers_get_one_question_each_while_they_do_not_answer_for_the_zone() -> None:
    asker = Silent()
    await examine(
        plan("authoritative: [192.0.2.53, '192.0.2.54:5300']"), Setting(asker_=asker), Request(trust_plan=False)
    )
    assert sorted(str(server) for server in asker.asked) == ["192.0.2.53", "192.0.2.54:5300"]


@pytest.mark.parametrize(
    "address",
    [
        "224.0.0.251",
        "255.255.255.255",
        "0.0.0.0",
        "169.254.169.254",
        "'ff02::fb'",
        "'fe80::1'",
        "'::'",
        "'::ffff:224.0.0.1'",
    ],
)
def test_an_address_that_is_not_one_server_is_refused(address: str) -> None:
    with pytest.raises(PlanInvalid) as error:
        plan(f"authoritative: [{address}]")
    assert "not the address of one server" in error.value.findings[0].message


def test_a_zone_lists_so_many_servers_and_no_more() -> None:
    listed = ", ".join(f"192.0.2.{n}" for n in range(1, 66))
    with pytest.raises(PlanInvalid) as error:
        plan(f"authoritative: [{listed}]")
    assert "at most 64" in error.value.findings[0].message


class Answering(Silent):
    """Gives the SOA alone."""

    def __init__(self) -> None:
        super().__init__()
        self.other = 0

    async def ask(self, server: Endpoint, owner: str, rdtype: str, **options: Any) -> Outcome:
        if rdtype != "SOA":
            self.other += 1
            return NoReply("no answer")
        return reply(owner)

    async def ask_stream(self, server: Endpoint, questions: Any, **_: Any) -> tuple[Outcome, ...]:
        self.other += sum(rdtype != "SOA" for _, rdtype in questions)
        return tuple(reply(owner) if rdtype == "SOA" else NoReply("no answer") for owner, rdtype in questions)


def reply(owner: str) -> Outcome:
    from dataclasses import fields

    from dns_cutover.lookup.answer import Reply, Section
    from dns_cutover.records import RRset

    soa = Section(owner, "SOA", RRset(5, ("ns. h. 1 2 3 4 5",)))
    given = {"rcode": "NOERROR", "aa": True, "answer": (soa,), "tcp": False, "tc": False, "nsid": "", "rtt": 0.0}
    rest = {f.name: () for f in fields(Reply) if f.name in ("authority", "additional", "ede")}
    return Reply(**{**given, **rest})


async def test_more_questions_than_any_plan_needs_are_not_asked() -> None:
    keys = [RRsetKey("default", f"h{n}.example.test.", "A") for n in range(1000)]
    server = Endpoint("x", "127.0.0.1", 1)  # nobody gives a zone there
    asker = Answering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dns_cutover.lookup.bulk.MOST", 1500)
        view = await take_live_view(
            {"default": ZoneServers("example.test.", (server,))}, keys, (), asker, SystemClock()
        )
    assert asker.other == 0
    assert "split the plan" in view.servers[0].problem
    assert view.servers[0].serial is None


async def test_servers_that_answer_too_slowly_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Silent):
        async def ask(self, *_: Any, **__: Any) -> Outcome:
            import asyncio

            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr("dns_cutover.assembly.examining.PATIENCE", 0.05)
    with pytest.raises(Unavailable, match="too slow"):
        await examine(plan(), Setting(asker_=Hanging()), Request(trust_plan=False))
