"""One contract for every store."""

import math

import pytest

from dns_cutover.store.interface import Envelope, RunEntry


def envelope(seq: int, run_id: str = "r1", body: str = "{}", ts: float | None = None) -> Envelope:
    return Envelope(run_id, seq, float(seq) if ts is None else ts, body)


async def test_appended_envelopes_come_back_as_they_were(store):
    body = '{"text":"v=spf1 \\u0000 \x1b[31m ünïcode 🙂 \'; DROP TABLE journal; --"}'
    rows = (envelope(0, body=body, ts=1777881600.123456), envelope(1, ts=1777881601.25), envelope(2))
    assert await store.append(rows[:1])
    assert await store.append(rows[1:])
    assert await store.load("r1") == rows


async def test_load_starts_where_asked(store):
    await store.append([envelope(n) for n in range(5)])
    assert [e.seq for e in await store.load("r1", 3)] == [3, 4]
    assert await store.load("r1", 5) == ()
    assert len(await store.load("r1", -1)) == 5


async def test_an_unknown_run_is_empty(store):
    await store.append([envelope(0)])
    assert await store.load("r2") == ()
    assert await store.load("R1") == ()


@pytest.mark.parametrize("seq", [0, 1, 3, 9])
async def test_append_at_another_length_stores_nothing(store, seq):
    """Neither over what is there, nor leaving a gap."""
    await store.append([envelope(0), envelope(1)])
    assert not await store.append([envelope(seq), envelope(seq + 1)])
    assert await store.load("r1") == (envelope(0), envelope(1))


async def test_a_refused_first_append_makes_no_run(store):
    assert not await store.append([envelope(1)])
    assert await store.runs() == ()


async def test_runs_are_listed_newest_first(store):
    for run_id, ts in (("b", 20.0), ("a", 10.0), ("d", 30.0), ("c", 30.0)):
        await store.append([envelope(0, run_id, ts=ts), envelope(1, run_id, ts=ts + 5)])
    assert await store.runs() == (
        RunEntry("c", 2, 30.0, 35.0),
        RunEntry("d", 2, 30.0, 35.0),
        RunEntry("b", 2, 20.0, 25.0),
        RunEntry("a", 2, 10.0, 15.0),
    )


async def test_a_lone_surrogate_becomes_its_json_escape(store):
    """Hostile text must not end a run because UTF-8 cannot carry it; as JSON the body stays the same."""
    assert await store.append([envelope(0, body='{"x":"\ud800"}')])
    assert [e.body for e in await store.load("r1")] == ['{"x":"\\ud800"}']


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [envelope(0), envelope(2)],
        [envelope(0), envelope(0)],
        [envelope(0), envelope(1, "r2")],
        [envelope(-1)],
        [envelope(0, "")],
        [envelope(0, "x" * 65)],
        [envelope(0, ts=math.nan)],
        [envelope(0), envelope(1, ts=math.inf)],
    ],
    ids=["none", "gap", "twice", "two runs", "negative", "no run", "long run", "no time", "endless time"],
)
async def test_a_faulty_caller_is_told(store, rows):
    """These would look like a lost race if they were refused with False, and the caller would try for ever."""
    with pytest.raises(ValueError, match=r"append|seq|run id|ts"):
        await store.append(rows)
    assert await store.runs() == ()


async def test_the_last_envelope(store):
    """However it was appended."""
    assert await store.last("r1") is None
    await store.append([envelope(0), envelope(1, body='{"n":1}')])
    await store.append([envelope(2, body='{"n":2}')])
    assert await store.last("r1") == envelope(2, body='{"n":2}')
    await store.append([envelope(0, "r2", body='{"n":9}')])
    assert await store.last("r2") == envelope(0, "r2", body='{"n":9}')


async def test_reserved_journals_are_kept_and_are_no_runs(store):
    """Leases and reservations stand beside the runs, under names that no run has."""
    await store.append([envelope(0, "lock:example.test.", body='{"lock":""}'), envelope(1, "lock:example.test.")])
    await store.append([envelope(0)])
    assert [e.run_id for e in await store.runs()] == ["r1"]
    assert len(await store.load("lock:example.test.")) == 2
    assert await store.last("lock:example.test.") == envelope(1, "lock:example.test.")
    assert not await store.append([envelope(1, "lock:example.test.")])
