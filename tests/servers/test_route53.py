"""The Route 53 provider against a real server over HTTP: ministack, with the rules of AWS that it lacks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dns_cutover.providers.interface import ChangeSet, Conflict, Fence, FenceLost, Refused, Token, Unreachable
from dns_cutover.providers.route53 import config
from dns_cutover.providers.route53.message import BatchChange, Failure, RecordSet
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.provider import Route53Provider
from dns_cutover.records import Change, RRset, RRsetKey
from tests.servers.harness.hierarchy import Hierarchy
from tests.servers.harness.ministack import Ministack
from tests.servers.harness.route53_front import KEY_ID, SECRET, Front, Treatment
from tests.servers.harness.route53_rules import apply_batch, key_of, normal

REF = "default"
OLD, NEW = RRset(60, ("192.0.2.1",)), RRset(60, ("192.0.2.2",))


@pytest.fixture(scope="module")
def aws_server(lab: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """ministack and the front before it, at loopback addresses of this worker."""
    directory = tmp_path_factory.mktemp("ministack")
    with (
        Ministack(directory, lab.spare_address()) as behind,
        Front(lab.spare_address(), behind.address) as front,
    ):
        yield front


@pytest.fixture
def aws(aws_server: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Front]:
    """The same, with credentials in the environment, and healed afterwards."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    aws_server.heal()
    yield aws_server
    aws_server.heal()


@pytest.fixture
def origin(lab: Hierarchy) -> str:
    return lab.fresh_origin()


@pytest.fixture
def zone_id(aws: Front, origin: str) -> str:
    made = aws.create_zone(origin)
    aws.write(made, RecordSet(f"www.{origin}", "A", 60, ("192.0.2.1",)))
    return made


def provider(aws: Front, origin: str, **settings: object) -> Route53Provider:
    pace = Pace(random.Random(1), allowed=10_000.0, rate=10_000.0)
    return config.from_config(REF, origin, {"endpoint": aws.url, **settings}, pace=pace)


def www(origin: str) -> RRsetKey:
    return RRsetKey(REF, f"www.{origin}", "A")


async def take(one: Route53Provider, run: str) -> Token:
    token = Token(run, 1, run, 2_000_000_000)
    await one.apply(ChangeSet(()), Fence(None, token))
    return token


@pytest.mark.usefixtures("zone_id")
async def test_a_change_is_written_read_back_and_everywhere(aws: Front, origin: str) -> None:
    one, key = provider(aws, origin), www(origin)
    token = await take(one, "r1")
    guards = await one.guards([key])
    assert (guards.lock, guards.rrsets[key]) == (token, OLD)
    assert guards.clock_offset is not None
    assert abs(guards.clock_offset) <= 2
    receipt = await one.apply(ChangeSet((Change(key, OLD, NEW),)), Fence(token, None))
    assert receipt.change.startswith("C")
    assert (await one.read([key]))[key] == NEW
    while not await one.settled(receipt):
        await asyncio.sleep(0.05)
    assert [p.path for p in aws.passages if "/change/" in p.path] == [f"/2013-04-01/change/{receipt.change}"] * 2


@pytest.mark.usefixtures("zone_id")
async def test_two_writers_race_a_hundred_times_and_one_wins_each_time(aws: Front, origin: str) -> None:
    """Two processes' worth of provider, one lock after the other: the loser is told, and nothing is overwritten."""
    first, second, key = provider(aws, origin), provider(aws, origin), www(origin)
    held, before = await take(first, "r0"), OLD

    async def writes(one: Route53Provider, name: str, n: int) -> Token | None:
        await one.guards([key])
        after = Token(name, n + 2, f"{name}{n}", 2_000_000_000)
        try:
            await one.apply(
                ChangeSet((Change(key, before, RRset(60, (f"10.0.{n}.{ord(name)}",))),)), Fence(held, after)
            )
        except (FenceLost, Conflict):
            return None
        return after

    for n in range(100):
        results = await asyncio.gather(writes(first, "a", n), writes(second, "b", n))
        winners = [token for token in results if token is not None]
        assert len(winners) == 1
        guards = await first.guards([key])
        assert guards.lock == winners[0]
        assert guards.rrsets[key] == RRset(60, (f"10.0.{n}.{ord(winners[0].run)}",))
        held, before = winners[0], guards.rrsets[key]


async def test_a_batch_that_fails_leaves_nothing_behind(aws: Front, origin: str, zone_id: str) -> None:
    one = provider(aws, origin)
    token = await take(one, "r1")
    before = aws.sets(zone_id)
    changes = (
        Change(RRsetKey(REF, f"a.{origin}", "A"), None, NEW),
        Change(RRsetKey(REF, f"b.{origin}", "A"), RRset(60, ("192.0.2.77",)), NEW),
        Change(RRsetKey(REF, f"c.{origin}", "A"), None, NEW),
    )
    with pytest.raises(Conflict):
        await one.apply(ChangeSet(changes), Fence(token, Token("r1", 2, "x", 2_000_000_000)))
    assert aws.sets(zone_id) == before


