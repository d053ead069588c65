"""First plans: each template makes a plan that is valid and says what is live, whatever the zone's text is."""

from __future__ import annotations

from types import MappingProxyType

import dns.name
import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dns_cutover.assembly import Setting, check_beginning
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.plan.entries import plan_values
from dns_cutover.plan.expand import expand_changes
from dns_cutover.plan.loader import LoadedPlan, parse_plan
from dns_cutover.plan.mail_vendors import VENDORS, vendor_named
from dns_cutover.plan.schema import plan_schema
from dns_cutover.plan.starting import Found, Record, Unfit, check_answer, parse_record, settle, split_answer
from dns_cutover.plan.template import TEMPLATES, Source, default_file, questions, render, template_named
from dns_cutover.plan.yamlscalar import yaml_value
from dns_cutover.plan.yamltext import parse_yaml
from dns_cutover.records import RRset, absolute_name, quote_text

APEX = "@ 3600 IN SOA ns1 hostmaster 7 7200 900 1209600 300\n@ 3600 IN NS ns1\n"
SIMPLE = APEX + (
    '@ 300 IN A 192.0.2.10\n@ 3600 IN MX 10 mx.old.example.\n@ 3600 IN TXT "v=spf1 -all"\n'
    "www 300 IN A 192.0.2.10\nwww 600 IN AAAA 2001:db8::10\n"
)
ODD = APEX + (
    "@ 30 IN A 192.0.2.10\n@ 30 IN MX 0 .\n"
    'www 300 IN A 192.0.2.11\nwww 300 IN HTTPS 1 . alpn="h2" ipv4hint=192.0.2.11\n'
    "*.apps 60 IN A 192.0.2.12\nwe\\.ird\\032name 60 IN A 192.0.2.13\n\\@ 60 IN A 192.0.2.14\n"
    'no 60 IN TXT "no"\n'
)
HOSTILE = APEX + (
    "www 300 IN A 192.0.2.10\n@ 300 IN MX 10 mx.old.example.\n"
    '@ 300 IN TXT "a \\"quote\\", a ${variable}, $${two}" "${" "# no comment" "]: {, &a *a !!x"\n'
    '@ 300 IN TXT "\\195\\188\\226\\128\\174\\010stages: []"\n'
    "long._domainkey 300 IN TXT " + " ".join(f'"v=DKIM1; p={"A" * 240}"' for _ in range(5)) + "\n"
    '_dmarc 300 IN TXT "absent"\nlive 300 IN TXT "live"\nempty 300 IN TXT ""\n'
)
ZONES = {
    "simple": ("example.test.", SIMPLE),
    "odd": ("example.test.", ODD),
    "hostile": ("example.test.", HOSTILE),
    "idna": (absolute_name("bücher.example"), SIMPLE),
    "classless": ("0/25.2.0.192.in-addr.arpa.", SIMPLE + "1 300 IN PTR host.example.\n"),
    "upper": ("EXAMPLE.Test.".lower(), SIMPLE),
}
GIVEN = {
    "web": {"new_v4": ["93.184.216.99"], "new_v6": ["2606:2800:220:1::99"]},
    "web-blue-green": {"new_v4": ["93.184.216.99"], "new_v6": ["2606:2800:220:1::99"]},
    "mx": {"new_mx": ["10 mx1.new.example", "20 mx2.new.example."]},
    "cdn-cname": {"target": ["shop.cdn.example"]},
    "ttl-only": {"ttl": ["7m"]},
    "create-name": {"api/A": ["93.184.216.7"], "api/TXT": ["${hello}"]},
    "generic": {},
    "sendgrid": {"sendgrid_user": ["u42"], "sendgrid_subdomain": ["em4242"]},
    "mailgun": {"mailgun_id": ["a1b2c3"], "mailgun_region": ["eu"]},
    "ses": {"ses_token1": ["t1"], "ses_token2": ["t2"], "ses_token3": ["t3"], "ses_region": ["eu-central-1"]},
    "postmark": {"postmark_selector": ["20260310pm"], "postmark_key": ["k=rsa;p=MIGf"]},
    "google": {"google_key": ["v=DKIM1; k=rsa; p=MIIB"]},
    "microsoft365": {
        "microsoft_selector1": ["selector1-example-test._domainkey.tenant.onmicrosoft.com"],
        "microsoft_selector2": ["selector2-example-test._domainkey.tenant.onmicrosoft.com"],
        "microsoft_mx": ["example-test.mail.protection.outlook.com"],
    },
    "fastmail": {},
    "proton": {"proton_id": ["dabc1234"]},
}
VENDOR_NAMES = [v.name for v in VENDORS]
SCHEMA = jsonschema.Draft202012Validator(plan_schema())
SOURCE = Source("2026-11-24T13:25:05Z")


