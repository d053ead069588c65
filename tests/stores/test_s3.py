"""S3: lost replies, servers that ignore conditions, writers that race, and what people are told."""

import asyncio
import json
from typing import Any

import botocore.exceptions
import pytest

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store
from dns_cutover.store.s3 import MARKER, s3_store

CANARY = "canary-of-the-secret-key"


class Through:
    """A client that passes everything on; a test replaces `put_object`."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def envelopes(first: int, count: int = 1) -> list[Envelope]:
    return [Envelope("r1", first + n, float(first + n), f'{{"n":{n}}}') for n in range(count)]


def refusal(code: str) -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError({"Error": {"Code": code}}, "PutObject")


async def test_an_append_whose_reply_was_lost_is_ours(s3_url: str) -> None:
    """The client sends again, and "it exists" is then no lost race."""
    store = s3_store(s3_url)

    class Twice(Through):
        def put_object(self, **query: Any) -> Any:
            self.real.put_object(**query)
            return self.real.put_object(**query)

    assert await store.append(envelopes(0, 2))
    store._s3 = Twice(store._s3)
    assert await store.append(envelopes(2, 2))
    assert await store.load("r1") == (*envelopes(0, 2), *envelopes(2, 2))


async def test_a_server_that_ignores_the_condition_is_refused(s3_url: str) -> None:
    store = s3_store(s3_url)

    class Ignorant(Through):
        def put_object(self, **query: Any) -> Any:
            del query["IfNoneMatch"]
            return self.real.put_object(**query)

    store._s3 = Ignorant(store._s3)
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        await store.append(envelopes(0))
    assert "If-None-Match" in caught.value.why
    assert await store.load("r1") == ()


async def test_a_conflict_is_tried_again(s3_url: str) -> None:
    """409 means that two writes were under way at once, and not who won."""
    store = s3_store(s3_url)
    assert await store.append(envelopes(0))

    class Busy(Through):
        left = 2

        def put_object(self, **query: Any) -> Any:
            if self.left:
                self.left -= 1
                raise refusal("ConditionalRequestConflict")
            return self.real.put_object(**query)

    store._s3 = Busy(store._s3)
    assert await store.append(envelopes(1))
    assert len(await store.load("r1")) == 2


async def test_racing_writers_leave_one_journal(s3_url: str) -> None:
    """Eight writers, each in a thread with a client of its own: every place is written once."""

    def writer(me: int) -> int:
        async def work() -> int:
            store, done = s3_store(s3_url), 0
            for _ in range(6):
                seq = len(await store.load("r1"))
                rows = [Envelope("r1", seq + n, float(me), f'{{"by":{me},"n":{n}}}') for n in range(2)]
                done += await store.append(rows)
            await store.close()
            return done

        return asyncio.run(work())

    done = await asyncio.gather(*(asyncio.to_thread(writer, me) for me in range(8)))
    store = s3_store(s3_url)
    journal = await store.load("r1")
    assert [e.seq for e in journal] == list(range(len(journal)))
    assert len(journal) == 2 * sum(done)
    assert all(a.ts == b.ts for a, b in zip(journal[::2], journal[1::2], strict=True))
    await store.close()


async def test_runs_of_two_prefixes_do_not_meet(s3_url: str) -> None:
    one, other = s3_store(s3_url), s3_store(s3_url.replace("/team/dns", "/team"))
    await one.append([Envelope("a/b?&ü", 0, 1.0, "{}")])
    await other.append([Envelope("r2", 0, 2.0, "{}")])
    assert [e.run_id for e in await one.runs()] == ["a/b?&ü"]
    assert [e.run_id for e in await other.runs()] == ["r2"]


async def test_more_appends_than_one_listing_shows(s3_url: str) -> None:
    store = s3_store(s3_url)
    assert await store.append(envelopes(0))
    for n in range(1, 1005):
        key = store._key("r1", n)
        body = json.dumps({"nonce": "x", "envelopes": [[n, float(n), "{}"]]})
        store._s3.put_object(Bucket=store._bucket, Key=key, Body=body)
    assert await store.append(envelopes(1005))
    assert [e.seq for e in await store.load("r1", 1003)] == [1003, 1004, 1005]


@pytest.mark.parametrize("gone", [0, 2])
async def test_a_journal_with_a_hole_is_not_read(s3_url: str, gone: int) -> None:
    """A rule of the bucket may expire objects: what follows would be taken for the whole story."""
    store = s3_store(s3_url)
    for n in range(4):
        assert await store.append(envelopes(n))
    store._s3.delete_object(Bucket=store._bucket, Key=store._key("r1", gone))
    with pytest.raises(Unavailable) as caught:
        await store.load("r1")
    assert f"team/dns/r1/000000000{gone} is missing" in caught.value.why
    assert [e.seq for e in await store.load("r1", 3)] == [3]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[]",
        b"{}",
        b'{"envelopes": [[1]]}',
        b'{"envelopes": 3}',
        b'{"envelopes": []}',
        b'{"envelopes": [[1, 1.0, "{}"]]}',
    ],
)
async def test_a_damaged_object_is_told_by_its_key(s3_url: str, content: bytes) -> None:
    store = s3_store(s3_url)
    store._s3.put_object(Bucket=store._bucket, Key=store._key("r1", 0), Body=content)
    with pytest.raises(Unavailable) as caught:
        await store.load("r1")
    assert "team/dns/r1/0000000000" in caught.value.why
    with pytest.raises(Unavailable):
        await store.runs()


async def test_a_newer_store_is_left_alone(s3_url: str) -> None:
    store = s3_store(s3_url)
    store._s3.put_object(Bucket=store._bucket, Key=f"team/dns/{MARKER}", Body=b'{"schema":"dns-cutover/store/9"}')
    with pytest.raises(Unavailable, match="dns-cutover/store/9"):
        await store.append(envelopes(0))


async def test_what_is_wrong_is_said_without_secrets(s3_url: str) -> None:
    """A bucket that is not there, a refusal, a server that is gone."""
    missing = s3_store(s3_url.replace("s3://runs", "s3://none"))
    with pytest.raises(Unavailable) as caught:
        await missing.load("r1")
    assert caught.value.why == "There is no such bucket."
    store = s3_store(s3_url)

    class Forbidden(Through):
        def put_object(self, **query: Any) -> Any:
            raise refusal("AccessDenied")

    store._s3 = Forbidden(store._s3)
    with pytest.raises(Unavailable) as caught:
        await store.append(envelopes(0))
    assert "not allowed" in caught.value.why
    assert CANARY not in str(caught.value) + caught.value.why + "".join(caught.value.hints)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "no bucket"),
        ("s3://[bucket/x", "not valid"),
        ("s3://user:pw@bucket/x", "no bucket"),
        ("s3://bucket/x?regionn=eu", "unknown option regionn"),
    ],
)
def test_an_address_with_a_mistake_is_a_usage_error(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_store(url)
    assert "pw" not in str(caught.value) + caught.value.why


def test_an_unknown_profile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(Unavailable) as caught:
        open_store("s3://bucket/x?profile=nobody-has-this&region=eu-central-1")
    assert caught.value.why == "There is no such AWS profile."
