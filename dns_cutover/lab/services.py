"""Services for probes on loopback, which can be broken: a mail greeter and a web server."""

from __future__ import annotations

import asyncio
import ssl
from typing import Literal

from dns_cutover.lab.sockets import HOST
from dns_cutover.lookup.interface import Endpoint

Mode = Literal["good", "busy", "silent"]


class Service:
    """Listens on a free port of its own, and keeps the number.

    `mode`: `busy` answers that it cannot serve now, `silent` takes connections and says nothing.
    """

    def __init__(self, host_name: str, tls: ssl.SSLContext | None = None) -> None:
        self.host_name = host_name
        self.mode: Mode = "good"
        self.port = 0
        self.connections = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached."""
        return Endpoint(self.host_name, HOST, self.port, "tcp")

    async def start(self) -> None:
        """Listen; on the port it had before, if it had one."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Connections are refused from now on, and open ones dropped."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def break_(self, mode: Mode = "busy") -> None:
        """Serve badly from now on. `stop` refuses connections."""
        self.mode = mode

    def repair(self) -> None:
        """Serve well again."""
        self.mode = "good"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._guarded(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.mode == "silent":
                await reader.read()
            else:
                await self.serve(reader, writer)
                await writer.drain()
        except (OSError, EOFError, ValueError):
            return  # the client left, or sent a line without an end
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        raise NotImplementedError


class MailGreeter(Service):
    """Greets like an SMTP server (RFC 5321 section 3.1): 220, EHLO, QUIT; but takes no mail. `busy` answers 421."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Commands until QUIT."""
        if self.mode == "busy":
            writer.write(f"421 4.3.2 {self.host_name} service not available\r\n".encode())
            return
        writer.write(f"220 {self.host_name} ESMTP\r\n".encode())
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            known = verb in (b"EHLO", b"HELO", b"NOOP", b"RSET")
            writer.write(f"250 {self.host_name}\r\n".encode() if known else b"502 5.5.1 not here\r\n")
            await writer.drain()


class WebServer(Service):
    """Answers every request with `status` and `body` (HTTP/1.1, one request per connection). `busy` answers 503."""

    def __init__(
        self, host_name: str, body: str = "ok\n", status: int = 200, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(host_name, tls)
        self.status = status
        self.body = body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        request = await reader.readuntil(b"\r\n\r\n")
        status, body = (503, "busy\n") if self.mode == "busy" else (self.status, self.body)
        raw = body.encode()
        head = (
            f"HTTP/1.1 {status} {'OK' if status < 400 else 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + (b"" if request.startswith(b"HEAD ") else raw))
