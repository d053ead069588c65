"""DC126-DC150 in subtle cases: what each rule says, where it points, and when it must be silent."""

import json
import time
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.checks.interface import Example, Subject
from dns_cutover.checks.moves import replaced, watched
from dns_cutover.checks.registry import check_of, checks_for, findings_of
from dns_cutover.lab.plan import DEMO_PLAN
from dns_cutover.plan.finding import Finding, PlanInvalid
from dns_cutover.plan.loader import load_plan, parse_plan
from dns_cutover.plan.probe_models import ProbeConfig
from dns_cutover.plan.types import as_written
from dns_cutover.probes.interface import KINDS
from dns_cutover.probes.prober import builtin_kinds
from dns_cutover.probes.resolve import system_resolve
from tests.unit.checks.situation import findings, plan_text

PLANS = sorted((Path(__file__).parents[3] / "plans").glob("*.yaml"))
A = '{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
GREEN = "type: http, name: green, url: https://www.example.test/, address: 192.0.2.20"


def stage(*changes: str, rest: str = "", head: str = "") -> str:
    lines = "".join(f"      - {c}\n" for c in changes)
    return f"{head}stages:\n  - name: switch\n    changes:\n{lines}{rest}"


def probe(text: str, *more: str, bake: str = "10m", change: str = A) -> str:
    lines = "".join(f"      - {{{p}}}\n" for p in (text, *more))
    return stage(change, rest=f"    bake: {bake}\n    probes:\n{lines}")


def at(text: str, finding: Finding) -> str:
    """What stands in the plan at the finding's place."""
    return plan_text(Example(text)).splitlines()[finding.line - 1][finding.column - 1 : finding.end_column - 1]


def said(check: str, text: str, *, live: bool = False, **example: str) -> list[tuple[str, str, str]]:
    """Severity, what stands at the place, and the message, of all findings of the check; the plan must load."""
    found = findings(Example(text, **example), offline=not live)  # type: ignore[arg-type]
    assert not [f for f in found if f.severity == "error" and f.id < "DC126"], found
    return [(f.severity, at(text, f), f.message) for f in found if f.id == check]


# -- names ------------------------------------------------------------------------------------------------------------


def test_unicode_is_shown_wherever_a_name_stands() -> None:
    """Owner, target, unchanged and probe target are each shown with their A-labels; TXT is text and no name."""
    text = stage(
        "{name: bücher, type: CNAME, from: absent, to: [läden.example.net.]}",
        '{name: www, type: TXT, from: absent, to: ["Bücher"]}',
        rest="    unchanged: [grün/A]\n    probes: [{type: tcp, name: p, target: größe-und-maß.test, port: 443}]\n",
    )
    assert said("DC126", text) == [
        ("info", "bücher", "bücher is published as xn--bcher-kva"),
        ("info", "läden.example.net.", "läden.example.net. is published as xn--lden-loa.example.net"),
        ("info", "grün/A", "grün is published as xn--grn-ioa"),
        ("info", "größe-und-maß.test", "größe-und-maß.test is published as xn--grsse-und-mass-wpb.test"),
    ]


def test_a_zone_in_unicode_is_shown() -> None:
    """The zone's name too, in the short form and through a variable."""
    text = "zone: bücher.test\n" + stage(A)
    assert said("DC126", text) == [("info", "bücher.test", "the zone is xn--bcher-kva.test in DNS")]
    text = "zone: ${z}\nvariables: {z: bücher.test}\n" + stage(A)
    assert said("DC126", text) == [("info", "${z}", "the zone is xn--bcher-kva.test in DNS")]
    assert said("DC126", "zone: xn--bcher-kva.test\n" + stage(A)) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("\\u0430pi", "mixes scripts: Cyrillic, Latin"),
        ("www\\u200b", "nobody sees: U+200B"),
        ("\\uff57ww", "it becomes www"),
        ("\\u0430\\u0440\\u0440\\u04cf\\u0435", "looks Latin and is Cyrillic"),
        ("xn--80ak6aa92e", "looks Latin and is Cyrillic"),
        ("\\u03bfmega", "mixes scripts: Greek, Latin"),
        ("ok.p\\u0430y", "mixes scripts"),
    ],
)
def test_names_that_deceive_the_eye(name: str, message: str) -> None:
    """Mixed scripts, invisible characters and look-alikes, also where they come as A-labels."""
    found = said("DC127", stage(f'{{name: "{name}", type: A, from: absent, to: ["192.0.2.1"]}}'))
    assert len(found) == 1
    assert message in found[0][2]


