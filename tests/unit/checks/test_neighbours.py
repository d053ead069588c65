"""DC9xx: marks of other tools, names of renewals, and other tools' files."""

import pytest

from dns_cutover.checks.interface import Example
from dns_cutover.checks.marks import MAX_NAMES, MAX_OWNERS, mark_keys, registry_text
from dns_cutover.checks.world import OwnedRecords
from dns_cutover.plan.finding import Finding
from dns_cutover.records import RRset, RRsetKey
from tests.unit.checks.situation import findings

HERITAGE = '"heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/web"'
A = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'


def found(check: str, *changes: str, **more: object) -> list[Finding]:
    plan = "safety: {allow: [delete, wildcard]}\nstages:\n  - name: one\n    changes:\n"
    plan += "".join(f"      - {c}\n" for c in changes)
    return [f for f in findings(Example(plan, **more)) if f.id == check]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["www", "a-www", "cname-www", "external-dns-a-www", "extdns-www", "extdns.a-www"])
def test_external_dns_by_all_usual_names(name):
    (got,) = found("DC901", A, zone=f"www 60 IN A 192.0.2.10\n{name} 300 IN TXT {HERITAGE}\n")
    assert got.message == f"external-dns (owner prod) keeps www A from ingress/shop/web, as {name} TXT says"
    assert got.hint.startswith("change ingress/shop/web instead")
    assert got.severity == "error"


def test_external_dns_of_another_type_or_name():
    """A mark is for its type: the mail of a name is not external-dns's because its address is."""
    mx = '{name: www, type: MX, from: absent, to: ["10 mx.other.test."]}'
    zone = f'www 60 IN A 192.0.2.10\na-www 300 IN TXT {HERITAGE}\nmx-www 300 IN TXT "x"\n'
    assert not found("DC901", mx, zone=zone)
    assert found(
        "DC901",
        '{name: www, type: MX, from: ["1 m.test."], to: ["2 m.test."]}',
        zone=zone.replace('"x"', HERITAGE) + "www 60 IN MX 1 m.test.\n",
    )
    assert not found("DC901", A, zone=f"www 60 IN A 192.0.2.10\naaaa-www 300 IN TXT {HERITAGE}\n")


def test_external_dns_of_a_wildcard_is_not_that_of_a_name_below():
    zone = f"*.apps 60 IN A 192.0.2.10\n*.apps 300 IN TXT {HERITAGE}\n"
    assert not found("DC901", '{name: new.apps, type: A, from: absent, to: ["192.0.2.20"]}', zone=zone)
    wild = '{name: "*.apps", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    assert found("DC901", wild, zone=zone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HERITAGE, ("prod", "ingress/shop/web")),
        ('"\\"heritage=external-dns,external-dns/owner=default\\""', ("default", "")),
        ('"heritage=external-dns,external-dns/owner=a,external-dns/version=1"', ("a", "")),
        ('"heritage=other,external-dns/owner=a"', None),
        ('"v=spf1 -all"', None),
        ('"\\255"', None),
    ],
)
def test_registry_text(text, said):
    """As all versions write it, with or without quotes of its own."""
    assert registry_text(text) == said


def test_octodns_marks_a_record_or_a_zone():
    zone = "www 60 IN A 192.0.2.10\n"
    (got,) = found("DC902", A, zone=zone + '_owner.a.www 60 IN TXT "*octodns*"\n')
    assert got.message == "octoDNS keeps www A, as _owner.a.www TXT says"
    meta = 'meta 60 IN TXT "octodns-version=1.10.0"\nmeta 60 IN TXT "time=2026-03-01T10:00:00"\n'
    (got,) = found("DC902", A, zone=zone + meta)
    assert got.message.startswith("octoDNS writes the zone example.test, as meta TXT says")
    assert not found("DC902", A, zone=zone + 'meta 60 IN TXT "time=to go"\nmeta 60 IN TXT "anything"\n')
    assert not found("DC902", A, zone=zone + '_owner.aaaa.www 60 IN TXT "*octodns*"\n')


