"""The RFC 2136 provider on BIND, Knot and PowerDNS: what is written, what is refused, what is noticed."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest

from dns_cutover.providers.interface import ChangeSet, Conflict, Fence, Receipt, Refused, Token, ZoneMoved
from dns_cutover.providers.rfc2136.config import from_config
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.secret import Secret
from dns_cutover.records import Change, RRset, RRsetKey

from .harness import client
from .harness.hierarchy import Hierarchy
from .harness.primary import Authority
from .harness.zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone

REF = "main"
UNTIL = 2_000_000_000
_nonce = itertools.count()


def provider_at(address: str, zone: Zone | str, **changed: object) -> Rfc2136Provider:
    """A provider as assembly makes it, except for what is `changed`."""
    secret = str(changed.pop("secret", KEY_SECRET))
    settings: dict[str, object] = {
        "server": address,
        "key_name": KEY_NAME,
        "algorithm": KEY_ALGORITHM,
        "secret": lambda: Secret(secret, "$CUTOVER_TSIG"),
    }
    return from_config(REF, zone if isinstance(zone, str) else zone.origin, **(settings | changed))  # type: ignore[arg-type]


def key(zone: Zone, owner: str, rdtype: str) -> RRsetKey:
    return RRsetKey.of(REF, owner, rdtype, zone.origin)


def rrset(zone: Zone, rdtype: str, ttl: int, *values: str) -> RRset:
    return RRset.of(rdtype, ttl, *values, origin=zone.origin)


def token(run: str = "7f3a", n: int = 1) -> Token:
    return Token(run, n, f"{next(_nonce):016x}", UNTIL)


class Holder:
    """A run that holds the lock and writes as the engine does: guards, then one message."""

    def __init__(self, provider: Rfc2136Provider, run: str = "7f3a") -> None:
        self.provider = provider
        self.run = run
        self.held: Token | None = None

    async def take(self) -> Receipt:
        guards = await self.provider.guards([])
        return await self._send(ChangeSet((), guards.soa), token(self.run))

    async def write(self, *wanted: tuple[RRsetKey, RRset | None]) -> Receipt:
        guards = await self.provider.guards([k for k, _ in wanted])
        changes = tuple(Change(k, guards.rrsets[k], after) for k, after in wanted)
        return await self.send(*changes, soa=guards.soa)

    async def send(self, *changes: Change, soa: str | None = None) -> Receipt:
        return await self._send(ChangeSet(changes, soa), token(self.run, (self.held.n if self.held else 0) + 1))

    async def release(self) -> Receipt:
        return await self._send(ChangeSet(()), None)

    async def _send(self, changes: ChangeSet, following: Token | None) -> Receipt:
        receipt = await self.provider.apply(changes, Fence(self.held, following))
        self.held = following
        return receipt


@pytest.fixture
def provider(primary: Authority, zone: Zone) -> Rfc2136Provider:
    return provider_at(primary.address, zone)


@pytest.fixture
async def holder(provider: Rfc2136Provider) -> Holder:
    holder = Holder(provider)
    await holder.take()
    return holder


def at(primary: Authority, k: RRsetKey) -> tuple[int | None, tuple[str, ...]]:
    answer = client.ask(primary.address, k.owner, k.rdtype)
    return answer.ttl, answer.values


async def test_guards_show_lock_soa_rrsets_and_the_clock(provider: Rfc2136Provider, zone: Zone) -> None:
    www, nothing = key(zone, "www", "A"), key(zone, "nothing", "A")
    guards = await provider.guards([www, nothing])
    assert guards.rrsets == {www: rrset(zone, "A", 60, "192.0.2.10"), nothing: None}
    assert (guards.lock, guards.lock_blocked, guards.clock_offset) == (None, "", 0.0)
    assert guards.soa.split()[2] == str(guards.serial)


async def test_lock_is_taken_swapped_with_data_and_given_back(
    provider: Rfc2136Provider, primary: Authority, zone: Zone
) -> None:
    holder, www = Holder(provider), key(zone, "www", "A")
    await holder.take()
    assert (await provider.guards([])).lock == holder.held
    receipt = await holder.write((www, rrset(zone, "A", 60, "192.0.2.99")))
    assert receipt == Receipt((), (await provider.guards([])).serial)
    assert at(primary, www) == (60, ("192.0.2.99",))
    assert (await provider.guards([])).lock == holder.held
    await holder.release()
    assert (await provider.guards([])).lock is None


@pytest.mark.parametrize(
    ("owner", "rdtype", "expected", "found"),
    [
        pytest.param("www", "A", ["192.0.2.11"], ["192.0.2.10"], id="another value"),
        pytest.param("pool", "A", ["192.0.2.41"], ["192.0.2.41", "192.0.2.42"], id="one of two"),
        pytest.param("www", "A", ["192.0.2.10", "192.0.2.11"], ["192.0.2.10"], id="one more than there is"),
        pytest.param("new", "A", ["192.0.2.10"], [], id="nothing there"),
        pytest.param("www", "A", [], ["192.0.2.10"], id="something where nothing should be"),
    ],
)
async def test_a_value_that_is_not_as_expected_stops_the_whole_message(
    owner: str, rdtype: str, expected: list[str], found: list[str], holder: Holder, primary: Authority, zone: Zone
) -> None:
    k, api = key(zone, owner, rdtype), key(zone, "api", "A")
    before = rrset(zone, rdtype, 60, *expected) if expected else None
    good = Change(api, rrset(zone, "A", 3600, "192.0.2.20"), rrset(zone, "A", 3600, "192.0.2.21"))
    with pytest.raises(Conflict) as caught:
        await holder.send(good, Change(k, before, rrset(zone, rdtype, 60, "192.0.2.77")))
    [mismatch] = caught.value.mismatches
    assert (mismatch.key, mismatch.done) == (k, False)
    assert (mismatch.found.values if mismatch.found else ()) == tuple(found)
    assert at(primary, api)[1] == ("192.0.2.20",)
    assert (await holder.provider.guards([])).lock == holder.held


async def test_what_is_there_already_is_told_as_done(holder: Holder, zone: Zone) -> None:
    www = key(zone, "www", "A")
    with pytest.raises(Conflict) as caught:
        await holder.send(Change(www, rrset(zone, "A", 60, "192.0.2.9"), rrset(zone, "A", 60, "192.0.2.10")))
    assert [m.done for m in caught.value.mismatches] == [True]


async def test_a_zone_that_moved_elsewhere_is_read_again(holder: Holder, primary: Authority, zone: Zone) -> None:
    www = key(zone, "www", "A")
    guards = await holder.provider.guards([www])
    client.write(primary.address, zone.origin, "other", 60, "A", "192.0.2.1")
    with pytest.raises(ZoneMoved):
        await holder.send(Change(www, guards.rrsets[www], rrset(zone, "A", 60, "192.0.2.99")), soa=guards.soa)
    assert at(primary, www)[1] == ("192.0.2.10",)
    await holder.write((www, rrset(zone, "A", 60, "192.0.2.99")))
    assert at(primary, www)[1] == ("192.0.2.99",)


async def test_a_ttl_changed_by_others_is_caught_by_the_soa(holder: Holder, primary: Authority, zone: Zone) -> None:
    www = key(zone, "www", "A")
    guards = await holder.provider.guards([www])
    client.write(primary.address, zone.origin, "www", 86400, "A", "192.0.2.10")
    with pytest.raises(Conflict) as caught:
        await holder.send(Change(www, guards.rrsets[www], rrset(zone, "A", 60, "192.0.2.99")), soa=guards.soa)
    assert caught.value.mismatches[0].found == rrset(zone, "A", 86400, "192.0.2.10")


@pytest.mark.parametrize("ttl", [30, 7200])
@pytest.mark.parametrize(
    ("owner", "rdtype"), [("api", "A"), ("pool", "A"), ("alias", "CNAME"), ("@", "MX"), ("@", "TXT")]
)
async def test_the_ttl_alone_changes(
    owner: str, rdtype: str, ttl: int, holder: Holder, primary: Authority, zone: Zone
) -> None:
    k = key(zone, owner, rdtype)
    before = (await holder.provider.read([k]))[k]
    assert before is not None
    receipt = await holder.write((k, before.with_ttl(ttl)))
    assert receipt.ignored == ()
    assert (await holder.provider.read([k]))[k] == before.with_ttl(ttl)
    assert at(primary, k)[0] == ttl


@pytest.mark.parametrize("ttl", [300, 30, 7200])
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([["ns1.a.test.", "ns2.a.test."]], id="replaced"),
        pytest.param([["ns1.a.test.", "ns2.a.test."], ["ns2.a.test.", "ns3.a.test."]], id="one of two replaced"),
        pytest.param([["ns1.a.test.", "ns2.a.test."], ["ns1.a.test."]], id="one taken away"),
        pytest.param([["ns1.a.test."], ["ns1.a.test.", "ns2.a.test."]], id="one added"),
        pytest.param([["ns1.a.test.", "ns2.a.test."], ["ns1.a.test.", "ns2.a.test."]], id="TTL alone"),
    ],
)
async def test_apex_ns_set(steps: list[list[str]], ttl: int, holder: Holder, primary: Authority, zone: Zone) -> None:
    ns = key(zone, "@", "NS")
    for values in steps[:-1]:
        await holder.write((ns, rrset(zone, "NS", 300, *values)))
    wanted = rrset(zone, "NS", ttl, *steps[-1])
    assert (await holder.write((ns, wanted))).ignored == ()
    assert at(primary, ns) == (ttl, wanted.values)


async def test_apex_ns_set_cannot_be_deleted(holder: Holder, primary: Authority, zone: Zone) -> None:
    ns = key(zone, "@", "NS")
    with pytest.raises(Refused, match="cannot be deleted"):
        await holder.write((ns, None))
    assert at(primary, ns)[1]


async def test_cname_and_other_types_replace_each_other(holder: Holder, primary: Authority, zone: Zone) -> None:
    cname, a, aaaa = key(zone, "www", "CNAME"), key(zone, "www", "A"), key(zone, "www", "AAAA")
    to_alias = rrset(zone, "CNAME", 60, "web.new.test.")
    assert (await holder.write((cname, to_alias), (a, None))).ignored == ()
    assert at(primary, cname) == (60, to_alias.values)
    other = rrset(zone, "CNAME", 30, "web.newer.test.")
    assert (await holder.write((cname, other))).ignored == ()
    assert at(primary, cname) == (30, other.values)
    six = rrset(zone, "AAAA", 60, "2001:db8::1")
    four = rrset(zone, "A", 60, "192.0.2.10")
    assert (await holder.write((a, four), (aaaa, six), (cname, None))).ignored == ()
    assert at(primary, a) == (60, four.values)
    assert at(primary, aaaa) == (60, six.values)


@pytest.mark.parametrize(
    ("owner", "rdtype", "value"),
    [
        pytest.param("www", "CNAME", "web.new.test.", id="CNAME where A is"),
        pytest.param("alias", "A", "192.0.2.1", id="A where CNAME is"),
        pytest.param("alias", "TXT", '"x"', id="TXT where CNAME is"),
    ],
)
async def test_nothing_is_written_where_a_cname_cannot_stand(
    owner: str, rdtype: str, value: str, holder: Holder, primary: Authority, zone: Zone
) -> None:
    api = key(zone, "api", "A")
    with pytest.raises(Conflict, match="cannot stand beside") as caught:
        await holder.write(
            (api, rrset(zone, "A", 60, "192.0.2.21")), (key(zone, owner, rdtype), rrset(zone, rdtype, 60, value))
        )
    assert [m.key for m in caught.value.mismatches] == [key(zone, owner, rdtype)]
    assert at(primary, api) == (3600, ("192.0.2.20",))


async def test_a_cname_in_place_of_a_is_refused_while_a_third_type_stays(
    holder: Holder, primary: Authority, zone: Zone
) -> None:
    """BIND and Knot would delete A, ignore the CNAME, and say NOERROR: a gap."""
    client.write(primary.address, zone.origin, "www", 60, "TXT", '"stays"')
    a = key(zone, "www", "A")
    with pytest.raises(Conflict, match="TXT at www"):
        await holder.write((a, None), (key(zone, "www", "CNAME"), rrset(zone, "CNAME", 60, "web.new.test.")))
    assert at(primary, a) == (60, ("192.0.2.10",))


@pytest.mark.parametrize(
    ("rdtype", "spelled", "new"),
    [
        ("MX", "10 Mail.OldMail.Test.", "10 mx.newmail.test."),
        ("SRV", "1 2 3 Host.OldMail.Test.", "1 2 3 host.newmail.test."),
        ("HTTPS", "1 Host.OldMail.Test. alpn=h2", "1 host.newmail.test. alpn=h2"),
        ("NAPTR", '1 2 "S" "SIP+D2U" "" _sip._udp.Example.Test.', '1 2 "S" "SIP+D2U" "" _sip._udp.example.test.'),
        ("CAA", '0 issue "CA.test"', '0 issue "other.test"'),
    ],
)
async def test_values_that_the_server_spells_in_its_own_way_are_replaced(
    rdtype: str, spelled: str, new: str, holder: Holder, primary: Authority, zone: Zone
) -> None:
    client.write(primary.address, zone.origin, "spelled", 60, rdtype, spelled)
    k = key(zone, "spelled", rdtype)
    wanted = rrset(zone, rdtype, 30, new)
    await holder.write((k, wanted))
    assert (await holder.provider.read([k]))[k] == wanted


async def test_a_name_that_only_a_wildcard_answers_for_is_absent_and_can_be_created(
    holder: Holder, primary: Authority, zone: Zone
) -> None:
    here, alias, deep = key(zone, "here.wild", "A"), key(zone, "here.wild", "CNAME"), key(zone, "a.b.wild", "A")
    assert client.ask(primary.address, here.owner, "A").values == ("192.0.2.50",)
    assert await holder.provider.read([here, alias, deep]) == dict.fromkeys([here, alias, deep])
    same = rrset(zone, "A", 60, "192.0.2.50")
    assert (await holder.write((here, same))).ignored == ()
    assert await holder.provider.read([here, deep]) == {here: same, deep: None}
    star = key(zone, "*.wild", "A")
    assert await holder.provider.read([star]) == {star: same}


async def test_a_wildcard_at_the_apex_is_no_lock(provider: Rfc2136Provider, primary: Authority, zone: Zone) -> None:
    client.write(primary.address, zone.origin, "*", 60, "TXT", '"anything"')
    holder = Holder(provider)
    guards = await provider.guards([])
    assert (guards.lock, guards.lock_blocked) == (None, "")
    await holder.take()
    assert (await provider.guards([])).lock == holder.held


async def test_a_delegation_and_its_glue_are_read_and_written(holder: Holder, primary: Authority, zone: Zone) -> None:
    ns, glue, ds = key(zone, "sub", "NS"), key(zone, "ns1.sub", "A"), key(zone, "sub", "DS")
    digest = rrset(zone, "DS", 60, "4711 13 2 " + "ab" * 32)
    first = (ns, rrset(zone, "NS", 60, "ns1.sub")), (glue, rrset(zone, "A", 60, "192.0.2.53")), (ds, digest)
    assert (await holder.write(*first)).ignored == ()
    assert await holder.provider.read([ns, glue, ds]) == dict(first)
    second = (ns, rrset(zone, "NS", 30, "ns1.sub", "ns2.else.test.")), (glue, rrset(zone, "A", 30, "192.0.2.54"))
    assert (await holder.write(*second)).ignored == ()
    assert await holder.provider.read([ns, glue, ds]) == dict(second) | {ds: digest}


async def test_what_the_server_silently_ignores_is_told(
    holder: Holder, hierarchy: Hierarchy, primary: Authority, zone: Zone
) -> None:
    """A name below a delegation is stored, and no question shows it."""
    client.write(primary.address, zone.origin, "sub", 60, "NS", "ns1.else.test.")
    hidden, www = key(zone, "hidden.sub", "TXT"), key(zone, "www", "A")
    receipt = await holder.write((hidden, rrset(zone, "TXT", 60, '"x"')), (www, rrset(zone, "A", 60, "192.0.2.99")))
    assert receipt.ignored == (hidden,)


async def test_thousands_of_changes_are_few_messages_and_hundreds_of_questions_one_connection(
    holder: Holder, zone: Zone
) -> None:
    wanted = {key(zone, f"host-{n:04}", "A"): rrset(zone, "A", 60, f"198.51.{n // 250}.{n % 250}") for n in range(2000)}
    groups = holder.provider.partition(tuple(Change(k, None, v) for k, v in wanted.items()))
    assert len(groups) == 2
    assert [c for group in groups for c in group] == [Change(k, None, v) for k, v in wanted.items()]
    some = groups[1][:150]
    await holder.send(*some)
    keys = [c.key for c in some]
    assert await holder.provider.read(keys) == {k: wanted[k] for k in keys}


async def test_a_message_of_the_greatest_size_is_taken_and_a_greater_one_refused(
    hierarchy: Hierarchy, bind: Authority
) -> None:
    zone = hierarchy.fresh_zone(bind)
    holder = Holder(provider_at(bind.address, zone))
    await holder.take()
    changes = tuple(
        Change(key(zone, f"big-{n:04}", "TXT"), None, rrset(zone, "TXT", 60, f'"{"x" * 200}"')) for n in range(400)
    )
    full, *_ = holder.provider.partition(changes)
    assert len(full) < len(changes)
    with pytest.raises(Refused, match="do not fit one message"):
        await holder.send(*changes)
    guards = await holder.provider.guards([])
    assert (await holder.send(*full, soa=guards.soa)).ignored == ()


@pytest.mark.parametrize(
    ("ttls", "expected"), [([3600, 60], 3600), ([60, 3600, 60], 3600), ([60], 60)], ids=["down", "up and down", "once"]
)
async def test_history_tells_the_highest_ttl_published_since(
    ttls: list[int], expected: int, provider: Rfc2136Provider, primary: Authority, zone: Zone
) -> None:
    www, api = key(zone, "www", "A"), key(zone, "api", "A")
    since = (await provider.guards([])).serial
    assert await provider.history(since, [www, api]) == {www: 0, api: 0}
    for n, ttl in enumerate(ttls):
        client.write(primary.address, zone.origin, "www", ttl, "A", f"192.0.2.{100 + n}")
    told = await provider.history(since, [www, api])
    # PowerDNS keeps no history: it gives the zone as it is.
    assert told == (None if type(primary).__name__ == "PowerDns" else {www: expected, api: 0})


async def test_lowering_a_ttl_does_not_look_like_the_old_ttl_published_again(holder: Holder, zone: Zone) -> None:
    api = key(zone, "api", "A")
    since = (await holder.provider.guards([])).serial
    await holder.write((api, rrset(zone, "A", 60, "192.0.2.20")))
    assert await holder.provider.history(since, [api]) in ({api: 60}, None)


async def test_a_clock_that_differs_is_told(primary: Authority, zone: Zone) -> None:
    """PowerDNS echoes our time. The others tell theirs; `now` stands for the clock that signs."""
    for ahead in (-20.0, 20.0):
        provider = provider_at(primary.address, zone, now=lambda ahead=ahead: time.time() + ahead)
        offset = (await provider.guards([])).clock_offset
        assert offset is not None
        assert -ahead - 2 < offset < -ahead + 1


async def test_keys_of_another_zone_and_set_identifiers_are_not_for_this_provider(
    provider: Rfc2136Provider, zone: Zone
) -> None:
    www = key(zone, "www", "A")
    with pytest.raises(ValueError, match="belongs to zone other"):
        await provider.read([replace(www, zone="other")])
    with pytest.raises(Refused, match="cannot be kept"):
        await provider.guards([replace(www, set_id="blue")])
