"""The question whether a key may write, on real servers: the right answer, and a zone that does not move."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dns_cutover.assembly.examining import Request, examine
from dns_cutover.assembly.setting import Setting
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import parse_plan
from dns_cutover.providers.interface import Refused
from dns_cutover.providers.rfc2136.permission import Permission
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.rfc2136.update import UpdateReply, UpdateSpec
from dns_cutover.records import RRsetKey

from .harness import client
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.knot import Knot
from .harness.powerdns import PowerDns
from .harness.primary import Authority
from .harness.zones import KEY_NAME, KEY_SECRET, WRONG_SECRET, Zone, make_zone
from .test_rfc2136_writing import Holder, key, provider_at

KEY = KEY_NAME.rstrip(".")


def offered(zone: Zone) -> dict[RRsetKey, tuple[str, ...]]:
    """RRsets of all kinds: there, not there, beside an alias, under a wildcard, of the apex, of a rare type."""
    return {
        key(zone, "www", "A"): ("192.0.2.20",),
        key(zone, "new", "A"): ("192.0.2.20",),
        key(zone, "alias", "CNAME"): ("www.elsewhere.test.",),
        key(zone, "alias", "A"): ("192.0.2.20",),
        key(zone, "x.wild", "A"): ("192.0.2.20",),
        key(zone, "*.wild", "A"): (),
        key(zone, "@", "MX"): ("10 mx.newmail.test.",),
        key(zone, "@", "TXT"): ('"new"',),
        key(zone, "@", "NS"): ("ns9.elsewhere.test.",),
        key(zone, "@", "CAA"): ('0 issue "ca.test"',),
        key(zone, "sub", "DS"): ("1 8 2 " + "ab" * 32,),
    }


def everything(server: Authority, zone: Zone) -> tuple[object, object]:
    return client.serial(server.address, zone.origin), client.contents(client.transfer(server.address, zone.origin))


async def test_all_is_granted_and_nothing_moves(primary: Authority, zone: Zone) -> None:
    """Every type and kind of name is asked about, and the zone has the same serial and the same records."""
    before = everything(primary, zone)
    assert await provider_at(primary.address, zone).permission(offered(zone)) == Permission()
    assert everything(primary, zone) == before


async def test_a_lock_that_somebody_holds_is_left_alone(primary: Authority, zone: Zone) -> None:
    """The question goes through the lock's name, and must not take it away from its holder."""
    holder = Holder(provider_at(primary.address, zone))
    await holder.take()
    before = everything(primary, zone)
    assert await provider_at(primary.address, zone).permission(offered(zone)) == Permission()
    assert everything(primary, zone) == before
    assert (await holder.provider.guards([])).lock == holder.held


async def test_more_names_than_one_message_has(primary: Authority, zone: Zone) -> None:
    """Two hundred and fifty names are three messages."""
    before = everything(primary, zone)
    many = {key(zone, f"n{n}", "A"): ("192.0.2.1",) for n in range(250)}
    assert await provider_at(primary.address, zone).permission(many) == Permission()
    assert everything(primary, zone) == before


async def test_wrong_keys_are_told_as_such(primary: Authority, zone: Zone) -> None:
    """A wrong secret is no matter of policy: the same words as in a run."""
    before = everything(primary, zone)
    for changed in ({"secret": WRONG_SECRET}, {"key_name": "nobody"}):
        with pytest.raises(Refused, match="does not accept the TSIG key"):
            await provider_at(primary.address, zone, **changed).permission(offered(zone))
    assert everything(primary, zone) == before


def bind_zone(bind: Bind, hierarchy: Hierarchy, policy: str) -> Zone:
    """A zone with a policy of its own; ORIGIN stands for its name."""
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."])
    bind.policies[zone.origin] = policy.replace("ORIGIN", zone.origin)
    bind.add_zone(zone)
    return zone


NO_LOCK = f"deny {KEY_NAME} name _dns-cutover.ORIGIN ANY; grant {KEY_NAME} zonesub ANY;"