@pytest.mark.usefixtures("zone_id")
async def test_what_aws_refuses_is_told_in_its_words(aws: Front, origin: str) -> None:
    one = provider(aws, origin)
    token = await take(one, "r1")
    long = RRset(60, (f'"{"A" * 300}"',))
    change = Change(RRsetKey(REF, f"bad.{origin}", "TXT"), None, long)
    with pytest.raises(Refused, match="refuses the change batch") as caught:
        await one.apply(ChangeSet((change,)), Fence(token, Token("r1", 2, "x", 2_000_000_000)))
    assert "CharacterStringTooLong" in caught.value.why
    assert (await one.guards([])).lock == token


@pytest.mark.parametrize("name", ["www", "@"])
@pytest.mark.usefixtures("zone_id")
async def test_an_alias_beside_data_is_a_conflict(aws: Front, origin: str, name: str) -> None:
    one = provider(aws, origin)
    token = await take(one, "r1")
    change = Change(RRsetKey.of(REF, name, "CNAME", origin), None, RRset(60, ("edge.test.",)))
    with pytest.raises(Conflict, match="cannot stand beside"):
        await one.apply(ChangeSet((change,)), Fence(token, Token("r1", 2, "x", 2_000_000_000)))
    assert (await one.guards([])).lock == token


async def test_a_large_zone_is_read_in_fifteen_requests_and_changed_in_batches(
    aws: Front, origin: str, zone_id: str
) -> None:
    records = [RecordSet(f"h{n}.{origin}", "A", 60, ("192.0.2.1",)) for n in range(3996)]
    behind = aws.client(f"http://{aws.behind}:4566")
    for start in range(0, len(records), 1000):
        changes = [
            {
                "Action": "CREATE",
                "ResourceRecordSet": {
                    "Name": r.name,
                    "Type": "A",
                    "TTL": 60,
                    "ResourceRecords": [{"Value": "192.0.2.1"}],
                },
            }
            for r in records[start : start + 1000]
        ]
        behind.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
    held = await take(provider(aws, origin), "r1")
    one = provider(aws, origin)
    aws.passages.clear()
    keys = [RRsetKey(REF, r.name, "A") for r in records]
    found = await one.read(keys)
    assert [found[k] for k in keys] == [OLD] * len(keys)
    assert len(aws.passages) <= 15
    one = provider(aws, origin, endpoint=f"http://{aws.behind}:4566")  # judging each batch of a large zone takes long
    for n, group in enumerate(one.partition(tuple(Change(k, OLD, NEW) for k in keys[:2500]))):
        after = Token("r1", n + 2, f"op{n}", 2_000_000_000)
        await one.apply(ChangeSet(group), Fence(held, after))
        held = after
    assert n == 5
    changed = sum(r.values == ("192.0.2.2",) for r in aws.sets(zone_id).values())
    assert changed == 2500


@pytest.mark.usefixtures("zone_id")
async def test_names_and_texts_of_every_kind_come_back_as_they_were(aws: Front, origin: str) -> None:
    one = provider(aws, origin)
    long = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * (253 - 3 * 64 - len(origin))])
    wanted = {
        RRsetKey.of(REF, "*", "A", origin): RRset.of("A", 60, "192.0.2.1"),
        RRsetKey.of(REF, "a.*.b", "TXT", origin): RRset.of("TXT", 60, '"x"'),
        RRsetKey.of(REF, r"sla\047sh", "TXT", origin): RRset.of("TXT", 60, '"y"'),
        RRsetKey.of(REF, r"d\.x", "TXT", origin): RRset.of(
            "TXT", 60, r'"say \"hi\" \\ \195\164"', f'"{"z" * 255}" "more"'
        ),
        RRsetKey.of(REF, long, "AAAA", origin): RRset.of("AAAA", 60, "2001:db8::1", "2001:db8::2"),
        RRsetKey.of(REF, "mx", "MX", origin): RRset.of("MX", 60, "10 b.test.", "20 a.test."),
    }
    assert max(len(k.owner.rstrip(".")) for k in wanted) == 253
    token = await take(one, "r1")
    after = Token("r1", 2, "x", 2_000_000_000)
    await one.apply(ChangeSet(tuple(Change(k, None, r) for k, r in wanted.items())), Fence(token, after))
    again = provider(aws, origin)
    assert await again.read(list(wanted)) == wanted
    await again.apply(ChangeSet(tuple(Change(k, r, None) for k, r in wanted.items())), Fence(after, None))
    assert set((await again.read(list(wanted))).values()) == {None}


