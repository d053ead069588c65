"""Questions over TLS and HTTPS to resolvers that speak them, and many at once over TCP."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from dns_cutover.lookup.answer import NoReply, Reply
from dns_cutover.lookup.interface import Endpoint, Transport
from dns_cutover.lookup.question import Asker
from dns_cutover.records import RRset

from .harness.caches import BindCache, Cache, CacheLimits, Encrypted, Kresd, Unbound
from .harness.hierarchy import Hierarchy

PORTS: dict[Transport, int] = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
QUESTIONS = 120


@pytest.mark.parametrize("kind", [Unbound, BindCache, Kresd])
async def test_every_transport_gives_the_same_answers(kind: type[Cache], world: Hierarchy, tmp_path: Path) -> None:
    records = "".join(f"n{n} 300 A 192.0.2.{n}\n" for n in range(QUESTIONS))
    zone = world.publish(records)
    authority = trustme.CA()
    address = world.spare_address()
    files = Encrypted(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued = authority.issue_cert(address)
    issued.private_key_pem.write_to_path(files.key)
    for n, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(files.certificate, append=n > 0)
    cache = world.extra_cache(kind, CacheLimits(), files, address)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    for transport, port in PORTS.items():
        if transport == "https" and kind is Kresd:
            continue  # it answers status 400 to POST
        asker = Asker(tls=trusted)
        endpoint = Endpoint("cache", cache.address, port, transport)
        owners = [(f"n{n}.{zone.origin}", "A") for n in range(QUESTIONS)]
        if transport == "udp":
            got = [await asker.ask(endpoint, *owners[0], recurse=True)]
        else:
            got = list(await asker.ask_stream(endpoint, owners, recurse=True))
        for (owner, rdtype), outcome in zip(owners, got, strict=False):
            assert isinstance(outcome, Reply), (transport, owner, outcome)
            found = outcome.find(owner, rdtype)
            number = owner.partition(".")[0][1:]
            assert found is not None
            assert found.same_data(RRset(300, (f"192.0.2.{number}",)))
    encrypted: tuple[Transport, ...] = ("tls",) if kind is Kresd else ("tls", "https")
    for transport in encrypted:
        stranger = Endpoint("cache", cache.address, PORTS[transport], transport)
        outcome = await Asker().ask(stranger, f"n0.{zone.origin}", "A", recurse=True)
        assert isinstance(outcome, NoReply)
        assert "its certificate is not trusted" in outcome.reason
