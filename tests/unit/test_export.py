"""The end state of a run, and what other tools are given of it."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from octodns.provider.yaml import YamlProvider
from octodns.zone import Zone

from dns_cutover.checks.interface import Example
from dns_cutover.checks.owned import read_owner_file
from dns_cutover.plan.loader import parse_plan
from dns_cutover.records import RRset, RRsetKey, quote_text
from dns_cutover.records.fields import txt_strings
from dns_cutover.records.zonetext import parse_zone_text
from dns_cutover.runbook.end_state import EndState, UnknownStage, ZoneEnd, beginning, end_state, open_keys, state_of
from dns_cutover.runbook.export import FORMATS, export_text
from dns_cutover.runbook.export_terraform import hcl_string
from dns_cutover.runbook.model import Runbook
from tests.unit.checks.situation import plan_text, subject

ORIGIN = "example.test."
MAIL = Example(
    r"""
ttl: {lower_to: 60s}
safety: {allow: [delete]}
stages:
  - name: overlap
    changes:
      - {name: nm1._domainkey, type: CNAME, from: absent, to: nm1.newmail.test., ttl: 900}
      - {name: "@", type: TXT, remove: ["v=spf1 a -all"], add: ["v=spf1 a b -all"]}
  - name: switch
    changes:
      - {name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test."], ttl: 300}
      - {name: "@", type: TXT, remove: ["v=spf1 a b -all"], add: ["v=spf1 b -all"]}
  - name: retire
    wait: 14d
    changes:
      - {name: om1._domainkey, type: CNAME, from: live, to: absent}
""",
    zone='@ 3600 IN TXT "v=spf1 a -all"\n@ 3600 IN TXT "other=1"\n@ 3600 IN MX 10 mx.oldmail.test.\n'
    "om1._domainkey 3600 IN CNAME om1.oldmail.test.\n",
    elsewhere="mx.newmail.test. 60 IN A 192.0.2.9\n",
)
TXT = RRsetKey("default", ORIGIN, "TXT")
MX = RRsetKey("default", ORIGIN, "MX")
NEW, OLD = (RRsetKey("default", f"{n}._domainkey.{ORIGIN}", "CNAME") for n in ("nm1", "om1"))


def book_of(example: Example) -> Runbook:
    loaded = parse_plan(plan_text(example).encode(), "plan.yaml", {})
    book = subject(loaded, example).book
    assert book is not None
    return book


@cache
def mail_book() -> Runbook:
    return book_of(MAIL)


def texts(*values: str, ttl: int = 3600) -> RRset:
    return RRset.of("TXT", ttl, *(quote_text(v) for v in values))


def test_end() -> None:
    """Values and TTLs as the run leaves them; what others have at a name stays."""
    book = mail_book()
    assert open_keys(book) == (TXT,)
    (zone,) = end_state(book, "", {TXT: texts("v=spf1 a -all", "other=1")}).zones
    assert zone.rrsets == {
        TXT: texts("v=spf1 b -all", "other=1"),
        MX: RRset(300, ("10 mx.newmail.test.",)),
        NEW: RRset(900, ("nm1.newmail.test.",)),
    }
    assert zone.absent == (OLD,)


def test_the_state_that_the_way_back_leaves() -> None:
    """All that the runbook writes, as it was before, and nothing of it left to take away."""
    book = mail_book()
    image = beginning(book, {TXT: texts("v=spf1 b -all", "other=1")})
    state = state_of(book, "switch", image)
    assert (state.stage, state.back) == ("switch", True)
    (zone,) = state.zones
    assert zone.rrsets[TXT] == texts("v=spf1 a -all", "other=1")
    assert zone.rrsets[MX] == RRset(3600, ("10 mx.oldmail.test.",))
    assert zone.absent == (NEW,)


@pytest.mark.parametrize("spf", ["v=spf1 a -all", "v=spf1 a b -all", "v=spf1 b -all"])
@pytest.mark.parametrize("ttl", [3600, 60])
def test_at_any_moment_of_the_run(spf: str, ttl: int) -> None:
    """What is live may be from before, from within or from after the run: the end is the same."""
    live = {TXT: texts(spf, "other=1", "came later", ttl=ttl)}
    (zone,) = end_state(mail_book(), "", live).zones
    assert zone.rrsets[TXT] == texts("v=spf1 b -all", "other=1", "came later")
    (early,) = end_state(mail_book(), "overlap", live).zones
    assert early.rrsets[TXT] == texts("v=spf1 a b -all", "other=1", "came later", ttl=60)


def test_after_a_stage() -> None:
    """TTLs are low until they are restored; later stages' records are left out."""
    (zone,) = end_state(mail_book(), "overlap", {TXT: texts("v=spf1 a -all")}).zones
    assert zone.rrsets[NEW] == RRset(60, ("nm1.newmail.test.",))
    assert OLD not in zone.absent
    # The MX's TTL was lowered together with the stage before it.
    assert zone.rrsets[MX] == RRset(60, ("10 mx.oldmail.test.",))


def test_unknown_stage() -> None:
    with pytest.raises(UnknownStage):
        end_state(mail_book(), "nope", {TXT: None})


def test_values_must_be_looked_at() -> None:
    """What the runbook does not know is asked for, never guessed."""
    with pytest.raises(KeyError):
        end_state(mail_book())


def state(
    *records: tuple[str, str, tuple[str, ...]], provider: str = "rfc2136", absent: tuple[str, ...] = ()
) -> EndState:
    """An end state of these (owner, type, values)."""
    info = replace(mail_book().zones[0], provider={"type": provider})
    rrsets = {RRsetKey.of("default", o, t, ORIGIN): RRset.of(t, 300, *v, origin=ORIGIN) for o, t, v in records}
    gone = tuple(RRsetKey.of("default", o, "A", ORIGIN) for o in absent)
    return EndState("a plan", "", (ZoneEnd(info, dict(sorted(rrsets.items())), gone),))


ALL = (
    ("@", "MX", ("10 mx1", "20 mx2.other.test.")),
    ("@", "TXT", ('"v=spf1 include:a.test -all"', '"k=v; p=${x} %{y} \\"q\\" \\\\ end"')),
    ("*.apps", "A", ("192.0.2.1",)),
    ("_sip._tcp", "SRV", ("1 2 5060 sip",)),
    ("c", "CAA", ('0 issue "letsencrypt.org; validationmethods=dns-01"',)),
    ("h", "HTTPS", ("1 . alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2 port=8443 no-default-alpn", "2 other.test.")),
    ("alias", "HTTPS", ("0 other.test.",)),
    ("long", "TXT", (quote_text("v=DKIM1; p=" + "A" * 400),)),
    ("n", "NAPTR", ('1 2 "S" "SIP+D2U" "" _sip._udp',)),
    ("p", "PTR", ("www",)),
    ("s", "SSHFP", ("1 2 " + "ab" * 32,)),
    ("sub", "NS", ("ns1.other.test.", "ns2.other.test.")),
    ("sub", "DS", ("12345 8 2 " + "ab" * 32,)),
    ("t", "TLSA", ("3 1 1 " + "ab" * 32,)),
    ("www", "AAAA", ("2001:db8::1", "2001:db8::2")),
    ("www9", "CNAME", ("www",)),
    ("www10", "CNAME", ("www",)),
    ("123", "A", ("192.0.2.2",)),
    ("yes", "A", ("192.0.2.3",)),
    ("y", "A", ("192.0.2.3",)),
)


def test_zone_text() -> None:
    """It reads back, and says what is absent."""
    made = state(*ALL, absent=("old",))
    text = export_text(made, "zone")
    assert parse_zone_text(text, "default", ORIGIN) == made.zones[0].rrsets
    assert text.startswith("; example.test. after a plan\n")
    assert "; absent: old.example.test. A\n" in text


def load_octodns(text: str, folder) -> dict[RRsetKey, RRset]:
    """What octoDNS itself reads, in its strict order."""
    (folder / "example.test.yaml").write_text(text, encoding="utf-8")
    zone = Zone(ORIGIN, [])
    YamlProvider("test", str(folder), enforce_order=True, escaped_semicolons=True).populate(zone)
    found = {}
    for record in zone.records:
        rrset = record.to_rrset()
        key = RRsetKey.of("default", record.fqdn, record._type)
        found[key] = RRset.of(record._type, record.ttl, *(str(r) for r in rrset.rdatas))
    return found


def test_octodns_reads_it(tmp_path) -> None:
    """octoDNS loads the file in strict mode, and means the same records."""
    made = state(*ALL, absent=("old",))
    text = export_text(made, "octodns")
    assert load_octodns(text, tmp_path) == made.zones[0].rrsets
    assert "# old A is absent: remove it from the file\n" in text
    owned = read_owner_file(text.encode(), "example.test.yaml", [ORIGIN])
    assert owned.rrsets == {(k.owner, k.rdtype): r for k, r in made.zones[0].rrsets.items()}


def test_octodns_says_what_it_cannot_have() -> None:
    """A type that it lacks, or a text that it would change, is a comment with its reason."""
    text = export_text(
        state(
            ("l", "LOC", ("52 22 23.000 N 4 53 32.000 E -2.00m",)),
            ("u", "TXT", (quote_text("naïve"),)),
            ("q", "TXT", (quote_text('a" "b'),)),
            ("b", "TXT", (quote_text("a\\;b"),)),
            ("c", "CAA", ('0 issue "a\\"b"',)),
            ("d", "CNAME", ("a", "b")),
            (r"e\032f", "A", ("192.0.2.1",)),
            ("h", "HTTPS", ('1 . key65000="a b"',)),
            ("n", "NAPTR", (r'1 2 "\200" "" "" .',)),
        ),
        "octodns",
    )
    assert re.findall(r"^# (\S+ \w+): octoDNS cannot have it: (.*)$", text, re.MULTILINE) == [
        ("b TXT", "octoDNS would read its text as something else"),
        ("c CAA", "octoDNS does not escape its value"),
        ("d CNAME", "it has several values"),
        ("e\\032f A", "its name has an escape"),
        ("h HTTPS", "its key65000 has an escape"),
        ("l LOC", "it has no type LOC"),
        ("n NAPTR", "its text is not ASCII"),
        ("q TXT", "octoDNS would read its text as something else"),
        ("u TXT", "its text is not ASCII"),
    ]
    assert text.endswith("--- {}\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written anew for each text."""
    return tmp_path_factory.mktemp("octodns")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=300))