def found_of(zone: str, text: str, wildcards: dict[str, str] | None = None) -> Found:
    version = ZoneVersion.from_text(zone, text)
    return Found(zone, version.soa, version.rrsets, MappingProxyType(wildcards or {}), ("ns1 192.0.2.53",))


def known_always(found: Found) -> dict[str, list[str]]:
    return {"key": ["cutover"], "server": [found.primary or "192.0.2.53"]}


def begin(
    name: str, found: Found, given: dict[str, list[str]], records: tuple[Record, ...] = (), source: Source = SOURCE
) -> str:
    template = template_named(name)
    chosen = records or template.choose(found)
    asked = questions(template, found, chosen)
    known = {q.name for q in asked}
    settled = settle(asked, known_always(found) | {k: v for k, v in given.items() if k in known}, found)
    assert not settled.wrong
    assert not settled.missing
    return render(template, found, chosen, settled.answers, source)


def checked(text: str, found: Found) -> LoadedPlan:
    """The plan as it loads, without errors, valid by the schema, and with `from` as it is live."""
    findings = check_beginning(text, "p.yaml", found, Setting())
    assert [f.message for f in findings if f.severity == "error"] == []
    errors = [e.message for e in SCHEMA.iter_errors(parse_yaml(text.encode(), "p.yaml").data)]
    assert errors == []
    return parse_plan(text.encode(), "p.yaml", {})


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", GIVEN)
def test_each_template_makes_a_valid_plan_of_each_zone(name: str, zone: str) -> None:
    """Without errors, and with what is live under `from`."""
    found = found_of(*ZONES[zone])
    given: dict[str, list[str]] = GIVEN[name]
    records: tuple[Record, ...] = ()
    if name == "create-name":
        records = (parse_record("api/A", found.zone), parse_record("api/TXT", found.zone))
    if name == "generic":
        # Everything there is that init changes at all, to something else or to nothing.
        records = tuple(sorted(r for r in found.rrsets if r[1] not in ("SOA", "NS")))
        given = {f"{found.shown(o)}/{t}": ["other text"] if t == "TXT" else ["absent"] for o, t in records}
    plan = checked(begin(name, found, given, records), found)
    assert plan.plan.zones["default"].zone == found.zone
    touched = {p.key for s in plan.plan.stages for p in expand_changes(plan.plan, s)}
    assert touched
    if name == "generic":
        assert {(k.owner, k.rdtype) for k in touched} == set(records)


def customer_of(name: str) -> Found:
    """A domain whose mail is the vendor's: its records are there, and its SPF is included."""
    vendor = vendor_named(name)
    answers = {q.name: tuple(GIVEN[name].get(q.name, q.default)) for q in vendor.ask}
    spf = f"include:{vendor.include} " if vendor.include else ""
    lines = [APEX, "@ 300 IN A 192.0.2.10\n", f'@ 3600 IN TXT "v=spf1 {spf}-all"\n@ 3600 IN TXT "verification"\n']
    for owner, rdtype, value in vendor.publish(answers, "example.test"):
        lines.append(f"{owner} 3600 IN {rdtype} {quote_text(value) if rdtype == 'TXT' else value}\n")
    for value in vendor.mx(answers, "example.test") if vendor.mx is not None else ():
        lines.append(f"@ 3600 IN MX {value}\n")
    return found_of("example.test.", "".join(lines))


