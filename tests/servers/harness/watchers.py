"""Watchers: they ask servers all the time and remember every answer, for assertions afterwards.

Questions are encoded once and answers parsed only when their bytes are new, so that a thousand questions a
second cost a few per cent of one core. Times are seconds UTC, the clock of the tool's own events.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from .daemon import PORT

UNANSWERED_AFTER = 1.0  # seconds; what comes later is ignored, as a user's resolver would


@dataclass(frozen=True, slots=True)
class Watched:
    """One question. Name with final dot, type as text."""

    name: str
    rdtype: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer without its TTL: the RCODE's name and the RDATA (as text) of the type that was asked for."""

    rcode: str
    values: frozenset[str]

    @property
    def empty(self) -> bool:
        """NXDOMAIN, NODATA, or a failure: nothing that a user could go to."""
        return not self.values


@dataclass(frozen=True, slots=True)
class Span:
    """Equal answers of one server to one question, one after the other. `ttls`: lowest and highest; 0, 0 if empty."""

    server: str
    question: Watched
    seen: Seen
    first: float
    last: float
    count: int
    ttls: tuple[int, int]


@dataclass(slots=True)
class _Target:
    server: str
    sock: socket.socket
    idents: Iterator[int]
    outstanding: dict[int, tuple[int, float]] = field(default_factory=dict)  # id: question's index, when sent