@pytest.mark.parametrize(
    "name", ["пример", "例え", "テスト例", "한국어", "bücher", "ελλάδα", "日本go", "xn--zzzz-", "xn--bcher-kva"]
)
def test_names_of_one_script_deceive_nobody(name: str) -> None:
    """Ordinary words of one script, Japanese with Latin, and A-labels of such are silent."""
    assert said("DC127", stage(f"{{name: {name}, type: A, from: absent, to: [192.0.2.1]}}")) == []


def test_letters_that_two_standards_convert_otherwise() -> None:
    """Both A-labels are named, so that the author can choose."""
    text = stage('{name: "@", type: MX, from: absent, to: [10 faß.example.net.]}')
    found = [f for f in findings(Example(text), offline=True) if f.id == "DC128"]
    assert [(f.message, f.hint) for f in found] == [
        ("faß becomes fass here, and xn--fa-hia in browsers", "write xn--fa-hia or fass")
    ]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (" www", "begins or ends with a space", "write www"),
        ("www, api", "is taken for one name", "names: [www, api]"),
        ("www api", "is taken for one name", "names: [www, api]"),
        ("https://www.example.test/x", "is a URL", "www.example.test."),
        ("www/A", "has the type in its name", "name: www, type: A"),
        ("w*", "stands for itself", "RFC 4592"),
        ("a.*.b", "stands for itself", "RFC 4592"),
        ("-www", "is no host name", "letters"),
        ("0/25", "is no host name", "letters"),
    ],
)
def test_names_with_odd_characters(name: str, message: str, hint: str) -> None:
    """What DNS takes and nobody means, with what was probably meant."""
    text = stage(f'{{name: "{name}", type: A, from: absent, to: ["192.0.2.1"]}}', head="safety: {allow: [wildcard]}\n")
    found = [f for f in findings(Example(text), offline=True) if f.id == "DC129"]
    assert len(found) == 1
    assert message in found[0].message
    assert hint in found[0].hint


@pytest.mark.parametrize("name", ["@", "*", "*.apps", "_sip._tcp", "a-b.c_d", "www.example.test.", "1"])
def test_ordinary_names_are_not_odd(name: str) -> None:
    """Wildcards, underscores and absolute names are ordinary."""
    text = stage(f'{{name: "{name}", type: A, from: absent, to: ["192.0.2.1"]}}', head="safety: {allow: [wildcard]}\n")
    assert said("DC129", text) == []


def test_a_slash_is_ordinary_in_reverse_zones() -> None:
    """RFC 2317 names parts of a network with a slash."""
    text = "zone: 2.0.192.in-addr.arpa\n" + stage("{name: 0/25, type: PTR, from: absent, to: [a.example.net.]}")
    assert said("DC129", text) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{name: s1._domainkey._domainkey, type: CNAME, from: absent, to: [a.test.]}", "_domainkey stands twice"),
        ("{name: s1.domainkey, type: TXT, from: absent, to: [p=x]}", "domainkey has no underscore"),
        ("{name: acme-challenge.www, type: CNAME, from: absent, to: [a.test.]}", "acme-challenge has no underscore"),
        ('{name: s1, type: TXT, from: absent, to: ["v=DKIM1; p=MII"]}', "belongs to a name with _domainkey"),
        ("""{name: dmarc, type: TXT, from: absent, to: ['"v=DMARC1; p=none"']}""", "belongs to a name with _dmarc"),
        ("{name: sip, type: SRV, from: absent, to: [0 0 5060 sip.test.]}", "first two labels have no underscore"),
        ("{name: mx, type: TLSA, from: absent, to: [3 1 1 " + "ab" * 32 + "]}", "first two labels have no underscore"),
    ],
)
def test_underscore_labels(change: str, message: str) -> None:
    """Labels that are missing or doubled, by the name and by what the value says."""
    found = said("DC130", stage(change))
    assert len(found) == 1
    assert message in found[0][2]


@pytest.mark.parametrize(
    "change",
    [
        '{name: s1._domainkey, type: TXT, from: absent, to: ["v=DKIM1; p=MII"]}',
        '{name: s1._domainkey.news, type: TXT, from: absent, to: ["v=DKIM1; p=MII"]}',
        '{name: _dmarc, type: TXT, from: absent, to: ["v=DMARC1; p=none"]}',
        '{name: other.test._report._dmarc, type: TXT, from: absent, to: ["v=DMARC1"]}',
        "{name: _sip._tcp, type: SRV, from: absent, to: [0 0 5060 sip.test.]}",
        "{name: _25._tcp.mx, type: TLSA, from: absent, to: [3 1 1 " + "ab" * 32 + "]}",
        "{name: s1.domainkey, type: TXT, from: [p=x], to: absent}",
        "{name: dmarc, type: CNAME, from: absent, to: [dashboard.vendor.test.]}",
        "{name: acme-challenge, type: A, from: absent, to: [192.0.2.1]}",
    ],
)
def test_underscore_labels_in_their_places(change: str) -> None:
    """Records at their proper names, deletions of wrong ones, and hosts that only sound alike are silent."""
    assert said("DC130", stage(change)) == []


