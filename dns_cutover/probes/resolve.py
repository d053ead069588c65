"""Finding the addresses of a probe's target."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Protocol

MAX_ADDRESSES = 8  # tried per target: a name may have hundreds


class NoSuchName(Exception):
    """The name does not resolve, or has no address: the service is wrong."""


class CannotTell(Exception):
    """Nobody could be asked, or something of ours is missing: we could not tell."""


class Resolve(Protocol):
    """Names to addresses."""

    async def __call__(self, name: str) -> tuple[str, ...]:
        """IP addresses of `name`, best first; an address resolves to itself. Raises NoSuchName, CannotTell."""
        ...


class SystemResolve:
    """Implements `Resolve` by the machine's own resolver, for names that exist already.

    It is the wrong one for a new target. A recursive resolver that is asked for a name before that name exists keeps
    the negative answer for N seconds (RFC 2308 section 5), for everybody behind it: the probe would cause the outage
    that it looks for. It would also go on believing its cache after the target's own zone has changed. New targets are
    resolved at their own authority (DESIGN principle 6).
    """

    async def __call__(self, name: str) -> tuple[str, ...]:
        """See `Resolve`."""
        if literal := _literal(name):
            return (literal,)
        if "\0" in name:  # the C library would ask for what stands before it
            raise NoSuchName(f"{name} is no host name")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name.rstrip("."), None, type=socket.SOCK_STREAM)
        except socket.gaierror as exc:
            if exc.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                raise NoSuchName(f"{name} does not resolve") from None
            raise CannotTell(f"{name}: {exc.strerror}") from None
        except (UnicodeError, ValueError):
            raise NoSuchName(f"{name} is no host name") from None
        return tuple(dict.fromkeys(str(item[4][0]) for item in found))


system_resolve = SystemResolve()


async def addresses_of(host: str, resolve: Resolve) -> tuple[str, ...]:
    """At least one address and at most MAX_ADDRESSES; `resolve` is not asked about addresses.

    Raises NoSuchName, CannotTell.
    """
    if literal := _literal(host):
        return (literal,)
    found = await resolve(host)
    if not found:
        raise NoSuchName(f"{host} has no address")
    # Anything but an address would be looked up by the system once more.
    if not all(_literal(address) for address in found):
        raise CannotTell(f"{host} was resolved to something that is no address")
    return tuple(found)[:MAX_ADDRESSES]


def _literal(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
