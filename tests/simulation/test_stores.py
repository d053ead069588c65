"""Stories whose journal is in a real store: on SQLite, PostgreSQL and S3, with faults around every call.

The stores' coroutines make their calls synchronously, so that the scheduler steps them like any other.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dns_cutover.errors import Unavailable
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store
from dns_cutover.store.s3 import S3Store
from tests.simulation import seeds
from tests.simulation.invariants import judge_end
from tests.simulation.story import Story, story
from tests.simulation.world import Store
from tests.stores.conftest import postgresql_server, postgresql_url, s3_endpoint, s3_url

__all__ = ["postgresql_server", "postgresql_url", "s3_endpoint", "s3_url"]

OVER_HTTP = (4, 12)  # a request takes a hundred times as long as all else
pytestmark = pytest.mark.simulation


def at_once(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a store that waits")


class Kept(Store):
    """A real store behind the faults. The world looks into its own copy, which must be what the store has."""

    def __init__(self, w: Story, real: Any, run: str, stored: list[int]) -> None:
        super().__init__(w)
        self.real, self.run, self.stored = real, run, stored  # how many entries the store has

    def take(self) -> None:
        """What others wrote into the world's copy is theirs: it goes to the store as well."""
        if len(self.w.journal) > self.stored[0]:
            assert at_once(self.real.append([self.named(e) for e in self.w.journal[self.stored[0] :]]))
            self.stored[0] = len(self.w.journal)

    def named(self, e: Envelope) -> Envelope:
        return Envelope(self.run, e.seq, e.ts, e.body)

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        w = self.w
        await w.point()
        self.take()
        fails = w.chance(w.chances.store)
        if fails and w.rng.random() < 0.5:
            raise Unavailable("the store cannot be used")
        took: bool = at_once(self.real.append([self.named(e) for e in envelopes]))
        assert took is (len(w.journal) == envelopes[0].seq)
        if took:
            w.journal.extend(envelopes)
            self.stored[0] = len(w.journal)
            w.state()
        if fails:
            raise Unavailable("the connection broke after the commit")
        await w.point()
        return took

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        self.take()
        found: tuple[Envelope, ...] = at_once(self.real.load(self.run, start))
        return tuple(Envelope(run_id, e.seq, e.ts, e.body) for e in found)


def tell_all(numbers: Iterable[int], opened: Callable[[], Any]) -> None:
    real = opened()
    for seed in numbers:
        w, run, stored = story(seed), f"r{seed}", [0]
        w.stores = lambda w=w, run=run, n=stored: Kept(w, real, run, n)  # type: ignore[misc]
        w.tick = 0.0  # each start of a process asks the store for all that it has
        problems = judge_end(w, seeds.tell(w))
        Kept(w, real, run, stored).take()
        assert [e.body for e in at_once(real.load(run))] == [e.body for e in w.journal], f"seed {seed}"
        assert not problems, f"seed {seed}"
    at_once(real.close())


# The stores' own work takes most of the time: STORE_SEEDS=200 tells that many to each of them, which takes two minutes.
SEEDS = int(os.environ.get("STORE_SEEDS", "48"))
SHARES = [range(n, min(n + 24, SEEDS)) for n in range(0, SEEDS, 24)]
shares = pytest.mark.parametrize("share", SHARES, ids=lambda share: f"{share.start}-{share.stop - 1}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory if possible: a disk that is waited for after each entry would take most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


@shares
def test_stories_in_sqlite(share: range, folder: Path) -> None:
    tell_all(share, lambda: open_store(str(folder / "runs.sqlite3")))


@shares
def test_stories_in_postgresql(share: range, postgresql_url: str) -> None:
    tell_all(share, lambda: open_store(postgresql_url))


class Bucket:
    """What the store uses of boto3's client, in memory: one story over HTTP takes seconds."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Key: str, Body: bytes, IfNoneMatch: str, **_: Any) -> None:
        assert IfNoneMatch == "*"
        if Key in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[Key])}

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"Contents": [{"Key": key} for key in self.objects if key.startswith(Prefix)]}

    def close(self) -> None:
        """Nothing to give back."""


@shares
def test_stories_in_s3(share: range) -> None:
    tell_all(share, lambda: S3Store(Bucket(), "runs", "team", "s3://runs/team"))


def test_stories_in_s3_over_http(s3_url: str) -> None:
    tell_all(OVER_HTTP, lambda: open_store(s3_url))
