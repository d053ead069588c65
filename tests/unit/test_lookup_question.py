"""Questions over real sockets: what counts as the answer, retries, fallbacks, several transports."""

import asyncio
import os
import socket
import ssl

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from test_lookup_scripted import Scripted, a_record, answer, wire

from dns_cutover.lookup.answer import NoReply, Reject, Reply, make_question, read_reply
from dns_cutover.lookup.interface import Endpoint
from dns_cutover.lookup.question import Asker, Timeouts
from dns_cutover.records import RRset

NAME = "www.example.test."
SHORT = Timeouts(udp=0.05, tcp=0.3)


async def ask(server, timeouts=None, **more):
    return await Asker(timeouts).ask(server.endpoint, NAME, "A", recurse=False, **more)


async def test_an_answer_has_its_sections_flags_and_options():
    def reply(q):
        return [
            a_record(
                q,
                authority=[("example.test.", 300, "SOA", "ns. host. 1 2 3 4 60")],
                options=[dns.edns.EDEOption(3, "stale"), dns.edns.NSIDOption(b"res760")],
            )
        ]

    async with Scripted(udp=reply) as server:
        got = await ask(server)
    assert isinstance(got, Reply)
    assert (got.rcode, got.aa, got.tcp, got.ede, got.nsid) == ("NOERROR", True, False, (3,), "res760")
    assert got.find(NAME, "A") == RRset(60, ("192.0.2.1",))
    assert got.soa is not None
    assert got.soa.owner == "example.test."


@pytest.mark.parametrize("recurse", [True, False])
async def test_the_question_is_what_an_ordinary_client_asks(recurse):
    async with Scripted(udp=lambda q: [a_record(q)]) as server:
        await Asker().ask(server.endpoint, NAME, "A", recurse=recurse)
        _, query, _ = server.seen[0]
    assert bool(query.flags & dns.flags.RD) is recurse
    assert not query.flags & (dns.flags.AD | dns.flags.CD)
    assert (query.edns, query.payload, query.ednsflags & dns.flags.DO) == (0, 1232, 0)
    assert [int(o.otype) for o in query.options] == [3]


async def test_checking_can_be_disabled():
    async with Scripted(udp=lambda q: [a_record(q)]) as server:
        await ask(server, checking_disabled=True)
        assert server.seen[0][1].flags & dns.flags.CD


def other_id(query):
    return (query.id ^ 1).to_bytes(2, "big") + wire(a_record(query, "203.0.113.66"))[2:]


def other_question(query):
    forged = dns.message.make_query("evil.test.", "A", id=query.id)
    return a_record(forged, "203.0.113.66")


def no_response(query):
    return query.to_wire()


def garbage(query):
    return query.id.to_bytes(2, "big") + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00" + b"\xc0\x0c" * 20


@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        (other_id, Reject.ID),
        (other_question, Reject.QUESTION),
        (no_response, Reject.MALFORMED),
        (garbage, Reject.MALFORMED),
        (lambda q: b"x", Reject.MALFORMED),
        (lambda q: q.id.to_bytes(2, "big"), Reject.MALFORMED),
    ],
)
async def test_what_is_no_answer_is_ignored_and_counted(bad, counted):
    async with Scripted(udp=lambda q: [bad(q), bad(q), a_record(q)]) as server:
        asker = Asker()
        got = await asker.ask(server.endpoint, NAME, "A", recurse=False)
        assert server.count("udp") == 1
    assert isinstance(got, Reply)
    assert got.find(NAME, "A") == RRset(60, ("192.0.2.1",))
    assert asker.rejects == {counted: 2}


async def test_an_answer_from_another_source_is_not_taken():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def reply(query):
            stranger.sendto(wire(a_record(query, "203.0.113.66")), ("127.0.0.1", server.seen[-1][2]))
            return [a_record(query)]

        async with Scripted(udp=reply) as server:
            got = await ask(server)
    assert isinstance(got, Reply)
    assert got.find(NAME, "A") == RRset(60, ("192.0.2.1",))


