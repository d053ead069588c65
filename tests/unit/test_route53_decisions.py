"""The decisions of the Route 53 provider, over a hosted zone in memory with the rules of AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dns_cutover.providers.interface import (
    ChangeSet,
    Conflict,
    Fence,
    FenceLost,
    Receipt,
    Refused,
    Token,
    Unlike,
    Unreachable,
    ZoneMoved,
)
from dns_cutover.providers.route53.message import BatchChange, Failure, HostedZone, RecordSet
from dns_cutover.providers.route53.refusal import Where
from dns_cutover.providers.route53.size import partition_changes, weight
from dns_cutover.records import Change, RRset, RRsetKey
from tests.unit.fake_route53 import REF, ZONE, FakeRoute53

T1, T2 = Token("r1", 1, "aa", 2000), Token("r1", 2, "bb", 2000)
LOCK = f"_dns-cutover.{ZONE}"
WWW = RRsetKey(REF, f"www.{ZONE}", "A")
OLD, NEW = RRset(60, ("192.0.2.1",)), RRset(60, ("192.0.2.2",))
THROTTLED = Failure("Throttling", ("Rate exceeded",))


def lock(token: Token) -> RecordSet:
    return RecordSet(LOCK, "TXT", 60, (f'"{token.text()}"',))


@pytest.fixture
def aws() -> FakeRoute53:
    """A zone with one address, and a lock that this run holds."""
    fake = FakeRoute53()
    fake.put(RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",)), lock(T1))
    return fake


def batches(aws: FakeRoute53) -> list[tuple[BatchChange, ...]]:
    return [about for what, about in aws.calls if what == "change"]  # type: ignore[misc]


def told(batch: tuple[BatchChange, ...]) -> list[tuple[str, str, str]]:
    return [(c.action, c.record.name, c.record.rdtype) for c in batch]


# -- reading ---------------------------------------------------------------------------------------------------------


async def test_guards_have_lock_sets_and_clock(aws: FakeRoute53) -> None:
    absent = RRsetKey(REF, f"new.{ZONE}", "A")
    guards = await aws.provider().guards([WWW, absent])
    assert (guards.lock, guards.lock_blocked) == (T1, "")
    assert guards.rrsets == {WWW: OLD, absent: None}
    assert guards.clock_offset == 0.0


@pytest.mark.parametrize("behind", [-400.0, 90.0])
async def test_the_clock_of_aws_is_told(aws: FakeRoute53, behind: float) -> None:
    provider = aws.provider()
    provider._reader.now = lambda: aws.now - behind
    guards = await provider.guards([])
    assert guards.clock_offset == pytest.approx(behind, abs=1.1)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (RecordSet(LOCK, "CNAME", 60, ("x.test.",)), "a CNAME stands in the way"),
        (RecordSet(LOCK, "NS", 60, ("x.test.",)), "a delegation stands in the way"),
        (RecordSet(LOCK, "TXT", 60, ('"something else"',)), "a TXT at _dns-cutover.example.test. that is no lock"),
        (RecordSet(LOCK, "TXT", 60, (f'"{T1.text()}"',), "one", '{"Weight": 1}'), "that is no lock"),
    ],
)
async def test_what_stands_in_the_locks_place_is_told(record: RecordSet, what: str) -> None:
    aws = FakeRoute53()
    aws.put(record)
    guards = await aws.provider().guards([])
    assert guards.lock is None
    assert what in guards.lock_blocked


async def test_a_zone_without_room_for_the_lock_is_told() -> None:
    aws = FakeRoute53(".".join(["a" * 63] * 3 + ["b" * 53]) + ".")
    assert "so long" in (await aws.provider().guards([])).lock_blocked


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (RecordSet(f"www.{ZONE}", "A", None, (), "", '{"AliasTarget": {"DNSName": "lb.test."}}'), "is an alias"),
        (RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",), "blue", '{"Weight": 5}'), "is weighted"),
        (RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",), "", '{"HealthCheckId": "h"}'), "tied to a health check"),
        (RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",), "x", '{"Unheard": 1}'), "does not know"),
    ],
)
async def test_sets_that_are_not_simple_are_never_flattened(record: RecordSet, what: str) -> None:
    aws = FakeRoute53()
    aws.put(record)
    with pytest.raises(Refused) as caught:
        await aws.provider().guards([WWW])
    assert what in caught.value.what


async def test_four_thousand_sets_are_read_in_fifteen_requests() -> None:
    aws = FakeRoute53()
    aws.put(*(RecordSet(f"h{n}.{ZONE}", "A", 60, (f"10.0.{n // 250}.{n % 250 + 1}",)) for n in range(3998)))
    keys = [RRsetKey(REF, f"h{n}.{ZONE}", "A") for n in range(3998)]
    found = await aws.provider().read(keys)
    assert sum(r is not None for r in found.values()) == 3998
    assert len(aws.calls) <= 15


async def test_a_few_names_of_a_large_zone_are_read_by_themselves() -> None:
    aws = FakeRoute53()
    aws.put(*(RecordSet(f"h{n}.{ZONE}", "A", 60, ("192.0.2.1",)) for n in range(3000)))
    aws.put(RecordSet(f"*.{ZONE}", "A", 60, ("192.0.2.9",)))
    keys = [RRsetKey(REF, f"h7.{ZONE}", "A"), RRsetKey(REF, f"none.{ZONE}", "A"), RRsetKey(REF, f"*.{ZONE}", "A")]
    found = await aws.provider().read(keys)
    assert [found[k] and found[k].values for k in keys] == [("192.0.2.1",), None, ("192.0.2.9",)]
    assert len(aws.calls) == 4


async def test_a_name_with_more_sets_than_a_page_is_read_to_its_end() -> None:
    aws = FakeRoute53()
    aws.put(*(RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",), f"s{n:03}", '{"Weight": 1}') for n in range(250)))
    aws.put(*(RecordSet(f"x{n}.{ZONE}", "A", 60, ("192.0.2.1",)) for n in range(2000)))
    aws.put(RecordSet(f"www.{ZONE}", "TXT", 60, ('"last"',)))
    found = await aws.provider().read([RRsetKey(REF, f"www.{ZONE}", "TXT")])
    assert found == {RRsetKey(REF, f"www.{ZONE}", "TXT"): RRset(60, ('"last"',))}


# -- which zone ------------------------------------------------------------------------------------------------------


async def test_several_zones_of_one_name_are_listed(aws: FakeRoute53) -> None:
    aws.hosted = [HostedZone("Z1", ZONE, False, 5, "shop"), HostedZone("Z2", ZONE, True, 9)]
    with pytest.raises(Refused) as caught:
        await aws.provider().guards([])
    assert caught.value.what == "there are 2 hosted zones example.test."
    assert caught.value.facts == (("Z1", "public, 5 record sets, shop"), ("Z2", "private, 9 record sets"))


@pytest.mark.parametrize(("private", "expected"), [(True, "Z2"), (False, "Z1")])
async def test_private_or_public_tells_two_apart(aws: FakeRoute53, private: bool, expected: str) -> None:
    aws.hosted = [HostedZone("Z1", ZONE, False, 5), HostedZone("Z2", ZONE, True, 9)]
    provider = aws.provider(Where(ZONE, private=private))
    await provider.guards([])
    assert (await provider._reader.zone()).id == expected


async def test_a_zone_that_is_not_there_is_told(aws: FakeRoute53) -> None:
    aws.hosted = [HostedZone("Z1", ZONE, False, 5)]
    with pytest.raises(Refused, match=r"there is no private hosted zone example\.test\."):
        await aws.provider(Where(ZONE, private=True)).guards([])
    with pytest.raises(Refused, match="there is no Z9 for"):
        await aws.provider(Where(ZONE, "Z9")).guards([])


async def test_an_id_of_another_zone_is_told(aws: FakeRoute53) -> None:
    aws.hosted = [HostedZone("Z1", "other.test.", False, 5)]
    with pytest.raises(Refused, match=r"Z1 is other\.test\., not example\.test\."):
        await aws.provider(Where(ZONE, "Z1")).guards([])


# -- writing ---------------------------------------------------------------------------------------------------------


async def test_a_change_and_the_lock_are_one_batch_deletions_first(aws: FakeRoute53) -> None:
    receipt = await aws.provider().apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert receipt == Receipt((), 0, "C1")
    assert told(batches(aws)[0]) == [
        ("DELETE", LOCK, "TXT"),
        ("DELETE", f"www.{ZONE}", "A"),
        ("CREATE", LOCK, "TXT"),
        ("CREATE", f"www.{ZONE}", "A"),
    ]
    guards = await aws.provider().guards([WWW])
    assert (guards.lock, guards.rrsets[WWW]) == (T2, NEW)


async def test_the_lock_is_taken_only_where_there_is_none() -> None:
    aws = FakeRoute53()
    provider = aws.provider()
    await provider.apply(ChangeSet((), "the SOA, which says nothing here"), Fence(None, T1))
    with pytest.raises(FenceLost) as caught:
        await provider.apply(ChangeSet(()), Fence(None, Token("r2", 1, "cc", 2000)))
    assert caught.value.found == T1
    await provider.apply(ChangeSet(()), Fence(T1, None))
    assert (await provider.guards([])).lock is None


async def test_a_batch_whose_token_was_burned_is_never_applied(aws: FakeRoute53) -> None:
    """A request may arrive after its sender gave up, and after its change was taken back: images would match again."""
    provider = aws.provider()
    burned = Token("r1", 2, "burn", 2000)
    await provider.guards([WWW])
    await provider.apply(ChangeSet(()), Fence(T1, burned))
    with pytest.raises(FenceLost):
        await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert (await provider.read([WWW]))[WWW] == OLD


@pytest.mark.parametrize(
    "foreign",
    [
        RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.66",)),
        RecordSet(f"www.{ZONE}", "A", 3600, ("192.0.2.1",)),
        RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1", "192.0.2.3")),
    ],
    ids=["value", "ttl", "one more"],
)
async def test_a_foreign_write_is_a_conflict_and_nothing_is_left_behind(aws: FakeRoute53, foreign: RecordSet) -> None:
    aws.put(foreign)
    before = dict(aws.sets)
    new = RRsetKey(REF, f"new.{ZONE}", "A")
    with pytest.raises(Conflict) as caught:
        await aws.provider().apply(ChangeSet((Change(new, None, NEW), Change(WWW, OLD, NEW))), Fence(T1, T2))
    assert [m.key for m in caught.value.mismatches] == [WWW]
    assert aws.sets == before


async def test_a_value_of_another_spelling_is_deleted_as_it_is_spelled(aws: FakeRoute53) -> None:
    key = RRsetKey(REF, f"alias.{ZONE}", "CNAME")
    aws.put(RecordSet(f"alias.{ZONE}", "CNAME", 60, ("Old-Edge.CDN.test",)))
    provider = aws.provider()
    before = (await provider.guards([key])).rrsets[key]
    assert before == RRset(60, ("old-edge.cdn.test.",))
    await provider.apply(ChangeSet((Change(key, before, before.with_ttl(30)),)), Fence(T1, T2))
    assert aws.sets[f"alias.{ZONE}", "CNAME", ""].values == ("Old-Edge.CDN.test",)
    assert aws.sets[f"alias.{ZONE}", "CNAME", ""].ttl == 30


async def test_a_spelling_that_changed_meanwhile_is_read_again(aws: FakeRoute53) -> None:
    key = RRsetKey(REF, f"alias.{ZONE}", "CNAME")
    aws.put(RecordSet(f"alias.{ZONE}", "CNAME", 60, ("old.test",)))
    provider = aws.provider()
    before = (await provider.guards([key])).rrsets[key]
    aws.put(RecordSet(f"alias.{ZONE}", "CNAME", 60, ("OLD.test",)))
    with pytest.raises(ZoneMoved):
        await provider.apply(ChangeSet((Change(key, before, None),)), Fence(T1, T2))


async def test_a_cname_takes_the_place_of_an_address_in_one_batch(aws: FakeRoute53) -> None:
    cname = RRsetKey(REF, f"www.{ZONE}", "CNAME")
    swap = (Change(cname, None, RRset(60, ("edge.test.",))), Change(WWW, OLD, None))
    await aws.provider().apply(ChangeSet(swap), Fence(T1, T2))
    assert (await aws.provider().read([cname, WWW])) == {cname: RRset(60, ("edge.test.",)), WWW: None}


@pytest.mark.parametrize("alias", [True, False])
async def test_what_stands_beside_an_alias_is_a_conflict(aws: FakeRoute53, alias: bool) -> None:
    key = RRsetKey(REF, f"{'www' if alias else 'other'}.{ZONE}", "CNAME" if alias else "A")
    aws.put(RecordSet(f"other.{ZONE}", "CNAME", 60, ("edge.test.",)))
    new = RRset(60, ("edge.test.",)) if alias else NEW
    with pytest.raises(Conflict) as caught:
        await aws.provider().apply(ChangeSet((Change(key, None, new),)), Fence(T1, T2))
    assert "cannot stand beside" in caught.value.what
    assert [m.key for m in caught.value.mismatches] == [key]


async def test_what_aws_refuses_is_told_with_its_words(aws: FakeRoute53) -> None:
    cname = RRsetKey(REF, ZONE, "TYPE65280")
    aws.trouble = [None, None, Failure("InvalidChangeBatch", ("Invalid request: no such type",))]
    provider = aws.provider()
    await provider.guards([WWW])
    with pytest.raises(Refused) as caught:
        await provider.apply(ChangeSet((Change(cname, None, RRset(60, ("\\# 0",))),)), Fence(T1, T2))
    assert caught.value.why == "Invalid request: no such type"


async def test_the_apex_ns_set_is_overwritten_and_never_deleted(aws: FakeRoute53) -> None:
    key = RRsetKey(REF, ZONE, "NS")
    provider = aws.provider()
    before = (await provider.guards([key])).rrsets[key]
    assert before is not None
    after = RRset(300, ("ns1.other.test.",))
    await provider.apply(ChangeSet((Change(key, before, after),)), Fence(T1, T2))
    assert ("UPSERT", ZONE, "NS") in told(batches(aws)[0])
    assert (await provider.read([key]))[key] == after
    assert not provider.guarantees.apex_ns_swap
    with pytest.raises(Refused, match=r"the NS of example\.test\. cannot be deleted"):
        await provider.apply(ChangeSet((Change(key, after, None),)), Fence(T2, T1))


async def test_a_change_that_changes_nothing_is_a_condition(aws: FakeRoute53) -> None:
    aws.put(RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.66",)))
    with pytest.raises(Conflict):
        await aws.provider().apply(ChangeSet((Change(WWW, OLD, OLD),)), Fence(T1, T2))


async def test_a_lock_that_somebody_took_is_lost(aws: FakeRoute53) -> None:
    other = Token("r2", 7, "zz", 9000)
    aws.put(lock(other))
    with pytest.raises(FenceLost) as caught:
        await aws.provider().apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert caught.value.found == other
    assert (await aws.provider().read([WWW]))[WWW] == OLD


async def test_a_reply_that_is_lost_leaves_the_fate_open(aws: FakeRoute53) -> None:
    aws.late_trouble.append(Unreachable("Route 53 does not answer", maybe_applied=True))
    provider = aws.provider()
    with pytest.raises(Unreachable) as caught:
        await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert caught.value.maybe_applied
    assert len(batches(aws)) == 1
    assert (await provider.guards([WWW])).lock == T2


async def test_a_copy_of_the_same_batch_that_came_before_it_is_told_by_the_token(aws: FakeRoute53) -> None:
    provider = aws.provider()
    change = ChangeSet((Change(WWW, OLD, NEW),))
    await provider.apply(change, Fence(T1, T2))
    assert await provider.apply(change, Fence(T1, T2)) == Receipt((), 0, "")


async def test_a_read_back_that_fails_does_not_undo_what_was_answered(aws: FakeRoute53) -> None:
    provider = aws.provider()
    await provider.guards([WWW])
    aws.trouble = [None, *[Unreachable("nobody there", maybe_applied=False)] * 3]
    receipt = await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert receipt.change == "C1"


# -- limits and pace -------------------------------------------------------------------------------------------------


def many(count: int, values: int = 1) -> tuple[Change, ...]:
    old = RRset(60, tuple(sorted(f"192.0.2.{n}" for n in range(1, values + 1))))
    new = RRset(60, tuple(sorted(f"198.51.100.{n}" for n in range(1, values + 1))))
    return tuple(Change(RRsetKey(REF, f"h{n}.{ZONE}", "A"), old, new) for n in range(count))


async def test_two_thousand_five_hundred_changes_go_in_batches_within_all_limits() -> None:
    aws = FakeRoute53()
    aws.put(lock(T1), *(RecordSet(f"h{n}.{ZONE}", "A", 60, ("192.0.2.1",)) for n in range(2500)))
    provider, held = aws.provider(), T1
    groups = provider.partition(many(2500))
    assert sum(map(len, groups)) == 2500
    assert len(groups) == 6
    for n, group in enumerate(groups):
        after = Token("r1", n + 2, f"op{n}", 2000)
        await provider.apply(ChangeSet(group), Fence(held, after))
        held = after
    assert all(weight(b)[0] <= 1000 and weight(b)[1] <= 32_000 for b in batches(aws))
    assert all(r.values == ("198.51.100.1",) for r in aws.sets.values() if r.rdtype == "A")


def test_characters_are_counted_as_well() -> None:
    old, new = (RRset(60, (f'"{letter * 250}"',)) for letter in "ab")
    changes = tuple(Change(RRsetKey(REF, f"t{n}.{ZONE}", "TXT"), old, new) for n in range(200))
    groups = partition_changes(changes, ZONE)
    assert len(groups) > 3
    assert all(sum(len(v) for c in g for r in (c.before, c.after) if r for v in r.values) < 32_000 for g in groups)


def test_the_apex_ns_counts_twice_once() -> None:
    ns = RRset(60, tuple(f"ns{n:03}.test." for n in range(300)))
    apex = Change(RRsetKey(REF, ZONE, "NS"), ns, ns.with_ttl(30))
    assert len(partition_changes((apex, *many(201)), ZONE)) == 2
    assert len(partition_changes((apex, *many(198)), ZONE)) == 1


def test_changes_of_one_name_stay_together() -> None:
    extra = tuple(replace(c, key=replace(c.key, rdtype="TXT")) for c in many(499))
    groups = [{c.key.owner for c in group} for group in partition_changes((*many(499), *extra), ZONE)]
    assert len(groups) > 1
    assert sum(map(len, groups)) == 499


async def test_a_batch_that_is_too_large_is_not_sent(aws: FakeRoute53) -> None:
    with pytest.raises(Refused, match="do not fit one batch"):
        await aws.provider().apply(ChangeSet(many(1, 600)), Fence(T1, T2))
    assert not batches(aws)


async def test_what_is_turned_away_is_sent_again_later_and_slower(aws: FakeRoute53) -> None:
    provider = aws.provider()
    await provider.guards([WWW])
    aws.trouble = [THROTTLED, Failure("PriorRequestNotComplete", ("still processing a prior request",)), THROTTLED]
    receipt = await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert receipt.change == "C1"
    assert len(batches(aws)) == 4
    assert provider._reader.pace.rate < 5
    assert sum(aws.slept) > 1


async def test_an_account_that_stays_busy_is_told_and_nothing_was_applied(aws: FakeRoute53) -> None:
    aws.trouble = [THROTTLED] * 100
    with pytest.raises(Unreachable, match="turns requests away") as caught:
        await aws.provider().apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert not caught.value.maybe_applied
    assert sum(aws.slept) <= 75


async def test_five_requests_a_second_and_not_more() -> None:
    aws = FakeRoute53()
    aws.put(*(RecordSet(f"h{n}.{ZONE}", "A", 60, ("192.0.2.1",)) for n in range(3000)))
    began = aws.now
    await aws.provider().read([RRsetKey(REF, f"h{n}.{ZONE}", "A") for n in range(3000)])
    assert len(aws.calls) / (aws.now - began) <= 5.6


async def test_a_server_that_fails_leaves_a_batch_open_and_a_question_is_asked_again(aws: FakeRoute53) -> None:
    aws.trouble = [Failure("ServiceUnavailable", (), 503), None, None, Failure("InternalFailure", (), 500)]
    provider = aws.provider()
    assert (await provider.guards([WWW])).lock == T1
    with pytest.raises(Unreachable) as caught:
        await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert caught.value.maybe_applied


# -- on its way ------------------------------------------------------------------------------------------------------


async def test_get_change_is_asked_after_one_two_and_four_seconds(aws: FakeRoute53) -> None:
    provider = aws.provider()
    receipt = await provider.apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    aws.pending, began, asked = 3, aws.now, []
    while not await provider.settled(receipt):
        seen = sum(what == "get_change" for what, _ in aws.calls)
        if len(asked) < seen:
            asked.append(round(aws.now - began))
        aws.now += 0.25
        assert aws.now < began + 60
    assert asked == [1, 3, 7]
    calls = len(aws.calls)
    assert await provider.settled(receipt)
    assert len(aws.calls) == calls


async def test_a_change_without_a_name_counts_as_everywhere_after_a_minute(aws: FakeRoute53) -> None:
    provider = aws.provider()
    assert not await provider.settled(Receipt((), 0, ""))
    aws.now += 59
    assert not await provider.settled(Receipt((), 0, ""))
    aws.now += 2
    assert await provider.settled(Receipt((), 0, ""))
    assert not aws.calls


async def test_a_change_that_aws_has_forgotten_does_too(aws: FakeRoute53) -> None:
    provider = aws.provider()
    aws.trouble = [Failure("NoSuchChange", ("not found",), 404)]
    assert not await provider.settled(Receipt((), 0, "C9"))
    aws.now += 61
    assert await provider.settled(Receipt((), 0, "C9"))


async def test_another_process_asks_by_the_name_alone(aws: FakeRoute53) -> None:
    receipt = await aws.provider().apply(ChangeSet((Change(WWW, OLD, NEW),)), Fence(T1, T2))
    assert await aws.provider().settled(receipt)


async def test_keys_of_other_zones_and_set_identifiers_are_refused(aws: FakeRoute53) -> None:
    with pytest.raises(ValueError, match="belongs to zone other"):
        await aws.provider().read([RRsetKey("other", f"www.{ZONE}", "A")])
    with pytest.raises(Refused, match="cannot be changed by this version"):
        await aws.provider().read([RRsetKey(REF, f"www.{ZONE}", "A", "blue")])


# -- permission ------------------------------------------------------------------------------------------------------


async def test_permission_is_asked_for_by_a_batch_that_changes_nothing(aws: FakeRoute53) -> None:
    keys = [WWW, *(RRsetKey(REF, f"t.{ZONE}", t) for t in ("MX", "TXT", "SRV", "HTTPS", "CAA", "NAPTR", "DS", "AAAA"))]
    before = dict(aws.sets)
    assert (await aws.provider().permission(keys, "nonce")).reason == ""
    assert aws.sets == before
    (batch,) = batches(aws)
    assert {c.action for c in batch} == {"DELETE"}
    assert told(batch)[0] == ("DELETE", LOCK, "TXT")
    assert len(batch) == 10


async def test_what_is_denied_is_told_with_the_command_that_says_what_is_needed(aws: FakeRoute53) -> None:
    said = "User: arn:aws:iam::1:user/ci is not authorized to perform: route53:ChangeResourceRecordSets"
    aws.trouble = [None, None, Failure("AccessDenied", (said,), 403)]
    found = await aws.provider(Where(ZONE, "Z1EXAMPLE")).permission([WWW], "nonce")
    assert said in found.reason
    assert found.grant == "dns-cutover providers route53 --iam-policy Z1EXAMPLE"


async def test_thousands_of_names_are_asked_for_in_batches(aws: FakeRoute53) -> None:
    keys = [RRsetKey(REF, f"h{n}.{ZONE}", "A") for n in range(2000)]
    assert (await aws.provider().permission(keys, "nonce")).reason == ""
    assert [len(b) for b in batches(aws)] == [901, 901, 201]


async def test_a_set_that_is_not_simple_is_told_with_the_permissions(aws: FakeRoute53) -> None:
    aws.put(RecordSet(f"lb.{ZONE}", "A", 60, ("192.0.2.1",), "blue", '{"Weight": 5}'))
    with pytest.raises(Refused, match="lb A is weighted at Route 53"):
        await aws.provider().permission([WWW, RRsetKey(REF, f"lb.{ZONE}", "A")], "nonce")
    assert not batches(aws)


async def test_what_stands_in_the_locks_place_is_told_with_the_permissions(aws: FakeRoute53) -> None:
    aws.put(RecordSet(LOCK, "TXT", 60, ('"theirs"',)))
    assert "is no lock" in (await aws.provider().permission([WWW], "nonce")).reason
    assert not batches(aws)


async def test_sets_that_are_not_simple_are_named_all_at_once(aws: FakeRoute53) -> None:
    aws.drop(f"www.{ZONE}", "A")
    aws.put(RecordSet(f"www.{ZONE}", "A", 60, ("192.0.2.1",), "blue", '{"Weight": 5}'))
    aws.put(RecordSet(f"lb.{ZONE}", "A", None, (), "", '{"AliasTarget": {"DNSName": "x.test."}}'))
    lb, plain = RRsetKey(REF, f"lb.{ZONE}", "A"), RRsetKey(REF, f"new.{ZONE}", "A")
    with pytest.raises(Unlike) as caught:
        await aws.provider().guards([WWW, lb, plain])
    assert caught.value.kinds == {WWW: "weighted", lb: "an alias"}
    assert caught.value.what == "www A is weighted at Route 53"
    assert (await aws.provider().guards([plain])).lock == T1
