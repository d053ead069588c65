"""An authoritative server for one zone: queries, updates and transfers with TSIG, NOTIFY."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dns_cutover.lab.client import exchange
from dns_cutover.lab.keys import LabKey, keyring
from dns_cutover.lab.message import Incoming, finish, read_request, reply_to, section
from dns_cutover.lab.sockets import DnsServer
from dns_cutover.lab.transfer import axfr, envelopes, ixfr
from dns_cutover.lab.update import apply_update, read_sections
from dns_cutover.lab.zone import Item, ZoneVersion
from dns_cutover.lookup.interface import Endpoint

JOURNAL = 1000  # versions that IXFR can start from
READY = 4096  # answers that are kept ready
NOTIFY_TRIES = 3
NOTIFY_TIMEOUT = 0.5  # real seconds

__all__ = ["Authoritative"]


class Authoritative(DnsServer):
    """Serves one zone. Whoever signs with one of `keys` may update it and transfer it, as far as the key's rights go.

    `journal` 0 makes IXFR answer with the whole zone, as BIND does for small ones. `frozen` refuses updates.
    `notify` are told of each new version. `signing_clock` is real time, whatever clock the lab has.
    """

    def __init__(
        self,
        name: str,
        zone: ZoneVersion,
        keys: Iterable[LabKey] = (),
        *,
        nsid: str = "",
        journal: int = JOURNAL,
        signing_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name)
        self.versions = [zone]
        self.nsid = nsid
        self.frozen = False
        self.notify: list[Endpoint] = []
        self._keys = keyring(keys)
        self._journal = journal
        self._now = signing_clock
        self._ready: dict[bytes, bytes] = {}

    @property
    def zone(self) -> ZoneVersion:
        """The version that is served."""
        return self.versions[-1]

    def publish(self, version: ZoneVersion) -> None:
        """Serve a new version from now on, and tell the secondaries."""
        self.versions.append(version)
        del self.versions[: -1 - self._journal]
        self._ready.clear()
        for secondary in self.notify:
            self.spawn(self._notify(secondary, version))

    def expired(self) -> bool:
        """Whether the zone's data may not be served any more (RFC 1035 section 3.3.13)."""
        return False

    def notified(self, source: Incoming) -> int:
        """The RCODE for a NOTIFY (RFC 1996). A primary takes it and has nothing to do."""
        return dns.rcode.NOERROR

    def known(self, wire: bytes) -> bytes | None:
        """An answer to exactly the same question, already made for this version."""
        ready = self._ready.get(wire[2:])
        if ready is None or self.expired():
            return None
        self.queries += 1
        return wire[:2] + ready

    async def respond(self, wire: bytes, *, tcp: bool) -> Sequence[bytes]:
        """Queries, updates, transfers and notifications."""
        incoming = read_request(wire, self._keys, self._now)
        if incoming is None:
            return ()
        self.queries += 1
        if isinstance(incoming, bytes):
            return (incoming,)
        query = incoming.query
        response = reply_to(query, nsid=self.nsid)
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() == dns.opcode.UPDATE:
            self._update(incoming, response)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif query.opcode() == dns.opcode.NOTIFY:
            self._notification(incoming, response)
        elif query.question[0].rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
            return self._transfer(incoming, response, tcp=tcp)
        else:
            return (self._query(incoming, response, tcp=tcp),)
        return (finish(incoming, response, tcp=tcp),)

    def _serves(self, question: Any) -> bool:
        owner = question.name.canonicalize().to_text()
        return question.rdclass == dns.rdataclass.IN and self.zone.holds(owner)

    def _query(self, incoming: Incoming, response: Any, *, tcp: bool) -> bytes:
        question = incoming.query.question[0]
        glue = False
        if not self._serves(question):
            response.set_rcode(dns.rcode.REFUSED)
        elif self.expired():
            response.set_rcode(dns.rcode.SERVFAIL)
        else:
            owner = question.name.canonicalize().to_text()
            answer = self.zone.lookup(owner, dns.rdatatype.to_text(question.rdtype))
            response.flags |= dns.flags.AA if answer.aa else 0
            response.set_rcode(dns.rcode.from_text(answer.rcode))
            response.answer.extend(section(answer.answer))
            response.authority.extend(section(answer.authority))
            response.additional.extend(section(answer.additional))
            glue = answer.glue
        wire = finish(incoming, response, tcp=tcp, glue=glue)
        if not tcp and incoming.signer is None and not self.expired():
            if len(self._ready) >= READY:
                self._ready.clear()
            self._ready[incoming.wire[2:]] = wire[2:]
        return wire

    def _update(self, incoming: Incoming, response: Any) -> None:
        query, key = incoming.query, incoming.key
        if len(query.zone) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif query.zone[0].name.canonicalize().to_text() != self.zone.origin or not self.takes_updates():
            response.set_rcode(dns.rcode.NOTAUTH)
        elif key is None or not key.update or self.frozen:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            rcode, after = apply_update(self.zone, *read_sections(query, incoming.wire), key.may_write)
            response.set_rcode(dns.rcode.from_text(rcode))
            if after is not self.zone:
                self.publish(after)

    def takes_updates(self) -> bool:
        """Whether this is the zone's primary."""
        return True

    def _transfer(self, incoming: Incoming, response: Any, *, tcp: bool) -> Sequence[bytes]:
        query, question = incoming.query, incoming.query.question[0]
        items: list[Item] = []
        if question.name.canonicalize().to_text() != self.zone.origin:
            response.set_rcode(dns.rcode.NOTAUTH)
        elif incoming.key is None or not incoming.key.transfer:
            response.set_rcode(dns.rcode.REFUSED)
        elif self.expired():
            response.set_rcode(dns.rcode.SERVFAIL)
        elif question.rdtype == dns.rdatatype.AXFR:
            if tcp:
                items = axfr(self.zone)
            else:
                response.set_rcode(dns.rcode.FORMERR)  # RFC 5936 section 4.2
        elif not query.authority or query.authority[0].rdtype != dns.rdatatype.SOA:
            response.set_rcode(dns.rcode.FORMERR)
        elif tcp:
            items = ixfr(self.versions, query.authority[0][0].serial)
        else:
            items = [Item(self.zone.origin, "SOA", self.zone.soa)]  # RFC 1995 section 2: come back over TCP
        if not items:
            return (finish(incoming, response, tcp=tcp),)
        response.flags |= dns.flags.AA
        assert incoming.signer is not None, "only signed requests get here"
        out = []
        for portion in envelopes(items):
            response.answer = [rrset for item in portion for rrset in section((item,))]
            out.append(incoming.signer.sign(response.to_wire(max_size=65535), multi=True))
        return out

    def _notification(self, incoming: Incoming, response: Any) -> None:
        question = incoming.query.question[0]
        if question.rdtype != dns.rdatatype.SOA:
            response.set_rcode(dns.rcode.NOTIMP)
        elif question.name.canonicalize().to_text() != self.zone.origin:
            response.set_rcode(dns.rcode.NOTAUTH)
        else:
            response.flags |= dns.flags.AA
            response.set_rcode(dns.rcode.Rcode(self.notified(incoming)))

    async def _notify(self, secondary: Endpoint, version: ZoneVersion) -> None:
        message = dns.message.make_query(version.origin, "SOA", flags=0)
        message.set_opcode(dns.opcode.NOTIFY)
        message.flags |= dns.flags.AA
        message.answer.extend(section((Item(version.origin, "SOA", version.soa),)))
        wire = message.to_wire()
        for _ in range(NOTIFY_TRIES):
            sent = asyncio.get_running_loop().time()
            if await exchange(secondary, wire, NOTIFY_TIMEOUT) is not None:
                return
            # A closed port is told at once; the pause is the same as for silence.
            await asyncio.sleep(max(0.0, sent + NOTIFY_TIMEOUT - asyncio.get_running_loop().time()))