async def test_only_garbage_is_a_wrong_answer():
    async with Scripted(udp=lambda q: [garbage(q)]) as server:
        got = await ask(server, SHORT)
        assert server.count("udp") == 3
    assert got == NoReply("an answer that is no DNS message in 3 tries", wrong=True)


async def test_silence_is_told_after_three_tries_with_new_ids_and_ports():
    async with Scripted() as server:
        got = await ask(server, SHORT)
        assert len(server.seen) == 3
        assert len({q.id for _, q, _ in server.seen}) > 1
        assert len({port for _, _, port in server.seen}) > 1
    assert got == NoReply("no answer in 3 tries")


async def test_a_lost_first_answer_is_asked_for_again():
    async with Scripted(udp=lambda q: [a_record(q)] if server.count("udp") > 1 else []) as server:
        got = await ask(server, SHORT)
    assert isinstance(got, Reply)


async def test_a_closed_port_is_told_as_such():
    async with Scripted() as server:
        endpoint = server.endpoint
    assert await Asker().ask(endpoint, NAME, "A", recurse=False) == NoReply("port unreachable in 3 tries")
    assert await Asker().ask(endpoint, NAME, "A", recurse=False, tcp=True) == NoReply("port unreachable")


async def test_an_address_that_cannot_be_used_is_told():
    nowhere = Endpoint("x", "255.255.255.255")
    assert await Asker().ask(nowhere, NAME, "A", recurse=False) == NoReply("permission denied in 3 tries")


async def test_a_tls_server_that_speaks_no_tls_is_told():
    async with Scripted(tcp=lambda q: [a_record(q)], close_after=0) as server:
        got = await Asker(SHORT).ask(Endpoint("x", "127.0.0.1", server.port, "tls"), NAME, "A", recurse=True)
    assert isinstance(got, NoReply)
    assert not got.wrong


async def test_a_cut_off_answer_is_asked_for_over_tcp():
    many = [f"192.0.2.{n}" for n in range(1, 200)]
    async with Scripted(
        udp=lambda q: [answer(q, tc=True)], tcp=lambda q: [answer(q, (NAME, 60, "A", *many))]
    ) as server:
        got = await ask(server)
    assert isinstance(got, Reply)
    assert got.tcp
    found = got.find(NAME, "A")
    assert found is not None
    assert len(found.values) == 199


async def test_a_message_cut_in_the_middle_of_a_record_is_a_truncation():
    def cut(query):
        response = answer(query, (NAME, 60, "A", *[f"192.0.2.{n}" for n in range(1, 60)]), tc=True)
        return [wire(response)[:200]]

    async with Scripted(udp=cut, tcp=lambda q: [a_record(q)]) as server:
        got = await ask(server)
    assert isinstance(got, Reply)
    assert got.tcp


async def test_truncation_in_the_last_try_still_leads_to_tcp():
    async with Scripted(
        udp=lambda q: [answer(q, tc=True)] if server.count("udp") == 3 else [], tcp=lambda q: [a_record(q)]
    ) as server:
        got = await ask(server, Timeouts(udp=0.05))
    assert isinstance(got, Reply)
    assert got.tcp


async def test_truncation_without_tcp_says_both():
    async with Scripted(udp=lambda q: [answer(q, tc=True)]) as server:
        got = await ask(server, SHORT)
    assert got == NoReply("its answer is cut off over UDP, and over TCP: port unreachable")


async def test_an_answer_cut_off_over_tcp_is_not_taken_for_absence():
    async with Scripted(tcp=lambda q: [answer(q, tc=True)]) as server:
        got = await ask(server, tcp=True)
    assert got == NoReply("an answer that is cut off even over TCP", wrong=True)


