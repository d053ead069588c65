"""DC530, DC531, DC537 and DC538: where mail for a domain goes, the addresses that send it, and the names beside MX."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from dns_cutover.checks.interface import Check, Example, Located, Spot, Subject, check
from dns_cutover.checks.mail_scope import Trouble, answers, over_time, plain, scope, told
from dns_cutover.mail.answers import Answers, Unlearned
from dns_cutover.mail.spf_verdict import validated_names

SERVICES = ("autodiscover", "autoconfig")  # aliases that mail programs look for
SERVICE_RECORDS = ("_autodiscover._tcp", "_imaps._tcp", "_submissions._tcp", "_submission._tcp", "_pop3s._tcp")


def stage(*changes: str, top: str = "") -> str:
    """Plan text with one stage, for examples."""
    return f"{top}stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)


MX_MOVES = '{name: "@", type: MX, from: ["10 mx.old.test."], to: ["10 mx.new.test."]}'
MX_LIVE = "@ 3600 IN MX 10 mx.old.test.\n"
MX_HOSTS = "mx.old.test. 300 IN A 192.0.2.1\nmx.new.test. 300 IN A 198.51.100.1\n"
GOOD = Example(stage(MX_MOVES), zone=MX_LIVE, elsewhere=MX_HOSTS)


def mx_hosts(learned: Answers, domain: str) -> tuple[str, ...]:
    """The hosts of a domain's MX, absolute; empty where there is none, or a null MX. Raises Unlearned."""
    return tuple(h for v in learned(domain, "MX") if (h := v.split()[1]) != ".")


def mx_changes(subject: Subject) -> Iterator[tuple[Located, tuple[str, ...], tuple[str, ...]]]:
    """Changes of MX with the hosts before and after, where both are known."""
    for c in subject.changes:
        if c.key.rdtype == "MX":
            before, after = subject.before(c), subject.after(c)
            if before != "unknown" and after != "unknown":
                hosts = [tuple(h for v in values or () if (h := v.split()[1]) != ".") for values in (before, after)]
                yield c, hosts[0], hosts[1]


@check(
    "DC530",
    "error",
    "a null MX beside other hosts",
    why="A null MX says that the domain takes no mail at all; beside others its meaning is undefined.",
    hint='write either "0 ." alone, or the hosts alone',
    source="RFC 7505 section 3",
    fires=Example(stage('{name: "@", type: MX, from: ["10 mx.old.test."], to: ["0 .", "10 mx.new.test."]}')),
    silent=GOOD,
)
def null_beside_others(subject: Subject) -> Iterator[Spot]:
    """It comes from a template for a domain that only sends, pasted over one that also receives. Some senders then
    bounce mail at once, and others deliver it.
    """
    for c in subject.changes:
        after = subject.after(c)
        several = c.key.rdtype == "MX" and isinstance(after, tuple) and len(after) > 1
        if several and isinstance(after, tuple) and any(v.split()[1] == "." for v in after):
            yield c.spot(f"{plain(c.key.owner)} gets a null MX and {len(after) - 1} more")


@check(
    "DC531",
    "warning",
    "a wildcard MX stays with the old hosts",
    why="Mail to names below the domain still goes to the old vendor, which will refuse it one day.",
    hint="change the wildcard's MX too, or leave a reason under safety.ignore",
    source="RFC 4592 section 2.1; RFC 5321 section 5.1",
    needs="live",
    fires=Example(stage(MX_MOVES), zone=MX_LIVE + "* 3600 IN MX 10 mx.old.test.\n", elsewhere=MX_HOSTS),
    silent=GOOD,
)
def wildcard_stays(subject: Subject) -> Iterator[Spot]:
    """A wildcard beside the domain's own MX answers for every name that has no records: hosts of old projects, and
    misspelt ones. It is easily forgotten, since nobody asks for it by name.
    """
    for c, before, after in mx_changes(subject):
        if c.key.owner.startswith("*."):
            continue
        try:
            star = mx_hosts(answers(subject, c.n + 1), f"*.{c.key.owner}")
        except Unlearned:
            continue
        if left := sorted(set(star) & (set(before) - set(after))):
            yield c.spot(f"*.{plain(c.key.owner)} still names {plain(left[0])}")