class Watcher:
    """Asks every server every question `rate` times a second from a thread of its own, while in its `with` block."""

    def __init__(self, servers: Sequence[str], questions: Iterable[Watched], rate: float = 50.0) -> None:
        self.servers = tuple(servers)
        self.questions = tuple(questions)
        self.interval = 1.0 / rate
        self.unanswered: dict[str, int] = dict.fromkeys(self.servers, 0)
        self._wires = [
            dns.message.make_query(one.name, one.rdtype, use_edns=0, payload=1232).to_wire()[2:]
            for one in self.questions
        ]
        self._known: dict[tuple[int, bytes], tuple[Seen, int]] = {}
        self._spans: dict[tuple[str, int], list[Span]] = {
            (server, index): [] for server in self.servers for index in range(len(self.questions))
        }
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    # Life

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop asking. Raises whatever ended the thread, for a watcher that saw nothing must not pass a test."""
        self._leave.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    # What it saw

    def spans(self, server: str | None = None, question: Watched | None = None) -> list[Span]:
        """Everything seen so far, in order of time per server and question."""
        with self._lock:
            return [
                span
                for (where, index), spans in self._spans.items()
                if server in (None, where) and question in (None, self.questions[index])
                for span in spans
            ]

    def values_seen(self, question: Watched, server: str | None = None) -> list[frozenset[str]]:
        """The sets of values in the order in which they came, one server after the other, empty ones included."""
        return [span.seen.values for span in self.spans(server, question)]

    def last_seen(self, value: str, question: Watched, server: str | None = None) -> float | None:
        """When an answer to `question` last contained `value` (RDATA as text); None if never."""
        return max((s.last for s in self.spans(server, question) if value in s.seen.values), default=None)

    def first_seen(self, value: str, question: Watched, server: str | None = None) -> float | None:
        """When an answer to `question` first contained `value`; None if never."""
        return min((s.first for s in self.spans(server, question) if value in s.seen.values), default=None)

    def count(self, server: str | None = None) -> int:
        """Answers so far."""
        return sum(span.count for span in self.spans(server))

    def assert_watched(self, least: int = 1) -> None:
        """Fail unless every server answered every question at least so many times."""
        for (server, index), spans in self._spans.items():
            with self._lock:
                answers = sum(span.count for span in spans)
            question = self.questions[index]
            assert answers >= least, f"{server} answered {question.name} {question.rdtype} {answers} times"

    # The thread

    def _run(self) -> None:
        targets = [_Target(server, self._socket(server), _idents()) for server in self.servers]
        try:
            with selectors.DefaultSelector() as selector:
                for target in targets:
                    selector.register(target.sock, selectors.EVENT_READ, target)
                self._loop(targets, selector)
        except Exception as error:
            self._failure = error
        finally:
            for target in targets:
                target.sock.close()

    def _socket(self, server: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect((server, PORT))
        return sock

    def _loop(self, targets: Sequence[_Target], selector: selectors.BaseSelector) -> None:
        due = time.monotonic()
        while not self._leave.is_set():
            for target in targets:
                self._ask(target)
            # Rounds that a busy machine made impossible are not made up for.
            due = max(due + self.interval, time.monotonic())
            while (left := due - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    self._drain(key.data)

    def _ask(self, target: _Target) -> None:
        now = time.monotonic()
        late = [ident for ident, (_, sent) in target.outstanding.items() if now - sent > UNANSWERED_AFTER]
        for ident in late:
            del target.outstanding[ident]
        self.unanswered[target.server] += len(late)
        for index, wire in enumerate(self._wires):
            ident = next(target.idents)
            target.outstanding[ident] = (index, now)
            try:
                target.sock.send(ident.to_bytes(2, "big") + wire)
            except (ConnectionRefusedError, BlockingIOError):
                continue  # the server is down: counted as unanswered when its time has come

    def _drain(self, target: _Target) -> None:
        while True:
            try:
                reply = target.sock.recv(65535)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            at = time.time()
            asked = target.outstanding.pop(int.from_bytes(reply[:2], "big"), None)
            if asked is not None:
                self._note(target.server, asked[0], reply[2:], at)

    def _note(self, server: str, index: int, body: bytes, at: float) -> None:
        known = self._known.get((index, body))
        if known is None:
            known = self._known[(index, body)] = _parse(self.questions[index], b"\0\0" + body)
        seen, ttl = known
        with self._lock:
            spans = self._spans[(server, index)]
            if spans and spans[-1].seen == seen:
                old = spans[-1]
                ttls = (min(old.ttls[0], ttl), max(old.ttls[1], ttl))
                spans[-1] = replace(old, last=at, count=old.count + 1, ttls=ttls)
            else:
                spans.append(Span(server, self.questions[index], seen, at, at, 1, (ttl, ttl)))


def _question(watched: Watched) -> bytes:
    return dns.message.make_query(watched.name, watched.rdtype, use_edns=0, payload=1232).to_wire()[2:]


def _idents() -> Iterator[int]:
    # In turn, not at random: no two questions on their way may share one.
    return itertools.cycle(range(0x10000))


def _parse(question: Watched, wire: bytes) -> tuple[Seen, int]:
    reply = dns.message.from_wire(wire, raise_on_truncation=True)
    wanted = dns.name.from_text(question.name), dns.rdatatype.from_text(question.rdtype)
    assert [(each.name, each.rdtype) for each in reply.question] == [wanted], "an answer to another question"
    # The end of a CNAME chain counts too: that is where a user arrives.
    found = [each for each in reply.answer if each.rdtype == wanted[1]]
    values = frozenset(rdata.to_text() for each in found for rdata in each)
    return Seen(dns.rcode.to_text(reply.rcode()), values), min((each.ttl for each in found), default=0)


class GapWatcher(Watcher):
    """Asks authoritative servers for RRsets that must never be away: not for names that the run creates."""

    def gaps(self) -> list[Span]:
        """Every empty answer, NXDOMAIN and failure."""
        return [span for span in self.spans() if span.seen.empty]

    def assert_no_gap(self, least: int = 1) -> None:
        """Fail if any answer was empty, or if any server answered any question fewer than `least` times."""
        self.assert_watched(least)
        lines = [
            f"{gap.server} {gap.question.name} {gap.question.rdtype}: {gap.seen.rcode} without data, {gap.count} times,"
            f" {gap.first:.3f} to {gap.last:.3f}"
            for gap in self.gaps()
        ]
        assert not lines, "there were gaps:\n" + "\n".join(lines)

    def assert_only(self, question: Watched, allowed: Collection[frozenset[str]]) -> None:
        """Fail if a server ever gave another set of values than these: no mixture, no foreign value."""
        odd = [span for span in self.spans(question=question) if span.seen.values not in allowed]
        assert not odd, f"answers that nobody planned: {odd}"


class OldAnswerWatcher(Watcher):
    """Asks caches for RRsets that change, and tells when the old value was last given."""

    def assert_not_after(self, value: str, question: Watched, moment: float) -> None:
        """Fail if a cache still gave `value` after `moment` (seconds UTC), or stopped answering before it."""
        for server in self.servers:
            last = self.last_seen(value, question, server)
            assert last is None or last <= moment, f"{server} gave {value} {last - moment:.3f} s too late"
            ends = [span.last for span in self.spans(server, question)]
            assert ends, f"{server} never answered {question.name} {question.rdtype}"
            assert max(ends) > moment, f"{server} was not watched past the moment that matters"

    def tails(self, value: str, question: Watched, changed: float) -> dict[str, float]:
        """Seconds from `changed` to the last time each cache gave `value`; caches that never did are left out."""
        seen = {server: self.last_seen(value, question, server) for server in self.servers}
        return {server: last - changed for server, last in seen.items() if last is not None}