@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP", "BADVERS"])
@pytest.mark.parametrize("tcp", [False, True])
async def test_a_server_without_edns_is_asked_without(rcode, tcp):
    def reply(query):
        if query.edns < 0:
            return [a_record(query)]
        return [answer(query, rcode=rcode, aa=False)]

    async with Scripted(udp=reply, tcp=reply) as server:
        got = await ask(server, tcp=tcp)
        assert [q.edns for _, q, _ in server.seen] == [0, -1]
    assert isinstance(got, Reply)
    assert got.rcode == "NOERROR"


async def test_an_error_without_a_question_section_counts_but_data_does_not():
    def bare(query):
        response = answer(query, rcode="REFUSED", aa=False)
        response.question = []
        return [response]

    def data(query):
        response = a_record(query)
        response.question = []
        return [response]

    async with Scripted(udp=bare) as server:
        got = await ask(server)
    assert isinstance(got, Reply)
    assert got.rcode == "REFUSED"
    async with Scripted(udp=data) as server:
        asker = Asker(SHORT)
        assert await asker.ask(server.endpoint, NAME, "A", recurse=False) == NoReply("no answer in 3 tries")
    assert asker.rejects == {Reject.QUESTION: 3}


async def test_a_persistent_formerr_is_the_answer():
    async with Scripted(udp=lambda q: [answer(q, rcode="FORMERR", aa=False)]) as server:
        got = await ask(server)
        assert server.count("udp") == 2
    assert isinstance(got, Reply)
    assert got.rcode == "FORMERR"


QUESTIONS = [(f"n{i}.example.test.", "A") for i in range(7)]


async def test_questions_on_one_connection_are_answered_in_any_order():
    async with Scripted(tcp=lambda q: [a_record(q, f"192.0.2.{q.question[0].name.to_text()[1]}")], gather=7) as server:
        got = await Asker().ask_stream(server.endpoint, QUESTIONS, recurse=False)
        assert len({port for _, _, port in server.seen}) == 1
    assert [r.find(*q).values for r, q in zip(got, QUESTIONS, strict=True)] == [(f"192.0.2.{i}",) for i in range(7)]


async def test_a_server_that_closes_after_each_answer_is_connected_to_again():
    async with Scripted(tcp=lambda q: [a_record(q)], close_after=2) as server:
        got = await Asker().ask_stream(server.endpoint, QUESTIONS, recurse=False)
    assert all(isinstance(r, Reply) for r in got)


async def test_questions_that_get_no_answer_do_not_take_the_others_with_them():
    async with Scripted(tcp=lambda q: [] if "n3" in str(q.question[0].name) else [a_record(q)]) as server:
        got = await Asker(SHORT).ask_stream(server.endpoint, QUESTIONS, recurse=False)
    assert [isinstance(r, Reply) for r in got] == [i != 3 for i in range(7)]
    assert got[3] == NoReply("no answer")


async def test_a_server_that_answers_one_question_a_connection_is_not_waited_for_again_and_again():
    """Seven questions, one answer in each exchange, the rest in silence: two exchanges, not seven."""
    ports: list[int] = []

    def first_only(query):
        port = server.seen[-1][2]
        if port in ports:
            return []
        ports.append(port)
        return [a_record(query)]

    async with Scripted(tcp=first_only) as server:
        got = await Asker(SHORT).ask_stream(server.endpoint, QUESTIONS, recurse=False)
    assert sum(isinstance(r, Reply) for r in got) == len(ports) == 2
    assert all(r == NoReply("no answer") for r in got if not isinstance(r, Reply))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (garbage, "an answer that is no DNS message"),
        (lambda q: b"", "an answer that is no DNS message"),
        (other_question, "an answer that is to another question"),
    ],
)
async def test_wrong_answers_over_tcp_are_wrong(bad, reason):
    async with Scripted(tcp=lambda q: [bad(q)], close_after=1) as server:
        got = await ask(server, SHORT, tcp=True)
    assert got == NoReply(reason, wrong=True)


