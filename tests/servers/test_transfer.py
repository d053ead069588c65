"""A copy of a zone says about every name what its servers say when they are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dns_cutover.clock import SystemClock
from dns_cutover.lookup.authoritative import ask_server
from dns_cutover.lookup.bulk import ENOUGH
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.live import take_live_view
from dns_cutover.lookup.names import FEW, TYPES, read_name
from dns_cutover.lookup.question import Asker
from dns_cutover.lookup.surroundings import Wanted, look_around
from dns_cutover.lookup.transfer import Bounds, NoCopy, fetch_zone, zone_size
from dns_cutover.lookup.views import NameView, ZoneServers
from dns_cutover.lookup.zonecopy import ZoneCopy
from dns_cutover.records import RRsetKey

from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.nsd import Nsd
from .harness.primary import Authority
from .harness.zones import make_zone

pytestmark = pytest.mark.servers

ORIGIN = "copy.test."
RECORDS = r"""
www 60 A 192.0.2.10
www 60 AAAA 2001:db8::10
pool 60 A 192.0.2.41
pool 60 A 192.0.2.42
alias 60 CNAME www
away 60 CNAME host.elsewhere.test.
deep.empty.branch 60 A 192.0.2.1
*.wild 60 A 192.0.2.50
*.wild 300 TXT "any"
there.wild 60 TXT "explicit"
*.starred 60 CNAME www
sub 300 NS ns.sub
sub 300 NS ns.elsewhere.test.
ns.sub 300 A 192.0.2.53
tree 300 DNAME other.test.
@ 60 MX 10 mail
@ 60 TXT "a;b" "c\"d"
od\046d 60 TXT "a label with a dot"
_srv._tcp 60 SRV 1 2 443 www
"""
NAMES = [
    "@ www WWW pool alias away branch empty.branch deep.empty.branch x.empty.branch wild x.wild a.b.wild there.wild",
    "y.there.wild x.starred sub ns.sub x.sub tree x.tree nothing nothing.www od\\.d _srv._tcp _tcp *.wild",
]
OWNERS = [f"{name}.{ORIGIN}".lower() if name != "@" else ORIGIN for line in NAMES for name in line.split()]
WHOLE = ENOUGH + len(RECORDS.split("\n")) - 2 + 2  # records: the lines above, SOA and NS
KINDS = {"bind": Bind, "nsd": Nsd}


@pytest.fixture(params=sorted(KINDS))
def server(request: pytest.FixtureRequest, hierarchy: Hierarchy) -> Iterator[Authority]:
    """A server that gives its zone to everybody."""
    zone = make_zone(ORIGIN, ["ns1.nic.test."], RECORDS + "".join(f"h{n} 60 A 192.0.2.1\n" for n in range(ENOUGH)))
    address = hierarchy.spare_address()
    directory = hierarchy.directory / f"open-{request.param}-{address}"
    daemon = KINDS[request.param](directory, address, [zone], open_transfers=True)
    daemon.start()
    yield daemon
    daemon.stop()


async def copied(server: Authority) -> ZoneCopy:
    found = await fetch_zone(Endpoint("server", server.address), ORIGIN)
    assert isinstance(found, ZoneCopy), found
    return found


async def test_every_name_and_type_is_as_the_server_says(server: Authority) -> None:
    asker, copy = Asker(), await copied(server)
    for owner in OWNERS:
        keys = [RRsetKey("default", owner, rdtype) for rdtype in TYPES]
        asked = await ask_server(asker, "default", ORIGIN, copy.server, keys)
        told = copy.server_view("default", keys)
        assert dict(told.rrsets) == dict(asked.rrsets), owner
        assert dict(told.synthesised) == dict(asked.synthesised), owner
        assert (told.problem, told.wrong, told.serial) == (asked.problem, asked.wrong, asked.serial), owner


@pytest.mark.parametrize("types", [FEW, TYPES], ids=["few", "all"])
async def test_every_name_is_seen_as_asking_shows_it(server: Authority, types: tuple[str, ...]) -> None:
    asker, copy = Asker(), await copied(server)
    for owner in OWNERS:
        asked = await read_name(asker, "default", ORIGIN, [copy.server], owner, types)
        told = copy.name_view("default", owner, types)
        assert comparable(told) == comparable(asked), owner


def comparable(view: NameView) -> dict[str, object]:
    return {
        "exists": view.exists,
        "rrsets": dict(view.rrsets),
        "wildcard": view.wildcard,
        "cut": view.cut,
        "delegation": view.delegation,
        "dname": view.dname,
        "types": view.types,
        "problem": view.problem,
    }


async def test_the_whole_zone_is_counted_and_bounded(server: Authority) -> None:
    copy = await copied(server)
    assert copy.records == WHOLE
    found = await fetch_zone(copy.server, ORIGIN, Bounds(records=100))
    assert isinstance(found, NoCopy)
    assert found.reason == "more than 100 records"
    found = await fetch_zone(copy.server, ORIGIN, Bounds(octets=1000))
    assert isinstance(found, NoCopy)
    assert found.reason == "more than 1000 octets"


async def test_a_small_zone_is_counted_and_a_large_one_not_for_long(server: Authority) -> None:
    """As far as it matters, and no further."""
    endpoint = Endpoint("server", server.address)
    assert await zone_size(endpoint, ORIGIN, WHOLE) == WHOLE
    assert await zone_size(endpoint, ORIGIN, 40) is None
    zones, asker = {"default": ZoneServers(ORIGIN, (endpoint,))}, Counting()
    view = await take_live_view(zones, [RRsetKey("default", f"h1.{ORIGIN}", "A")], (), asker, SystemClock())
    assert view.records == {}
    assert (await look_around(view, Wanted(sizes={"default": WHOLE}), asker)).records == {"default": WHOLE}
    assert (await look_around(view, Wanted(sizes={"default": 40}), asker)).records == {}


async def test_a_large_plan_costs_fewer_questions_than_it_has_records(server: Authority) -> None:
    keys = [RRsetKey("default", f"h{n}.{ORIGIN}", "A") for n in range(ENOUGH)]
    asker = Counting()
    zones = {"default": ZoneServers(ORIGIN, (Endpoint("server", server.address),))}
    view = await take_live_view(zones, keys, (), asker, SystemClock())
    assert all(view.rrsets[key].values == ("192.0.2.1",) for key in keys)
    assert view.records == {"default": WHOLE}
    assert all(view.names["default", key.owner].exists for key in keys)
    assert not view.problems
    assert asker.count < 100


async def test_a_small_plan_never_transfers_a_zone(server: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def transferred(*_: object) -> None:
        raise AssertionError("a transfer")

    monkeypatch.setattr("dns_cutover.lookup.bulk.fetch_zone", transferred)
    keys = [RRsetKey("default", f"h{n}.{ORIGIN}", "A") for n in range(10)]
    zones = {"default": ZoneServers(ORIGIN, (Endpoint("server", server.address),))}
    view = await take_live_view(zones, keys, (), Asker(), SystemClock())
    assert all(view.rrsets[key] is not None for key in keys)


async def test_a_server_that_refuses_is_asked(hierarchy: Hierarchy, bind: Bind) -> None:
    """BIND gives its zones to the key alone."""
    zone = hierarchy.fresh_zone(bind, "".join(f"h{n} 60 A 192.0.2.1\n" for n in range(ENOUGH)))
    server = Endpoint("bind", bind.address)
    found = await fetch_zone(server, zone.origin)
    assert isinstance(found, NoCopy)
    assert found.reason == "REFUSED"
    keys = [RRsetKey("default", f"h{n}.{zone.origin}", "A") for n in range(ENOUGH)]
    view = await take_live_view({"default": ZoneServers(zone.origin, (server,))}, keys, (), Asker(), SystemClock())
    assert all(view.rrsets[key] is not None for key in keys)
    assert view.records == {}


class Counting(Asker):
    """An asker that counts its questions."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def ask(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
        self.count += 1
        return await super().ask(*arguments, **options)  # type: ignore[arg-type]

    async def ask_stream(self, server: object, questions: list[object], **options: object) -> object:  # type: ignore[override]
        self.count += len(questions)
        return await super().ask_stream(server, questions, **options)  # type: ignore[arg-type]