def test_octodns_text(folder: Path, text: str) -> None:
    """Any ASCII text means the same to octoDNS, or is said to be beyond it."""
    made = state(("x", "TXT", (quote_text(text),)))
    out = export_text(made, "octodns")
    if "octoDNS cannot have it" in out:
        assert '" "' in text or "\\;" in text
        return
    (found,) = load_octodns(out, folder).values()
    assert b"".join(txt_strings(found.values[0])) == text.encode()


def meant(quoted: str) -> str:
    """What a quoted string of HCL without interpolation means; refuses one that has any."""
    out, at, inner = "", 0, quoted[1:-1]
    while at < len(inner):
        three = inner[at : at + 3]
        if three in ("$${", "%%{"):
            out, at = out + three[1:], at + 3
        elif inner[at : at + 2] in ("${", "%{"):
            raise AssertionError(f"interpolation in {quoted}")
        elif inner[at] == "\\":
            kind = inner[at + 1]
            width = {"u": 4, "U": 8}.get(kind, 0)
            out += chr(int(inner[at + 2 : at + 2 + width], 16)) if width else {"n": "\n"}.get(kind, kind)
            at += 2 + width
        else:
            assert inner[at] != '"'
            out, at = out + inner[at], at + 1
    return out


@given(st.text(max_size=60) | st.text(alphabet='${}%"\\ab', max_size=30))
def test_hcl_string(text: str) -> None:
    """Whatever stands in a record is text to Terraform, and prints on one line."""
    quoted = hcl_string(text)
    assert quoted.isprintable()
    # Go's scanner takes a dollar before an escaped opening as it is, which this reading does as well.
    assert meant(quoted) == text


