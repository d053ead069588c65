"""DC6xx: subtle cases of targets, addresses, what is left behind, certificates and CAA."""

import pytest

from dns_cutover.checks.addresses import new_endpoints, old_endpoints
from dns_cutover.checks.interface import Example
from dns_cutover.checks.web_certificates import covers
from dns_cutover.checks.world import Certificate
from dns_cutover.plan.finding import Finding
from dns_cutover.plan.loader import parse_plan
from tests.unit.checks.situation import NOW, findings, plan_text, subject

ALLOW = "safety: {allow: [delete, wildcard]}\n"


def stages(*stages: tuple[str, ...], head: str = "") -> str:
    """A plan whose stages have these changes."""
    text = "".join(
        f"  - name: s{n}\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)
        for n, changes in enumerate(stages)
    )
    return f"{head}{ALLOW}stages:\n{text}"


def a(new: str, name: str = "www", old: str = "192.0.2.10") -> str:
    return f'{{name: "{name}", type: A, from: ["{old}"], to: ["{new}"]}}'


def found(check: str, plan: str, **more: object) -> list[Finding]:
    return [f for f in findings(Example(plan, **more)) if f.id == check]  # type: ignore[arg-type]


CNAME = "{name: www, type: CNAME, from: absent, to: new.cdn.test.}"
MAIL = '{name: "@", type: MX, from: ["10 mx.old.test."], to: ["10 mx.new.test."]}'


class TestTargets:
    """DC610."""

    def test_all_kinds_of_targets(self):
        plan = stages(
            (
                MAIL,
                '{name: _sip._tcp, type: SRV, from: absent, to: ["1 1 5060 sip.new.test."]}',
                '{name: web, type: HTTPS, from: absent, to: ["1 web.new.test. alpn=h2"]}',
            )
        )
        got = found("DC610", plan, zone="@ 60 IN MX 10 mx.old.test.\n", elsewhere="mx.old.test. 60 IN A 192.0.2.1\n")
        assert [f.message.split()[0] for f in got] == ["mx.new.test.", "sip.new.test.", "web.new.test."]
        assert {f.severity for f in got} == {"error"}

    def test_an_authority_that_cannot_be_asked_proves_nothing(self):
        facts = {"unresolved": ("mx.new.test.",)}
        assert not found("DC610", stages((MAIL,)), zone="@ 60 IN MX 10 mx.old.test.\n", facts=facts)

    def test_a_new_alias_to_nothing_is_a_warning(self):
        """Verifications by CNAME need no address."""
        (got,) = found("DC610", stages((CNAME,)))
        assert got.severity == "warning"

    def test_a_key_needs_no_address(self):
        plan = stages(("{name: k1._domainkey, type: CNAME, from: absent, to: k1.new.test.}",))
        assert not found("DC610", plan)

    def test_nobody_as_target_is_meant(self):
        plan = stages(('{name: "@", type: MX, from: ["10 mx.old.test."], to: ["0 ."]}',))
        assert not found("DC610", plan, zone="@ 60 IN MX 10 mx.old.test.\n")

    def test_what_an_earlier_stage_creates_is_there(self):
        create = '{name: mx2, type: A, from: absent, to: ["192.0.2.9"]}'
        point = '{name: "@", type: MX, from: ["10 mx1"], to: ["10 mx2"]}'
        zone = "@ 60 IN MX 10 mx1\nmx1 60 IN A 192.0.2.1\n"
        assert not found("DC610", stages((create,), (point,)), zone=zone)
        assert not found("DC610", stages((create, point)), zone=zone)
        (got,) = found("DC610", stages((point,), (create,)), zone=zone)
        assert (got.stage, got.severity) == ("s0", "error")

    def test_what_an_earlier_stage_deletes_is_not_there(self):
        remove = '{name: mx2, type: A, from: ["192.0.2.9"], to: absent}'
        point = '{name: "@", type: MX, from: ["10 mx1"], to: ["10 mx2"]}'
        zone = "@ 60 IN MX 10 mx1\nmx1 60 IN A 192.0.2.1\nmx2 60 IN A 192.0.2.9\n"
        (got,) = found("DC610", stages((remove,), (point,)), zone=zone)
        assert got.stage == "s1"

    def test_a_wildcard_that_comes_answers_for_the_target(self):
        create = '{name: "*.pool", type: A, from: absent, to: ["192.0.2.9"]}'
        point = '{name: "@", type: MX, from: ["10 mx1"], to: ["10 mx.pool"]}'
        zone = "@ 60 IN MX 10 mx1\nmx1 60 IN A 192.0.2.1\n"
        assert not found("DC610", stages((create,), (point,)), zone=zone)

    def test_aliases_are_followed(self):
        elsewhere = "new.cdn.test. 60 IN CNAME edge.cdn.test.\nedge.cdn.test. 60 IN A 192.0.2.7\n"
        assert not found("DC610", stages((CNAME,)), elsewhere=elsewhere)


