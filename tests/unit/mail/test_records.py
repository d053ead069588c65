"""DKIM keys, DMARC's tree walk, policies and answers with a plan laid over them."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from dns_cutover.mail.answers import Found, Learned, Unlearned
from dns_cutover.mail.dkim import dkim_key
from dns_cutover.mail.dmarc import aligned, organizational_domain
from dns_cutover.mail.spf import InvalidSpf, parse_spf, spf_cost
from dns_cutover.mail.spf_verdict import SpfResult, spf_verdict
from dns_cutover.mail.transport_policy import StsPolicy
from dns_cutover.records import quote_text


def rsa_key(bits: int, *, bare: bool = False) -> str:
    form = serialization.PublicFormat.PKCS1 if bare else serialization.PublicFormat.SubjectPublicKeyInfo
    raw = rsa.generate_private_key(65537, bits).public_key().public_bytes(serialization.Encoding.DER, form)
    return base64.b64encode(raw).decode()


def ed25519_key() -> str:
    return base64.b64encode(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


def key(text: str):
    return dkim_key((quote_text(text),))


@pytest.mark.parametrize("bare", [False, True])
def test_rsa_keys_have_their_length(bare):
    """As SubjectPublicKeyInfo, and as the bare key that some publish; blanks in p= do not count."""
    text = rsa_key(2048, bare=bare)
    found = key(f"v=DKIM1; p={text[:100]} {text[100:]}")
    assert (found.kind, found.bits, found.problem) == ("rsa", 2048, "")


def test_short_and_other_keys():
    assert (key(f"v=DKIM1; p={rsa_key(1024)}").bits, key(f"v=DKIM1; p={rsa_key(1024)}").problem) == (1024, "")
    assert key("v=DKIM1; k=ed25519; p=" + ed25519_key()).problem == ""
    assert "no Ed25519 key" in key(f"v=DKIM1; k=ed25519; p={rsa_key(1024)}").problem
    assert "kind of key dsa" in key("v=DKIM1; k=dsa; p=AAAA").problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1; k=rsa", "p is missing"),
        ("v=DKIM2; p=AAAA", "v=DKIM1 must come first"),
        ("p=AAAA; v=DKIM1", "v=DKIM1 must come first"),
        ("v=DKIM1; p=AAAA", "damaged"),
        ("v=DKIM1; p=!!!", "damaged"),
        ("v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", "damaged"),
        ("v=DKIM1; s=tlsrpt; p=AAAA", "not for e-mail"),
        ("this is no key", "no key record"),
        ("v=DKIM1; p=AAAA; p=BBBB", "stands twice"),
    ],
)
def test_keys_that_are_none(text, problem):
    assert problem in key(text).problem


def test_no_key_and_two():
    assert dkim_key(()).problem == "there is no key"
    assert "2 records" in dkim_key(('"v=DKIM1; p="', '"v=DKIM1; p="')).problem


def test_rsa_modulus_of_512_bits_is_too_short():
    """Built by hand: libraries make none so short any more."""
    modulus = b"\x02\x41\x00" + b"\xff" * 64
    body = modulus + b"\x02\x03\x01\x00\x01"
    raw = b"\x30" + bytes([len(body)]) + body
    assert "512 bits" in key(f"v=DKIM1; p={base64.b64encode(raw).decode()}").problem


ZONES = {
    ("_dmarc.example.test.", "TXT"): Found(('"v=DMARC1; p=reject"',)),
    ("_dmarc.psd.test.", "TXT"): Found(('"v=DMARC1; p=none; psd=y"',)),
    ("_dmarc.own.big.test.", "TXT"): Found(('"v=DMARC1; p=none; psd=n"',)),
}


class Zones(dict):
    def get(self, key, default=None):
        return super().get(key, Found())


@pytest.mark.parametrize(
    ("name", "organisation"),
    [
        ("a.b.example.test.", "example.test."),
        ("example.test.", "example.test."),
        ("x.psd.test.", "x.psd.test."),
        ("mail.own.big.test.", "own.big.test."),
        ("a.b.c.nobody.test.", "nobody.test."),
        ("1.2.3.4.5.6.7.8.9.example.test.", "example.test."),
    ],
)
def test_the_organisation_that_a_name_belongs_to(name, organisation):
    """By the tree walk; a public suffix that says so, a domain that says that it is its own, and nobody."""
    assert organizational_domain(name, Learned(Zones(ZONES), {})) == organisation


def test_alignment():
    learned = Learned(Zones(ZONES), {})
    assert aligned("bounces.example.test.", "example.test.", "r", learned)
    assert not aligned("bounces.example.test.", "example.test.", "s", learned)
    assert not aligned("example.net.", "example.test.", "r", learned)


def test_a_plan_lies_over_what_is_live():
    """Planned values win; an alias that the plan takes away is not followed any more, and one that it brings is."""
    live = {
        ("a.test.", "TXT"): Found(("x",)),
        ("b.test.", "TXT"): Found(alias="a.test."),
        ("c.test.", "TXT"): Found(),
        ("d.test.", "TXT"): None,
    }
    assert Learned(live, {})("b.test.", "TXT") == ("x",)
    assert Learned(live, {("a.test.", "TXT"): ("y",)})("b.test.", "TXT") == ("y",)
    assert Learned(live, {("b.test.", "CNAME"): None})("b.test.", "TXT") == ()
    assert Learned(live, {("c.test.", "CNAME"): ("a.test.",)})("c.test.", "TXT") == ("x",)
    assert Learned(live, {("a.test.", "TXT"): None})("a.test.", "TXT") == ()
    assert Learned(live, {("e.test.", "CNAME"): ("e.test.",)})("e.test.", "TXT") == ()
    for name in ("d.test.", "z.test."):
        with pytest.raises(Unlearned):
            Learned(live, {})(name, "TXT")


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 ip4:1.2.3.4/033", "v=spf1 a:", "v=spf1 include", "v=spf1 redirect=a.test redirect=b.test",
        "v=spf1 exists:%{q}.test", "v=spf1 a:%", "v=spf1 foo:bar.test", "v=spf1 ip6:1.2.3.4", "v=spf1 a/33",
        "v=spf1 mx//129", "v=spf1 all/24", "v=spf1 a:localhost", "v=spf1 a:x.123", "v=spf1 -", "v=spf1 x=%{",
    ],
)  # fmt: skip
def test_spf_that_is_none(text):
    with pytest.raises(InvalidSpf):
        parse_spf(text)


def test_spf_counts_what_it_cannot_follow():
    """A macro costs one lookup and is not followed; what nobody answered is said."""
    learned = Learned(Zones({("e.test.", "TXT"): Found(('"v=spf1 include:%{i}.x.test exists:%{i}.y.test -all"',))}), {})
    cost = spf_cost("e.test.", learned)
    assert (cost.lookups, cost.broken, cost.unlearned) == (2, (), ())
    live = {("e.test.", "TXT"): Found(('"v=spf1 include:a.test -all"',)), ("a.test.", "TXT"): None}
    assert spf_cost("e.test.", Learned(live, {})).unlearned == ("a.test. TXT",)
    with pytest.raises(Unlearned):
        spf_verdict("192.0.2.1", "e.test.", Learned(live, {}))


def test_a_mapped_address_is_the_ipv4_one():
    learned = Learned(Zones({("e.test.", "TXT"): Found(('"v=spf1 ip4:192.0.2.0/24 -all"',))}), {})
    assert spf_verdict("::ffff:192.0.2.9", "e.test.", learned).result is SpfResult.PASS


def test_patterns_of_a_policy():
    policy = StsPolicy("enforce", ("mx.a.test", "*.b.test"), 1)
    assert policy.allows("MX.a.test.")
    assert policy.allows("one.b.test.")
    assert not policy.allows("one.two.b.test.")
    assert not policy.allows("b.test.")