async def test_two_zones_of_one_name_are_listed_and_told_apart(aws: Front, origin: str, zone_id: str) -> None:
    private = aws.create_zone(origin, private=True)
    with pytest.raises(Refused) as caught:
        await provider(aws, origin).guards([])
    assert {zone for zone, _ in caught.value.facts} == {zone_id, private}
    for settings, expected in (({"private": True}, private), ({"zone_id": zone_id}, zone_id)):
        one = provider(aws, origin, **settings)
        await one.guards([])
        assert (await one._reader.zone()).id == expected


async def test_a_zone_that_is_not_there(aws: Front, origin: str) -> None:
    with pytest.raises(Refused, match="there is no hosted zone"):
        await provider(aws, origin).guards([])
    with pytest.raises(Refused, match="there is no ZNOBODY"):
        await provider(aws, origin, zone_id="ZNOBODY").guards([])


async def test_a_role_of_another_account_is_taken_and_its_zone_is_not_ours(
    aws: Front, origin: str, zone_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{aws.behind}:4566")
    role = {"role_arn": "arn:aws:iam::000000000000:role/dns", "external_id": "ours", "session_name": None}
    one = provider(aws, origin, assume_role=role)
    assert (await one.guards([www(origin)])).rrsets[www(origin)] == OLD
    assert one._where.credentials == "the role arn:aws:iam::000000000000:role/dns"


async def test_nobody_there(aws: Front, origin: str, lab: Hierarchy) -> None:
    one = provider(aws, origin, endpoint=f"http://{lab.spare_address()}:9")
    with pytest.raises(Unreachable, match="cannot be reached") as caught:
        await one.apply(ChangeSet(()), Fence(None, Token("r", 1, "x", 1)))
    assert not caught.value.maybe_applied


async def test_no_credentials(aws: Front, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="there are no credentials"):
        await provider(aws, origin).guards([])


@pytest.mark.usefixtures("zone_id")
async def test_a_reply_that_is_lost_is_told_by_the_token(aws: Front, origin: str) -> None:
    one, key = provider(aws, origin), www(origin)
    token = await take(one, "r1")
    aws.choose = lambda p: Treatment.DROP_REPLY if p.batch else Treatment.PASS
    after = Token("r1", 2, "x", 2_000_000_000)
    with pytest.raises(Unreachable) as caught:
        await one.apply(ChangeSet((Change(key, OLD, NEW),)), Fence(token, after))
    assert caught.value.maybe_applied
    assert len([p for p in aws.passages if p.creates("192.0.2.2")]) == 1
    aws.heal()
    assert (await one.guards([key])).lock == after


@pytest.mark.usefixtures("zone_id")
async def test_what_is_throttled_is_sent_again(aws: Front, origin: str) -> None:
    one, key, left = provider(aws, origin), www(origin), [2]
    token = await take(one, "r1")

    def choose(passage: object) -> Treatment:
        left[0] -= 1
        return Treatment.THROTTLE if left[0] >= 0 else Treatment.PASS

    aws.choose = choose
    await one.apply(ChangeSet((Change(key, OLD, NEW),)), Fence(token, None))
    assert [p.code for p in aws.passages if p.creates("192.0.2.2")] == ["", "Throttling", "Throttling"][::-1]


async def test_the_rules_of_the_front_and_ministack_agree_where_both_judge(
    aws: Front, origin: str, zone_id: str
) -> None:
    """Random batches: what the rules say becomes of them is what the server makes of them."""
    rng, behind = random.Random(7), aws.client(f"http://{aws.behind}:4566")
    names = [f"n{n}.{origin}" for n in range(4)]
    for _ in range(60):
        sets = aws.sets(zone_id)
        batch = tuple(
            BatchChange(
                rng.choice(("CREATE", "DELETE", "UPSERT")),
                RecordSet(rng.choice(names), "A", rng.choice((60, 300)), (f"192.0.2.{rng.randint(1, 2)}",)),
            )
            for _ in range(rng.randint(1, 3))
        )
        judged = apply_batch(origin, sets, batch)
        if isinstance(judged, Failure) and "invalid set of changes" in judged.messages[0]:
            continue  # ministack has no such rule
        wanted = [
            {
                "Action": c.action,
                "ResourceRecordSet": {
                    "Name": c.record.name,
                    "Type": "A",
                    "TTL": c.record.ttl,
                    "ResourceRecords": [{"Value": v} for v in c.record.values],
                },
            }
            for c in batch
        ]
        try:
            behind.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": wanted})
        except behind.exceptions.InvalidChangeBatch:
            assert isinstance(judged, Failure)
            assert aws.sets(zone_id) == sets
        else:
            assert judged == aws.sets(zone_id)
    assert key_of(normal(RecordSet("*.X.test", "A", 1, ()))) == ("\\052.x.test.", "A", "")
