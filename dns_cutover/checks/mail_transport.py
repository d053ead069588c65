"""DC532 to DC536: TLS on the way of mail to a domain: MTA-STS, TLS reporting, DANE."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.interface import Check, Example, Spot, Subject, check
from dns_cutover.checks.mail_mx import MX_HOSTS, MX_LIVE, MX_MOVES, mx_changes, mx_hosts, stage
from dns_cutover.checks.mail_scope import Trouble, answers, over_domains, over_time, plain, scope, told
from dns_cutover.mail.answers import Answers, Unlearned
from dns_cutover.mail.transport_policy import sts_id, tls_report_problem
from dns_cutover.plan.finding import Severity
from dns_cutover.plan.types import as_written


def tlsa_place(host: str) -> str:
    """Where DANE's records for mail to a host stand (RFC 7672 section 2.2.3)."""
    return f"_25._tcp.{host}"


@check(
    "DC532",
    "error",
    "MTA-STS does not list an MX host",
    why="Senders that follow the policy deliver to none of the hosts that it does not list.",
    hint="publish a policy with the old and the new hosts, then a new id; change MX when max_age has passed",
    source="RFC 8461 sections 4.1 and 5",
    needs="probe",
    fires=Example(
        stage(MX_MOVES),
        zone=MX_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=MX_HOSTS,
        facts={"policies": {"example.test.": ("enforce", ("mx.old.test",), 86400)}},
        note="The policy's file lists mx.old.test only.",
    ),
    silent=Example(
        stage(MX_MOVES),
        zone=MX_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=MX_HOSTS,
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
    fires=Example(stage(MX_MOVES), zone=MX_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n', elsewhere=MX_HOSTS),
    silent=Example(
        "stages:\n  - name: policy\n    changes:\n"
        '      - {name: _mta-sts, type: TXT, from: ["v=STSv1; id=1"], to: ["v=STSv1; id=2"]}\n'
        f"  - name: switch\n    wait: 7d\n    changes:\n      - {MX_MOVES}\n",
        zone=MX_LIVE + '_mta-sts 300 IN TXT "v=STSv1; id=1"\n',
        elsewhere=MX_HOSTS,
    ),
)
def mx_under_policy(subject: Subject) -> Iterator[Spot]:
    """A domain that moves its MX needs a policy with both sides' hosts before the move, announced by a new id, for as
    long as senders may hold the old one. With --probe the file itself is looked at; without it this says what to see
    to.
    """
    for c, before, after in mx_changes(subject):
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
    fires=Example(stage('{name: _smtp._tls, type: TXT, from: absent, to: ["v=TLSRPTv1; rua=reports"]}')),
    silent=Example(stage('{name: _smtp._tls, type: TXT, from: absent, to: ["v=TLSRPTv1; rua=mailto:r@example.test"]}')),
)
def broken_reports(subject: Subject) -> Iterator[Spot]:
    """During a move these reports are how one learns that a sender holds an old policy or sees a wrong certificate: a
    record with a mistake in it is as good as none.
    """
    domains = (*scope(subject).receiving, *(_reporting(subject)))

    def look(learned: Answers, _: int, domain: str) -> Trouble | None:
        problem = tls_report_problem(learned(f"_smtp._tls.{domain}", "TXT"))
        return Trouble(f"TLS reporting of {plain(domain)} is not honoured: {problem}") if problem else None

    yield from over_domains(subject, domains, look, lambda domain: f"_smtp._tls.{domain}")


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
    fires=Example(stage(_ROLL.format(_TLSA, f"'{_TLSA}2'"))),
    silent=Example(stage(_ROLL.format(_TLSA, f"'{_TLSA}1', '{_TLSA}2'"))),
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
    fires=Example(stage(MX_MOVES), zone=MX_LIVE, elsewhere=f"{MX_HOSTS}_25._tcp.mx.old.test. 300 IN TLSA {_TLSA}1\n"),
    silent=Example(
        stage(MX_MOVES),
        zone=MX_LIVE,
        elsewhere=f"{MX_HOSTS}_25._tcp.mx.old.test. 300 IN TLSA {_TLSA}1\n_25._tcp.mx.new.test. 300 IN TLSA {_TLSA}2\n",
    ),
)
def dane_lost(subject: Subject) -> Iterator[Spot]:
    """Nothing fails, which is why nobody notices: senders that know DANE fall back to TLS that they do not verify."""
    for c, before, after in mx_changes(subject):
        learned = answers(subject, c.n + 1)
        try:
            had = any(learned(tlsa_place(h), "TLSA") for h in before)
            lacking = [h for h in after if h not in before and not learned(tlsa_place(h), "TLSA")]
        except Unlearned:
            continue
        if had and lacking:
            yield c.spot(f"{plain(lacking[0])} has no TLSA records, and the old hosts have some")


CHECKS: tuple[Check, ...] = (not_in_policy, mx_under_policy, broken_reports, tlsa_replaced, dane_lost)
