"""Finding the address of a probe's target."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Protocol


class NoSuchName(Exception):
    """The name does not resolve: the service is wrong."""


class CannotTell(Exception):
    """Nobody could be asked: we could not tell."""


class Resolve(Protocol):
    """Names to addresses. A new target is to be resolved at its own authority: asking a recursive resolver for a name
    before it exists plants a negative answer there (DESIGN principle 6)."""

    async def __call__(self, name: str) -> tuple[str, ...]:
        """Addresses of `name` (an address resolves to itself). Raises NoSuchName, CannotTell."""
        ...


async def system_resolve(name: str) -> tuple[str, ...]:
    """Through the machine's own resolver: for names that exist already."""
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as exc:
        if exc.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM):
            raise CannotTell(f"{name}: {exc.strerror}") from None
        raise NoSuchName(f"{name} does not resolve: {exc.strerror}") from None
    except UnicodeError:
        raise NoSuchName(f"{name} is no host name") from None
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))