@pytest.mark.parametrize(("old", "new"), [(o, n) for o in VENDOR_NAMES for n in VENDOR_NAMES if o != n])
def test_from_each_vendor_to_each_other_one(old: str, new: str) -> None:
    """Both may send during the overlap, MX moves where the new vendor takes mail, the old one goes two weeks later."""
    plan = checked(begin(new, customer_of(old), {**GIVEN[new], "from": [old]}), customer_of(old)).plan
    names = [s.name for s in plan.stages]
    assert names[0] == "overlap"
    assert names[-1] == "retire"
    assert ("switch" in names) == (vendor_named(new).mx is not None)
    retire = plan.stages[-1]
    assert (retire.wait, retire.commit) == (14 * 86400.0, "before")
    assert [c.id for c in retire.confirm] == ["unused"]
    # Nothing of the old vendor is taken away before.
    assert all(c.from_ == "absent" or c.add for c in plan.stages[0].changes)
    both = [i for v in (old, new) if (i := vendor_named(v).include)]
    added = [t for c in plan.stages[0].changes for t in c.add if t.startswith("v=spf1")]
    assert all(f"include:{i}" in t for t in added for i in both)


def test_what_does_not_fit_a_vendor() -> None:
    """The same vendor, one that nobody knows, a name that is in use, and SPF that is broken already."""
    zone = APEX + '@ 300 IN TXT "v=spf1 -all"\ns1._domainkey 300 IN TXT "v=DKIM1; p="\n'
    for text, told, message in [
        (zone, {**GIVEN["sendgrid"]}, "s1._domainkey has TXT already"),
        (APEX, {**GIVEN["sendgrid"], "from": ["sendgrid"]}, "leaves the vendor that it goes to"),
        (APEX, {**GIVEN["sendgrid"], "from": ["pigeon"]}, "no vendor that is known"),
    ]:
        with pytest.raises(Unfit, match=message) as caught:
            begin("sendgrid", found_of("example.test.", text), told)
        assert caught.value.hint
    for record, message in [('"v=spf1 foo -all"', "is broken"), ('"v=spf1 -all"\n@ 300 IN TXT "v=spf1 ~all"', "2 SPF")]:
        with pytest.raises(Unfit, match=message):
            begin("fastmail", found_of("example.test.", f"{APEX}@ 300 IN TXT {record}\n"), {})


def test_all_templates_are_tested() -> None:
    """One answer set for each."""
    assert {t.name for t in TEMPLATES} == set(GIVEN)


def test_the_schema_is_named_where_it_is_beside_the_plan() -> None:
    """For editors; a link that leads nowhere would be marked as an error."""
    found = found_of(*ZONES["simple"])
    with_schema = begin("ttl-only", found, {}, source=Source("now", schema="./plan.schema.json"))
    assert with_schema.startswith("# yaml-language-server: $schema=./plan.schema.json\n")
    assert "$schema" not in begin("ttl-only", found, {})


def test_servers_of_the_command_line_stay_in_the_plan() -> None:
    """A private zone is looked at the same way later."""
    found = found_of(*ZONES["simple"])
    text = begin("ttl-only", found, {"ttl": ["1h"]}, source=Source("now", ("192.0.2.1:53",), ("192.0.2.2",)))
    lookup = checked(text, found).plan.zones["default"].lookup
    assert lookup.authoritative == ("192.0.2.1:53",)
    assert lookup.bootstrap == ("192.0.2.2",)
    assert lookup.resolvers == ()