async def test_bind_that_forbids_the_lock(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = bind_zone(bind, hierarchy, NO_LOCK)
    lock, before = f"_dns-cutover.{zone.origin}", everything(bind, zone)
    found = await provider_at(bind.address, zone).permission(offered(zone))
    assert found.denied == ((lock, "TXT"),)
    assert found.reason == (
        f"{bind.address} does not let the key {KEY} change {lock} TXT, where every run keeps its lock"
    )
    assert f"update-policy {{ grant {KEY} name {lock} TXT; }};" in found.grant
    assert everything(bind, zone) == before


async def test_bind_that_forbids_some_records(bind: Bind, hierarchy: Hierarchy) -> None:
    """By name and by type: each is named, with the line that would grant it, and that line does."""
    zone = bind_zone(
        bind, hierarchy, f"grant {KEY_NAME} name _dns-cutover.ORIGIN TXT; grant {KEY_NAME} name www.ORIGIN A;"
    )
    wanted = {k: offered(zone)[k] for k in (key(zone, "www", "A"), key(zone, "new", "A"), key(zone, "@", "MX"))}
    before = everything(bind, zone)
    found = await provider_at(bind.address, zone).permission(wanted)
    assert found.denied == ((f"new.{zone.origin}", "A"), (zone.origin, "MX"))
    assert everything(bind, zone) == before
    added = found.grant.split("{", 1)[1].split("}", 1)[0]
    other = bind_zone(
        bind,
        hierarchy,
        f"grant {KEY} name www.ORIGIN A; grant {KEY} name _dns-cutover.ORIGIN TXT;"
        f"{added.replace(zone.origin, 'ORIGIN')}",
    )
    again = {RRsetKey(k.zone, k.owner.replace(zone.origin, other.origin), k.rdtype): v for k, v in wanted.items()}
    assert await provider_at(bind.address, other).permission(again) == Permission()


@pytest.mark.parametrize("policy", ["grant another-key. zonesub ANY;", f"grant {KEY_NAME} zonesub A;"])
async def test_bind_whose_policy_does_not_name_the_key_or_the_lock_type(
    policy: str, bind: Bind, hierarchy: Hierarchy
) -> None:
    zone = bind_zone(bind, hierarchy, policy)
    before = everything(bind, zone)
    found = await provider_at(bind.address, zone).permission({key(zone, "www", "A"): ("192.0.2.20",)})
    assert found.denied[0] == (f"_dns-cutover.{zone.origin}", "TXT")
    assert len(found.denied) == (2 if "another" in policy else 1)
    assert f"grant {KEY} " in found.grant
    assert everything(bind, zone) == before


async def test_a_frozen_zone_names_the_thaw(bind: Bind, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(bind)
    bind.freeze(zone.origin)
    found = await provider_at(bind.address, zone).permission(offered(zone))
    bind.thaw(zone.origin)
    assert found.reason == f"{bind.address} does not let the key {KEY} change anything in {zone.origin}"
    assert f"rndc thaw {zone.origin.rstrip('.')}" in found.grant


class RuledKnot(Knot):
    """Its access list is the test's."""

    rules = ""

    def files(self) -> Mapping[str, str]:
        """As the harness has it, with other rules for the key."""
        files = dict(super().files())
        head, rest = files["knot.conf"].split("acl:\n", 1)
        template = rest[rest.index("template:") :]
        ids = ", ".join(line.split("id: ")[1] for line in self.rules.splitlines() if "id: " in line)
        files["knot.conf"] = f"{head}acl:\n{self.rules}{template}".replace("acl: writers", f"acl: [{ids}]")
        return files


@pytest.fixture
def ruled_knot(hierarchy: Hierarchy) -> Iterator[Callable[[str], tuple[Knot, Zone]]]:
    """A Knot of the test's own with these rules."""
    running: list[Knot] = []
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:

        def start(rules: str) -> tuple[Knot, Zone]:
            zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."])
            knot = RuledKnot(Path(directory) / "ruled", hierarchy.spare_address(), [zone])
            knot.rules = f"  - id: reading\n    key: {KEY_NAME}\n    action: transfer\n{rules}"
            knot.start()
            running.append(knot)
            return knot, zone

        yield start
        for knot in running:
            knot.stop()


def rule(name: str, owners: str, types: str = "") -> str:
    text = f"  - id: {name}\n    key: {KEY_NAME}\n    action: update\n    update-owner: name\n"
    text += f"    update-owner-match: equal\n    update-owner-name: [{owners}]\n"
    return text + (f"    update-type: [{types}]\n" if types else "")


async def test_knot_that_forbids_the_lock(ruled_knot: Callable[[str], tuple[Knot, Zone]]) -> None:
    """Knot says "unknown key" to an update that its list does not allow, though it answers that key's questions."""
    knot, zone = ruled_knot(rule("writers", "www, new"))
    lock, before = f"_dns-cutover.{zone.origin}", everything(knot, zone)
    wanted = {key(zone, "www", "A"): ("192.0.2.20",), key(zone, "new", "A"): ("192.0.2.20",)}
    found = await provider_at(knot.address, zone).permission(wanted)
    assert found.denied == ((lock, "TXT"),)
    assert "where every run keeps its lock" in found.reason
    assert found.grant.startswith(f"Knot: one acl rule for the lock and all records, with key: {KEY}, action: update")
    assert f"update-owner-name, add [{lock}]" in found.grant
    assert everything(knot, zone) == before


async def test_knot_whose_rules_fit_each_name_but_not_one_message(
    ruled_knot: Callable[[str], tuple[Knot, Zone]],
) -> None:
    """One rule for the lock and one for the records: asked one by one all is well, and a run would be refused."""
    knot, zone = ruled_knot(rule("records", "www") + rule("lock", "_dns-cutover", "TXT"))
    before = everything(knot, zone)
    found = await provider_at(knot.address, zone).permission({key(zone, "www", "A"): ("192.0.2.20",)})
    assert found.reason == (
        f"{knot.address} does not let the key {KEY} change _dns-cutover.{zone.origin} "
        "and the plan's records in one message"
    )
    assert "one acl rule for the lock and all records" in found.grant
    assert everything(knot, zone) == before


async def test_powerdns_that_allows_another_key_only(powerdns: PowerDns, hierarchy: Hierarchy) -> None:
    zone = hierarchy.fresh_zone(powerdns)
    name, before = zone.origin.rstrip("."), everything(powerdns, zone)
    powerdns.tool("pdnsutil", f"--config-dir={powerdns.directory}", "set-meta", name, "TSIG-ALLOW-DNSUPDATE", "other")
    found = await provider_at(powerdns.address, zone).permission(offered(zone))
    assert found.reason == f"{powerdns.address} does not let the key {KEY} change anything in {zone.origin}"
    assert f"pdnsutil set-meta {name} TSIG-ALLOW-DNSUPDATE {KEY}" in found.grant
    assert everything(powerdns, zone) == before


class DistantPowerDns(PowerDns):
    """It takes updates from elsewhere only."""

    def files(self) -> Mapping[str, str]:
        """As the harness has it, with another network."""
        files = dict(super().files())
        here, elsewhere = "allow-dnsupdate-from=127.0.0.0/8", "allow-dnsupdate-from=203.0.113.0/24"
        return files | {"pdns.conf": files["pdns.conf"].replace(here, elsewhere)}


async def test_powerdns_that_takes_no_updates_from_here(hierarchy: Hierarchy) -> None:
    """A matter of the address, not of the key: the hint names that setting as well."""
    zone = make_zone(hierarchy.fresh_origin(), ["ns1.nic.test."])
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        server = DistantPowerDns(Path(directory) / "distant", hierarchy.spare_address(), [zone])
        server.start()
        try:
            before = everything(server, zone)
            found = await provider_at(server.address, zone).permission(offered(zone))
            assert everything(server, zone) == before
        finally:
            server.stop()
    assert found.reason == f"{server.address} does not let the key {KEY} change anything in {zone.origin}"
    assert "allow-dnsupdate-from" in found.grant


async def test_a_zone_that_changes_between_reading_and_asking(primary: Authority, zone: Zone) -> None:
    """Whatever became of the RRsets since they were read, no question changes one of them."""
    provider, www = provider_at(primary.address, zone), key(zone, "www", "A")
    changed = _changing(provider, primary, zone)
    assert await provider.permission({www: ("192.0.2.20",), key(zone, "new", "A"): ()}) == Permission()
    assert changed() == [("192.0.2.77",), ("192.0.2.78",)]


def _changing(provider: Rfc2136Provider, primary: Authority, zone: Zone) -> Callable[[], list[tuple[str, ...]]]:
    """Somebody writes once, just before the first question for permission arrives."""
    transport = provider._transport
    send, others = transport.update, [("www", "192.0.2.77"), ("new", "192.0.2.78")]

    async def update(spec: UpdateSpec) -> UpdateReply:
        while others:
            owner, value = others.pop()
            client.write(primary.address, zone.origin, owner, 60, "A", value)
        return await send(spec)

    transport.update = update  # type: ignore[method-assign]
    return lambda: [client.ask(primary.address, f"{o}.{zone.origin}", "A").values for o in ("www", "new")]


PLAN = """
version: 1
name: example
zone: {zone}
provider: {{type: rfc2136, server: {server}, key: {{name: {key}, secret: {{env: CUTOVER_TSIG}}}}}}
lookup: {{authoritative: [{server}]}}
stages:
  - name: switch
    changes:
      - {{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}}
"""


async def said(server: Authority, zone: Zone, secret: str | None, **request: bool) -> list[Finding]:
    """What `validate` says of permission."""
    text = PLAN.format(zone=zone.origin, server=server.address, key=KEY)
    environ = {"CUTOVER_TSIG": secret} if secret is not None else {}
    loaded = parse_plan(text.encode(), "plan.yaml", {})
    examined = await examine(loaded, Setting(environ=environ), Request(**request))
    return [f for f in examined.findings if f.id == "DC414"]


async def test_validate_says_it_only_where_it_is_asked(bind: Bind, hierarchy: Hierarchy) -> None:
    """Without --probe-write no secret is read and nothing is sent to the primary but questions."""
    zone = bind_zone(bind, hierarchy, NO_LOCK)
    assert await said(bind, zone, None) == []
    [finding] = await said(bind, zone, KEY_SECRET, probe_write=True)
    assert finding.severity == "error"
    assert f"_dns-cutover.{zone.origin} TXT" in finding.message
    assert f"grant {KEY} name _dns-cutover.{zone.origin} TXT;" in finding.hint
    good = hierarchy.fresh_zone(bind)
    assert await said(bind, good, KEY_SECRET, probe_write=True) == []


@pytest.mark.parametrize("secret", [None, WRONG_SECRET], ids=["no secret", "wrong secret"])
async def test_validate_says_what_is_wrong_with_the_secret(
    secret: str | None, bind: Bind, hierarchy: Hierarchy
) -> None:
    zone = hierarchy.fresh_zone(bind)
    [finding] = await said(bind, zone, secret, probe_write=True)
    assert "CUTOVER_TSIG" in finding.message if secret is None else "BADSIG" in finding.message
    assert WRONG_SECRET not in finding.message + finding.hint
