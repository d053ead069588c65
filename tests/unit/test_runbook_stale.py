"""What makes a runbook stale: each thing that it depends on, on the lab's servers and as plain values."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from dns_cutover.assembly import Setting, look, look_again, partitions
from dns_cutover.clock import SystemClock
from dns_cutover.lab.world import LabWorld
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.views import ZoneServers
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import RRset
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.model import Runbook
from dns_cutover.runbook.stale import Difference, differences, stale
from tests.unit.preview_lab import ORIGIN, ZONE, LabPlan


class Bound(LabPlan):
    """A runbook made from what the lab serves."""

    async def make(self) -> Runbook:
        loaded = parse_plan(self.text.encode(), "plan.yaml", {})
        live = await look(loaded, Setting())
        return compile_runbook(loaded.plan, loaded.sha256, live.facts, partitions(live.facts))


@pytest.fixture
async def bound() -> AsyncIterator[Bound]:
    async with LabWorld(SystemClock(), zone_text=ZONE, resolvers=0) as lab:
        yield Bound(lab)


async def found(book: Runbook) -> tuple[Difference, ...]:
    return differences(book, await look_again(book, Setting()))


async def test_nothing_has_changed(bound: Bound) -> None:
    assert await found(await bound.make()) == ()


async def test_what_it_does_not_depend_on_may_change(bound: Bound) -> None:
    """A new serial, other names, other types beside an address, other values beside an edit by value."""
    book = await bound.make()
    texts = bound.lab.primary.zone.rrsets[ORIGIN, "TXT"]
    bound.publish(
        {
            (f"elsewhere.{ORIGIN}", "A"): RRset(60, ("192.0.2.3",)),
            (f"www.{ORIGIN}", "TXT"): RRset(60, ('"x"',)),
            (ORIGIN, "TXT"): RRset(texts.ttl, tuple(sorted((*texts.values, '"their-verification=1"')))),
            (f"*.{ORIGIN}", "A"): RRset(60, ("192.0.2.3",)),  # www does not change, and nothing else is of that type
        }
    )
    assert await found(book) == ()


OTHER_SOA = "ns1.example.test. hostmaster.example.test. 2026031001 7200 900 1209600 900"
DRIFT: list[tuple[tuple[str, str], RRset | None, str, str]] = [
    ((ORIGIN, "MX"), RRset(3600, ("10 mx.oldmail.test.", "20 mx2.oldmail.test.")), "@ MX", "20 mx2.oldmail.test."),
    ((ORIGIN, "MX"), RRset(7200, ("10 mx.oldmail.test.",)), "@ MX", "TTL 7200"),
    ((ORIGIN, "MX"), None, "@ MX", "absent"),
    ((f"www.{ORIGIN}", "A"), RRset(300, ("192.0.2.81",)), "www A", "192.0.2.81"),
    ((f"nm1._domainkey.{ORIGIN}", "CNAME"), RRset(60, ("x.test.",)), "nm1._domainkey CNAME", "x.test."),
    ((f"nm1._domainkey.{ORIGIN}", "TXT"), RRset(60, ('"x"',)), "nm1._domainkey TXT (beside it)", '"x" (TTL 60)'),
    ((ORIGIN, "TXT"), RRset(3600, ('"v=spf1 -all"',)), "@ TXT", '"v=spf1 -all"'),
    (
        (ORIGIN, "TXT"),
        RRset(600, ('"site-verification=3f9a"', '"v=spf1 include:spf.oldmail.test -all"')),
        "@ TXT",
        "600",
    ),
    ((f"*.{ORIGIN}", "CNAME"), RRset(900, ("x.test.",)), "(a wildcard)", "x.test. (TTL 900)"),
    ((ORIGIN, "SOA"), RRset(3600, (OTHER_SOA,)), "the SOA of example.test.", "absence is cached for 900 s"),
]


@pytest.mark.parametrize(("question", "rrset", "what", "now"), DRIFT)
async def test_everything_that_it_depends_on_must_be_as_it_was(
    bound: Bound, question: tuple[str, str], rrset: RRset | None, what: str, now: str
) -> None:
    book = await bound.make()
    bound.publish({question: rrset})
    told = await found(book)
    assert any(what in d.what and now in d.found for d in told), told


async def test_what_was_beside_it_and_has_gone_is_told(bound: Bound) -> None:
    bound.publish({(f"*.{ORIGIN}", "CNAME"): RRset(900, ("x.test.",))})
    book = await bound.make()
    assert await found(book) == ()
    bound.publish({(f"*.{ORIGIN}", "CNAME"): RRset(900, ("y.test.",))})
    assert await found(book) == ()  # its TTL alone counts
    bound.publish({(f"*.{ORIGIN}", "CNAME"): None})
    assert [d.found for d in await found(book)] == ["absent", "absent"]


async def test_one_server_is_enough_and_it_is_named(bound: Bound) -> None:
    book = await bound.make()
    bound.publish_at(bound.lab.secondary, {(ORIGIN, "MX"): RRset(3600, ("10 mx.third.test.",))})
    (told,) = await found(book)
    assert told.what == "@ MX"
    assert told.expected == "10 mx.oldmail.test. (TTL 3600)"
    assert told.where == str(bound.lab.secondary.endpoint)


async def test_servers_that_come_or_go(bound: Bound) -> None:
    book = await bound.make()
    live = await look_again(book, Setting())
    more = replace(live.zones["default"], endpoints=(bound.lab.primary.endpoint, Endpoint("ns9", "192.0.2.9")))
    (told,) = differences(book, replace(live, zones={"default": more}))
    assert told.what == "the servers of example.test."
    assert told.found == f"without {bound.lab.secondary.endpoint}; also 192.0.2.9"
    none = replace(live, zones={"default": ZoneServers("example.test.", ())}, servers=(), soa={})
    assert differences(book, none)[0].found.startswith("without ")


async def test_three_servers_are_counted_and_one_with_a_problem_is_named(bound: Bound) -> None:
    book = await bound.make()
    live = await look_again(book, Setting())
    first = live.servers[0]
    key = next(k for k in first.rrsets if k.rdtype == "MX")
    wrong = replace(first, rrsets={**first.rrsets, key: None})
    silent = replace(first, server=Endpoint("ns9", "192.0.2.9"), rrsets={}, problem="no answer in 3 tries")
    told = differences(book, replace(live, servers=(wrong, wrong, wrong, silent)))
    assert [(d.what, d.found, d.where) for d in told] == [
        ("a server of example.test.", "no answer in 3 tries", "ns9 (192.0.2.9)"),
        ("@ MX", "absent", "3/3 servers"),
    ]


async def test_the_refusal_shows_five_and_counts_the_rest(bound: Bound) -> None:
    book = await bound.make()
    told = tuple(Difference(f"r{n} A", "1", "2", "ns1") for n in range(9))
    error = stale(book, "ab" * 32, told)
    assert error.exit_code == 4
    assert error.what == "r0 A and 8 more changed since this runbook of mail was made. Nothing was written"
    assert [v for k, v in error.facts if k == "record"] == [f"r{n} A" for n in range(5)]
    assert ("found", "2 at ns1") in error.facts
    assert ("expected", "1, in runbook abababababab") in error.facts
    assert error.facts[-1] == ("", "and 4 more differences")
    alone = stale(book, "ab" * 32, told[:1])
    assert alone.what.startswith("r0 A changed since")