def test_the_primary_is_guessed_from_the_soa_and_can_be_told() -> None:
    """And where the SOA names none, it is asked."""
    found = found_of(*ZONES["simple"])
    assert "server: ns1.example.test\n" in begin("ttl-only", found, {"ttl": ["60"]})
    assert 'server: "192.0.2.1:5353"\n' in begin("ttl-only", found, {"ttl": ["60"], "server": ["192.0.2.1:5353"]})
    nameless = Found(found.zone, RRset.of("SOA", 60, ". h. 1 2 3 4 5"), found.rrsets)
    missing = settle(questions(template_named("ttl-only"), nameless, [(found.zone, "A")]), {}, nameless).missing
    assert [q.name for q in missing] == ["server", "key"]


def test_a_change_of_a_wildcard_and_a_deletion_are_allowed_by_name() -> None:
    """What the plan does is asked for; what it needs is said in it."""
    found = found_of("example.test.", ODD)
    records = (parse_record("*.apps/A", found.zone), parse_record("www/HTTPS", found.zone))
    text = begin("generic", found, {"*.apps/A": ["192.0.2.1"], "www/HTTPS": ["absent"]}, records)
    assert checked(text, found).plan.safety.allow == ("delete", "wildcard")


def test_addresses_that_stay_behind_are_told() -> None:
    """A move of A alone leaves IPv6 users where they are."""
    found = found_of("example.test.", SIMPLE)
    text = begin("web", found, {"new_v4": ["192.0.2.99"]}, (parse_record("www/A", found.zone),))
    assert "# www has addresses of the other family, which stay as they are." in text


def test_a_name_under_a_wildcard_is_created_and_the_comment_says_so() -> None:
    """The wildcard's answer is not the name's own data: `from` is absent."""
    found = found_of("example.test.", ODD, {"new.apps.example.test.": "*.apps.example.test."})
    record = parse_record("new.apps/A", found.zone)
    text = begin("create-name", found, {"new.apps/A": ["192.0.2.1"]}, (record,))
    assert "# The wildcard *.apps answers for this name today" in text
    assert checked(text, found).plan.stages[0].changes[0].from_ == "absent"


def test_the_alias_and_the_addresses_that_it_replaces_are_one_stage() -> None:
    """So that at no moment there is nothing."""
    found = found_of("example.test.", ODD)
    plan = checked(begin("cdn-cname", found, GIVEN["cdn-cname"]), found).plan
    changes = {c.type: (c.from_, c.to) for c in plan.stages[0].changes}
    assert changes == {
        "A": (("192.0.2.11",), "absent"),
        "HTTPS": (('1 . alpn="h2" ipv4hint="192.0.2.11"',), "absent"),
        "CNAME": ("absent", ("shop.cdn.example.",)),
    }
    assert plan.safety.allow == ()


