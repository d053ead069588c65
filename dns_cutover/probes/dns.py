"""A DNS question to one server."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from pydantic import Field, field_validator, model_validator

from dns_cutover.address import split_address
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.kind import Options, Outcome, read_options
from dns_cutover.records import canonical_rdata
from dns_cutover.records.rdata import canonical_type, rdata_text

ATTEMPTS = 2  # one lost datagram is no failing service


class DnsOptions(Options):
    """`question`: the owner name; `server`: address[:port]; `expect`: the whole set of RDATA, any answer if empty."""

    question: Annotated[str, Field(min_length=1, max_length=1024)]
    rrtype: str = "A"
    server: str
    expect: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("question")
    @classmethod
    def _name(cls, value: str) -> str:
        try:
            dns.name.from_text(value)
        except (dns.exception.DNSException, UnicodeError):
            raise ValueError("it is no domain name") from None
        return value

    @field_validator("rrtype")
    @classmethod
    def _type(cls, value: str) -> str:
        return canonical_type(value)

    @field_validator("server")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            ipaddress.ip_address(split_address(value)[0])
        except ValueError:
            raise ValueError("a server is an IP address, optionally with :port") from None
        return value

    @model_validator(mode="after")
    def _data(self) -> DnsOptions:
        for value in self.expect:
            canonical_rdata(self.rrtype, value)
        return self


class DnsKind:
    """Implements `kind.Kind`. Success: NOERROR, and the RRset at the end of the answer's CNAME chain is as expected.

    Over UDP, and TCP after truncation; recursion is asked for, since the service that is probed may be a resolver.
    Datagrams that do not fit the question (RFC 5452 section 9.1) are not taken for answers.
    """

    def check(self, spec: ProbeSpec) -> None:
        """See `Kind`."""
        read_options(DnsOptions, spec)

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """See `Kind`."""
        o = read_options(DnsOptions, spec)
        reply = await _ask(o, spec.timeout / ATTEMPTS)
        if isinstance(reply, str):
            return Outcome(Verdict.FAILURE, reply)
        if not isinstance(reply, dns.message.QueryMessage):
            return Outcome(Verdict.FAILURE, "an answer to no question")
        if reply.rcode() != dns.rcode.NOERROR:
            return Outcome(Verdict.FAILURE, dns.rcode.to_text(reply.rcode()))
        try:
            answer = reply.resolve_chaining().answer
        except dns.exception.DNSException as exc:
            return Outcome(Verdict.FAILURE, f"an answer that makes no sense ({type(exc).__name__})")
        found = sorted({rdata_text(rdata) for rdata in answer or ()})
        text = ", ".join(found) or "no such record"
        if not o.expect:
            return Outcome(Verdict.SUCCESS if found else Verdict.FAILURE, text)
        same = found == sorted({canonical_rdata(o.rrtype, value) for value in o.expect})
        return Outcome(Verdict.SUCCESS, text) if same else Outcome(Verdict.FAILURE, f"wrong answer: {text}")


async def _ask(o: DnsOptions, timeout: float) -> dns.message.Message | str:
    """The reply, or why there is none. Raises OSError, EOFError."""
    address, port = split_address(o.server)
    for _ in range(ATTEMPTS):
        query = dns.message.make_query(o.question, o.rrtype, use_edns=0, payload=1232)
        try:
            reply, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout, port or 53, ignore_unexpected=True, ignore_errors=True
            )
        except dns.exception.Timeout:
            continue
        except dns.exception.DNSException as exc:
            return f"an answer that is no DNS message ({type(exc).__name__})"
        return reply
    return "timed out"