def test_terraform_rfc2136() -> None:
    """Resources of hashicorp/dns, aligned as terraform fmt has it."""
    text = export_text(
        state(
            ("@", "MX", ("10 mx1", "20 mx2.other.test.")),
            ("@", "TXT", ('"a; \\"${x}\\" \\\\"',)),
            ("www", "CNAME", ("other.test.",)),
            ("c", "CAA", ('0 issue ";"',)),
            absent=("old",),
        ),
        "terraform",
    )
    assert (
        text
        == r"""# example.test. after a plan

# c CAA: the provider has no resource for it. TTL 300
#   0 issue ";"

resource "dns_mx_record_set" "apex_mx" {
  zone = "example.test."
  ttl  = 300

  mx {
    preference = 10
    exchange   = "mx1.example.test."
  }

  mx {
    preference = 20
    exchange   = "mx2.other.test."
  }
}

resource "dns_txt_record_set" "apex_txt" {
  zone = "example.test."
  ttl  = 300
  txt = [
    "a; \\\"$${x}\\\" \\\\",
  ]
}

resource "dns_cname_record" "www_cname" {
  zone  = "example.test."
  name  = "www"
  ttl   = 300
  cname = "other.test."
}

# old A is absent: remove its resource
"""
    )


def test_terraform_route53() -> None:
    """aws_route53_record: quotes between strings, octal escapes, names without the final dot."""
    text = export_text(
        state(
            ("*.apps", "A", ("192.0.2.1", "192.0.2.2")),
            ("long", "TXT", (quote_text("A" * 256),)),
            ("u", "TXT", (quote_text(b"\xff"),)),
            provider="route53",
        ),
        "terraform",
    )
    assert 'data "aws_route53_zone" "example_test" {\n  name = "example.test."\n}\n' in text
    assert (
        'resource "aws_route53_record" "wildcard_apps_a" {\n'
        "  zone_id = data.aws_route53_zone.example_test.zone_id\n"
        '  name    = "*.apps.example.test"\n  type    = "A"\n  ttl     = 300\n'
        '  records = [\n    "192.0.2.1",\n    "192.0.2.2",\n  ]\n}\n'
    ) in text
    assert f'"{"A" * 255}\\"\\"A",' in text
    assert '"\\\\377",' in text