def test_the_zone_name_is_no_label_of_the_owner() -> None:
    """A zone that is called domainkey.test has no missing underscore."""
    assert said("DC130", "zone: domainkey.test\n" + stage('{name: www, type: TXT, from: absent, to: ["x"]}')) == []


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rdtype", "value", "address"),
    [
        ("MX", "10 192.0.2.1.", "192.0.2.1"),
        ("MX", "10 192.0.2.1", "192.0.2.1"),
        ("MX", "10 [192.0.2.1]", "192.0.2.1"),
        ("NS", "192.0.2.1.", "192.0.2.1"),
        ("SRV", "0 0 443 192.0.2.1.", "192.0.2.1"),
        ("CNAME", "192.0.2.1", "192.0.2.1"),
        ("CNAME", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_address_literals(rdtype: str, value: str, address: str) -> None:
    """An address in the place of a host name, absolute or relative, in either family."""
    head = "safety: {allow: [delegation]}\n"
    text = stage(f'{{name: _x._tcp, type: {rdtype}, from: absent, to: ["{value}"]}}', head=head)
    found = said("DC131", text)
    assert len(found) == 1
    assert found[0][0] == "error"
    assert found[0][1].strip('"') == value
    assert f"the address {address}" in found[0][2]


@pytest.mark.parametrize("value", ["10 1.example.net.", "10 mx1.", "10 192.0.2.1.nip.test.", "10 4u.example.", "0 ."])
def test_names_that_begin_like_addresses(value: str) -> None:
    """Digits in a name make no address, and the null MX (RFC 7505) names no host."""
    assert said("DC131", stage(f'{{name: "@", type: MX, from: absent, to: ["{value}"]}}')) == []


MX = '{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mail.example.test.]}'
ALIAS = "{name: mail, type: CNAME, from: absent, to: [mx.new.test.]}"


def test_a_target_that_an_earlier_stage_makes_an_alias() -> None:
    """The MX is at fault, at its very value."""
    text = stage(ALIAS) + f"  - name: second\n    changes:\n      - {MX}\n"
    assert said("DC132", text) == [
        ("warning", "10 mail.example.test.", "@ MX points to mail.example.test, which is an alias")
    ]


def test_an_alias_that_a_later_stage_makes_of_a_target() -> None:
    """The alias is at fault, since the MX was right before."""
    text = stage(MX) + f"  - name: second\n    changes:\n      - {ALIAS}\n"
    assert said("DC132", text) == [
        ("warning", "mx.new.test.", "mail.example.test becomes an alias, and @ MX points to it")
    ]


def test_an_alias_that_is_gone_or_a_target_that_has_left() -> None:
    """What is true at the end of each stage counts: an alias that went before, an MX that left in the same stage."""
    gone = stage(ALIAS) + (
        "  - name: second\n    changes:\n      - {name: mail, type: CNAME, from: [mx.new.test.], to: absent}\n"
        "      - {name: mail, type: A, from: absent, to: [192.0.2.1]}\n"
        f"  - name: third\n    changes:\n      - {MX}\n"
    )
    assert said("DC132", gone) == []
    left = stage(MX) + (
        '  - name: second\n    changes:\n      - {name: "@", type: MX, remove: [10 mail.example.test.],'
        f" add: [10 mx.new.test.]}}\n      - {ALIAS}\n"
    )
    assert said("DC132", left) == []


def test_ns_at_an_alias_is_an_error() -> None:
    """Servers refuse an NS that names an alias."""
    text = stage(
        "{name: ns9, type: CNAME, from: absent, to: [ns.new.test.]}",
        "{name: sub, type: NS, from: absent, to: [ns9.example.test.]}",
        head="safety: {allow: [delegation]}\n",
    )
    assert [s for s, _, _ in said("DC132", text)] == ["error"]


def test_a_live_alias_that_the_plan_takes_away_is_no_mistake() -> None:
    """DC133 looks at what is live; where the plan changes that, DC132 decides."""
    zone = "@ 3600 IN MX 10 mx.old.test.\nmail 300 IN CNAME mx.new.test.\n"
    live = {"zone": zone, "elsewhere": "mx.new.test. 300 IN A 192.0.2.9\n"}
    assert [m for _, _, m in said("DC133", stage(MX), live=True, **live)] == [
        "@ MX points to mail.example.test, which is an alias"
    ]
    both = stage(
        "{name: mail, type: CNAME, from: [mx.new.test.], to: absent}",
        "{name: mail, type: A, from: absent, to: [192.0.2.9]}",
        MX,
    )
    assert said("DC133", both, live=True, **live) == []
    assert said("DC133", stage(MX), live=True, zone="@ 3600 IN MX 10 mx.old.test.\n") == []


def test_a_value_that_was_there_before_is_not_told() -> None:
    """Only what a change brings is its mistake."""
    text = stage(
        '{name: "@", type: MX, from: [10 192.0.2.1.], to: [10 192.0.2.1., 20 mx.new.test.]}',
    )
    assert said("DC131", text) == []


@pytest.mark.parametrize(
    ("value", "fires"),
    [
        ('"v=spf1 include:a.test" "include:b.test -all"', True),
        ('"v=spf1 include:a.test " "include:b.test -all"', False),
        ('"v=spf1 include:a.test" " include:b.test -all"', False),
        ('"v=spf1 include:mail.a" "bc.test -all"', False),
        ('"v=spf1 ip4:192.0.2.1" "-all"', True),
        ('"v=spf1 include:a.test" "a:b.test mx -all"', True),
        ('"v=DKIM1; k=rsa;" "p=MIIBIjAN"', False),
        ('"v=DKIM1; k=rsa" "p=MIIBIjAN"', True),
        ('"v=DKIM1; p=MIIB" "p=="', False),
        ('"v=DKIM1; p=MIIB" "IjANBgkq"', False),
        ('"v=DMARC1; p=none" "rua=mailto:a@b.test"', True),
        ('"two" "words"', False),
        ('"v=spf1 ' + "a:" + "x" * 246 + '" "mx -all"', False),
    ],
)
def test_strings_that_run_into_each_other(value: str, fires: bool) -> None:
    """A joint is wrong where a word of its own begins after it; a full string was split by a tool, at 255 octets."""
    found = said("DC134", stage(f"""{{name: s._domainkey, type: TXT, from: absent, to: ['{value}']}}"""))
    assert bool(found) is fires


def test_the_hint_of_joined_strings_is_the_whole_text() -> None:
    """With the spaces where they were lost, to be copied."""
    value = '"v=spf1 include:a.test" "include:b.test" " -all"'
    text = stage(f"""{{name: "@", type: TXT, add: ['{value}']}}""")
    hints = [f.hint for f in findings(Example(text), offline=True) if f.id == "DC134"]
    assert hints == ['write one text: "v=spf1 include:a.test include:b.test -all"']


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'v=DKIM1\\; p=x'", "has a backslash"),
        ("' v=spf1 -all'", "begins or ends with a space"),
        ("' \"v=spf1 -all\"'", "begins or ends with a space"),
        ("'v=spf1 a\" \"mx -all'", "has quotes inside"),
        ("'v=spf1 -all\"'", "has quotes inside"),
        ('"a\\nb"', "a line's end"),
        ('"v=spf1\\u00a0-all"', "U+00A0"),
    ],
)
def test_texts_with_characters_that_are_not_meant(value: str, message: str) -> None:
    """Escapes, quotes and blanks that came along when the text was copied."""
    found = said("DC135", stage(f"{{name: t, type: TXT, from: absent, to: [{value}]}}"))
    assert len(found) == 1
    assert message in found[0][2]


