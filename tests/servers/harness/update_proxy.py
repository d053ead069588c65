"""A proxy in front of a primary that can lose, hold or cut UPDATE messages; everything else passes.

A test uses it to end the tool exactly before a message reaches the server, or between the server's deed
and its reply. Messages are passed on byte for byte, so TSIG holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import dns.message
import dns.name
import dns.rdatatype
import dns.update

from . import relay
from .daemon import PORT
from .network import HarnessError

Exchange = Callable[[bytes, Callable[[], None]], Awaitable[bytes]]  # the message; called when it is sent
Respond = Callable[[bytes], None]
Test = Callable[[dns.update.UpdateMessage], bool]


class Treatment(enum.Enum):
    """What happens to an UPDATE."""

    PASS = "pass"
    HOLD = "hold"  # until `release` or `discard`, whether the sender still lives or not
    HOLD_AND_CUT = "hold and cut"  # the same, and the sender's connection is reset: it need not wait for its timeout
    DROP_REPLY = "drop reply"  # the server does it, the sender never hears of it
    CUT_REPLY = "cut reply"  # the server does it, then the sender's connection is reset
    BLACK_HOLE = "black hole"  # the server never gets it, the sender waits
    CLOSE = "close"  # the server never gets it, the sender's connection is reset


class Stage(enum.Enum):
    """How far an UPDATE came."""

    ARRIVED = "arrived"  # at the proxy
    FORWARDED = "forwarded"  # written to the server's socket
    ANSWERED = "answered"  # the server has done, or refused, it


@dataclass(slots=True)
class Passage:
    """One UPDATE on its way. `reached`: seconds UTC by stage."""

    wire: bytes
    treatment: Treatment
    reached: dict[Stage, float] = field(default_factory=dict)
    reply: bytes | None = None
    discarded: bool = False

    @property
    def message(self) -> dns.update.UpdateMessage:
        """The parsed message."""
        return _parse(self.wire)


class UpdateProxy:
    """Listens on `listen` (UDP and TCP, port 53) for `upstream`, from a thread of its own, in its `with` block.

    `hooks` are called in the proxy's thread at each stage, before anything further happens to the message.
    """

    def __init__(self, listen: str, upstream: str) -> None:
        self.address = listen
        self.upstream = upstream
        self.passages: list[Passage] = []
        self.hooks: dict[Stage, Callable[[Passage], None]] = {}
        self._rules: list[tuple[Test, Treatment, int | None]] = []
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._free = asyncio.Event()
        self._leave = asyncio.Event()
        self._ready = threading.Event()
        self._failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="update-proxy", daemon=True)

    # Life

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failures:
            raise self._failures[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    # Steering, from the test's thread

    def treat(self, treatment: Treatment, when: Test | None = None, times: int | None = None) -> None:
        """Treat UPDATEs so for which `when` holds (all by default), at most `times` of them.

        Later rules go before earlier ones; what no rule covers passes.
        """
        with self._news:
            self._rules.insert(0, (when or _always, treatment, times))

    def pass_all(self) -> None:
        """Forget all rules. What is held stays held."""
        with self._news:
            self._rules.clear()

    def release(self) -> None:
        """Forward everything that is held."""
        self._loop.call_soon_threadsafe(self._let_go)

    def discard(self) -> None:
        """Throw away everything that is held: it never reaches the server."""
        with self._news:
            for passage in self.passages:
                held = passage.treatment in (Treatment.HOLD, Treatment.HOLD_AND_CUT)
                passage.discarded |= held and Stage.FORWARDED not in passage.reached
        self.release()

    def wait_for(self, stage: Stage, count: int = 1, patience: float = 10.0) -> Passage:
        """Wait until `count` UPDATEs came so far, and return the last of these. Raises HarnessError if they do not."""

        def reached() -> list[Passage]:
            there = [passage for passage in self.passages if stage in passage.reached]
            return sorted(there, key=lambda passage: passage.reached[stage])

        with self._news:
            if not self._news.wait_for(lambda: len(reached()) >= count, patience):
                raise HarnessError(f"{len(reached())} of {count} updates {stage.value} within {patience:g} s")
            return reached()[count - 1]

    # The thread

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # raised again in the test's thread
            self._failures.append(error)
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, self.address, PORT)
        udp, _ = await self._loop.create_datagram_endpoint(
            lambda: relay.Datagrams(self._datagram), local_addr=(self.address, PORT)
        )
        self._ready.set()
        await self._leave.wait()
        udp.close()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> None:
        # Ends with the proxy at the latest; what goes wrong in it fails the test.
        task = self._loop.create_task(_until_gone(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    def _let_go(self) -> None:
        self._free.set()
        self._free = asyncio.Event()

    # Messages

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._converse(reader, writer))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def respond(reply: bytes) -> None:
            if not writer.is_closing():
                relay.put(writer, reply)

        def exchange(wire: bytes, sent: Callable[[], None]) -> Awaitable[bytes]:
            return relay.by_tcp(self.upstream, wire, sent)

        async with relay.Stream(self.upstream, respond) as queries:
            try:
                while True:
                    wire = await relay.get(reader)
                    if relay.is_update(wire):
                        self._spawn(self._update(wire, exchange, respond, writer.transport.abort))
                    else:
                        await queries.send(wire)
            finally:
                writer.close()

    def _datagram(self, wire: bytes, respond: Respond) -> None:
        def exchange(wire: bytes, sent: Callable[[], None]) -> Awaitable[bytes]:
            return relay.by_udp(self.upstream, wire, sent)

        async def query() -> None:
            respond(await exchange(wire, lambda: None))

        if relay.is_update(wire):
            self._spawn(self._update(wire, exchange, respond, lambda: None))
        else:
            self._spawn(query())

    async def _update(self, wire: bytes, exchange: Exchange, respond: Respond, cut: Callable[[], None]) -> None:
        # It goes on when its sender has died: that is what packets do.
        passage = Passage(wire, self._treatment(wire))
        free = self._free
        with self._news:
            self.passages.append(passage)
        self._reach(passage, Stage.ARRIVED)
        match passage.treatment:
            case Treatment.CLOSE:
                cut()
                return
            case Treatment.BLACK_HOLE:
                return
            case Treatment.HOLD | Treatment.HOLD_AND_CUT:
                if passage.treatment is Treatment.HOLD_AND_CUT:
                    cut()
                await free.wait()
                if passage.discarded:
                    return
            case Treatment.PASS | Treatment.DROP_REPLY | Treatment.CUT_REPLY:
                pass
        try:
            passage.reply = await exchange(wire, lambda: self._reach(passage, Stage.FORWARDED))
        except relay.GONE:
            cut()  # the server is away: the sender sees what it would see without a proxy
            return
        self._reach(passage, Stage.ANSWERED)
        if passage.treatment is Treatment.CUT_REPLY:
            cut()
        elif passage.treatment is not Treatment.DROP_REPLY:
            respond(passage.reply)

    def _treatment(self, wire: bytes) -> Treatment:
        with self._news:
            for index, (when, treatment, times) in enumerate(self._rules):
                if times != 0 and when(_parse(wire)):
                    self._rules[index] = (when, treatment, None if times is None else times - 1)
                    return treatment
        return Treatment.PASS

    def _reach(self, passage: Passage, stage: Stage) -> None:
        hook = self.hooks.get(stage)
        if hook is not None:
            hook(passage)
        with self._news:
            passage.reached[stage] = time.time()
            self._news.notify_all()


async def _until_gone(work: Awaitable[None]) -> None:
    # Either side may go at any time: that is what the tests are about.
    with contextlib.suppress(*relay.GONE):
        await work


def _always(_: dns.update.UpdateMessage) -> bool:
    return True


def _parse(wire: bytes) -> dns.update.UpdateMessage:
    # Unverified: a test may look at a message when its signature is too old to be good.
    message = dns.message.from_wire(wire, keyring=False)
    assert isinstance(message, dns.update.UpdateMessage)
    return message


def touches(name: str, rdtype: str) -> Test:
    """For `treat`: whether an UPDATE changes this RRset. Name with final dot."""
    wanted = dns.name.from_text(name), dns.rdatatype.from_text(rdtype)
    return lambda message: any((each.name, each.rdtype) == wanted for each in message.update)
