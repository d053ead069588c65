"""Asking and changing servers from a test, independently of the code under test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import dns.xfr
import dns.zone

from .network import HarnessError
from .zones import KEYRING, Zone

PATIENCE = 10.0  # seconds until `wait_until` gives up
PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `values` are RDATA as text, sorted; empty for NODATA and NXDOMAIN; `ttl` in seconds, None then."""

    rcode: str
    values: tuple[str, ...]
    ttl: int | None
    authoritative: bool


def ask(server: str, name: str, rdtype: str, *, tcp: bool = False, timeout: float = 2.0) -> Answer:
    """Ask one server and take what it has at `name` itself, CNAMEs not followed. Raises dns.exception.Timeout."""
    question = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    send = dns.query.tcp if tcp else dns.query.udp
    reply = send(question, server, timeout=timeout)
    wanted = dns.name.from_text(name)
    kind = dns.rdatatype.from_text(rdtype)
    found = next((each for each in reply.answer if each.name == wanted and each.rdtype == kind), None)
    return Answer(
        dns.rcode.to_text(reply.rcode()),
        tuple(sorted(rdata.to_text() for rdata in found or ())),
        found.ttl if found is not None else None,
        bool(reply.flags & dns.flags.AA),
    )


def serial(server: str, origin: str) -> int | None:
    """The zone's serial there, or None where the zone is not served (or the server does not answer)."""
    try:
        answer = ask(server, origin, "SOA", timeout=0.5)
    except dns.exception.Timeout:
        return None
    return int(answer.values[0].split()[2]) if answer.values and answer.authoritative else None


def transfer(server: str, origin: str) -> dns.zone.Zone:
    """The whole zone by AXFR with the key."""
    zone = dns.zone.Zone(origin, relativize=False)
    query, _ = dns.xfr.make_query(zone, serial=None, keyring=KEYRING)
    dns.query.inbound_xfr(server, zone, query, timeout=5.0)
    return zone


def contents(zone: dns.zone.Zone) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    """TTL and values (as text) by owner name and type, without the SOA: equal exactly when the zones are."""
    return {
        (name.to_text(), dns.rdatatype.to_text(found.rdtype)): (found.ttl, frozenset(each.to_text() for each in found))
        for name, found in zone.iterate_rdatasets()
        if found.rdtype != dns.rdatatype.SOA
    }


def update(
    server: str,
    origin: str,
    edit: Callable[[dns.update.UpdateMessage], object],
    *,
    keyring: dict[dns.name.Name, dns.tsig.Key] | None = None,
    patience: float = 5.0,
) -> str:
    """Send one signed UPDATE over TCP, as anybody else with the key would, and return the RCODE's name.

    `edit` fills the message. Raises what dnspython raises for replies whose signature is wrong, and
    dns.exception.Timeout after `patience` seconds.
    """
    message = dns.update.UpdateMessage(origin, keyring=KEYRING if keyring is None else keyring)
    edit(message)
    return dns.rcode.to_text(dns.query.tcp(message, server, timeout=patience).rcode())


def write(server: str, origin: str, name: str, ttl: int, rdtype: str, *values: str) -> None:
    """Replace one RRset, whatever was there. `name` relative to `origin`. Raises HarnessError unless NOERROR."""
    rcode = update(server, origin, lambda message: message.replace(name, ttl, rdtype, *values))
    if rcode != "NOERROR":
        raise HarnessError(f"{server} answered {rcode} to the update of {name} {rdtype}")


def erase(server: str, origin: str, name: str, rdtype: str) -> None:
    """Take one RRset away. Raises HarnessError unless NOERROR."""
    rcode = update(server, origin, lambda message: message.delete(name, rdtype))
    if rcode != "NOERROR":
        raise HarnessError(f"{server} answered {rcode} to the removal of {name} {rdtype}")


def reset(server: str, zone: Zone) -> None:
    """Bring a zone back to its first text by one UPDATE; the serial goes on. Raises HarnessError unless NOERROR."""
    present, wanted = transfer(server, zone.origin), zone.parsed()

    def edit(message: dns.update.UpdateMessage) -> None:
        for name, rdataset in present.iterate_rdatasets():
            if rdataset.rdtype != dns.rdatatype.SOA and wanted.get_rdataset(name, rdataset.rdtype) is None:
                message.delete(name, rdataset.rdtype)
        for name, rdataset in wanted.iterate_rdatasets():
            found = present.get_rdataset(name, rdataset.rdtype)
            if rdataset.rdtype != dns.rdatatype.SOA and (found != rdataset or found.ttl != rdataset.ttl):
                message.replace(name, rdataset)

    rcode = update(server, zone.origin, edit)
    if rcode != "NOERROR":
        raise HarnessError(f"{server} answered {rcode} when {zone.origin} was to be reset")


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Return when `condition` holds. Raises HarnessError that says what did not come."""
    pacer = threading.Event()
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"waited {patience:g} s in vain until {what}")
        pacer.wait(PAUSE)