@pytest.mark.parametrize("value", ["'\"v=DKIM1\\; p=x\"'", "'say \"yes\"; ok'", "'naïve text'", "'C:\\dir'"])
def test_texts_that_are_meant_so(value: str) -> None:
    """Zone-file form may escape, pairs of quotes and backslashes may be meant, and free text may be in any language."""
    assert said("DC135", stage(f"{{name: t, type: TXT, from: absent, to: [{value}]}}")) == []


def test_values_that_stand_twice() -> None:
    """Equal as RDATA, whatever they look like; of TXT also those that differ in case only."""
    text = stage('{name: "@", type: MX, from: absent, to: [10 mx, 20 b.test., 10 MX.example.test.]}')
    assert said("DC136", text) == [("warning", "10 MX.example.test.", "10 MX.example.test. stands twice")]
    text = stage('{name: t, type: TXT, add: ["Token=A", "token=a", "b"]}')
    assert said("DC136", text) == [("warning", '"token=a"', "token=a differs in case only from another value")]
    key = "257 3 13 " + "mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
    text = stage(f'{{name: k, type: DNSKEY, from: absent, to: ["{key}", "{key.replace("mds", "MDS")}"]}}')
    assert said("DC136", "safety: {allow: [dnssec]}\n" + text) == []


# -- the run ----------------------------------------------------------------------------------------------------------