class TestLeftBehind:
    """DC611 and DC612."""

    ZONE = "www 60 IN A 192.0.2.10\nwww 60 IN AAAA 2001:db8::10\n"

    def test_the_other_way_round(self):
        plan = stages(('{name: www, type: AAAA, from: ["2001:db8::10"], to: ["2001:db8::20"]}',))
        (got,) = found("DC611", plan, zone=self.ZONE)
        assert "www A stays at 192.0.2.10" in got.message

    def test_another_stage_moves_it(self):
        aaaa = '{name: www, type: AAAA, from: ["2001:db8::10"], to: absent}'
        assert not found("DC611", stages((a("192.0.2.20"),), (aaaa,)), zone=self.ZONE)

    def test_more_addresses_are_no_move(self):
        plan = stages(('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.10", "192.0.2.20"]}',))
        assert not found("DC611", plan, zone=self.ZONE)

    def test_a_move_by_adding_first_and_removing_later(self):
        plan = stages(('{name: www, type: A, add: ["192.0.2.20"]}',), ('{name: www, type: A, remove: ["192.0.2.10"]}',))
        (got,) = found("DC611", plan, zone=self.ZONE)
        assert got.stage == "s0"

    def test_a_wildcard_beside_it_is_not_its_own(self):
        """Where the name exists the wildcard's AAAA does not answer for it."""
        zone = "www 60 IN A 192.0.2.10\n* 60 IN AAAA 2001:db8::10\n"
        assert not found("DC611", stages((a("192.0.2.20"),)), zone=zone)

    @pytest.mark.parametrize(
        ("https", "told"),
        [
            ("1 . alpn=h2", None),
            ("1 www.example.test. alpn=h2", None),
            ("1 . alpn=h3", "HTTP/3"),
            ("1 . port=8443", "port 8443"),
            ("0 old.cdn.test.", "the target old.cdn.test."),
        ],
    )
    def test_what_of_an_https_record_holds_clients(self, https, told):
        got = found("DC612", stages((a("192.0.2.20"),)), zone=f"www 60 IN A 192.0.2.10\nwww 60 IN HTTPS {https}\n")
        assert [told in f.message for f in got] == ([True] if told else [])


class TestHints:
    """DC613."""

    ZONE = "www 60 IN A 192.0.2.10\nwww 60 IN HTTPS 1 . ipv4hint={}\n"

    def test_only_what_the_plan_makes_wrong(self):
        """A hint that is wrong already, and stays as it is, is not this plan's matter."""
        aaaa = '{name: www, type: AAAA, from: absent, to: ["2001:db8::1"]}'
        assert not found("DC613", stages((aaaa,)), zone=self.ZONE.format("192.0.2.99"))

    def test_a_later_stage_is_too_late(self):
        https = '{name: www, type: HTTPS, from: ["1 . ipv4hint=192.0.2.10"], to: ["1 . ipv4hint=192.0.2.20"]}'
        (got,) = found("DC613", stages((a("192.0.2.20"),), (https,)), zone=self.ZONE.format("192.0.2.10"))
        assert "after stage s0" in got.message

    def test_hints_of_another_target_are_judged_by_its_addresses(self):
        https = '{name: www, type: HTTPS, from: absent, to: ["1 web.new.test. ipv6hint=2001:db8::1"]}'
        assert found("DC613", stages((https,)), elsewhere="web.new.test. 60 IN AAAA 2001:db8::2\n")
        assert not found("DC613", stages((https,)), elsewhere="web.new.test. 60 IN AAAA 2001:db8::1\n")
        assert not found("DC613", stages((https,)), facts={"unresolved": ("web.new.test.",)})


