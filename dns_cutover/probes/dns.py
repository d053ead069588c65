"""A DNS question to one server."""

from __future__ import annotations

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from dns_cutover.address import split_address
from dns_cutover.probes.interface import ProbeSpec, Verdict
from dns_cutover.probes.resolve import Resolve
from dns_cutover.records import canonical_rdata
from dns_cutover.records.rdata import rdata_text


async def probe(spec: ProbeSpec, resolve: Resolve) -> tuple[Verdict, str]:
    """Success: the server answers, and with the expected values if there are any."""
    o = spec.options
    address, port = split_address(str(o["server"]))
    query = dns.message.make_query(str(o["question"]), str(o["rrtype"]))
    try:
        reply, _ = await dns.asyncquery.udp_with_fallback(query, address, spec.timeout, port or 53)
    except dns.exception.Timeout:
        return Verdict.FAILURE, "timed out"
    except dns.exception.DNSException as exc:
        return Verdict.FAILURE, f"an answer that is no DNS message ({type(exc).__name__})"
    if reply.rcode() != dns.rcode.NOERROR:
        return Verdict.FAILURE, dns.rcode.to_text(reply.rcode())
    rdtype = str(o["rrtype"]).upper()
    found = sorted(
        {rdata_text(r) for rrset in reply.answer for r in rrset if dns.rdatatype.to_text(rrset.rdtype) == rdtype}
    )
    expect = sorted(canonical_rdata(rdtype, str(v)) for v in o.get("expect") or ())
    text = ", ".join(found) or "no answer"
    if expect and found != expect:
        return Verdict.FAILURE, text
    return (Verdict.SUCCESS if found else Verdict.FAILURE), text
