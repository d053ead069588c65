"""DC2xx, the servers: who answers for the plan's zones, how well, and whether they are of one mind."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.lookup.interface import Endpoint, Fault
from dns_cutover.records.serial import serial_newer

_PLAN = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
_ZONE = "www 3600 IN A 192.0.2.10\n"
_SOA = "@ 3600 IN SOA ns1.example.test. hostmaster.example.test. {} 7200 3600 1209600 300\n@ 3600 IN NS ns1\n" + _ZONE
_QUIET = Example(_PLAN, zone=_ZONE)


@check(
    "DC204",
    "error",
    "an authoritative server cannot be used",
    why="A server that is not watched may serve the old answer for ever.",
    hint="mend it, or name it under lookup.ignore with the reason",
    source="RFC 1912 section 2.8",
    needs="live",
    fires=Example(
        _PLAN,
        zone=_ZONE,
        note="ns2 answers without authority.",
        facts={"problem": "is not authoritative for the zone (lame)", "fault": "no-authority"},
    ),
    silent=_QUIET,
)
def unusable_server(subject: Subject) -> Iterator[Spot]:
    """Every server that the zone or its parent names is asked by somebody's resolver. One that cannot be reached, does
    not serve the zone, or answers wrongly keeps users on its version or without any, and no proof of propagation is
    one without it.
    """
    assert subject.live is not None
    for v in subject.live.servers:
        who, zone = _who(v.server), subject.names[v.zone]
        path = subject.zone_path(v.zone, "zone")
        match v.fault:
            case Fault.SILENT:
                hint = "start it, or open UDP port 53 on the way; or name it under lookup.ignore with the reason"
                yield Spot(path, f"{who} cannot be reached: {v.problem}", hint)
            case Fault.REFUSES:
                hint = f"configure {zone} there, or take it out of the NS set; or name it under lookup.ignore"
                yield Spot(path, f"{who} is named as a server of {zone} but does not serve it: {v.problem}", hint)
            case Fault.NO_AUTHORITY:
                hint = f"configure {zone} there, or take it out of the NS set; or name it under lookup.ignore"
                yield Spot(path, f"{who} answers, but without authority: it {v.problem}", hint)
            case Fault.CUT | Fault.TCP:
                pass  # the name's matter, and a check of its own
            case Fault.WRONG | Fault.NONE:
                if v.problem:
                    yield Spot(path, f"{who}: {v.problem}")


def _who(server: Endpoint) -> str:
    name, address = server.name, str(server)
    return name if name == address else f"{name} {address}"


@check(
    "DC205",
    "error",
    "no authoritative server is known",
    why="What is live can only be learned from the zone's own servers.",
    hint="list them under lookup.authoritative, or name a resolver: --bootstrap ADDRESS",
    source="RFC 1034 section 4.2",
    needs="live",
    fires=Example(_PLAN, note="Nobody delegates example.test.", facts={"servers": ()}),
    silent=_QUIET,
)
def no_server(subject: Subject) -> Iterator[Spot]:
    """Servers are found through the parent zone, beginning at the root that the bootstrap resolver knows. A private
    zone has no way down from there; then the plan lists its servers.
    """
    assert subject.live is not None
    for ref, zone in subject.names.items():
        if not subject.live.zones[ref].endpoints:
            yield Spot(subject.zone_path(ref, "zone"), f"no authoritative server of {zone} is known")


@check(
    "DC206",
    "warning",
    "authoritative servers have different serials",
    why="Servers with an older version of the zone will have the change later than the others.",
    hint="wait for the transfer, then validate again; if it stays, mend NOTIFY or the transfer",
    source="RFC 1982 section 3.2, RFC 1996",
    needs="live",
    fires=Example(_PLAN, zone=_SOA.format(7), secondary=_SOA.format(6)),
    silent=Example(_PLAN, zone=_SOA.format(7), secondary=_SOA.format(7)),
)
def serials_differ(subject: Subject) -> Iterator[Spot]:
    """Servers that agree about the records at hand but not about the serial may be in the middle of a transfer, which
    the next look shows. If it stays so, one of them has lost its primary, and the cutover would wait for it in vain.
    Servers of different providers number their versions independently: there the difference means nothing.
    """
    assert subject.live is not None
    differ = {d.key.zone for d in subject.live.disagreements}
    for ref, zone in subject.names.items():
        serials: dict[int, list[str]] = {}
        for v in subject.live.servers:
            if v.zone == ref and v.serial is not None:
                serials.setdefault(v.serial, []).append(v.server.name)
        if len(serials) > 1 and ref not in differ:
            behind = {s for s in serials if any(serial_newer(other, s) for other in serials)}
            said = "; ".join(
                f"{', '.join(who)} has {serial}{' (older)' if serial in behind else ''}"
                for serial, who in serials.items()
            )
            yield Spot(subject.zone_path(ref, "zone"), f"the servers of {zone} have different serials: {said}")


@check(
    "DC207",
    "warning",
    "parent and child name different servers",
    why="Resolvers learn the servers from either side, so all in both sets must have the change.",
    hint="make the NS set in the zone and the delegation at the registry the same",
    source="RFC 1034 section 4.2.2",
    needs="live",
    fires=Example(
        _PLAN,
        zone=_ZONE,
        note="The parent still names a server that the zone has given up.",
        facts={"parent_ns": ("ns1.example.test.", "ns9.oldhost.test.")},
    ),
    silent=_QUIET,
)
def parent_and_child_differ(subject: Subject) -> Iterator[Spot]:
    """The delegation at the parent and the NS set at the zone's apex should be the same. Where they differ, users of
    some resolvers are sent to servers that others never see, and a server that only the parent names is often one that
    nobody updates any more.
    """
    assert subject.live is not None
    for ref, zone in subject.names.items():
        found = subject.live.zones[ref]
        if found.parent_ns and found.child_ns and set(found.parent_ns) != set(found.child_ns):
            parent, child = (", ".join(h.rstrip(".") for h in hosts) for hosts in (found.parent_ns, found.child_ns))
            message = f"{zone} is delegated to {parent}, but itself names {child}"
            yield Spot(subject.zone_path(ref, "zone"), message)


@check(
    "DC212",
    "error",
    "an authoritative server does not answer over TCP",
    why="Answers that do not fit a datagram never arrive, and the servers' agreement cannot be proved.",
    hint="open TCP port 53 on the way to it, or name it under lookup.ignore with the reason",
    source="RFC 7766 section 5",
    needs="live",
    fires=Example(_PLAN, zone=_ZONE, note="A firewall lets only UDP through to ns2.", facts={"tcp": "no answer"}),
    silent=_QUIET,
)
def no_tcp(subject: Subject) -> Iterator[Spot]:
    """Resolvers ask over TCP when an answer is cut off, and some after a suspected forgery. Servers must answer there
    as they do over UDP; during a cutover each is asked both ways, since one that says different things has not
    converged.
    """
    assert subject.live is not None
    for h in subject.live.health:
        if h.tcp:
            message = f"{_who(h.server)} does not answer over TCP: {h.tcp}"
            yield Spot(subject.zone_path(h.zone, "zone"), message)


@check(
    "DC213",
    "warning",
    "an authoritative server handles EDNS wrongly",
    why="Resolvers lose time on such servers, or take them for dead.",
    hint="update the server, or the firewall in front of it; https://ednscomp.isc.org tests it from outside",
    source="RFC 6891 sections 6.1.2 and 6.1.3",
    needs="live",
    fires=Example(
        _PLAN,
        zone=_ZONE,
        note="ns2 answers FORMERR where it should ignore an option that it does not know.",
        facts={"edns": "a question with an unknown EDNS option gets FORMERR"},
    ),
    silent=_QUIET,
)
def broken_edns(subject: Subject) -> Iterator[Spot]:
    """Nearly every resolver asks with EDNS. A server must ignore options that it does not know and answer BADVERS to a
    version that it does not know. One that drops such questions looks dead from some places and well from others,
    which during a cutover looks like a change that has not arrived.
    """
    assert subject.live is not None
    for h in subject.live.health:
        if h.edns:
            yield Spot(subject.zone_path(h.zone, "zone"), f"{_who(h.server)} handles EDNS wrongly: {h.edns}")


@check(
    "DC216",
    "info",
    "something could not be learned",
    why="What is not known is not checked.",
    hint="look whether it matters for the records of this plan",
    source="RFC 1034 section 5.3.3",
    needs="live",
    fires=Example(
        _PLAN,
        zone=_ZONE,
        note="The delegation names a server that has no address.",
        facts={"zone_problems": ("the name server ns3.example.test. has no address",)},
    ),
    silent=_QUIET,
)
def not_learned(subject: Subject) -> Iterator[Spot]:
    """While the servers of a zone are looked for, some may turn out to be without address, or the parent's servers
    without answer; a plan of very many names is not looked at in every respect. It need not matter, but a reader should
    know that the findings rest on less.
    """
    assert subject.live is not None
    told: set[str] = set()
    for ref in subject.names:
        for text in subject.live.zones[ref].problems:
            told.add(text)
            yield Spot(subject.zone_path(ref, "zone"), text)
    # What servers and names say has findings of its own.
    own = {f"{v.server.name} {v.server}: {v.problem}" for v in subject.live.servers}
    own |= {f"{n.owner}: {n.problem}" for n in subject.live.names.values()}
    for text in subject.live.problems:
        if text not in told and text not in own:
            yield Spot((), text)


CHECKS = (
    unusable_server,
    no_server,
    serials_differ,
    parent_and_child_differ,
    no_tcp,
    broken_edns,
    not_learned,
)