class TestAddresses:
    """DC614 and DC615."""

    PUBLIC = "zone: example.com\n"

    @pytest.mark.parametrize(
        ("rdtype", "new", "words"),
        [
            ("A", "0.0.0.0", "no host"),
            ("A", "127.0.0.1", "loopback"),
            ("A", "169.254.1.1", "link-local"),
            ("A", "224.0.0.1", "multicast"),
            ("A", "192.0.2.20", "documentation"),
            ("A", "255.255.255.255", "reserved"),
            ("AAAA", "::1", "loopback"),
            ("AAAA", "::", "no host"),
            ("AAAA", "fe80::1", "link-local"),
            ("AAAA", "2001:db8::1", "documentation"),
            ("AAAA", "::ffff:192.0.2.1", "IPv4 address in IPv6"),
        ],
    )
    def test_dead_addresses(self, rdtype, new, words):
        old = "198.18.0.1" if rdtype == "A" else "2600::1"
        plan = stages((f'{{name: www, type: {rdtype}, from: ["{old}"], to: ["{new}"]}}',), head=self.PUBLIC)
        (got,) = [f for f in findings(Example(plan), offline=True) if f.id == "DC614"]
        assert words in got.message
        assert got.severity == "error"
        assert got.stage == "s0"

    def test_a_new_name_for_the_machine_itself_is_a_warning(self):
        plan = stages(('{name: localhost, type: A, from: absent, to: ["127.0.0.1"]}',), head=self.PUBLIC)
        (got,) = found("DC614", plan)
        assert got.severity == "warning"

    def test_the_same_kind_as_before_is_meant(self):
        plan = stages((a("127.0.0.3", "list", "127.0.0.2"),), head=self.PUBLIC)
        assert not found("DC614", plan)

    @pytest.mark.parametrize("zone", ["example.test", "corp.internal", "a.example", "x.invalid", "home.arpa"])
    def test_special_zones_have_addresses_of_their_own(self, zone):
        plan = stages((a("192.0.2.20"), a("10.0.0.1", "db"), a("127.0.0.1", "me")), head=f"zone: {zone}\n")
        assert not [f for f in findings(Example(plan), offline=True) if f.id in ("DC614", "DC615")]

    def test_what_was_there_may_be_alike(self):
        """Offline `from: live` says nothing; live it does."""
        plan = stages(('{name: db, type: A, from: live, to: ["10.0.0.2"]}',), head=self.PUBLIC)
        assert not [f for f in findings(Example(plan), offline=True) if f.id == "DC615"]
        assert found("DC615", plan, zone="db 60 IN A 192.0.2.1\n")
        assert not found("DC615", plan, zone="db 60 IN A 10.0.0.1\n")
        plan = stages(('{name: db, type: A, remove: ["192.0.2.1"], add: ["10.0.0.2"]}',), head=self.PUBLIC)
        assert [f for f in findings(Example(plan), offline=True) if f.id == "DC615"]

    def test_zero_is_told_everywhere(self):
        assert found("DC614", stages((a("0.0.0.0"),)))

    def test_a_zone_whose_servers_are_listed_is_private(self):
        head = (
            "zones:\n  inner:\n    zone: example.com\n    lookup: {authoritative: [192.0.2.1]}\n"
            "    provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: K}}}\n"
        )
        assert not [f for f in findings(Example(stages((a("10.0.0.1"),), head=head)), offline=True) if f.id == "DC615"]

    @pytest.mark.parametrize("new", ["10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1"])
    def test_private_addresses(self, new):
        (got,) = found("DC615", stages((a(new),), head=self.PUBLIC))
        assert got.severity == "warning"


