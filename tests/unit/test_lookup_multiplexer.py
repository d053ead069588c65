"""Many questions over few sockets: letters, windows, paces, losses, withdrawals."""

import asyncio
import os
import random

import pytest
from test_lookup_scripted import Scripted, a_record, answer, wire

from dns_cutover.lookup.answer import NoReply, Reject, Reply
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker, Pace, Timeouts

NAME = "www.example.test."


def address_of(query):
    number = int(query.question[0].name.to_text().partition(".")[0][1:])
    return f"192.0.{number // 250}.{number % 250 + 1}"


def numbered(query):
    return [a_record(query, address_of(query))]


def names(count):
    return [f"n{number}.example.test." for number in range(count)]


async def ask_all(asker, endpoints, owners):
    got = {}
    questions = ((e, owner, "A") for owner in owners for e in endpoints)
    await asker.ask_many(questions, lambda q, outcome: got.__setitem__(q, outcome), recurse=False)
    return got


def assert_right(got):
    for (_, owner, _), outcome in got.items():
        assert isinstance(outcome, Reply), outcome
        number = int(owner.partition(".")[0][1:])
        assert outcome.answer[0].owner == owner
        assert outcome.answer[0].rrset.values == (f"192.0.{number // 250}.{number % 250 + 1}",)


async def test_a_thousand_questions_share_few_sockets_and_each_gets_its_own_answer():
    async with Scripted(udp=numbered) as one, Scripted(udp=numbered) as two:
        asker = Asker(limit=300)
        got = await ask_all(asker, [one.endpoint, two.endpoint], names(500))
        again = await ask_all(asker, [one.endpoint, two.endpoint], names(500))
        assert len({port for _, _, port in one.seen}) < 250
        assert len({query.id for _, query, _ in one.seen}) > 900
    assert len(got) == len(again) == 1000
    assert_right(got)
    assert_right(again)
    assert not asker.rejects


async def test_letters_are_mixed_and_an_answer_in_other_letters_is_refused_where_they_come_back():
    """A forger who does not see the question has to guess them as well."""
    async with Scripted(udp=lambda q: [a_record(q)]) as server:
        asker = Asker(Timeouts(udp=0.2))
        assert isinstance(await asker.ask(server.endpoint, NAME, "A", recurse=False), Reply)
        server.echo = False  # from now on lower case comes back: somebody else answers
        server.udp = lambda q: [a_record(q, "203.0.113.66")] if server.count("udp") == 2 else []
        got = await asker.ask(server.endpoint, NAME, "A", recurse=False)
    assert got == NoReply("no answer in 3 tries")
    assert asker.rejects == {Reject.QUESTION: 1}


async def test_where_letters_cease_to_come_back_the_next_try_is_in_lower_case():
    async with Scripted(udp=lambda q: [a_record(q)]) as server:
        asker = Asker(Timeouts(udp=0.2))
        await asker.ask(server.endpoint, NAME, "A", recurse=False)
        server.echo = False
        assert isinstance(await asker.ask(server.endpoint, NAME, "A", recurse=False), Reply)
        assert server.count("udp") == 3


async def test_a_server_that_never_repeats_letters_is_asked_in_lower_case():
    async with Scripted(udp=lambda q: [a_record(q)], echo=False) as server:
        asker = Asker()
        for _ in range(3):
            assert isinstance(await asker.ask(server.endpoint, NAME, "A", recurse=False), Reply)
        assert server.count("udp") == 3
    assert not asker.rejects


async def test_under_loss_every_answer_arrives_within_the_bound():
    rng = random.Random(7)

    def lossy(query):
        return [] if rng.random() < 0.25 else numbered(query)

    async with Scripted(udp=lossy, tcp=numbered) as server:
        got = await ask_all(Asker(Timeouts(udp=0.3)), [server.endpoint], names(200))
        assert max(sum(q.question[0].name.to_text() == n for _, q, _ in server.seen) for n in names(200)) <= 4
        assert server.count("tcp") > 0
    assert len(got) == 200
    assert_right(got)


async def test_a_server_that_never_answered_is_not_asked_over_tcp():
    async with Scripted(tcp=numbered) as server:
        got = await ask_all(Asker(Timeouts(udp=0.05)), [server.endpoint], names(5))
        assert server.count("tcp") == 0
    assert set(got.values()) == {NoReply("no answer in 3 tries")}