PROVIDER = "{type: rfc2136, server: 192.0.2.53, key: {name: cutover, secret: {env: CUTOVER_TSIG}}}"
ZONES = "".join(
    f"  {r}: {{zone: {z}, provider: {PROVIDER}}}\n" for r, z in (("one", "example.test"), ("two", "b.test"))
)


def test_a_zone_that_is_only_asserted_is_used() -> None:
    """What stands under unchanged is a use; a zone without any is told at its own place."""
    change = '{in: [one], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'
    found = said("DC137", "zones:\n" + ZONES + stage(change))
    assert [m for _, _, m in found] == ["no stage touches the zone two (b.test)"]
    assert said("DC137", "zones:\n" + ZONES + stage(change, rest="    unchanged: [www.b.test./A]\n")) == []


@pytest.mark.parametrize(
    ("head", "ttl", "messages"),
    [
        ("", "5", ["a final TTL of 5 seconds"]),
        ("", "30", []),
        ("", "30d", ["a final TTL of 30 days"]),
        ("ttl: {restore: 0}\n", "300", ["a final TTL of 0 seconds"]),
        ("ttl: {lower_to: 2h}\n", "300", ["lower_to is 2h: each change and each way back takes at least that long"]),
        ("ttl: {lower_to: 60, restore: keep}\n", "300", []),
    ],
)
def test_ttls(head: str, ttl: str, messages: list[str]) -> None:
    """Too low and too high ones, at the change and for the whole plan."""
    text = stage(f"{{name: www, type: A, ttl: {ttl}}}", head=head)
    assert [m for _, _, m in said("DC138", text)] == messages


def test_resolvers_of_a_stage_are_not_there_either() -> None:
    """The stage's own propagation is looked at, and what it inherits is told once."""
    text = stage(A, rest="    propagation: {violators: pause}\n", head="propagation: {resolvers: 90%}\n")
    assert [p for _, p, _ in said("DC139", text)] == ["90%", "pause"]
    assert said("DC139", stage(A, head="propagation: {deadline: 5m}\n")) == []


@pytest.mark.parametrize(
    ("confirm", "severities"),
    [
        ("timeout: 0s", ["error"]),
        ("timeout: 30s", ["warning"]),
        ("timeout: 1h", []),
        ("by: probe, probe: green, timeout: 30s", []),
        ("undo: back", []),
    ],
)
def test_time_to_confirm(confirm: str, severities: list[str]) -> None:
    """None at all is an error, little is a warning where a person must answer, and no limit is fine."""
    rest = f"    confirm: [{{id: c, who: Ops, says: ready, {confirm}}}]\n    probes: [{{{GREEN}}}]\n"
    assert [s for s, _, _ in said("DC148", stage(A, rest=rest))] == severities


def test_deadlines() -> None:
    """Before the second round, and before the provider's own bound; the stage's own deadline is told at its place."""
    slow = "provider:\n  type: rfc2136\n  server: 192.0.2.53\n  propagation_bound: 20m\n"
    slow += "  key: {name: cutover, secret: {env: CUTOVER_TSIG}}\n"
    assert [(p, m) for _, p, m in said("DC149", slow + stage(A))] == [
        ("20m", "the deadline of 15m ends before the provider has published, which may take 20m")
    ]
    assert said("DC149", slow + stage(A, head="propagation: {deadline: 1h}\n")) == []
    text = stage(A, rest="    propagation: {deadline: 5s}\n")
    assert [(p, m) for _, p, m in said("DC149", text)] == [
        ("5s", "the deadline of 5s ends before the second round, 21s later")
    ]
    assert said("DC149", stage(A, head="propagation: {deadline: 5s, round_gap: 2s}\n")) == []


def test_a_move_without_a_bake() -> None:
    """What follows is said: the next stage, or the TTLs' return; additions and committed stages need none."""
    later = f"  - name: later\n    changes: [{A.replace('www', 'api')}]\n"
    assert [m for _, _, m in said("DC150", stage(A) + later)] == [
        "stage switch moves www A, and stage later follows as soon as old answers are dead",
        "stage later moves api A, and the TTLs go up again as soon as old answers are dead",
    ]
    assert [p for _, p, _ in said("DC150", stage(A, rest="    bake: 0s\n"))] == ["0s"]
    assert said("DC150", stage(A, rest="    commit: before\n")) == []
    assert said("DC150", stage('{name: new, type: A, from: absent, to: ["192.0.2.1"]}')) == []