class TestCertificates:
    """DC601 to DC604."""

    ZONE = "www 60 IN A 192.0.2.10\n"

    def judged(self, *certificates: Certificate, plan: str = "") -> dict[str, Finding]:
        example = Example(plan or stages((a("192.0.2.20"),)), zone=self.ZONE, facts={"certificates": certificates})
        return {f.id: f for f in findings(example) if f.id in ("DC601", "DC602", "DC603", "DC604")}

    def shown(self, address: str = "192.0.2.20", **more: object) -> Certificate:
        given = {"names": ("www.example.test",), "not_after": NOW + 90 * 86400, **more}
        return Certificate("www.example.test", address, 443, **given)  # type: ignore[arg-type]

    def test_all_well(self):
        assert not self.judged(self.shown())

    def test_expired_is_an_error_and_no_matter_of_trust(self):
        got = self.judged(self.shown(not_after=NOW - 86400, problem="not trusted: certificate expired"))
        assert {k: f.severity for k, f in got.items()} == {"DC603": "error"}
        assert "expired on 2026-03-09" in got["DC603"].message

    def test_not_trusted_and_for_another_name(self):
        """What nobody trusts is read all the same; below .test it may be a CA of the house."""
        got = self.judged(
            self.shown(names=("a.test", "b.test", "c.test", "d.test"), problem="not trusted: self-signed")
        )
        assert {k: f.severity for k, f in got.items()} == {"DC601": "error", "DC602": "warning"}
        assert "a.test, b.test, c.test and 1 more" in got["DC601"].message

    def test_a_certificate_without_names(self):
        """A common name alone counts for nothing (RFC 9525 section 2)."""
        got = self.judged(self.shown(names=()))
        assert {k: f.severity for k, f in got.items()} == {"DC601": "error"}

    def test_a_closed_port_says_little(self):
        got = self.judged(self.shown(names=(), not_after=None, problem="connection refused"))
        assert {k: f.severity for k, f in got.items()} == {"DC604": "info"}

    def test_a_closed_port_where_the_old_side_is_open(self):
        got = self.judged(self.shown(names=(), not_after=None, problem="connection refused"), self.shown("192.0.2.10"))
        assert {k: f.severity for k, f in got.items()} == {"DC604": "error"}
        assert got["DC604"].message.endswith("connection refused, but the old side 192.0.2.10 does")

    def test_the_old_side_alone_is_not_judged(self):
        assert not self.judged(self.shown("192.0.2.10", names=("elsewhere.test",)))

    @pytest.mark.parametrize(
        ("names", "host", "fits"),
        [
            (("www.example.test",), "www.example.test", True),
            (("WWW.Example.Test",), "www.example.test", True),
            (("*.example.test",), "www.example.test", True),
            (("*.example.test",), "a.www.example.test", False),
            (("*.example.test",), "example.test", False),
            (("w*.example.test",), "www.example.test", False),
            (("*.test",), "www.example.test", False),
            (("*",), "localhost", False),
            (("*.apps.example.test",), "*.apps.example.test", True),
            (("a.apps.example.test",), "*.apps.example.test", False),
            ((), "www.example.test", False),
        ],
    )
    def test_names(self, names, host, fits):
        """RFC 9525 section 6.3."""
        assert covers(names, host) is fits


class TestEndpoints:
    """Where is connected to."""

    def places(self, plan: str, zone: str = "", elsewhere: str = "") -> list[tuple[str, str, int]]:
        example = Example(plan, zone=zone, elsewhere=elsewhere)
        loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
        return [end.place for end in new_endpoints(subject(loaded, example))]

    def test_only_what_is_new(self):
        plan = stages(('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.10", "192.0.2.20"]}',))
        assert self.places(plan, "www 60 IN A 192.0.2.10\n") == [("www.example.test", "192.0.2.20", 443)]

    def test_an_alias_leads_to_its_targets_addresses(self):
        elsewhere = "new.cdn.test. 60 IN A 192.0.2.7\nnew.cdn.test. 60 IN AAAA 2001:db8::7\n"
        assert self.places(stages((CNAME,)), elsewhere=elsewhere) == [
            ("www.example.test", "192.0.2.7", 443),
            ("www.example.test", "2001:db8::7", 443),
        ]

    def test_https_has_ports_targets_and_hints(self):
        https = '{name: www, type: HTTPS, from: absent, to: ["1 . port=8443 ipv4hint=192.0.2.8", "2 alt.test."]}'
        assert self.places(stages((https,)), "www 60 IN A 192.0.2.10\n", "alt.test. 60 IN A 192.0.2.9\n") == [
            ("www.example.test", "192.0.2.10", 8443),
            ("www.example.test", "192.0.2.8", 8443),
            ("www.example.test", "192.0.2.9", 443),
        ]

    def test_data_about_a_host_is_not_connected_to(self):
        plan = stages((a("192.0.2.20", "_x.www"), a("192.0.2.20", r"a\\032b"), a("192.0.2.20", "*.apps")))
        zone = "".join(f"{n} 60 IN A 192.0.2.10\n" for n in ("_x.www", r"a\032b", "*.apps"))
        assert self.places(plan, zone) == [("*.apps.example.test", "192.0.2.20", 443)]

    def test_the_old_side_of_an_alias(self):
        plan = stages(("{name: www, type: CNAME, from: [old.cdn.test.], to: [new.cdn.test.]}",))
        zone, elsewhere = "www 60 IN CNAME old.cdn.test.\n", "old.cdn.test. 60 IN A 192.0.2.5\n"
        example = Example(plan, zone=zone, elsewhere=elsewhere)
        loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
        assert old_endpoints(subject(loaded, example), ["www.example.test"]) == (
            ("www.example.test", "192.0.2.5", 443),
        )


