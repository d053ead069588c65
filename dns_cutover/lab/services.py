"""Services for probes on loopback: a mail greeter that can be broken."""

from __future__ import annotations

import asyncio
from typing import Literal

from dns_cutover.lab.server import HOST

Mode = Literal["good", "busy", "silent"]


class MailGreeter:
    """Greets like an SMTP server (RFC 5321 section 3.1): 220, EHLO, QUIT. `busy` answers 421, `silent` nothing."""

    def __init__(self, host_name: str) -> None:
        self.host_name = host_name
        self.mode: Mode = "good"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Connections are refused from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.mode == "silent":
                await reader.read()
                return
            if self.mode == "busy":
                writer.write(b"421 4.3.2 service not available\r\n")
                await writer.drain()
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
        except OSError:
            return
        finally:
            writer.close()