def test_octodns_marks_of_the_apex_and_of_wildcards():
    apex = '{name: "@", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    assert found("DC902", apex, zone='@ 60 IN A 192.0.2.10\n_owner.a 60 IN TXT "*octodns*"\n')
    wild = '{name: "*.apps", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    zone = '*.apps 60 IN A 192.0.2.10\n_owner.a._wildcard.apps 60 IN TXT "*octodns*"\n'
    assert found("DC902", wild, zone=zone)


def test_challenges():
    """What the plan changes of renewals' names."""
    assert found("DC903", '{name: _acme-challenge, type: TXT, from: live, to: ["x"]}')
    assert found("DC903", "{name: _acme-challenge.www, type: CNAME, from: absent, to: x.new.test.}")
    acm = "{name: _0123abcd.www, type: CNAME, from: [_ef.jkl.acm-validations.aws.], to: absent}"
    assert found("DC903", acm)
    assert not found("DC903", "{name: www, type: CNAME, from: [x.test.], to: [y.test.]}")


def test_delegated_challenges():
    """Told where the name moves and the CNAME stays; a plan that moves both has seen it."""
    zone = "www 60 IN A 192.0.2.10\n_acme-challenge.www 60 IN CNAME www.acme.test.\n"
    assert [f.severity for f in found("DC904", A, zone=zone)] == ["info"]
    both = "{name: _acme-challenge.www, type: CNAME, from: [www.acme.test.], to: [www.new.test.]}"
    assert not found("DC904", A, both, zone=zone)
    assert not found("DC904", '{name: www, type: A, add: ["192.0.2.20"]}', zone=zone)
    wild = '{name: "*.www", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    assert found("DC904", wild, zone="*.www 60 IN A 192.0.2.10\n_acme-challenge.www 60 IN CNAME www.acme.test.\n")


def owned(rrset: RRset | None, rdtype: str = "A") -> dict[str, object]:
    at = ("www.example.test.", rdtype)
    place = "module.dns.aws_route53_record.www[0]"
    return {"owned": (OwnedRecords("Terraform", "prod.tfstate", {at: rrset}, {at: place}),)}


def test_another_tools_file():
    (got,) = found("DC905", A, facts=owned(RRset(300, ("192.0.2.10",))))
    assert got.message == (
        "Terraform keeps www A in prod.tfstate (module.dns.aws_route53_record.www[0]): "
        "the next terraform apply would put back 192.0.2.10"
    )
    assert "dns-cutover export RUN --format terraform" in got.hint
    (got,) = found("DC905", A, facts=owned(None))
    assert got.message.endswith("would put back what it has")


def test_a_file_that_has_the_end_state_already():
    assert not found("DC905", A, facts=owned(RRset(300, ("192.0.2.20",))))
    txt = '{name: www, type: TXT, from: ["a"], to: ["b c"]}'
    assert not found("DC905", txt, facts=owned(RRset(300, ('"b " "c"',)), "TXT"))
    assert found("DC905", txt, facts=owned(RRset(300, ('"a"',)), "TXT"))


def test_marks_are_few():
    """A plan of thousands of names asks for the marks of some."""
    keys = [RRsetKey("z", f"n{n:05}.example.test.", "A") for n in range(5000)]
    wanted = mark_keys(keys, {"z": "example.test."})
    assert len(wanted) == MAX_NAMES
    owners = {k.owner.removeprefix("a-") for k in wanted if k.owner.startswith("a-n")}
    assert len(owners) == MAX_OWNERS


def test_marks_stay_inside_the_zone_and_the_limits():
    """The apex's mark would be a sibling of the zone; what a prefix makes too long cannot be there."""
    long = "x" * 60
    keys = [RRsetKey("z", "example.test.", "A"), RRsetKey("z", f"{long}.example.test.", "CNAME")]
    wanted = {k.owner for k in mark_keys(keys, {"z": "example.test."})}
    assert "a-example.test." not in wanted
    assert f"{long}.example.test." in wanted
    assert f"cname-{long}.example.test." not in wanted
    assert all(o.endswith("example.test.") for o in wanted)
    assert mark_keys(keys, {}) == ()
