"""What --probe and --owner-file bring, and the live marks of other tools: real servers on loopback."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import trustme

from dns_cutover.assembly.outside import certificates, owned_records
from dns_cutover.checks.interface import Example
from dns_cutover.errors import Unavailable
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.marks import read_marks
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import RRset, RRsetKey
from tests.unit.checks.situation import plan_text, subject

ZONE = "example.test."
MARKS = """\
@ 3600 IN SOA ns1 host 1 7200 900 1209600 300
@ 3600 IN NS ns1
a-www 300 IN TXT "heritage=external-dns,external-dns/owner=x"
_acme-challenge.www 60 IN CNAME www.acme.test.
"""


async def test_marks_are_read_from_one_server() -> None:
    """The first that answers; what is not there is left out."""
    server = Authoritative("ns1", ZoneVersion.from_text(ZONE, MARKS))
    await server.start()
    gone = Endpoint("ns0", "127.0.0.1", 1)
    keys = [
        RRsetKey("z", "a-www.example.test.", "TXT"),
        RRsetKey("z", "www.example.test.", "TXT"),
        RRsetKey("z", "_acme-challenge.www.example.test.", "CNAME"),
    ]
    try:
        asker = Asker(Timeouts(udp=0.5, tcp=1.0))
        found = await read_marks(asker, {"z": (gone, server.endpoint), "other": ()}, keys)
    finally:
        await server.stop()
    assert found == {
        keys[0]: RRset(300, ('"heritage=external-dns,external-dns/owner=x"',)),
        keys[2]: RRset(60, ("www.acme.test.",)),
    }
    assert await read_marks(asker, {"z": (gone,)}, keys) == {}


async def test_marks_are_not_waited_for() -> None:
    """A server that accepts and says nothing costs the patience that is given; other zones' marks are kept."""
    good = Authoritative("ns1", ZoneVersion.from_text(ZONE, MARKS))
    await good.start()
    gate = asyncio.Event()

    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    key = RRsetKey("z", "a-www.example.test.", "TXT")
    other = RRsetKey("silent", "a-www.example.test.", "TXT")
    try:
        servers = {"z": (good.endpoint,), "silent": (Endpoint("ns", "127.0.0.1", silent.sockets[0].getsockname()[1]),)}
        found = await read_marks(Asker(), servers, [key, other], patience=0.5)
    finally:
        gate.set()
        silent.close()
        await good.stop()
    assert set(found) == {key}


PLAN = """
stages:
  - name: switch
    changes:
      - {name: www, type: HTTPS, from: absent, to: ["1 . port=%d"]}
"""


async def test_certificates_of_new_endpoints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the plan's new endpoints show, with the machine's own authorities."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("www.example.test").configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        example = Example(PLAN % port, zone="www 60 IN A 127.0.0.1\n")
        loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
        (found,) = await certificates(subject(loaded, example))
    assert (found.host, found.address, found.port) == ("www.example.test", "127.0.0.1", port)
    assert (found.names, found.problem) == (("www.example.test",), "")


async def test_the_old_side_is_looked_at_where_the_new_one_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its standard port, after the new side's."""
    asked: list[tuple[str, int]] = []

    async def refuse(address: str, port: int, **_more: object) -> None:
        asked.append((address, port))
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    plan = 'stages:\n  - name: s\n    changes:\n      - {name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}\n'
    example = Example(plan, zone="www 60 IN A 192.0.2.1\n")
    loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
    found = await certificates(subject(loaded, example))
    assert asked == [("192.0.2.2", 443), ("192.0.2.1", 443)]
    assert [c.problem for c in found] == ["connection refused"] * 2


def test_owner_files(tmp_path: Path) -> None:
    zone = tmp_path / "example.test.yaml"
    zone.write_text("www: {type: A, value: 192.0.2.1}\n")
    (owned,) = owned_records([zone], ["example.test."])
    assert owned.file == str(zone)
    assert set(owned.rrsets) == {("www.example.test.", "A")}


def test_owner_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, a folder, without end: one message each."""
    with pytest.raises(Unavailable, match="cannot be read"):
        owned_records([tmp_path / "nope.json"], [])
    with pytest.raises(Unavailable, match="cannot be read"):
        owned_records([tmp_path], [])
    monkeypatch.setattr("dns_cutover.assembly.outside.MAX_OWNER_FILE", 10)
    with pytest.raises(Unavailable, match="cannot be read"), contextlib.suppress(FileNotFoundError):
        owned_records([Path("/dev/zero")], [])
