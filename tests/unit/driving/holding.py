"""A TCP forwarder in front of the lab's primary that can keep back the reply to an UPDATE."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.unit.driving.lab import LONG, Lab

UPDATE = 5  # RFC 2136 section 1.3


class Holding:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.address = ""
        self.hold = False
        self.held = threading.Event()
        self.release: asyncio.Event | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> asyncio.Server:
        self.release = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def let_go(self) -> None:
        assert self.release is not None
        self.hold = False
        self.lab.loop.call_soon_threadsafe(self.release.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            host, _, port = str(self.lab.world.primary.endpoint).rpartition(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    question = await self._message(reader)
                    up_writer.write(question)
                    answer = await self._message(up_reader)
                    if self.hold and (question[4] >> 3) & 15 == UPDATE:
                        assert self.release is not None
                        self.held.set()
                        await self.release.wait()
                    writer.write(answer)
                    await writer.drain()
            up_writer.close()
            writer.close()
        finally:
            self.tasks.discard(task)

    @staticmethod
    async def _message(reader: asyncio.StreamReader) -> bytes:
        length = await reader.readexactly(2)
        return length + await reader.readexactly(int.from_bytes(length, "big"))


@contextlib.contextmanager
def holding(lab: Lab) -> Iterator[Holding]:
    """The plan writes through it from now on."""
    made = Holding(lab)
    server = asyncio.run_coroutine_threadsafe(made.start(), lab.loop).result(LONG)
    lab.plan.write_text(
        lab.plan.read_text().replace(f"server: {lab.world.primary.endpoint}", f"server: {made.address}")
    )
    try:
        yield made
    finally:

        async def stop() -> None:
            server.close()
            for task in tuple(made.tasks):
                task.cancel()
            await asyncio.gather(*made.tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), lab.loop).result(LONG)