def test_what_a_terraform_provider_lacks() -> None:
    """A type without a resource, a second value where one is allowed, and the apex where a name is required."""
    lacks = "the provider has no resource for it"
    text = export_text(state(("@", "NS", ("ns1",)), ("p", "PTR", ("a", "b"))), "terraform")
    assert re.findall(rf"^# (\S+ \w+): {lacks}", text, re.MULTILINE) == ["@ NS", "p PTR"]
    text = export_text(state(("d", "DNAME", ("other.test.",)), provider="route53"), "terraform")
    assert f"# d DNAME: {lacks}. TTL 300\n#   other.test.\n" in text


def test_names_of_resources_are_unique() -> None:
    """Names that look alike once they are words of HCL are told apart."""
    text = export_text(
        state(("a.b", "A", ("192.0.2.1",)), ("a_b", "A", ("192.0.2.2",)), ("1", "A", ("192.0.2.3",))), "terraform"
    )
    assert re.findall(r'"dns_a_record_set" "([^"]+)"', text) == ["_1_a", "a_b_a", "a_b_a_2"]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_hostile_plan_name_stays_a_comment(form: str) -> None:
    """Nothing in a plan's name begins a new line."""
    made = replace(state(("www", "A", ("192.0.2.1",))), plan="x\nresource \u2028 \x1b[31m")
    head = export_text(made, form).splitlines()[0]
    assert head.startswith(("#", ";"))
    assert "resource" in head
    assert "\x1b" not in export_text(made, form)