class TestCaa:
    """DC605."""

    ZONE = "www 60 IN A 192.0.2.10\n"

    def caa(self, caa: str, plan: str = "", issuer: str = "", name: str = "www") -> list[Finding]:
        host = f"{name}.example.test"
        shown = Certificate(host, "192.0.2.20", 443, (host,), NOW + 90 * 86400, issuer)
        zone = f"{name} 60 IN A 192.0.2.10\n" + caa
        return found("DC605", plan or stages((a("192.0.2.20", name),)), zone=zone, facts={"certificates": (shown,)})

    @pytest.mark.parametrize(
        ("caa", "message"),
        [
            ("", None),
            ('@ 60 IN CAA 0 issue "letsencrypt.org"\n', None),
            ('@ 60 IN CAA 0 issue "LetsEncrypt.org; validationmethods=dns-01"\n', None),
            ('@ 60 IN CAA 0 iodef "mailto:x@example.test"\n', None),
            ('@ 60 IN CAA 0 issuewild ";"\n', None),
            (
                '@ 60 IN CAA 0 issue "digicert.com"\n',
                "comes from Let's Encrypt, but CAA at example.test. allows digicert.com",
            ),
            ('@ 60 IN CAA 0 issue ";"\n', "allows nobody"),
            ('www 60 IN CAA 0 issue "letsencrypt.org"\n@ 60 IN CAA 0 issue "digicert.com"\n', None),
        ],
    )
    def test_the_new_sides_ca(self, caa, message):
        got = self.caa(caa, issuer="Let's Encrypt")
        assert [message in f.message for f in got] == ([True] if message else [])

    def test_a_ca_that_nobody_knows(self):
        """What a CA is called in CAA is known of the large ones only."""
        assert not self.caa('@ 60 IN CAA 0 issue "digicert.com"\n', issuer="House CA")

    def test_wildcards_have_a_rule_of_their_own(self):
        (got,) = self.caa('@ 60 IN CAA 0 issue "letsencrypt.org"\n@ 60 IN CAA 0 issuewild ";"\n', name="*.apps")
        assert "forbids every CA" in got.message

    def test_the_plan_mends_it(self):
        mend = '{name: "@", type: CAA, from: [\'0 issue "digicert.com"\'], to: [\'0 issue "letsencrypt.org"\']}'
        plan = stages((mend,), (a("192.0.2.20"),))
        got = self.caa('@ 60 IN CAA 0 issue "digicert.com"\n', plan, "Let's Encrypt")
        assert ["digicert.com may no longer issue" in f.message for f in got] == [True]

    def test_the_plan_deletes_it(self):
        drop = '{name: "@", type: CAA, from: [\'0 issue "digicert.com"\'], to: absent}'
        assert not self.caa('@ 60 IN CAA 0 issue "digicert.com"\n', stages((drop, a("192.0.2.20"))), "Let's Encrypt")

    def test_a_new_set_nearer_to_the_name(self):
        near = "{name: www, type: CAA, from: absent, to: ['0 issue \"digicert.com\"']}"
        got = self.caa("", stages((near, a("192.0.2.20"))), "Let's Encrypt")
        assert any("CAA at www.example.test. allows digicert.com" in f.message for f in got)

    def test_a_move_of_one_family_or_to_an_alias_is_a_move(self):
        caa = '@ 60 IN CAA 0 issue ";"\n'
        assert self.caa("www 60 IN AAAA 2001:db8::10\n" + caa)
        alias = ('{name: www, type: A, from: ["192.0.2.10"], to: absent}', CNAME)
        assert self.caa(caa, stages(alias))

    def test_no_move_no_finding(self):
        plan = stages(("{name: www, type: A, ttl: 300}",))
        assert not self.caa('@ 60 IN CAA 0 issue ";"\n', plan)


def test_a_target_that_lacks_its_final_dot_is_named() -> None:
    """The zone's name was added to it, and nobody serves that."""
    plan = 'stages: [{name: s, changes: [{name: "@", type: MX, from: ["10 mx.old.test."], to: ["10 mx.new.example"]}]}]'
    zone, elsewhere = "@ 3600 IN MX 10 mx.old.test.\n", "mx.old.test. 60 IN A 192.0.2.1\n"
    (found,) = [f for f in findings(Example(plan, zone=zone, elsewhere=elsewhere)) if f.id == "DC610"]
    assert found.message.startswith("mx.new.example.example.test. does not resolve")
    (elsewhere_too,) = [
        f
        for f in findings(Example(plan.replace("w.example", "w.example."), zone=zone, elsewhere=elsewhere))
        if f.id == "DC610"
    ]
    assert elsewhere_too.hint == "create the addresses of mx.new.example. first, or mend the name"
    assert found.hint == "if mx.new.example is a name of its own, end it with a dot: mx.new.example."