async def test_tls_asks_over_tls_and_tells_a_certificate_that_is_not_trusted():
    authority = trustme.CA()
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusted)
    async with Scripted(tcp=lambda q: [a_record(q)], ssl=served) as server:
        endpoint = Endpoint("dot", "127.0.0.1", server.port, "tls")
        good = await Asker(tls=trusted).ask(endpoint, NAME, "A", recurse=True)
        bad = await Asker().ask(endpoint, NAME, "A", recurse=True)
        assert server.count("tcp") == 1
    assert isinstance(good, Reply)
    assert isinstance(bad, NoReply)
    assert bad.reason.startswith("its certificate is not trusted")


async def test_a_transport_that_is_not_there_says_so():
    got = await Asker().ask(Endpoint("x", "192.0.2.1", 853, "quic"), NAME, "A", recurse=True)
    assert got == NoReply("the transport quic is not available yet: use udp, tcp, tls or https")


async def test_no_more_questions_are_under_way_than_the_limit():
    waiting, most = [], 0

    def hold(query):
        nonlocal most
        waiting.append((query, server.seen[-1][2]))
        most = max(most, len(waiting))
        if len(waiting) == 2:
            for held, port in waiting:
                server.transport.sendto(wire(a_record(held)), ("127.0.0.1", port))
            waiting.clear()
        return []

    async with Scripted(udp=hold) as server:
        asker = Asker(limit=2)
        jobs = (asker.ask(server.endpoint, n, t, recurse=False) for n, t in QUESTIONS[:6])
        got = await asyncio.gather(*jobs)
        assert len(server.seen) == 6
    assert most == 2
    assert all(isinstance(r, Reply) for r in got)


async def test_neither_sockets_nor_tasks_are_left():
    fds = set(os.listdir("/proc/self/fd"))
    async with Scripted(udp=lambda q: [answer(q, tc=True)], tcp=lambda q: [garbage(q)]) as server:
        jobs = [ask(server, SHORT) for _ in range(20)]
        got = await asyncio.gather(*jobs)
        assert not any(isinstance(r, Reply) for r in got)
        cancelled = asyncio.create_task(Asker().ask(Endpoint("x", "127.0.0.1", 9), NAME, "A", recurse=False, tcp=True))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
    for _ in range(1000):  # closing takes a few turns of the event loop
        await asyncio.sleep(0)
    assert set(os.listdir("/proc/self/fd")) == fds
    assert len(asyncio.all_tasks()) == 1


QUERY = make_question(NAME, "A", recurse=False)
GOOD = wire(
    a_record(
        QUERY,
        authority=[("example.test.", 300, "SOA", "ns. host. 1 2 3 4 60"), ("example.test.", 60, "TXT", '"a" "b"')],
        additional=[("ns.example.test.", 60, "HTTPS", '1 . alpn="h2" ipv4hint="192.0.2.1"')],
        options=[dns.edns.EDEOption(3, "x"), dns.edns.NSIDOption(b"abc")],
    )
)


@given(st.binary(max_size=600))
@example(b"")
def test_bytes_of_any_kind_are_a_reply_or_a_reject(data):
    framed = QUERY.id.to_bytes(2, "big") + data
    for tcp in (False, True):
        assert isinstance(read_reply(framed, QUERY, 0.0, tcp=tcp), Reply | Reject)


@given(st.lists(st.tuples(st.integers(2, len(GOOD) - 1), st.integers(0, 255)), max_size=12), st.integers(12, len(GOOD)))
def test_a_damaged_answer_is_a_reply_to_the_same_question_or_a_reject(damage, length):
    data = bytearray(GOOD)
    for at, octet in damage:
        data[at] = octet
    got = read_reply(bytes(data[:length]), QUERY, 0.0, tcp=False)
    assert isinstance(got, Reply | Reject)