async def test_cut_off_answers_and_servers_without_edns_are_settled_among_many():
    def reply(query):
        if query.edns >= 0:
            return [answer(query, rcode="FORMERR", aa=False)]
        return [answer(query, tc=True)] if address_of(query).endswith("7") else numbered(query)

    async with Scripted(udp=reply, tcp=numbered) as server:
        got = await ask_all(Asker(), [server.endpoint], names(40))
    assert len(got) == 40
    assert_right(got)


async def test_no_more_are_under_way_to_one_server_than_its_pace_allows():
    waiting, most = [], 0

    def hold(query):
        nonlocal most
        waiting.append((query, server.seen[-1][2]))
        most = max(most, len(waiting))
        if len(waiting) == 3 or len(server.seen) == 12:
            for held, port in waiting:
                server.transport.sendto(wire(numbered(held)[0]), ("127.0.0.1", port))
            waiting.clear()
        return []

    async with Scripted(udp=hold) as server:
        got = await ask_all(Asker(pace=Pace(in_flight=3)), [server.endpoint], names(12))
    assert most == 3
    assert_right(got)


async def test_a_rate_is_kept():
    async with Scripted(udp=numbered) as server:
        asker, loop = Asker(pace=Pace(per_second=50.0)), asyncio.get_running_loop()
        began = loop.time()
        got = await ask_all(asker, [server.endpoint], names(60))
        taken = loop.time() - began
    assert_right(got)
    # What was not used of the last second may be used at once; ten more take a fifth of a second.
    assert taken > 0.1


async def test_the_window_grows_with_answers_and_shrinks_when_they_stay_away():
    async with Scripted(udp=numbered) as server:
        asker = Asker(Timeouts(udp=0.5), limit=500)
        await ask_all(asker, [server.endpoint], names(100))
        state = asker._datagrams.server(server.endpoint)
        grown = state.window
        server.udp = None
        await ask_all(asker, [server.endpoint], names(100))
    assert grown == 150
    assert state.window < grown / 4
    assert not state.lanes
    assert state.flying == 0


async def test_a_dead_server_does_not_hold_up_the_others():
    async with Scripted(udp=numbered) as server, Scripted() as silent:
        asker, loop = Asker(Timeouts(udp=0.3)), asyncio.get_running_loop()
        dead = asyncio.create_task(ask_all(asker, [silent.endpoint], names(80)))
        await asyncio.sleep(0)
        began = loop.time()
        assert_right(await ask_all(asker, [server.endpoint], names(100)))
        assert loop.time() - began < 0.9
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)


async def test_what_is_withdrawn_leaves_nothing_behind():
    fds = set(os.listdir("/proc/self/fd"))
    async with Scripted() as silent:
        asker = Asker(limit=10)
        jobs = [asyncio.create_task(asker.ask(silent.endpoint, n, "A", recurse=False)) for n in names(30)]
        crowd = asyncio.create_task(ask_all(asker, [silent.endpoint, Endpoint("x", "127.0.0.1", 9)], names(30)))
        for _ in range(10):
            await asyncio.sleep(0)
        for job in (*jobs, crowd):
            job.cancel()
        await asyncio.gather(*jobs, crowd, return_exceptions=True)
        state = asker._datagrams.server(silent.endpoint)
        assert (state.flying, len(state.queue), state.lanes) == (0, 0, [])
    await asyncio.sleep(0)
    assert set(os.listdir("/proc/self/fd")) == fds
    assert len(asyncio.all_tasks()) == 1
    async with Scripted(udp=numbered) as server:
        assert_right(await ask_all(asker, [server.endpoint], names(30)))


async def test_what_the_receiver_raises_ends_it_and_is_told():
    def broken(question, outcome):
        raise RuntimeError("full")

    async with Scripted(udp=numbered) as server:
        asker = Asker()
        with pytest.raises(RuntimeError, match="full"):
            await asker.ask_many(((server.endpoint, n, "A") for n in names(300)), broken, recurse=False)
        assert asker._datagrams.server(server.endpoint).flying == 0


async def test_other_transports_are_asked_among_many():
    async with Scripted(udp=numbered, tcp=numbered) as server:
        both = [server.endpoint, Endpoint("scripted", "127.0.0.1", server.port, "tcp")]
        got = await ask_all(Asker(), both, names(10))
        assert (server.count("udp"), server.count("tcp")) == (10, 10)
    assert_right(got)


async def test_one_asker_serves_several_event_loops():
    asker = Asker()

    async def once():
        async with Scripted(udp=numbered) as server:
            return await ask_all(asker, [server.endpoint], names(3))

    def in_a_loop_of_its_own():
        return asyncio.run(once())

    for _ in range(2):
        assert_right(await asyncio.to_thread(in_a_loop_of_its_own))