def test_a_long_string_of_txt_is_told_how_to_write_it() -> None:
    """A string of more than 255 octets comes from quotes that the plan does not need."""
    text = stage(f"""{{name: t, type: TXT, from: absent, to: ['"{"x" * 256}"']}}""")
    assert [(f.id, "without quotes" in f.hint) for f in findings(Example(text), offline=True)] == [("DC112", True)]
    assert said("DC134", stage(f"{{name: t, type: TXT, from: absent, to: [{'x' * 600}]}}")) == []


# -- probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fires"),
    [
        ([A], True),
        (["{name: www, type: A, from: absent, to: [192.0.2.1]}"], False),
        (["{name: www, type: A, from: [192.0.2.1], to: absent}"], False),
        (["{name: www, type: A, from: [192.0.2.1], to: [192.0.2.1, 192.0.2.2]}"], False),
        (["{name: www, type: A, from: live, to: [192.0.2.2]}"], True),
        (["{name: www, type: A, remove: [192.0.2.1], add: [192.0.2.2]}"], True),
        (["{name: www, type: A, add: [192.0.2.2]}"], False),
        (["{name: www, type: A, ttl: 300}"], False),
        (["{name: www, type: TXT, from: [a], to: [b]}"], False),
        (["{name: s1._domainkey, type: CNAME, from: [a.test.], to: [b.test.]}"], False),
        (["{name: _sip._tcp, type: SRV, from: [0 0 1 a.test.], to: [0 0 1 b.test.]}"], True),
        (
            [
                "{name: www, type: A, from: [192.0.2.1], to: absent}",
                "{name: www, type: CNAME, from: absent, to: [b.test.]}",
            ],
            True,
        ),
        (
            ["{name: www, type: A, from: [192.0.2.1], to: absent}", "{name: www, type: TXT, from: absent, to: [b]}"],
            False,
        ),
    ],
)
def test_what_moves_a_service(changes: list[str], fires: bool) -> None:
    """Only what sends users elsewhere needs a probe: not what is new, what goes, what is text, or a TTL."""
    assert bool(said("DC140", stage(*changes, head="safety: {allow: [delete]}\n"))) is fires


def test_probes_that_only_report_watch_nothing() -> None:
    """The place is then that of the probes, and the hint is a probe that fits the type."""
    text = probe(GREEN + ", report_only: true")
    found = [f for f in findings(Example(text), offline=True) if f.id == "DC140"]
    assert [f.message for f in found] == ["stage switch moves www A, and none of its probes decides about the new side"]
    assert found[0].hint == (
        'add {type: http, name: switch-new, url: "https://www.example.test/", address: "192.0.2.20"} to probes'
    )


@pytest.mark.parametrize(
    "change",
    [
        A,
        '{name: www, type: AAAA, from: ["2001:db8::1"], to: ["2001:db8::2"]}',
        '{name: "@", type: MX, from: [10 a.test.], to: [10 b.test.]}',
        "{name: _sip._tcp, type: SRV, from: [0 0 5060 a.test.], to: [0 0 5061 b.test.]}",
        "{name: www, type: CNAME, from: [a.test.], to: [b.test.]}",
        '{name: "*.apps", type: A, from: live, to: ["192.0.2.20"]}',
        "{name: www, type: HTTPS, from: [1 a.test.], to: [1 b.test.]}",
    ],
)
def test_the_probes_that_hints_suggest_load(change: str) -> None:
    """Each hint of DC140 and DC801, put into the plan, is a plan that loads and no longer fires."""
    head = "safety: {allow: [wildcard]}\n"
    found = {f.id: f.hint for f in findings(Example(stage(change, head=head)), offline=True)}
    lines = [
        found["DC140"].removeprefix("probes: [").removesuffix("]"),
        found["DC801"].removeprefix("add ").removesuffix(" to probes"),
    ]
    lines = [line.replace('"OLD"', '"192.0.2.7"') for line in lines]
    text = stage(
        change, head=head, rest="    bake: 10m\n    probes:\n" + "".join(f"      - {line}\n" for line in lines)
    )
    again = findings(Example(text), offline=True)
    assert not {f.id for f in again} & {"DC140", "DC801"}
    assert not [f for f in again if f.severity == "error"]


