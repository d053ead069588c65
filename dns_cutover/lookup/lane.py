"""One UDP socket that carries many questions to one server.

Connected: the kernel drops what other addresses send, and tells when the port is closed. The kernel chooses the source
port at random, and a lane is given up after a while for one with another port. The socket is read directly: a transport
of the event loop would cost as much again as the question.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from dns_cutover.lookup.answer import NoReply, Reject, Reply, is_response, read_matched
from dns_cutover.lookup.encoded import FIXED, HEADER, Encoded
from dns_cutover.lookup.flight import Flight, Server
from dns_cutover.lookup.known import KnownAnswer
from dns_cutover.lookup.transport import reason

DEPTH = 128  # questions under way on one lane: more answers than this overflow the buffer that a socket usually has
LIFE = 1_000  # questions until the port changes
BURST = 64  # datagrams read before the event loop gets its turn
_LARGEST = 65_535
_BUFFER = 1 << 20
_ONE = b"\0\1"


class Lane:
    """Raises OSError when there is no way to the server."""

    def __init__(
        self,
        server: Server,
        arrived: Callable[[Flight, Reply], None],
        failed: Callable[[list[Flight], NoReply], None],
        rejected: Callable[[Reject], None],
    ) -> None:
        self.server = server
        self.waiting: dict[bytes, Flight] = {}
        self.left = LIFE
        self._arrived, self._failed, self._rejected = arrived, failed, rejected
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._unsent: deque[bytes] = deque()
        family = socket.AF_INET6 if ":" in server.endpoint.address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.connect(_place(server.endpoint.address, server.endpoint.port, family))
            self._loop.add_reader(self._socket.fileno(), self._readable)
        except BaseException:
            self._socket.close()
            raise
        self._closed = False

    def has_room(self) -> bool:
        """Whether one more question may go this way."""
        return self.left > 0 and len(self.waiting) < DEPTH

    def send(self, flight: Flight, message: bytes) -> None:
        """Send it. A failure is told as the socket tells it, later."""
        self.left -= 1
        self.waiting[flight.ident] = flight
        if self._unsent:
            self._unsent.append(message)
            return
        try:
            self._socket.send(message)
        except BlockingIOError:
            self._unsent.append(message)
            self._loop.add_writer(self._socket.fileno(), self._writable)
        except OSError as exc:
            # Perhaps about an earlier question; whichever, nothing gets through here.
            self._loop.call_soon(self._broken, exc)

    def drop(self, flight: Flight) -> None:
        """It is no longer waited for."""
        self.waiting.pop(flight.ident, None)
        self.close_if_idle()

    def close_if_idle(self) -> None:
        """Give the socket back when no answer is waited for."""
        if not self.waiting and not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket.fileno())
            if self._unsent:
                self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self.server.lanes.remove(self)
            if self.server.lane is self:
                self.server.lane = None

    def _readable(self) -> None:
        receive = self._socket.recv
        try:
            for _ in range(BURST):
                data = receive(_LARGEST)
                flight = self.waiting.get(data[:2])
                if flight is None:
                    self._stray(data)
                    continue
                question = flight.question
                end = question.end
                # A response to a query, with the one question as it was sent, letter by letter.
                if data[12:end] == flight.asked and data[2] & 0xF8 == 0x80 and data[4:6] == _ONE:
                    if flight.mixed:
                        self.server.echoes = True
                    known = self.server.known.get(question)
                    reply = known.recognise(data, end) if known is not None else None
                    read = reply or self._parsed(data, flight)
                else:
                    read = self._unlike(data, flight)
                if isinstance(read, Reply):
                    del self.waiting[flight.ident]
                    self._arrived(flight, read)
                    if not self.waiting:
                        self.close_if_idle()
                        return
                else:
                    # Ignored, not believed: whoever can send garbage must not be able to end the wait for the truth.
                    flight.malformed = flight.malformed or read is Reject.MALFORMED
                    self._rejected(read)
        except BlockingIOError:
            pass
        except OSError as exc:
            self._broken(exc)

    def _writable(self) -> None:
        try:
            while self._unsent:
                self._socket.send(self._unsent[0])
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError as exc:
            self._broken(exc)
            return
        self._loop.remove_writer(self._socket.fileno())

    def _broken(self, exc: OSError) -> None:
        if self._closed:
            return
        flights = list(self.waiting.values())
        self.waiting.clear()
        self.left = 0
        self.close_if_idle()
        self._failed(flights, NoReply(reason(exc)))

    def _stray(self, data: bytes) -> None:
        if is_response(data):
            self._rejected(Reject.ID)
            return
        for each in self.waiting.values():  # no telling whose answer it was meant to be
            each.malformed = True
        self._rejected(Reject.MALFORMED)

    def _unlike(self, data: bytes, flight: Flight) -> Reply | Reject:
        """A message with the right id whose question is not repeated letter by letter."""
        if not is_response(data):
            return Reject.MALFORMED
        if data[4:6] == b"\0\0":
            return read_matched(data, self.now() - flight.sent, tcp=False, question=False)
        if not _same_question(data, flight.question):
            whole = read_matched(data, 0.0, tcp=False)
            return whole if whole is Reject.MALFORMED else Reject.QUESTION
        if flight.mixed and self.server.echoes:
            flight.recased = True  # it repeats letters as they are: this is not from it, or somebody stands in between
            return Reject.QUESTION
        self.server.echoes = False
        return self._parsed(data, flight)

    def _parsed(self, data: bytes, flight: Flight) -> Reply | Reject:
        read = read_matched(data, self.now() - flight.sent, tcp=False)
        if isinstance(read, Reply) and not read.tc:
            self.server.remember(flight.question, KnownAnswer(data, flight.question.end, read))
        return read


def _same_question(data: bytes, question: Encoded) -> bool:
    """Whatever the case of the letters is (RFC 4343)."""
    name_end = question.end - FIXED
    return data[4:6] == _ONE and data[HEADER:name_end].lower() + data[name_end : question.end] == question.plain


def _place(address: str, port: int, family: int) -> tuple[str, int] | tuple[str, int, int, int]:
    if family == socket.AF_INET:
        return address, port
    host, _, scope = address.partition("%")
    return host, port, 0, socket.if_nametoindex(scope) if scope else 0
