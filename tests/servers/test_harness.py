"""The harness itself: what the other tests lean on must be true."""

from __future__ import annotations

from tests.servers.harness import client
from tests.servers.harness.primary import Authority
from tests.servers.harness.zones import Zone


def test_signed_update_reaches_a_primary(primary: Authority, zone: Zone) -> None:
    before = client.serial(primary.address, zone.origin)
    client.write(primary.address, zone.origin, "www", 5, "A", "192.0.2.99")
    answer = client.ask(primary.address, f"www.{zone.origin}", "A")
    after = client.serial(primary.address, zone.origin)
    assert (answer.values, answer.ttl, answer.authoritative) == (("192.0.2.99",), 5, True)
    assert before is not None
    assert after is not None
    assert after > before
