"""The RFC 2136 provider on real servers: keys, clocks, policies, and places where no lock can stand."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dns_cutover.errors import CutoverError
from dns_cutover.providers.interface import ChangeSet, Fence, Refused, Unreachable
from dns_cutover.records import Change

from .harness import client
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.powerdns import PowerDns
from .harness.primary import Authority
from .harness.zones import KEY_NAME, KEY_SECRET, WRONG_SECRET, Zone, make_zone
from .test_rfc2136_writing import Holder, key, provider_at, rrset, token

USED = ("used", f"hmac-sha256, secret from $CUTOVER_TSIG, {len(WRONG_SECRET)} characters")


def says(error: CutoverError) -> str:
    return "\n".join([error.what, error.why, *error.hints, *(f"{a}: {b}" for a, b in error.facts)])


async def both(address: str, zone: Zone | str, **changed: object) -> tuple[CutoverError, CutoverError]:
    """What becomes of guards and of an update."""
    provider = provider_at(address, zone, **changed)
    with pytest.raises((Refused, Unreachable)) as reading:
        await provider.guards([])
    with pytest.raises((Refused, Unreachable)) as writing:
        await provider.apply(ChangeSet((), "ns. host. 1 1 1 1 1"), Fence(None, token()))
    for error in (reading.value, writing.value):
        assert KEY_SECRET not in says(error)
        assert WRONG_SECRET not in says(error)
    return reading.value, writing.value


async def test_a_wrong_secret_is_told_with_what_was_used(primary: Authority, zone: Zone) -> None:
    code = "NOTAUTH, unsigned" if isinstance(primary, PowerDns) else "BADSIG"
    for error in await both(primary.address, zone, secret=WRONG_SECRET):
        code = "REFUSED, unsigned" if isinstance(primary, PowerDns) and "REFUSED" in error.what else code
        assert error.what == f"{primary.address} does not accept the TSIG key cutover-key ({code})"
        assert "secret" in error.why
        assert error.facts == (USED,)
        assert isinstance(error, Refused)
    assert client.ask(primary.address, f"_dns-cutover.{zone.origin}", "TXT").rcode == "NXDOMAIN"


@pytest.mark.parametrize("changed", [{"key_name": "nobody"}, {"algorithm": "hmac-sha512"}], ids=["name", "algorithm"])
async def test_a_key_that_the_server_does_not_know(
    changed: Mapping[str, object], primary: Authority, zone: Zone
) -> None:
    for error in await both(primary.address, zone, **changed):
        assert isinstance(error, Refused)
        assert f"does not accept the TSIG key {changed.get('key_name', 'cutover-key')} (" in error.what
        assert re.search("name.*algorithm", error.why)


@pytest.fixture
def clock_off_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets this machine's wall clock forth or back for what signs and checks signatures."""
    real = time.time

    def shift(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return shift


@pytest.mark.parametrize("seconds", [400, -400, 40, -40])
async def test_a_clock_that_is_off_is_told_as_such(
    seconds: int, primary: Authority, zone: Zone, clock_off_by: Callable[[float], None]
) -> None:
    clock_off_by(seconds)
    reading, writing = await both(primary.address, zone, now=lambda: time.time())
    assert f"the clocks of this machine and of {primary.address} differ by more than 30 s (BADTIME)" == reading.what
    if not isinstance(primary, PowerDns):  # which says nothing of its own time, and to an update nothing at all
        assert writing.what == reading.what
        [differ] = [value for label, value in reading.facts if label == "differ"]
        told = re.fullmatch(r"this machine is (\d+) s (ahead|behind)", differ)
        assert told is not None
        assert abs(int(told[1]) - abs(seconds)) <= 1
        assert told[2] == ("ahead" if seconds > 0 else "behind")


@pytest.mark.parametrize("seconds", [20, -20])
async def test_a_clock_within_the_fudge_is_measured(
    seconds: int, primary: Authority, zone: Zone, clock_off_by: Callable[[float], None]
) -> None:
    clock_off_by(seconds)
    offset = (await provider_at(primary.address, zone, now=lambda: time.time()).guards([])).clock_offset
    assert offset is not None
    expected = 0 if isinstance(primary, PowerDns) else -seconds  # PowerDNS echoes our time; the fudge bounds it
    assert abs(offset - expected) <= 2


async def test_a_zone_that_is_not_there(primary: Authority, zone: Zone) -> None:
    for error in await both(primary.address, "not-here.test."):
        assert isinstance(error, Refused)
        assert error.what.startswith(f"{primary.address} does not serve the zone not-here.test. (")


async def test_a_frozen_zone_names_the_policy_and_the_thaw(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(bind)
    holder = Holder(provider_at(bind.address, zone))
    bind.freeze(zone.origin)
    with pytest.raises(Refused) as caught:
        await holder.take()
    bind.thaw(zone.origin)
    assert f"update-policy {{ grant {KEY_NAME.rstrip('.')} zonesub ANY; }};" in says(caught.value)
    assert f"rndc thaw {zone.origin.rstrip('.')}" in says(caught.value)


async def test_bind_policy_that_forbids_the_lock_or_a_name(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."], "www 60 A 192.0.2.10\n")
    bind.policies[zone.origin] = f"grant {KEY_NAME} name www.{zone.origin} A;"
    bind.add_zone(zone)
    provider, www = provider_at(bind.address, zone), key(zone, "www", "A")
    with pytest.raises(Refused, match="refuses the update") as caught:
        await Holder(provider).take()
    assert "update-policy" in says(caught.value)
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.99"))
    guards = await provider.guards([])
    with pytest.raises(Refused):
        await provider.apply(ChangeSet((change,), guards.soa), Fence(None, token()))
    assert (await provider.read([www]))[www] == change.before
    # Without a lock the same change is allowed: the SOA's prerequisite needs no grant.
    assert (await provider.apply(ChangeSet((change,), guards.soa), None)).ignored == ()


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where a daemon of the test's own lives: its control socket does not fit under pytest's long paths."""
    with tempfile.TemporaryDirectory(prefix="lab-") as path:
        yield Path(path)


class LimitedKnot(Knot):
    """Its key may change one name only."""

    def files(self) -> Mapping[str, str]:
        """As the harness has it, with a narrower access list."""
        files = dict(super().files())
        limited = "action: [update, transfer]\n    update-owner: name\n    update-owner-name: [www]"
        files["knot.conf"] = files["knot.conf"].replace("action: [update, transfer]", limited)
        return files


@pytest.fixture
def limited_knot(hierarchy: Hierarchy, directory: Path) -> Iterator[tuple[Knot, Zone]]:
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."], "www 60 A 192.0.2.10\n")
    knot = LimitedKnot(directory / "limited", hierarchy.spare_address(), [zone])
    knot.start()
    yield knot, zone
    knot.stop()


async def test_knot_policy_that_forbids_the_lock_looks_like_an_unknown_key(limited_knot: tuple[Knot, Zone]) -> None:
    knot, zone = limited_knot
    provider = provider_at(knot.address, zone)
    assert (await provider.guards([])).lock is None
    with pytest.raises(Refused, match="BADKEY") as caught:
        await Holder(provider).take()
    assert "its policy does not let the key change these names" in says(caught.value)
    assert f"Knot: acl with key: {KEY_NAME.rstrip('.')}, action: update" in says(caught.value)


async def test_powerdns_policy_that_allows_another_key_only(powerdns: PowerDns, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(powerdns)
    name = zone.origin.rstrip(".")
    powerdns.tool("pdnsutil", f"--config-dir={powerdns.directory}", "set-meta", name, "TSIG-ALLOW-DNSUPDATE", "other")
    with pytest.raises(Refused, match="refuses the update") as caught:
        await Holder(provider_at(powerdns.address, zone)).take()
    assert "TSIG-ALLOW-DNSUPDATE cutover-key" in says(caught.value)


async def test_a_secondary_does_not_take_updates(world: Hierarchy, published: Zone) -> None:
    with pytest.raises((Refused, Unreachable)) as caught:
        await Holder(provider_at(world.nsd.address, published)).take()
    assert isinstance(caught.value, Refused)


class ForwardingKnot(Knot):
    """A secondary without NOTIFY: it forwards updates to its primary, and shows them at the next refresh."""

    primary = ""

    def files(self) -> Mapping[str, str]:
        """As the harness has it, with a primary for every zone."""
        files = dict(super().files())
        remote = f"remote:\n  - id: primary\n    address: {self.primary}@53\n    key: {KEY_NAME}\nacl:\n"
        text = (
            files["knot.conf"].replace("acl:\n", remote, 1).replace("acl: writers", "acl: writers\n    master: primary")
        )
        return {"knot.conf": text}


async def test_a_secondary_that_forwards_updates_is_noticed(bind: Bind, hierarchy: Hierarchy, directory: Path) -> None:
    """NOERROR, and the lock is not there yet: whether it is ours must stay open, and not count as lost."""
    zone = hierarchy.fresh_zone(bind)
    knot = ForwardingKnot(directory / "forwarding", hierarchy.spare_address(), [zone])
    knot.primary = bind.address
    knot.start()
    try:
        provider, following = provider_at(knot.address, zone), token()
        guards = await provider.guards([])
        with pytest.raises(Unreachable, match="took the update, and does not show it") as caught:
            await provider.apply(ChangeSet((), guards.soa), Fence(None, following))
    finally:
        knot.stop()
    assert caught.value.maybe_applied
    assert (await provider_at(bind.address, zone).guards([])).lock == following


@pytest.mark.parametrize(
    ("rdtype", "value", "seen_before"),
    [
        pytest.param("CNAME", "elsewhere.test.", True, id="CNAME"),
        pytest.param("TXT", '"v=spf1 -all"', True, id="foreign TXT"),
        pytest.param("NS", "ns1.else.test.", True, id="delegation"),
        pytest.param("SRV", "0 0 0 host.else.test.", False, id="another type"),
    ],
)
async def test_a_name_that_cannot_carry_the_lock(
    rdtype: str, value: str, seen_before: bool, primary: Authority, zone: Zone
) -> None:
    client.write(primary.address, zone.origin, "_dns-cutover", 60, rdtype, value)
    provider, www = provider_at(primary.address, zone), key(zone, "www", "A")
    guards = await provider.guards([])
    assert guards.lock is None
    assert (f"_dns-cutover.{zone.origin}" in guards.lock_blocked) == seen_before
    change = Change(www, rrset(zone, "A", 60, "192.0.2.10"), rrset(zone, "A", 60, "192.0.2.99"))
    with pytest.raises(Refused, match=f"at _dns-cutover.{zone.origin}") as caught:
        await provider.apply(ChangeSet((change,), guards.soa), Fence(None, token()))
    assert f"dig @{primary.address} +tcp ANY _dns-cutover.{zone.origin}" in says(caught.value)
    assert (await provider.read([www]))[www] == change.before


@pytest.mark.parametrize("records", ['* 60 TXT "x"\n', "* 60 A 192.0.2.1\n", 'deep._dns-cutover 60 TXT "x"\n'])
async def test_wildcards_and_empty_non_terminals_are_harmless_to_the_lock(
    records: str, primary: Authority, hierarchy: Hierarchy
) -> None:
    zone = hierarchy.fresh_zone(primary, records)
    holder = Holder(provider_at(primary.address, zone))
    await holder.take()
    assert (await holder.provider.guards([])).lock == holder.held


async def test_a_server_that_is_not_there_has_done_nothing(hierarchy: Hierarchy) -> None:
    provider = provider_at(hierarchy.spare_address(), "example.test.", timeout=1.0)
    with pytest.raises(Unreachable) as caught:
        await provider.apply(ChangeSet((), "ns. host. 1 1 1 1 1"), Fence(None, token()))
    assert not caught.value.maybe_applied
    assert "Connection refused" in caught.value.why


async def test_a_server_that_does_not_answer_may_have_done_it(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(bind)
    provider, following = provider_at(bind.address, zone, timeout=0.3), token()
    guards = await provider.guards([])
    bind.suspend()
    with pytest.raises(Unreachable) as caught:
        await provider.apply(ChangeSet((), guards.soa), Fence(None, following))
    bind.wake()
    assert caught.value.maybe_applied
    assert caught.value.why == "It did not answer in time."