@pytest.mark.parametrize(
    ("name", "record", "given", "message"),
    [
        ("web", "www/MX", {}, "this template moves addresses"),
        ("web", "alias/A", {}, "alias is an alias of"),
        ("mx", "www/A", {}, "this template moves MX"),
        ("cdn-cname", "@/CNAME", {}, "cannot be an alias"),
        ("cdn-cname", "text/CNAME", {}, "text has TXT"),
        ("cdn-cname", "www/A", {}, "for one name"),
        ("create-name", "www/A", {}, "is there already"),
        ("create-name", "alias/TXT", {}, "an alias and other data"),
        ("create-name", "www/CNAME", {}, "an alias and other data"),
        ("ttl-only", "gone/A", {}, "is not there"),
        ("ttl-only", "www/A", {"ttl": ["300"]}, "have the TTL 300 already"),
        ("web", "www/A", {"new_v4": ["192.0.2.10"]}, "is 192.0.2.10 already"),
        ("generic", "www/A", {"www/A": ["192.0.2.10"]}, "is 192.0.2.10 already"),
        ("web-blue-green", "www/A", {"new_v4": ["192.0.2.9"], "green": ["alias"]}, "alias is there already"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    name: str, record: str, given: dict[str, list[str]], message: str
) -> None:
    """Before anything is written, with the next act."""
    found = found_of("example.test.", SIMPLE + 'alias 60 IN CNAME www\ntext 60 IN TXT "x"\n')
    with pytest.raises(Unfit, match=message) as caught:
        begin(name, found, given, (parse_record(record, found.zone),))
    assert caught.value.hint


def test_an_empty_zone_has_nothing_to_choose_from() -> None:
    """Each template says what to name."""
    found = found_of("example.test.", APEX)
    for name in ("generic", "web", "web-blue-green", "mx", "ttl-only", "create-name"):
        with pytest.raises(Unfit) as caught:
            begin(name, found, {})
        assert "--record" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["www", "/A", "www/", "www/NOPE", "www.other.test./A", "@/SOA", "@/NS", "x/DS", "a..b/A"]
)
def test_records_that_make_no_plan_are_refused(text: str) -> None:
    """The zone's own records, names elsewhere, and what is no record at all."""
    with pytest.raises(ValueError, match=r"no record|not a record|outside|writes no plan|empty label"):
        parse_record(text, "example.test.")


def test_everything_that_is_wrong_or_missing_is_told_at_once() -> None:
    """One round with the command line, not five."""
    found = found_of("example.test.", SIMPLE)
    asked = questions(template_named("web"), found, template_named("web").choose(found))
    settled = settle(asked, {"new_v4": ["192.0.2.300"], "secretenv": ["x"], "algorithm": ["a", "b"]}, found)
    assert [name for name, _ in settled.wrong] == ["secretenv", "new_v4", "algorithm"]
    assert "did you mean secret_env?" in settled.wrong[0][1]
    assert [q.name for q in settled.missing] == ["new_v6", "key"]


def test_answers_are_taken_as_people_give_them() -> None:
    """A host with dots is absolute, one without is in the zone; a prompt takes commas; a TTL may have a unit."""
    found = found_of("example.test.", SIMPLE)
    asked = {q.name: q for q in questions(template_named("mx"), found, [(found.zone, "MX")])}
    values = split_answer(asked["new_mx"], " 10 mx1.new.example , 20 mail")
    assert check_answer(asked["new_mx"], values, found) == ("10 mx1.new.example.", "20 mail.example.test.")
    ttl = questions(template_named("ttl-only"), found, [(found.zone, "A")])[0]
    assert check_answer(ttl, ["5m"], found) == ("300",)
    with pytest.raises(ValueError, match="TTL"):
        check_answer(ttl, ["soon"], found)


def test_templates_are_found_by_their_beginning() -> None:
    """As runs are."""
    assert template_named("cdn").name == "cdn-cname"
    assert template_named("web").name == "web"
    with pytest.raises(Unfit, match="no template") as caught:
        template_named("mail")
    assert "fastmail" in caught.value.hint


@pytest.mark.parametrize(
    "zone", [".", "example.test.", "0/25.2.0.192.in-addr.arpa.", "a" * 63 + ".test.", "\\000.test."]
)
def test_file_names_have_nothing_that_a_shell_or_a_path_reads(zone: str) -> None:
    """A zone's name may have a slash, or anything."""
    name = default_file(zone, template_named("web-blue-green"))
    assert name.endswith("-web-blue-green.yaml")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert name[0] not in ".-"


labels = st.one_of(
    st.sampled_from(["www", "*", "_dmarc", "@", "$ORIGIN", "a.b", "${x}", "no", "absent"]).map(str.encode),
    st.binary(min_size=1, max_size=12),
)
owners = st.lists(labels, min_size=1, max_size=3).map(
    lambda ls: absolute_name(dns.name.Name([*ls, b"example", b"test", b""]).to_text())
)
texts = st.one_of(
    st.text(max_size=400),
    st.sampled_from(
        ["absent", "live", "${x}", "$${x}", "${", "- x", "a: b", "# c", "~", "no", "'", '"', "\u202e", "\ufeff"]
    ),
)
txt_rdata = st.one_of(
    texts.map(lambda t: quote_text(t.encode("utf-8", "replace"))),
    st.lists(st.binary(max_size=255), min_size=1, max_size=4).map(lambda bs: " ".join(quote_text(b) for b in bs)),
)


@st.composite
def zones(draw: st.DrawFn) -> Found:
    rrsets: dict[Record, RRset] = {}
    for owner in draw(st.lists(owners, min_size=1, max_size=4, unique=True)):
        match draw(st.sampled_from(["TXT", "MX", "CNAME", "A", "CAA"])):
            case "TXT":
                values = draw(st.lists(txt_rdata, min_size=1, max_size=3))
            case "MX":
                values = [f"{n} {draw(owners)}" for n in range(draw(st.integers(1, 2)))]
            case "CNAME":
                values = [draw(owners)]
            case "CAA":
                values = [f"0 issue {quote_text(draw(st.binary(max_size=40)))}"]
            case _:
                values = [str(draw(st.ip_addresses(v=4)))]
        rdtype = "TXT" if values[0].startswith('"') else "CAA" if values[0].startswith("0 issue") else ""
        rdtype = rdtype or ("MX" if " " in values[0] and values[0][0].isdigit() else "")
        rdtype = rdtype or ("A" if values[0].replace(".", "").isdigit() else "CNAME")
        rrsets[owner, rdtype] = RRset.of(rdtype, draw(st.integers(0, 2**31 - 1)), *values)
    soa = RRset.of("SOA", 3600, f"{draw(owners)} hostmaster.example.test. 1 2 3 4 5")
    return Found("example.test.", soa, MappingProxyType(rrsets))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zones(), texts)