@check(
    "DC537",
    "warning",
    "a sending address without a name that leads back to it",
    why="Large receivers refuse mail from addresses whose reverse DNS is missing or does not fit.",
    hint="ask whoever owns the address to set its PTR, and give that name the address",
    source="RFC 1912 section 2.1; receivers' rules for senders",
    needs="live",
    fires=Example(
        stage(_ANY := "{name: www, type: A, from: absent, to: [192.0.2.1]}", top='mail: {senders: ["192.0.2.7"]}\n')
    ),
    silent=Example(
        stage(_ANY, top='mail: {senders: ["192.0.2.7"]}\n'),
        elsewhere="7.2.0.192.in-addr.arpa. 300 IN PTR out.old.test.\nout.old.test. 300 IN A 192.0.2.7\n",
    ),
)
def sender_without_name(subject: Subject) -> Iterator[Spot]:
    """The name of the address must have the address again (forward-confirmed reverse DNS). It is the vendor's to set,
    and for dedicated addresses it is what is forgotten.
    """
    for sender in scope(subject).senders:
        address = ipaddress.ip_address(sender.address)

        def look(
            learned: Answers, moment: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address = address
        ) -> Trouble | None:
            if moment not in sender.span or validated_names(address, learned):  # noqa: B023 - used up before the next
                return None
            return Trouble(f"{address} has no name that leads back to it")

        yield from (told(subject, m, t, (), sender.path) for m, t in over_time(subject, look))


@check(
    "DC538",
    "warning",
    "mail programs are still sent to the old vendor",
    why="Mail arrives at the new vendor, and the programs of its readers look at the old one.",
    hint="move the names that the message lists in the same stage, or in a later one",
    source="RFC 6186 section 3; Microsoft's Autodiscover, Mozilla's Autoconfig",
    needs="live",
    fires=Example(
        stage(MX_MOVES), zone=MX_LIVE + "autodiscover 3600 IN CNAME autodiscover.old.test.\n", elsewhere=MX_HOSTS
    ),
    silent=GOOD,
)
def services_left(subject: Subject) -> Iterator[Spot]:
    """Beside MX a domain has names by which mail programs find their servers: autodiscover, autoconfig and the service
    records. Told are those that point below the old MX hosts' domain once none of these hosts is left.
    """
    last = len(subject.loaded.plan.stages)
    for c, before, _ in mx_changes(subject):
        learned = answers(subject, last)
        try:
            gone = {_above(h) for h in before} - {_above(h) for h in mx_hosts(learned, c.key.owner)}
        except Unlearned:
            continue
        left = [n for n, host in _service_hosts(learned, c.key.owner) if _above(host) in gone]
        if left:
            yield c.spot(
                f"{', '.join(map(plain, left[:3]))} still {'point' if len(left) > 1 else 'points'} to the old vendor"
            )


def _above(host: str) -> str:
    """The domain that a vendor's hosts share, as far as a name tells: its two last labels."""
    return ".".join(host.rstrip(".").split(".")[-2:])


def _service_hosts(learned: Answers, domain: str) -> Iterator[tuple[str, str]]:
    for label in SERVICES:
        name = f"{label}.{domain}"
        try:
            yield from ((name, target) for target in learned(name, "CNAME"))
        except Unlearned:
            continue
    for label in SERVICE_RECORDS:
        name = f"{label}.{domain}"
        try:
            yield from ((name, v.split()[3]) for v in learned(name, "SRV") if v.split()[3] != ".")
        except Unlearned:
            continue


CHECKS: tuple[Check, ...] = (null_beside_others, wildcard_stays, sender_without_name, services_left)
