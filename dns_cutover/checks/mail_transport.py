"""DC53x: the way of mail to a domain: MX, MTA-STS, TLS reporting, DANE, and the names beside them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from dns_cutover.checks.interface import Check, Example, Located, Spot, Subject, check
from dns_cutover.checks.mail_scope import Trouble, answers, over_time, plain, scope, told
from dns_cutover.mail.answers import Answers, Unlearned
from dns_cutover.mail.spf_verdict import validated_names
from dns_cutover.mail.transport_policy import sts_id, tls_report_problem
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.types import as_written

SERVICES = ("autodiscover", "autoconfig")  # aliases that mail programs look for
SERVICE_RECORDS = ("_autodiscover._tcp", "_imaps._tcp", "_submissions._tcp", "_submission._tcp", "_pop3s._tcp")


def _stage(*changes: str, top: str = "") -> str:
    return f"{top}stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)


_MX = '{name: "@", type: MX, from: ["10 mx.old.test."], to: ["10 mx.new.test."]}'
_LIVE = "@ 3600 IN MX 10 mx.old.test.\n"
_HOSTS = "mx.old.test. 300 IN A 192.0.2.1\nmx.new.test. 300 IN A 198.51.100.1\n"
_GOOD = Example(_stage(_MX), zone=_LIVE, elsewhere=_HOSTS)


def mx_hosts(learned: Answers, domain: str) -> tuple[str, ...]:
    """The hosts of a domain's MX, absolute; empty where there is none, or a null MX. Raises Unlearned."""
    return tuple(h for v in learned(domain, "MX") if (h := v.split()[1]) != ".")


def tlsa_place(host: str) -> str:
    """Where DANE's records for mail to a host stand (RFC 7672 section 2.2.3)."""
    return f"_25._tcp.{host}"


def _mx_changes(subject: Subject) -> Iterator[tuple[Located, tuple[str, ...], tuple[str, ...]]]:
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
    fires=Example(_stage('{name: "@", type: MX, from: ["10 mx.old.test."], to: ["0 .", "10 mx.new.test."]}')),
    silent=_GOOD,
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
    fires=Example(_stage(_MX), zone=_LIVE + "* 3600 IN MX 10 mx.old.test.\n", elsewhere=_HOSTS),
    silent=_GOOD,
)
def wildcard_stays(subject: Subject) -> Iterator[Spot]:
    """A wildcard beside the domain's own MX answers for every name that has no records: hosts of old projects, and
    misspelt ones. It is easily forgotten, since nobody asks for it by name.
    """
    for c, before, after in _mx_changes(subject):
        if c.key.owner.startswith("*."):
            continue
        try:
            star = mx_hosts(answers(subject, c.n + 1), f"*.{c.key.owner}")
        except Unlearned:
            continue
        if left := sorted(set(star) & (set(before) - set(after))):
            yield c.spot(f"*.{plain(c.key.owner)} still names {plain(left[0])}")


@check(
    "DC532",
    "error",
    "MTA-STS does not list an MX host",
    why="Senders that follow the policy deliver to none of the hosts that it does not list.",
    hint="publish a policy with the old and the new hosts, then a new id; change MX when max_age has passed",
    source="RFC 8461 sections 4.1 and 5",
    needs="probe",
    fires=Example(
        _stage(_MX),
        zone=_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=_HOSTS,
        facts={"policies": {"example.test.": ("enforce", ("mx.old.test",), 86400)}},
        note="The policy's file lists mx.old.test only.",
    ),
    silent=Example(
        _stage(_MX),
        zone=_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=_HOSTS,
        facts={"policies": {"example.test.": ("enforce", ("mx.old.test", "*.new.test"), 86400)}},
    ),
)
def not_in_policy(subject: Subject) -> Iterator[Spot]:
    """The policy is a second list of the domain's hosts, on a web server, and senders keep it for its max_age: it works
    as a second TTL of MX. The file is read as a sender reads it, with --probe, and compared with the MX of every
    stage.
    """
    for domain in scope(subject).receiving:
        policy = subject.world.policies.get(domain)
        if policy is None or policy.problem or policy.mode == "none":
            continue

        def look(learned: Answers, _: int, domain: str = domain) -> Trouble | None:
            policy = subject.world.policies[domain]
            left = [h for h in mx_hosts(learned, domain) if not policy.allows(h)]
            severity: Severity | None = None if policy.mode == "enforce" else "warning"
            text = f"the policy of {plain(domain)} does not list {plain(left[0])}" if left else ""
            return Trouble(text, severity=severity) if left else None

        yield from (told(subject, m, t, (domain,)) for m, t in over_time(subject, look))