@pytest.mark.parametrize(
    ("change", "zone"),
    [
        ('{name: "@", type: MX, from: [10 mx.old.test.], to: ["0 ."]}', "@ 300 IN MX 10 mx.old.test.\n"),
        ('{name: _s._tcp, type: SRV, from: [1 1 9 a.test.], to: ["0 0 0 ."]}', "_s._tcp 300 IN SRV 1 1 9 a.test.\n"),
        ('{name: www, type: A, remove: ["192.0.2.10"]}', "www 300 IN A 192.0.2.10\n"),
    ],
)
def test_what_only_goes_has_no_new_side(change: str, zone: str) -> None:
    """No service is said to be there any more, so that there is nothing to probe."""
    found = {f.id for f in findings(Example(stage(change), zone=zone))}
    assert not found & {"DC140", "DC150", "DC801"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GREEN + ", consecutive_failure_limit: null", "has no limit of failures"),
        (GREEN + ", consecutive_failure_limit: null, failure_limit: 5", ""),
        (GREEN + ", consecutive_failure_limit: null, report_only: true", ""),
        (GREEN + ", consecutive_failure_limit: null, role: control", ""),
        (GREEN + ", expect_status: [200, 404, 502]", "error 502 for success"),
        (GREEN + ", expect_status: [503]", ""),
        (GREEN + ", expect_status: [200, 404]", ""),
        ("type: command, name: c, argv: [/bin/true]", "always succeeds"),
        ('type: command, name: c, argv: [sh, -c, "curl x || true"]', "always succeeds"),
        ('type: command, name: c, argv: [sh, -c, "check; exit 0"]', "always succeeds"),
        ("type: command, name: c, argv: [check, --really-true]", ""),
    ],
)
def test_probes_that_cannot_fail(text: str, message: str) -> None:
    """No limit, an expectation that errors meet, a command that swallows its failure."""
    found = said("DC141", probe(text))
    assert [message in m for _, _, m in found] == ([True] if message else [])


def test_probes_that_cannot_run() -> None:
    """A command needs an option; whatever a plan may ask for can be run."""
    text = probe("type: smtp, name: mx, target: mx.new.test", "type: command, name: c, argv: [check]")
    assert [(s, p) for s, p, _ in said("DC142", text)] == [("info", "[check]")]
    planned = {get_args(model.model_fields["type"].annotation)[0] for model in get_args(get_args(ProbeConfig)[0])}
    assert set(builtin_kinds(system_resolve, allow_commands=False)) == set(KINDS) == planned


def test_a_long_timeout_is_told_with_what_it_costs() -> None:
    """Three failures of a service that hangs: two intervals and three timeouts."""
    text = probe(GREEN + ", interval: 10s, timeout: 30s")
    assert [m for _, _, m in said("DC143", text)] == [
        "probe green waits 30s, longer than its interval of 10s: 3 failures of a dead service take 110s"
    ]
    assert said("DC143", probe(GREEN + ", interval: 5s")) == []
    assert [p for _, p, _ in said("DC143", probe(GREEN + ", interval: 2s"))] == ["2s"]


def test_how_long_a_stage_is_watched() -> None:
    """Two rounds, the old answer's life at the low TTL and in clients, and the bake; nothing is said of new names."""
    loaded = parse_plan(plan_text(Example(stage(A, rest="    bake: 5m\n"))).encode(), "p", {})
    assert watched(Subject(loaded, 0.0)) == (21 + 60 + 60 + 300,)
    new = stage('{name: new, type: A, from: absent, to: ["192.0.2.1"]}', A, rest="    bake: 5m\n")
    loaded = parse_plan(plan_text(Example(new)).encode(), "p", {})
    assert watched(Subject(loaded, 0.0)) == (None,)
    assert as_written(441) == "441s"
    once = GREEN + ", consecutive_failure_limit: 1, interval: 12m"
    text = probe(once, bake="5m", change='{name: new, type: A, from: absent, to: ["192.0.2.20"]}')
    assert said("DC144", text) == []
    assert said("DC144", text, live=True) == []


def test_probes_that_are_slower_than_their_stage() -> None:
    """By the interval, and by the number of failures; neither controls nor reports count."""
    text = probe(GREEN + ", interval: 1m, consecutive_failure_limit: 30", bake="5m")
    assert [m for _, _, m in said("DC144", text)] == [
        "30 failures of probe green take 29m, and stage switch is watched for 441s"
    ]
    assert said("DC144", text.replace("interval", "report_only: true, interval")) == []
    assert (
        said("DC144", probe(GREEN + ", interval: 1m, failure_limit: 3, consecutive_failure_limit: null", bake="5m"))
        == []
    )


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("initial_delay: 30m", "30m"),
        ("consecutive_successes: 100", "100"),
        ("consecutive_successes: 10", None),
        ("initial_delay: 7m", None),
    ],
)
def test_probes_that_hold_the_stage(more: str, place: str | None) -> None:
    """A delay, or successes in a row, that take longer than the stage is watched."""
    assert [p for _, p, _ in said("DC145", probe(f"{GREEN}, {more}", bake="5m"))] == ([place] if place else [])


