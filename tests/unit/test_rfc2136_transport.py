"""The edge of the RFC 2136 provider: what goes over TCP to a scripted server, and what a hostile one sends back."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.errors import UsageError
from dns_cutover.providers.interface import Refused, Unreachable
from dns_cutover.providers.rfc2136.size import BUDGET, MAX_MESSAGE, partition_changes
from dns_cutover.providers.rfc2136.transport import PIPELINE, DnsTransport, TsigKey
from dns_cutover.providers.rfc2136.update import EditOp, Prereq, UpdateReply, UpdateSpec, operations, prerequisites
from dns_cutover.providers.rfc2136.wire import Garbage, TransferRecord, build_update, published_ttls, read_reply
from dns_cutover.providers.rfc2136.wire import transfer_ended as ended
from dns_cutover.providers.secret import Secret
from dns_cutover.records import Change, RRset, RRsetKey

ZONE = "example.test."
SECRET = "dGVzdHMgb25seTogbm90aGluZyBpcyBndWFyZGVkIGJ5IHRoaXM="
KEYRING = dns.tsigkeyring.from_text({"cutover.": ("hmac-sha256", SECRET)})
WRONG = dns.tsigkeyring.from_text({"cutover.": ("hmac-sha256", "YW5vdGhlcg==")})
WWW = (f"www.{ZONE}", "A")
TOKEN_SPEC = UpdateSpec((Prereq("unused", f"x.{ZONE}"),), (EditOp("add", f"x.{ZONE}", "TXT", ('"x"',), 60),))

Script = Callable[[dns.message.Message], "Iterable[bytes | Callable[[asyncio.StreamWriter], None]]"]


def tsig_key(**changed: str) -> TsigKey:
    fields = {"name": "cutover", "algorithm": "hmac-sha256", "secret": SECRET} | changed
    return TsigKey(fields["name"], fields["algorithm"], Secret(fields["secret"], "$CUTOVER_TSIG"))


@asynccontextmanager
async def server(script: Script, timeout: float = 5.0) -> AsyncIterator[tuple[DnsTransport, list[dns.message.Message]]]:
    """A transport to a server that answers each message with what `script` says; and the messages that came."""
    seen: list[dns.message.Message] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                raw = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                message = dns.message.from_wire(raw, keyring=KEYRING)
                seen.append(message)
                for reply in script(message):
                    if isinstance(reply, bytes):
                        writer.write(len(reply).to_bytes(2, "big") + reply)
                    else:
                        reply(writer)
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield DnsTransport(ZONE, "127.0.0.1", port, tsig_key(), timeout=timeout), seen


def reply_to(
    message: dns.message.Message, rcode: str = "NOERROR", *answer: str, signed: bool = True, aa: bool = True
) -> Any:
    reply: Any = dns.message.make_response(message)
    reply.set_rcode(dns.rcode.from_text(rcode))
    reply.flags |= dns.flags.AA if aa else 0
    for line in answer:
        name, ttl, rdtype, value = line.split(" ", 3)
        reply.answer.append(dns.rrset.from_text(name, int(ttl), "IN", rdtype, value))
    if not signed:
        reply.tsig, reply.keyring = None, None
    return reply


def zone_of(*lines: str) -> Script:
    """A server that has these records and nothing else; below `*.` it synthesises."""

    def script(message: dns.message.Message) -> Iterable[bytes]:
        question = message.question[0]
        name, rdtype = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        records = [line.split(" ", 3) for line in lines]
        owners = {r[0] for r in records}
        source = name
        if name not in owners:
            star = next((o for o in owners if o.startswith("*.") and name.endswith(o[1:])), "")
            closer = any(name.endswith("." + o) for o in owners if o.endswith(star[1:]) and o != star)
            source = "" if closer else star
        found = [f"{name} {ttl} {t} {v}" for o, ttl, t, v in records if o == source and t in (rdtype, "CNAME")]
        yield reply_to(message, "NOERROR" if source else "NXDOMAIN", *found).to_wire()

    return script


# -- questions ------------------------------------------------------------------------------------------------------


async def test_answers_are_canonical_and_absence_is_none() -> None:
    async with server(
        zone_of(f"www.{ZONE} 60 A 192.0.2.2", f"www.{ZONE} 60 A 192.0.2.1", f"m.{ZONE} 5 MX 1 Mx.Test.")
    ) as (t, seen):
        answers = await t.query([WWW, (f"www.{ZONE}", "TXT"), (f"none.{ZONE}", "A"), (f"m.{ZONE}", "MX"), WWW])
    assert answers.rrsets == {
        WWW: RRset(60, ("192.0.2.1", "192.0.2.2")),
        (f"www.{ZONE}", "TXT"): None,
        (f"none.{ZONE}", "A"): None,
        (f"m.{ZONE}", "MX"): RRset(5, ("1 mx.test.",)),
    }
    assert answers.failure is None
    assert answers.server_time is not None
    assert all(m.had_tsig and m.tsig[0].fudge == 30 and not m.flags & dns.flags.RD for m in seen)  # type: ignore[index]


async def test_hundreds_of_questions_share_a_connection_whatever_the_order_of_answers() -> None:
    waiting: list[bytes] = []
    names = [(f"n{n}.{ZONE}", "A") for n in range(PIPELINE + 10)]

    def script(message: dns.message.Message) -> Iterable[bytes]:
        name = message.question[0].name.to_text()
        waiting.append(reply_to(message, "NOERROR", f"{name} 60 A 192.0.2.{int(name[1:].split('.')[0])}").to_wire())
        if len(waiting) in (PIPELINE, 10) and (len(waiting) == PIPELINE or name == names[-1][0]):
            yield from reversed(waiting)
            waiting.clear()

    transport_script = lambda m: script(m) if m.question[0].name.to_text().startswith("n") else zone_of()(m)  # noqa: E731
    async with server(transport_script) as (t, seen):
        answers = await t.query(names)
    assert answers.rrsets == {q: RRset(60, (f"192.0.2.{n}",)) for n, q in enumerate(names)}
    assert len({m.id for m in seen[:PIPELINE]}) == PIPELINE


async def test_first_reply_that_is_no_answer_is_the_failure() -> None:
    def script(message: dns.message.Message) -> Iterable[bytes]:
        yield reply_to(message, "SERVFAIL" if "bad" in message.question[0].name.to_text() else "NOERROR").to_wire()

    async with server(script) as (t, _):
        answers = await t.query([WWW, (f"bad.{ZONE}", "A")])
    assert answers.failure is not None
    assert (answers.failure.rcode, answers.failure.signed) == ("SERVFAIL", True)


async def test_wildcards_are_absence_and_real_data_under_them_is_not() -> None:
    lines = (
        f"*.{ZONE} 60 A 192.0.2.1",
        f"www.{ZONE} 60 A 192.0.2.1",
        f"*.c.{ZONE} 60 CNAME x.test.",
        f"c.{ZONE} 60 A 192.0.2.2",
    )
    async with server(zone_of(*lines)) as (t, _):
        answers = await t.query(
            [WWW, (f"no.{ZONE}", "A"), (f"*.{ZONE}", "A"), (f"a.c.{ZONE}", "CNAME"), (f"a.c.{ZONE}", "A")]
        )
    assert answers.rrsets[WWW] == RRset(60, ("192.0.2.1",))
    assert answers.rrsets[f"*.{ZONE}", "A"] == RRset(60, ("192.0.2.1",))
    assert [q for q, r in answers.rrsets.items() if r is None] == [
        (f"no.{ZONE}", "A"),
        (f"a.c.{ZONE}", "CNAME"),
        (f"a.c.{ZONE}", "A"),
    ]
    assert answers.detours == {}


async def test_name_too_long_for_a_probe_is_taken_as_it_is() -> None:
    owner = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 40]) + f".{ZONE}"
    async with server(zone_of(f"{owner} 60 A 192.0.2.1", f"*.{ZONE} 60 A 192.0.2.1")) as (t, _):
        answers = await t.query([(owner, "A")])
    assert answers.rrsets[owner, "A"] == RRset(60, ("192.0.2.1",))


async def test_failing_while_wildcards_are_looked_for_is_a_failure() -> None:
    def script(message: dns.message.Message) -> Iterable[bytes]:
        name = message.question[0].name.to_text()
        if name.startswith("dns-cutover-probe"):
            yield reply_to(message, "SERVFAIL").to_wire()
        else:
            yield reply_to(message, "NOERROR", f"{name} 60 A 192.0.2.1").to_wire()

    async with server(script) as (t, _):
        answers = await t.query([WWW])
    assert answers.failure is not None
    assert answers.failure.rcode == "SERVFAIL"


@pytest.mark.parametrize(
    ("answer", "detour"),
    [
        (f"www.{ZONE} 60 CNAME x.test.", f"a CNAME at www.{ZONE}"),
        (f"{ZONE} 60 DNAME other.test.", f"a DNAME at {ZONE}"),
    ],
)
async def test_what_stands_in_the_way_is_named(answer: str, detour: str) -> None:
    def script(message: dns.message.Message) -> Iterable[bytes]:
        probe = message.question[0].name.to_text().startswith("dns-cutover-probe")
        yield reply_to(message, "NOERROR", *([] if probe else [answer])).to_wire()

    async with server(script) as (t, _):
        answers = await t.query([WWW])
    assert answers.rrsets == {WWW: None}
    assert answers.detours == {WWW: detour}


async def test_wrong_clock_and_wrong_key_are_told_apart_where_the_server_does_not() -> None:
    """PowerDNS says an unsigned NOTAUTH to both."""
    for tolerant in (True, False):

        def script(message: dns.message.Message, tolerant: bool = tolerant) -> Iterable[bytes]:
            patient = message.tsig[0].fudge > 30  # type: ignore[index]
            ok = tolerant and patient
            yield reply_to(message, "NOERROR" if ok else "NOTAUTH", signed=ok).to_wire()

        async with server(script) as (t, _):
            answers = await t.query([WWW])
        assert answers.failure == UpdateReply("NOTAUTH", signed=False, tsig_error="BADTIME" if tolerant else "")


async def test_server_that_goes_away_while_asked_why_leaves_the_first_answer() -> None:
    def script(message: dns.message.Message) -> Iterable[Any]:
        if message.tsig[0].fudge > 30:  # type: ignore[index]
            yield lambda writer: writer.transport.abort()
        else:
            yield reply_to(message, "NOTAUTH", signed=False).to_wire()

    async with server(script) as (t, _):
        assert (await t.query([WWW])).failure == UpdateReply("NOTAUTH", signed=False)


# -- updates --------------------------------------------------------------------------------------------------------


async def test_prerequisites_carry_ttl_zero_and_edits_keep_their_order() -> None:
    spec = UpdateSpec(
        (
            Prereq("exists", *WWW, ("192.0.2.1", "192.0.2.2")),
            Prereq("absent", *WWW[:1], "CNAME"),
            Prereq("unused", f"x.{ZONE}"),
        ),
        (EditOp("clear", *WWW), EditOp("add", *WWW, ("192.0.2.3",), 60), EditOp("delete", ZONE, "NS", ("ns1.test.",))),
    )
    async with server(lambda m: [reply_to(m).to_wire()]) as (t, seen):
        reply = await t.update(spec)
    assert (reply.rcode, reply.signed, reply.tsig_error) == ("NOERROR", True, "")
    assert reply.server_time == pytest.approx(time.time(), abs=5)
    [message] = seen
    assert isinstance(message, dns.update.UpdateMessage)
    assert message.zone[0].name.to_text() == ZONE
    assert {r.ttl for r in message.prerequisite} == {0}
    assert [(r.name.to_text(), dns.rdatatype.to_text(r.rdtype), r.ttl) for r in message.update] == [
        (WWW[0], "A", 0), (WWW[0], "A", 60), (ZONE, "NS", 0),
    ]  # fmt: skip


async def test_prerequisites_spell_names_as_the_server_does() -> None:
    https = (f"h.{ZONE}", "HTTPS")
    spec = UpdateSpec((Prereq("exists", *https, ("1 web.test.",)),), (EditOp("clear", *https),))

    def script(message: dns.message.Message) -> Iterable[bytes]:
        if message.opcode() == dns.opcode.UPDATE:
            yield reply_to(message).to_wire()
        else:
            yield from zone_of(f"h.{ZONE} 60 HTTPS 1 Web.Test.")(message)

    async with server(script) as (t, seen):
        await t.update(spec)
        assert (await t.query([https])).rrsets == {https: RRset(60, ("1 web.test.",))}
        await t.update(spec)
    assert [m.prerequisite[0][0].to_text() for m in (seen[0], seen[-1])] == ["1 web.test.", "1 Web.Test."]  # type: ignore[attr-defined]


async def test_refused_connection_sent_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        transport = DnsTransport(ZONE, "127.0.0.1", unused.getsockname()[1], tsig_key())
        with pytest.raises(Unreachable) as caught:
            await transport.update(TOKEN_SPEC)
    assert not caught.value.maybe_applied
    assert caught.value.why == "Connection refused."


def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


NO_MESSAGE, OTHER = "It gave an answer that is no DNS message.", "It gave an answer to another question."
CLOSED = "It closed the connection."


def _half(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x01\x00half")
    writer.close()


def _cut(message: dns.message.Message) -> bytes:
    return message.id.to_bytes(2, "big") + b"\xa8\x00\xff\xff" + bytes(6)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param(lambda _: [], "It did not answer in time.", id="silence"),
        pytest.param(lambda _: [_close], CLOSED, id="closed"),
        pytest.param(lambda _: [_half], CLOSED, id="half"),
        pytest.param(lambda _: [b"x"], NO_MESSAGE, id="octet"),
        pytest.param(lambda m: [_cut(m)], NO_MESSAGE, id="cut"),
        pytest.param(lambda m: [(m.id ^ 1).to_bytes(2, "big") + bytes(10)], OTHER, id="other id"),
        pytest.param(lambda m: [m.to_wire()], OTHER, id="echo"),
    ],
)
async def test_whatever_is_no_answer_may_have_been_applied(script: Script, why: str) -> None:
    async with server(script, timeout=0.2) as (t, _):
        with pytest.raises(Unreachable) as caught:
            await t.update(TOKEN_SPEC)
        assert (caught.value.maybe_applied, caught.value.why) == (True, why)
        with pytest.raises(Unreachable) as caught:
            await t.query([WWW])
        assert not caught.value.maybe_applied


def forged(message: dns.message.Message, keyring: Any) -> bytes:
    reply = reply_to(message)
    reply.use_tsig(keyring)
    reply.request_mac = message.mac
    wire: bytes = reply.to_wire()
    return wire


async def test_reply_signed_with_another_secret_proves_nothing() -> None:
    async with server(lambda m: [forged(m, WRONG)]) as (t, _):
        assert await t.update(TOKEN_SPEC) == UpdateReply("NOERROR", signed=False, tsig_error="BADSIG")


async def test_unsigned_reply_says_so() -> None:
    async with server(lambda m: [reply_to(m, signed=False).to_wire()]) as (t, _):
        assert await t.update(TOKEN_SPEC) == UpdateReply("NOERROR", signed=False)


async def test_more_than_a_message_holds_is_refused_before_it_is_sent() -> None:
    ops = tuple(EditOp("add", f"n{n}.{ZONE}", "TXT", (f'"{"x" * 250}"',), 60) for n in range(300))
    async with server(lambda m: [reply_to(m).to_wire()]) as (t, seen):
        with pytest.raises(Refused, match="do not fit one message"):
            await t.update(UpdateSpec((), ops))
    assert seen == []


@settings(max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 40), st.integers(0, 255))
def test_no_octets_make_reading_a_reply_fail_otherwise(noise: bytes, at: int, octet: int) -> None:
    """A reply that somebody damaged is garbage, or a hint; never a proof, and never another exception."""
    sent: Any = build_update(ZONE, TOKEN_SPEC)
    sent.use_tsig(KEYRING)
    sent.to_wire()
    wire = bytearray(reply_to(dns.message.from_wire(sent.to_wire(), keyring=KEYRING)).to_wire())
    damaged = wire[:12] + noise if noise else wire[: at % len(wire)] + bytes([octet]) + wire[at % len(wire) + 1 :]
    if damaged == wire:
        return
    try:
        read = read_reply(bytes(damaged), sent, KEYRING)
    except Garbage:
        return
    assert read.message is None
    assert not read.about.signed


# -- history --------------------------------------------------------------------------------------------------------


def soa(serial: int) -> str:
    return f"{ZONE} 300 SOA ns. host. {serial} 1 1 1 1"


def stream(*messages: list[str], rcode: str = "NOERROR", signed: bool = True) -> Script:
    def script(question: dns.message.Message) -> Iterable[bytes]:
        context: Any = None
        for lines in messages:
            reply = reply_to(question, rcode, *lines, signed=signed)
            yield reply.to_wire(multi=True, tsig_ctx=context) if signed else reply.to_wire()
            context = reply.tsig_ctx if signed else None

    return script


A60, A3600, B5 = f"a.{ZONE} 60 A 192.0.2.1", f"a.{ZONE} 3600 A 192.0.2.2", f"b.{ZONE} 5 A 192.0.2.3"
A, B = (f"a.{ZONE}", "A"), (f"b.{ZONE}", "A")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([[soa(1)]], {}),
        ([[soa(2), soa(1), A60, soa(2), A3600, soa(2)]], {A: 3600}),
        ([[soa(3), soa(1), A60, soa(2), A3600, soa(2), A3600, soa(3), A60, B5, soa(3)]], {A: 3600, B: 5}),
        ([[soa(2), soa(1), A3600, soa(2), A60, soa(2)]], {A: 60}),
        ([[soa(2), soa(1)], [A3600, soa(2)], [A60, soa(2)]], {A: 60}),
        ([[soa(2)], [soa(1), A60, soa(2), A3600, soa(2)]], {A: 3600}),
        ([[soa(2), A60, B5, soa(2)]], None),
        ([[soa(2)], [A60, B5, soa(2)]], None),
        ([[soa(0)]], None),
    ],
    ids=[
        "nothing new",
        "up",
        "up and down",
        "down",
        "three messages",
        "SOA alone first",
        "whole zone",
        "and in two",
        "behind",
    ],
)
async def test_history(messages: list[list[str]], expected: dict[tuple[str, str], int] | None) -> None:
    async with server(stream(*messages)) as (t, seen):
        told = await t.history(1)
    assert (None if told is None else {q: n for q, n in told.items() if q[1] != "SOA"}) == expected
    assert seen[0].authority[0][0].serial == 1
    assert seen[0].had_tsig


@pytest.mark.parametrize("signed", [True, False])
async def test_history_that_is_refused_is_unknown(signed: bool) -> None:
    async with server(stream([], rcode="REFUSED", signed=signed)) as (t, _):
        assert await t.history(1) is None


@pytest.mark.parametrize(
    "script",
    [
        stream([soa(2), soa(1), A60, soa(2), A3600, soa(2)], signed=False),
        stream([soa(2), soa(1), A60, soa(2)]),
        lambda _: [_close],
        lambda _: [b"x"],
        lambda m: [m.id.to_bytes(2, "big") + b"\x80\x00\xff\xff" + bytes(6)],
        lambda m: [reply_to(m, "NOERROR", soa(1)).to_wire()[:-3]],
    ],
    ids=["unsigned", "breaks off", "closed", "octet", "cut", "signature cut"],
)
async def test_history_that_cannot_be_read_is_no_answer(script: Script) -> None:
    async with server(script, timeout=0.2) as (t, _):
        with pytest.raises(Unreachable) as caught:
            await t.history(1)
    assert not caught.value.maybe_applied


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 9), max_size=3), st.lists(st.integers(0, 9), max_size=3)),
        min_size=1,
        max_size=5,
    )
)
def test_history_ends_exactly_at_its_last_record(versions: list[tuple[list[int], list[int]]]) -> None:
    """Whatever the differences are; and deletions never count."""
    newest = 1 + len(versions)
    records = [TransferRecord((ZONE, "SOA"), 300, newest)]
    for n, (deleted, added) in enumerate(versions):
        records.append(TransferRecord((ZONE, "SOA"), 300, 1 + n))
        records += [TransferRecord(A, 10_000 + ttl, None) for ttl in deleted]
        records.append(TransferRecord((ZONE, "SOA"), 300, 2 + n))
        records += [TransferRecord(A, ttl, None) for ttl in added]
    records.append(TransferRecord((ZONE, "SOA"), 300, newest))
    assert [n for n in range(1, len(records) + 1) if ended(records[:n], 1)] == [len(records)]
    told = published_ttls(records, 1)
    assert told is not None
    assert told.get(A) == max((ttl for _, added in versions for ttl in added), default=None)


# -- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["hmac-sha224", "hmac-sha256", "hmac-sha384", "HMAC-SHA512."])
def test_algorithms_that_are_used(algorithm: str) -> None:
    [key] = tsig_key(algorithm=algorithm).keyring().values()
    assert key.algorithm.to_text(omit_final_dot=True) == algorithm.lower().rstrip(".")


@pytest.mark.parametrize("algorithm", ["hmac-md5", "hmac-md5.sig-alg.reg.int", "hmac-sha1", "gss-tsig", ""])
def test_algorithms_that_are_not(algorithm: str) -> None:
    with pytest.raises(UsageError) as caught:
        tsig_key(algorithm=algorithm).keyring()
    assert caught.value.hints == ("tsig-keygen -a hmac-sha256 cutover   a new key, for the server too",)


@pytest.mark.parametrize("secret", ["no base64!", "abc", 'key "x" { secret "abcd"; };', "ä"])
def test_secret_that_is_no_base64_is_told_without_showing_it(secret: str) -> None:
    with pytest.raises(Refused) as caught:
        tsig_key(secret=secret).keyring()
    error = caught.value
    assert "not base64" in error.what
    assert f"{len(secret)} characters" in error.why
    assert not any(secret in text for text in (error.what, error.why, *error.hints, repr(error)))
    assert error.__suppress_context__


async def test_no_object_on_the_way_shows_the_secret() -> None:
    key = tsig_key()
    transport = DnsTransport(ZONE, "127.0.0.1", 53, key)
    message: Any = build_update(ZONE, TOKEN_SPEC)
    message.use_tsig(key.keyring())
    shown = [key, key.keyring(), transport, vars(transport), message.keyring, message]
    assert not any(SECRET in repr(each) or SECRET in str(each) for each in shown)


# -- sizes ----------------------------------------------------------------------------------------------------------


def change(owner: str, rdtype: str, before: tuple[str, ...], after: tuple[str, ...]) -> Change:
    one, two = (RRset(60, v) if v else None for v in (before, after))
    return Change(RRsetKey("main", owner, rdtype), one, two)


def wire_size(changes: tuple[Change, ...]) -> int:
    token_text = '"' + "x" * 255 + '"'
    lock, soa_text = (
        f"{'l' * 63}.{'l' * 63}.{'l' * 63}.{'l' * 40}.{ZONE}",
        f"{'m' * 63}.{'m' * 63}.test. host. 1 1 1 1 1",
    )
    spec = UpdateSpec(
        (
            Prereq("exists", lock, "TXT", (token_text,)),
            Prereq("exists", ZONE, "SOA", (soa_text,)),
            *prerequisites(changes),
        ),
        (EditOp("clear", lock, "TXT"), EditOp("add", lock, "TXT", (token_text,), 60), *operations(changes, ZONE)),
    )
    message: Any = build_update(ZONE, spec)
    name = ".".join(["k" * 63] * 3) + "."
    message.use_tsig(dns.tsigkeyring.from_text({name: ("hmac-sha512", SECRET)}))
    return len(message.to_wire())


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.integers(200, 700), st.integers(1, 200))
def test_groups_fit_one_message_and_are_as_few_as_can_be(seed: int, count: int, longest: int) -> None:
    rng = random.Random(seed)

    def text() -> tuple[str, ...]:
        return (f'"{"x" * rng.randint(1, longest)}"',)

    changes = tuple(
        change(f"host-{n}.{ZONE}", "TXT", text() if rng.random() < 0.7 else (), text()) for n in range(count)
    )
    groups = partition_changes(changes)
    assert tuple(c for g in groups for c in g) == changes
    assert all(wire_size(g) <= MAX_MESSAGE for g in groups)
    for group, following in itertools.pairwise(groups):
        # One more would not be sure to fit, whatever lock, SOA and key there are.
        assert len(build_update(".", UpdateSpec(prerequisites(group), operations(group, ""))).to_wire()) <= BUDGET
        assert wire_size((*group, following[0])) > MAX_MESSAGE - 2500


def test_changes_of_one_owner_stay_together() -> None:
    many = [change(f"h{n}.{ZONE}", "A", (), (f"192.0.2.{n % 250}",)) for n in range(1300)]
    late = change(f"h0.{ZONE}", "TXT", (), ('"x"',))
    groups = partition_changes((*many, late))
    assert len(groups) > 1
    assert groups[0][:2] == (many[0], late)
    assert sum(len(g) for g in groups) == 1301


def test_nothing_is_no_message_and_an_owner_too_great_is_a_message_of_its_own() -> None:
    assert partition_changes(()) == ()
    huge = change(f"huge.{ZONE}", "TXT", (), tuple(sorted(f'"{n:0200}"' for n in range(400))))
    small = change(f"small.{ZONE}", "A", (), ("192.0.2.1",))
    assert partition_changes((small, huge, small)) == ((small, small), (huge,))
    assert BUDGET < MAX_MESSAGE


# -- what signatures and sections say -------------------------------------------------------------------------------


def complaint(message: dns.message.Message, error: int, other: bytes = b"", name: str = "cutover.") -> bytes:
    """NOTAUTH with a TSIG record that says why, unsigned as for a key that is not known (RFC 8945 section 5.2)."""
    reply = dns.message.make_response(message)
    reply.set_rcode(dns.rcode.NOTAUTH)
    reply.tsig, reply.keyring = None, None
    wire = bytearray(reply.to_wire())
    sent: Any = message.tsig[0]  # type: ignore[index]
    rdata = sent.replace(mac=b"", error=error, other=other).to_wire()
    owner = dns.name.from_text(name).to_wire()
    assert owner is not None
    wire += (
        owner + (250).to_bytes(2, "big") + (255).to_bytes(2, "big") + bytes(4) + len(rdata).to_bytes(2, "big") + rdata
    )
    wire[10:12] = b"\x00\x01"
    return bytes(wire)


@pytest.mark.parametrize(
    ("error", "other", "expected"),
    [
        (16, b"", UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADSIG")),
        (17, b"", UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADKEY")),
        (18, (1_800_000_000).to_bytes(6, "big"), UpdateReply("NOTAUTH", 1.8e9, signed=False, tsig_error="BADTIME")),
        (18, b"?", UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADTIME")),
        (22, b"", UpdateReply("NOTAUTH", None, signed=False, tsig_error="BADTRUNC")),
        (99, b"", UpdateReply("NOTAUTH", None, signed=False, tsig_error="TSIG error 99")),
    ],
)
async def test_what_the_server_dislikes_about_a_signature(error: int, other: bytes, expected: UpdateReply) -> None:
    async with server(lambda m: [complaint(m, error, other)]) as (t, _):
        assert await t.update(TOKEN_SPEC) == expected
        assert (await t.query([WWW])).failure == expected


async def test_reply_signed_with_a_key_of_another_name_proves_nothing() -> None:
    other = dns.tsigkeyring.from_text({"other.": ("hmac-sha256", SECRET)})
    async with server(lambda m: [forged(m, other)]) as (t, _):
        assert await t.update(TOKEN_SPEC) == UpdateReply("NOERROR", signed=False, tsig_error="BADKEY")


async def test_reply_of_a_server_whose_clock_is_far_off_proves_nothing() -> None:
    def late(message: dns.message.Message) -> Iterable[bytes]:
        reply = reply_to(message)
        reply.use_tsig(KEYRING, fudge=5)
        reply.request_mac = message.mac
        real = time.time
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: real() - 60)
            yield reply.to_wire()

    async with server(late) as (t, _):
        assert await t.update(TOKEN_SPEC) == UpdateReply("NOERROR", signed=False, tsig_error="BADTIME")


def referral(message: dns.message.Message) -> Iterable[bytes]:
    reply = reply_to(message, aa=False)
    reply.authority.append(dns.rrset.from_text(f"sub.{ZONE}", 60, "IN", "NS", f"ns.sub.{ZONE}"))
    reply.additional.append(dns.rrset.from_text(f"ns.sub.{ZONE}", 30, "IN", "A", "192.0.2.53"))
    yield reply.to_wire()


async def test_delegations_and_glue_are_read_from_referrals() -> None:
    ns, glue, below = (f"sub.{ZONE}", "NS"), (f"ns.sub.{ZONE}", "A"), (f"x.sub.{ZONE}", "TXT")
    async with server(referral) as (t, seen):
        answers = await t.query([ns, glue, below])
    assert answers.rrsets == {ns: RRset(60, (f"ns.sub.{ZONE}",)), glue: RRset(30, ("192.0.2.53",)), below: None}
    assert answers.detours == {below: f"a delegation at sub.{ZONE}"}
    assert len(seen) == 3  # nothing below a zone cut comes from a wildcard


async def test_answer_to_another_name_is_none_of_ours() -> None:
    def script(message: dns.message.Message) -> Iterable[bytes]:
        other = dns.message.make_query(f"other.{ZONE}", "A", id=message.id)
        reply: Any = dns.message.make_response(other)
        reply.use_tsig(KEYRING)
        reply.request_mac = message.mac
        yield reply.to_wire()

    async with server(script) as (t, _):
        with pytest.raises(Unreachable, match="cannot be reached") as caught:
            await t.query([WWW])
    assert caught.value.why == OTHER


async def test_error_replies_may_leave_the_zone_section_out() -> None:
    for rcode in ("REFUSED", "NOERROR"):

        def script(message: dns.message.Message, rcode: str = rcode) -> Iterable[bytes]:
            reply = reply_to(message, rcode)
            reply.sections[0].clear()
            yield reply.to_wire()

        async with server(script) as (t, _):
            assert (await t.update(TOKEN_SPEC)).rcode == rcode