def test_no_text_of_a_zone_or_an_answer_changes_the_plan(found: Found, answer: str) -> None:
    """Any zone -> init -> load: one stage with one change for each RRset, and `from` as it is live."""
    records = tuple(sorted(found.rrsets))
    given_answers = {f"{found.shown(o)}/{t}": ["absent"] for o, t in records}
    new = (absolute_name("fresh", found.zone), "TXT")
    records = (*records, new)
    given_answers["fresh/TXT"] = [answer or "x"]
    try:
        wanted = plan_values("TXT", check_answer(questions_of(found, records)["fresh/TXT"], [answer or "x"], found))
    except ValueError:
        return  # no TXT data at all, such as a quote that is not closed: init says so
    text = begin("generic", found, given_answers, records)
    loaded = checked(text, found)
    data = parse_yaml(text.encode(), "p").data
    assert list(data) == ["version", "name", "summary", "zone", "provider", "lookup", "ttl", "safety", "stages"]
    assert list(data["stages"][0]) == ["name", "summary", "changes", "bake"] or "unchanged" in data["stages"][0]
    planned = {(p.key.owner, p.key.rdtype): p for p in expand_changes(loaded.plan, loaded.plan.stages[0])}
    assert planned.keys() == set(records)
    for record in records[:-1]:
        assert planned[record].before == found.rrsets[record].values
    assert plan_values("TXT", planned[new].after or ()) == wanted


def questions_of(found: Found, records: tuple[Record, ...]):
    return {q.name: q for q in questions(template_named("generic"), found, records)}


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_a_text_is_one_scalar_for_every_reader(text: str) -> None:
    """For the loader with its YAML 1.2, and for tools that read YAML 1.1."""
    line = yaml_value(text)
    assert "\n" not in line
    wanted = text.replace("${", "$${")
    assert parse_yaml(f"a: [{line}, x]".encode(), "p").data == {"a": [wanted, "x"]}
    assert yaml.safe_load(f"a: {{b: {line}}}") == {"a": {"b": wanted}}