@pytest.mark.parametrize(
    ("more", "fires"),
    [
        ("question: www.example.test", True),
        ("question: WWW.example.test.", True),
        ("question: www.example.test, rrtype: AAAA", False),
        ("question: www.example.net", False),
        ("question: www.example.test, role: way_back", False),
    ],
)
def test_dns_probes_that_any_answer_satisfies(more: str, fires: bool) -> None:
    """Only where the question is what the stage changes, and something was there before."""
    assert bool(said("DC146", probe(f"type: dns, name: d, server: 192.0.2.1, {more}"))) is fires
    new = '{name: www, type: A, from: absent, to: ["192.0.2.20"]}'
    assert said("DC146", probe(f"type: dns, name: d, server: 192.0.2.1, {more}", change=new)) == []


def test_controls_that_ask_the_new_side() -> None:
    """The same endpoint, whatever is expected of it; another port is another service."""
    control = "type: tcp, name: c, target: MX.new.test., port: 25, role: control"
    health = "type: tcp, name: h, target: mx.new.test, port: 25, expect: '220'"
    assert [m for _, _, m in said("DC147", probe(health, control))] == ["the control c asks the same as probe h"]
    assert said("DC147", probe(health, control.replace("25", "26"))) == []


# -- all together -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PLANS, DEMO_PLAN], ids=lambda p: p.stem)
def test_the_shipped_plans_have_no_errors_and_no_warnings(path: Path) -> None:
    """What the project shows is what it recommends."""
    loaded = load_plan(path)
    found = (*loaded.warnings, *findings_of(checks_for({"plan"}), Subject(loaded, time.time())))
    assert [f for f in found if f.id[:3] in ("DC1", "DC8") and f.severity != "info"] == []


def test_many_stages_are_no_more_work_than_many_changes() -> None:
    """Images share one history: each stage sees what was before it, by value as well, and unknown stays unknown."""
    stages = "".join(
        f"  - name: s{n}\n    changes:\n      - {{name: www, type: A, from: [192.0.2.{n}], to: [192.0.2.{n + 1}]}}\n"
        '      - {name: t, type: TXT, add: ["x%d"]}\n' % n
        for n in range(1, 30)
    )
    subject = Subject(parse_plan(plan_text(Example(f"stages:\n{stages}")).encode(), "p", {}), 0.0)
    for c in subject.changes:
        if c.key.rdtype == "A":
            assert subject.before(c) == (f"192.0.2.{c.n + 1}",)
            assert subject.after(c) == (f"192.0.2.{c.n + 2}",)
            assert c.key in subject.images[c.n] or c.n == 0
        else:
            assert subject.before(c) == "unknown"
    assert len(subject.images[0]) == 0
    assert list(subject.images[1]) == [c.key for c in subject.changes if c.n == 0 and c.key.rdtype == "A"]
    assert len(replaced(subject)) == 29


ODD = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=70),
    st.text('aа_-*.@0:[]\u00df\u200d\u3002\\" ;/', min_size=1, max_size=20),
    st.from_regex(r"xn--[a-z0-9-]{1,12}", fullmatch=True),
)


@settings(max_examples=150, deadline=None)
@given(name=ODD, target=ODD, text=ODD, host=ODD, rdtype=st.sampled_from(["CNAME", "MX", "TXT", "SRV", "A"]))
def test_whatever_stands_in_a_plan_no_rule_breaks(name: str, target: str, text: str, host: str, rdtype: str) -> None:
    """Each text is either refused by the loader or looked at by every rule."""
    change = {"name": name, "type": rdtype, "from": [target], "to": [text, target]}
    probes = [
        {"type": "tcp", "name": "p", "target": host, "port": 1, "role": "way_back"},
        {"type": "tcp", "name": "q", "target": target, "port": 1},
    ]
    plan = {
        "version": 1,
        "name": "x",
        "zone": "example.test",
        "provider": {"type": "manual"},
        "stages": [{"name": "s", "changes": [change], "probes": probes}],
    }
    try:
        loaded = parse_plan(json.dumps(plan).encode(), "plan.yaml", {})
    except PlanInvalid:
        return
    for f in findings_of(checks_for({"plan"}), Subject(loaded, 0.0)):
        assert f.message.encode()
        assert f.hint


def test_the_findings_of_one_check_are_explained_by_the_registry() -> None:
    """`check_of` gives the loader's checks too."""
    assert check_of("DC113").find is None
    assert check_of("DC126").find is not None