@check(
    "DC533",
    "warning",
    "MX changes under MTA-STS",
    why="Senders keep the policy that they have for its max_age, and deliver to its hosts only.",
    hint="let an earlier stage change the id at _mta-sts, with both vendors' hosts in the file, and wait max_age",
    source="RFC 8461 section 5; the file is read with --probe",
    needs="live",
    fires=Example(_stage(_MX), zone=_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n', elsewhere=_HOSTS),
    silent=Example(
        "stages:\n  - name: policy\n    changes:\n"
        '      - {name: _mta-sts, type: TXT, from: ["v=STSv1; id=1"], to: ["v=STSv1; id=2"]}\n'
        f"  - name: switch\n    wait: 7d\n    changes:\n      - {_MX}\n",
        zone=_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=_HOSTS,
    ),
)
def mx_under_policy(subject: Subject) -> Iterator[Spot]:
    """A domain that moves its MX needs a policy with both sides' hosts before the move, announced by a new id, for as
    long as senders may hold the old one. With --probe the file itself is looked at; without it this says what to see
    to.
    """
    for c, before, after in _mx_changes(subject):
        if not set(after) - set(before):
            continue
        domain = c.key.owner
        place = f"_mta-sts.{domain}"
        try:
            (first, problem), (last, _) = (sts_id(answers(subject, n)(place, "TXT")) for n in (0, c.n))
        except Unlearned:
            continue
        policy = subject.world.policies.get(domain)
        if problem or not last:
            continue
        if policy is not None and not policy.problem and all(policy.allows(h) for h in after):
            continue
        changed = next((n for n in range(c.n) if sts_id(answers(subject, n + 1)(place, "TXT"))[0] != first), None)
        if changed is None:
            yield c.spot(f"{plain(domain)} has an MTA-STS policy, and no earlier stage announces a new one")
            continue
        given = sum(s.wait or 0.0 for s in subject.loaded.plan.stages[changed + 1 : c.n + 1])
        if policy is not None and given < policy.max_age:
            message = f"senders may hold the old policy of {plain(domain)} for {as_written(policy.max_age)}"
            yield c.spot(f"{message}, and the plan waits {as_written(given)}")


@check(
    "DC534",
    "warning",
    "a TLS reporting record that is not honoured",
    why="Nobody is told which senders cannot deliver.",
    hint="write one record, such as v=TLSRPTv1; rua=mailto:tls-reports@example.com",
    source="RFC 8460 section 3",
    fires=Example(_stage('{name: _smtp._tls, type: TXT, from: absent, to: ["v=TLSRPTv1; rua=reports"]}')),
    silent=Example(
        _stage('{name: _smtp._tls, type: TXT, from: absent, to: ["v=TLSRPTv1; rua=mailto:r@example.test"]}')
    ),
)
def broken_reports(subject: Subject) -> Iterator[Spot]:
    """During a move these reports are how one learns that a sender holds an old policy or sees a wrong certificate: a
    record with a mistake in it is as good as none.
    """
    domains = (*scope(subject).receiving, *(_reporting(subject)))
    for domain in dict.fromkeys(domains):
        place = f"_smtp._tls.{domain}"

        def look(learned: Answers, _: int, domain: str = domain, place: str = place) -> Trouble | None:
            problem = tls_report_problem(learned(place, "TXT"))
            return Trouble(f"TLS reporting of {plain(domain)} is not honoured: {problem}") if problem else None

        yield from (told(subject, m, t, (place,)) for m, t in over_time(subject, look))


def _reporting(subject: Subject) -> Iterator[str]:
    yield from (
        c.key.owner.removeprefix("_smtp._tls.") for c in subject.changes if c.key.owner.startswith("_smtp._tls.")
    )


_TLSA = "3 1 1 " + "0" * 63
_ROLL = "{{name: _25._tcp.mx, type: TLSA, from: ['{0}1'], to: [{1}]}}"


@check(
    "DC535",
    "error",
    "a TLSA set that is replaced at once",
    why="Senders that hold the old set refuse the new certificate, and those with the new set the old one.",
    hint="publish the old and the new value together for two TTLs, change the certificate, then remove the old value",
    source="RFC 7671 section 8.1; RFC 7672 section 2.2",
    fires=Example(_stage(_ROLL.format(_TLSA, f"'{_TLSA}2'"))),
    silent=Example(_stage(_ROLL.format(_TLSA, f"'{_TLSA}1', '{_TLSA}2'"))),
)
def tlsa_replaced(subject: Subject) -> Iterator[Spot]:
    """DANE ties mail to a certificate by a record that caches hold. The certificate changes at one moment and the
    record for everybody at another one, so that both values must be published around that moment.
    """
    for c in subject.changes:
        before, after = subject.before(c), subject.after(c)
        known = c.key.rdtype == "TLSA" and isinstance(before, tuple) and isinstance(after, tuple)
        if known and before and after and not set(before) & set(after):
            yield c.spot(f"{plain(c.key.owner)} keeps none of its values")


@check(
    "DC536",
    "warning",
    "the new MX hosts have no DANE records",
    why="Mail to the old hosts is bound to their certificates; anybody on the way may pretend to be the new ones.",
    hint="ask the vendor for TLSA records, or accept it under safety.ignore",
    source="RFC 7672 section 2.2",
    needs="live",
    fires=Example(_stage(_MX), zone=_LIVE, elsewhere=f"{_HOSTS}_25._tcp.mx.old.test. 300 IN TLSA {_TLSA}1\n"),
    silent=Example(
        _stage(_MX),
        zone=_LIVE,
        elsewhere=f"{_HOSTS}_25._tcp.mx.old.test. 300 IN TLSA {_TLSA}1\n_25._tcp.mx.new.test. 300 IN TLSA {_TLSA}2\n",
    ),
)
def dane_lost(subject: Subject) -> Iterator[Spot]:
    """Nothing fails, which is why nobody notices: senders that know DANE fall back to TLS that they do not verify."""
    for c, before, after in _mx_changes(subject):
        learned = answers(subject, c.n + 1)
        try:
            had = any(learned(tlsa_place(h), "TLSA") for h in before)
            lacking = [h for h in after if h not in before and not learned(tlsa_place(h), "TLSA")]
        except Unlearned:
            continue
        if had and lacking:
            yield c.spot(f"{plain(lacking[0])} has no TLSA records, and the old hosts have some")


@check(
    "DC537",
    "warning",
    "a sending address without a name that leads back to it",
    why="Large receivers refuse mail from addresses whose reverse DNS is missing or does not fit.",
    hint="ask whoever owns the address to set its PTR, and give that name the address",
    source="RFC 1912 section 2.1; receivers' rules for senders",
    needs="live",
    fires=Example(
        _stage(_ANY := "{name: www, type: A, from: absent, to: [192.0.2.1]}", top='mail: {senders: ["192.0.2.7"]}\n')
    ),
    silent=Example(
        _stage(_ANY, top='mail: {senders: ["192.0.2.7"]}\n'),
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
    fires=Example(_stage(_MX), zone=_LIVE + "autodiscover 3600 IN CNAME autodiscover.old.test.\n", elsewhere=_HOSTS),
    silent=_GOOD,
)
def services_left(subject: Subject) -> Iterator[Spot]:
    """Beside MX a domain has names by which mail programs find their servers: autodiscover, autoconfig and the service
    records. Told are those that point below the old MX hosts' domain once none of these hosts is left.
    """
    last = len(subject.loaded.plan.stages)
    for c, before, _ in _mx_changes(subject):
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


CHECKS: tuple[Check, ...] = (
    null_beside_others,
    wildcard_stays,
    not_in_policy,
    mx_under_policy,
    broken_reports,
    tlsa_replaced,
    dane_lost,
    sender_without_name,
    services_left,
)
