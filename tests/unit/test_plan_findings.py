"""Plans with mistakes: every mistake is one finding, at the exact place, with what would be right.

In the texts `<<DC104|expekt>>` marks where a finding is expected; the marks are taken out before loading.
"""

import re

import pytest

from dns_cutover.plan.finding import PLAN_CHECKS, Finding, PlanInvalid
from dns_cutover.plan.loader import LoadedPlan, parse_plan

HEAD = """\
version: 1
name: demo
zone: example.test
provider:
  type: rfc2136
  server: 192.0.2.53
  key: {name: cutover, secret: {env: CUTOVER_TSIG}}
"""
STAGE = """\
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}
"""
MANUAL = "provider: {type: manual}\n"
MARK = re.compile(r"<<(DC\d{3})\|(.*?)>>")


def unmark(marked: str) -> tuple[str, set[tuple[str, int, int, int]]]:
    """The text without marks, and the places (id, line, column, end column) that were marked."""
    lines, places = [], set()
    for number, line in enumerate(marked.split("\n"), 1):
        while (m := MARK.search(line)) is not None:
            line = line[: m.start()] + m[2] + line[m.end() :]
            places.add((m[1], number, m.start() + 1, m.start() + 1 + len(m[2])))
        lines.append(line)
    return "\n".join(lines), places


def problems(text: str | bytes, **variables: str) -> tuple[Finding, ...]:
    """Errors and warnings of a plan, however it loads."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        return parse_plan(raw, "plan.yaml", variables).warnings
    except PlanInvalid as exc:
        return exc.findings


def load(text: str) -> LoadedPlan:
    return parse_plan(text.encode(), "plan.yaml", {})


def expect_marked(marked: str, *messages: str) -> tuple[Finding, ...]:
    text, places = unmark(marked)
    found = problems(text)
    assert {(f.id, f.line, f.column, f.end_column) for f in found} == places, [
        (f.id, f.line, f.column, f.end_column, f.message) for f in found
    ]
    assert len(found) == len(places)
    shown = " / ".join(f"{f.message} {f.hint}" for f in found)
    for message in messages:
        assert message in shown
    assert all(f.id in PLAN_CHECKS and f.file == "plan.yaml" for f in found)
    return found


def stages(*changes: str, rest: str = "") -> str:
    """The head and one stage with the given changes in flow style; `rest` is further keys of the stage."""
    lines = "".join(f"      - {change}\n" for change in changes)
    return f"{HEAD}stages:\n  - name: switch\n    changes:\n{lines}{rest}"


def test_a_plan_with_many_mistakes_tells_them_all_at_once() -> None:
    """Mistakes of form, of meaning and of variables, in one answer, in the order of the file."""
    found = expect_marked(
        """\
version: 1
name: <<DC106|not a name>>
zone: example.test
<<DC104|ownr>>: sre@example.test
variables:
  <<DC108|spare>>: x
provider:
  type: rfc2136
  server: 192.0.2.53
  key: {name: cutover, algorithm: <<DC106|hmac-md5>>, secret: <<DC119|aHVudGVyMg==>>}
ttl:
  lower_to: <<DC106|soon>>
  client_floor: <<DC106|60>>
rollback: {automatic: <<DC106|no>>}
stages:
  - name: first
    bake: <<DC106|5 minutes>>
    changes:
      - {name: <<DC111|www.elsewhere.org.>>, type: A, from: absent, to: ["192.0.2.1"]}
      - {name: api, type: A, from: absent, to: [<<DC112|not-an-address>>, "192.0.2.3"]}
      - {name: www, type: A, from: ["192.0.2.1"], to: <<DC116|["192.0.2.1"]>>}
      - {name: "<<DC107|${nowhere}>>", type: TXT, from: absent, to: ["x"]}
  - name: <<DC118|first>>
    window: {days: mon-thu, from: "09:00", to: "16:00", timezone: <<DC106|Europe/Berlim>>}
    changes:
      - {name: two, type: <<DC112|CNAM>>, from: absent, to: [a.test.]}
      - {name: "@", type: <<DC114|CNAME>>, from: absent, to: a.test.}
    probes:
      - {type: tcp, name: mx, target: mx.example.test, port: 25, <<DC104|consecutive_failures_limit>>: 3}
      - {type: <<DC106|ftp>>, name: ftp}
""".replace("<<DC107|${nowhere}>>", "<<DC107|XX>>").replace('"<<DC107|XX>>"', '<<DC107|"${nowhere}">>')
    )
    assert [f.line for f in found] == sorted(f.line for f in found)


@pytest.mark.parametrize(
    ("marked", "messages"),
    [
        ("version: <<DC109|2>>\n", ["supported versions: 1"]),
        ("version: <<DC109|true>>\n", ["supported versions: 1"]),
        ('version: <<DC109|"1">>\n', ["supported versions: 1"]),
    ],
)
def test_an_unknown_version_names_the_supported_ones(marked: str, messages: list[str]) -> None:
    """Whatever else it is, version 1 is written as 1."""
    expect_marked(marked + "name: demo\nzone: example.test\n" + MANUAL + STAGE, *messages)


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ("<<DC120|{name: www, type: A, to: [192.0.2.1]}>>", ["from is missing"]),
        ("<<DC120|{name: www, type: A}>>", ["says what becomes"]),
        ("<<DC120|{name: www, names: [a], type: A, ttl: 5}>>", ["either name or names"]),
        ("<<DC120|{name: www, type: A, from: absent, to: [192.0.2.1], add: [192.0.2.1]}>>", ["not both"]),
        ("<<DC120|{name: www, type: A, from: [], to: absent}>>", ["write absent"]),
        ("{<<DC104|nme>>: www, type: A, ttl: 5}", ["unknown key nme in a change", "did you mean name?"]),
        ("{name: www, type: A, <<DC104|shift>>: {to: []}, ttl: 5}", ["unknown key shift", "known here: add"]),
        ("{name: www, type: A, ttl: <<DC106|-5>>}", ["a TTL is"]),
        ("{name: www, type: A, ttl: <<DC106|1.5s>>}", ["whole number of seconds"]),
        ("{name: www, type: A, ttl: <<DC106|2147483648>>}", ["2147483647"]),
        ("{name: www, type: A, ttl: <<DC106|true>>}", ["a TTL is"]),
        ("{name: www, type: A, from: absent, to: [<<DC106|1.5>>]}", ["put it in quotes"]),
        ("{name: www, type: A, from: <<DC106|5>>, to: absent}", ["list of texts"]),
        ("{name: www, type: <<DC112|AXFR>>, ttl: 5}", ["query type"]),
        ("{name: '@', type: <<DC120|SOA>>, ttl: 5}", ["belong to the server"]),
        ("{name: <<DC110|a..b>>, type: A, ttl: 5}", ["empty label"]),
        ("{names: [ok, <<DC111|x.example.org.>>], type: A, ttl: 5}", ["outside the zone example.test"]),
        ("{name: www, type: A, from: <<DC112|here>>, to: absent}", ["is not A data"]),
        ("{name: x, type: TXT, remove: [a, b], add: <<DC116|[b]>>}", ["both removed and added"]),
        ("{name: x, type: CNAME, from: absent, to: <<DC114|[a.test., b.test.]>>}", ["RFC 2181"]),
        ("{name: x, type: CNAME, add: <<DC114|[a.test., b.test.]>>}", ["2 values"]),
        ("{in: [<<DC117|defaulx>>], name: x, type: A, ttl: 5}", ["did you mean default?"]),
        ("{name: www, type: A, ttl: 5, expect: <<DC106|{}>>}", ["exactly one of"]),
        ("{name: www, type: A, ttl: 5, expect: {cidr: <<DC106|[192.0.2.1/24]>>}}", ["host bits zero"]),
        ("{name: www, type: A, ttl: 5, expect: {one_of: [<<DC112|x>>]}}", ["is not A data"]),
        ("{name: www, type: A, ttl: 5, expect: {ends_at: <<DC110|a..b>>}}", ["empty label"]),
        ("{name: <<DC124|www.example.test>>, type: A, ttl: 5}", ["means www.example.test.example.test"]),
        ("{name: m, type: MX, from: absent, to: [<<DC124|10 mx.example.test>>]}", ["write mx.example.test."]),
        ("{name: m, type: MX, from: [10 mx.old.test.], to: [<<DC124|10 mx.new.test>>]}", ["mx.new.test.example.test"]),
        ("{name: m, type: CNAME, from: a.old.test., to: <<DC124|a.new.test>>}", ["write a.new.test."]),
    ],
)
def test_a_change_that_does_not_make_sense(change: str, messages: list[str]) -> None:
    """Each mistake in a change is found at the value or key that is wrong."""
    marked = stages(re.sub(r"\[(192\.0\.2\.1)\]", r'["\1"]', change))
    found = expect_marked(marked, *messages)
    assert {f.stage for f in found} == {"switch"}
    assert all(f.record for f in found)


@pytest.mark.parametrize(
    ("rest", "messages"),
    [
        ("    unchanged: [<<DC125|www/A>>]\n", ["both changed and unchanged"]),
        ("    unchanged: [mail/MX, <<DC106|www>>]\n", ["write name/TYPE"]),
        ("    unchanged: [<<DC112|mail/NIX>>]\n", ["is not a record type"]),
        ("    unchanged: [<<DC110|a..b/A>>]\n", ["empty label"]),
        ("    unchanged: [<<DC111|a.example.org./A>>]\n", ["outside the plan's zones"]),
        ("    <<DC104|buke>>: 5m\n", ["unknown key buke in a stage", "did you mean bake?"]),
        ("    bake: <<DC106|5>>\n", ["such as 5s"]),
        ("    commit: <<DC106|beforex>>\n", ["did you mean before?"]),
        ("    window: <<DC122|{from: '09:00', to: '09:00', timezone: UTC}>>\n", ["never opens"]),
        ("    window: {days: <<DC122|[]>>, from: '09:00', to: '10:00', timezone: UTC}\n", ["it has no days"]),
        ("    window: {days: <<DC106|mo-fr>>, from: '09:00', to: '10:00', timezone: UTC}\n", ["mon-thu"]),
        ("    window: {from: <<DC106|9:00>>, to: '10:00', timezone: UTC}\n", ['written as "09:00"']),
        ("    window: {from: <<DC106|32400>>, to: '10:00', timezone: ../../etc}\n", ["no such time zone"]),
        ("    confirm:\n      - <<DC105|{>>id: a, who: b}\n", ["the key says is missing in a confirmation"]),
        ("    confirm:\n      - {id: a, who: b, says: c, by: probe, probe: <<DC123|p>>}\n", ["no probe p"]),
        ("    confirm:\n      - {id: a, who: b, says: c, timeout: <<DC106|1>>}\n", ["such as 1s"]),
        ("    confirm:\n      - <<DC106|{id: a, who: b, says: c, by: probe}>>\n", ["names the probe"]),
        ("    probes: <<DC106|5>>\n", ["a list is needed"]),
        ("    probes: [<<DC106|tcp>>]\n", ["a mapping of keys"]),
        ("    probes:\n      - <<DC105|{name: x}>>\n", ["the key type is missing in a probe"]),
    ],
)
def test_a_stage_that_does_not_make_sense(rest: str, messages: list[str]) -> None:
    """Gates, windows and assertions of a stage are checked as well."""
    marked = HEAD + STAGE + rest
    if "DC105|{>>id" in marked:  # the position of a missing key is the mapping that lacks it
        marked = marked.replace("<<DC105|{>>id: a, who: b}", "<<DC105|{id: a, who: b}>>")
    if "32400" in marked:  # two mistakes in one mapping
        marked = marked.replace("../../etc", "<<DC106|../../etc>>")
    expect_marked(marked, *messages)


@pytest.mark.parametrize(
    ("probe", "messages"),
    [
        ("{type: tcp, name: p, target: h, port: <<DC106|0>>}", ["port"]),
        ("{type: tcp, name: p, target: <<DC106|'h:25'>>, port: 25}", ["the port has a key of its own"]),
        ("{type: tcp, name: p, target: h, port: 25, interval: <<DC106|0s>>}", ["more than 0"]),
        ("{type: tcp, name: p, target: h, port: 25, consecutive_successes: <<DC106|x>>}", ["a whole number"]),
        ("{type: tcp, name: p, target: h, port: 25, report_only: <<DC106|yes>>}", ["YAML 1.2"]),
        ("{type: http, name: p, url: <<DC106|ftp://x/>>}", ["must match"]),
        ("{type: http, name: p, url: <<DC106|'https://'>>}", ["a host"]),
        ("{type: http, name: p, url: <<DC119|'https://u:geheim@x/'>>}", ["must not stand in a plan"]),
        ("{type: http, name: p, url: 'https://x/', headers: <<DC119|{Authorization: Bearer geheim}>>}", ["secret"]),
        ("{type: http, name: p, url: 'https://x/', headers: <<DC106|{'a b': c}>>}", ["header's name"]),
        ('{type: http, name: p, url: "https://x/", headers: <<DC106|{a: "b\\nc: d"}>>}', ["one line"]),
        ("{type: http, name: p, url: 'https://x/', address: <<DC106|x.test>>}", ["IP address"]),
        ("{type: http, name: p, url: 'https://x/', verify: <<DC106|no>>}", ["true, false, or"]),
        ("{type: http, name: p, url: 'https://x/', expect_status: [<<DC106|999>>]}", ["599"]),
        ("{type: dns, name: p, question: x.test., server: <<DC106|ns.test>>}", ["is no IP address"]),
        ("{type: dns, name: p, question: x.test., rrtype: <<DC112|NIX>>, server: 192.0.2.1}", ["record type"]),
        ("{type: dns, name: p, question: <<DC110|a..b>>, server: 192.0.2.1}", ["empty label"]),
        ("{type: dns, name: p, question: x.test., server: 192.0.2.1, expect: [<<DC112|y>>]}", ["is not A data"]),
        ("{type: command, name: p, argv: <<DC106|[]>>}", ["argv"]),
        ("{type: command, name: p, argv: <<DC106|['']>>}", ["the command is empty"]),
        ("{type: smtp, name: p, target: h, starttls: <<DC106|maybe>>}", ["is no value of starttls"]),
    ],
)
def test_a_probe_that_could_not_run(probe: str, messages: list[str]) -> None:
    """What would fail in the middle of a run is refused before it."""
    found = expect_marked(HEAD + STAGE + f"    probes:\n      - {probe}\n", *messages)
    assert [f.record for f in found] == ["probe p"]
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    ("second", "messages"),
    [
        ("{name: www, type: A, from: <<DC115|['192.0.2.1']>>, to: absent}", ["write from: 192.0.2.2"]),
        ("{name: www, type: A, add: <<DC115|['192.0.2.2']>>}", ["will have 192.0.2.2 already"]),
        ("{name: www, type: A, remove: <<DC115|['192.0.2.9']>>}", ["will not have 192.0.2.9"]),
        ("{name: gone, type: A, ttl: <<DC115|60>>}", ["will be absent"]),
        ("{name: txt, type: TXT, add: <<DC115|[new]>>}", ["already"]),
        ("{name: txt, type: TXT, remove: <<DC115|[old]>>}", ["will not have"]),
        ("{name: txt, type: TXT, from: <<DC115|[other]>>, to: absent}", ["edit by value"]),
        ("{name: txt, type: TXT, from: <<DC115|[new, old]>>, to: absent}", ["take it out of from"]),
        ("{name: www, type: <<DC114|CNAME>>, from: absent, to: x.test.}", ["would stand beside A"]),
        ("{name: alias, type: <<DC114|MX>>, from: absent, to: [10 x.test.]}", ["would stand beside MX"]),
        ("{name: www, type: A, from: live, to: absent}", []),
        ("{name: www, type: A, from: ['192.0.2.2'], to: absent}", []),
        ("{name: gone, type: CNAME, from: absent, to: x.test.}", []),
        ("{name: txt, type: TXT, remove: [new], add: [old]}", []),
        ("{name: other, type: TXT, add: [new]}", []),
    ],
)
def test_a_later_stage_is_held_against_what_earlier_ones_leave(second: str, messages: list[str]) -> None:
    """Contradictions show without asking DNS; what the plan cannot know is left to the live view."""
    marked = f"""{HEAD}stages:
  - name: one
    changes:
      - {{name: www, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}}
      - {{name: gone, type: A, from: live, to: absent}}
      - {{name: alias, type: CNAME, from: absent, to: x.test.}}
      - {{name: txt, type: TXT, remove: [old], add: [new]}}
  - name: two
    changes:
      - {second}
"""
    expect_marked(marked, *messages)


def test_a_change_of_type_is_one_stage() -> None:
    """A CNAME may come where other data goes in the same stage."""
    expect_marked(
        stages(
            '{name: x, type: A, from: ["192.0.2.1"], to: absent}', "{name: x, type: CNAME, from: absent, to: y.test.}"
        )
    )
    expect_marked(stages("{name: x, type: A, ttl: 60}", "{name: x, type: <<DC114|CNAME>>, from: absent, to: y.test.}"))


def test_the_same_rrset_twice_in_a_stage() -> None:
    """Names compare as DNS does, whichever way they are written."""
    expect_marked(
        stages("{name: www, type: A, ttl: 5}", "<<DC113|{name: WWW.example.test., type: a, ttl: 6}>>"),
        "www A is changed twice in stage switch",
    )


def test_names_that_are_used_twice() -> None:
    """Stages, probes (in the whole plan) and confirmations (in a stage) have names of their own."""
    probe = "{type: tcp, name: %s, target: h, port: 25}"
    marked = f"""{HEAD}stages:
  - name: one
    changes: [{{name: a, type: A, ttl: 5}}]
    confirm: [{{id: x, who: w, says: s}}, {{id: <<DC118|x>>, who: w, says: s}}]
    probes: [{probe % "p"}]
  - name: <<DC118|one>>
    changes: [{{name: b, type: A, ttl: 5}}]
    confirm: [{{id: x, who: w, says: s}}]
    probes: [{probe % "<<DC118|p>>"}]
"""
    expect_marked(marked, "two stages are named one", "two probes are named p", "two confirmations are named x")


@pytest.mark.parametrize(
    ("head", "messages"),
    [
        ("name: demo\nzone: a.test\n" + MANUAL, ["the key version is missing"]),
        ("version: 1\nzone: a.test\n" + MANUAL, ["the key name is missing"]),
        ("version: 1\nname: demo\n", ["zone and provider, or zones"]),
        ("version: 1\nname: demo\nzone: a.test\n", ["zone and provider, or zones"]),
        (f"version: 1\nname: demo\nzone: a.test\nzones: {{a: {{zone: a.test, {MANUAL.strip()}}}}}\n", ["not both"]),
    ],
)
def test_what_a_plan_cannot_do_without(head: str, messages: list[str]) -> None:
    """A missing key at the top is told at the beginning of the file."""
    found = problems(head + STAGE)
    assert [(f.line, f.column) for f in found] == [(1, 1)]
    assert messages[0] in f"{found[0].message} {found[0].hint}"


@pytest.mark.parametrize(
    ("provider", "messages"),
    [
        ("{type: <<DC106|bind>>}", ["known types: 'rfc2136', 'route53', 'octodns', 'manual'"]),
        ("{type: rfc2136, server: <<DC106|'h:0'>>, key: {name: k, secret: {env: X}}}", ["port"]),
        ("{type: rfc2136, server: h, key: {name: <<DC106|a..b>>, secret: {env: X}}}", ["empty label"]),
        ("{type: rfc2136, server: h, key: {name: k, secret: <<DC106|{env: X, file: Y}>>}}", ["{env: NAME}"]),
        ("{type: rfc2136, server: h, key: {name: k, secret: <<DC106|{}>>}}", ["{env: NAME}"]),
        ("{type: rfc2136, server: h, key: {name: k, secret: <<DC119|null>>}}", ["{env: NAME} or {file: PATH}"]),
        ("{type: route53, <<DC104|zoneid>>: Z1}", ["did you mean zone_id?"]),
        ("{type: octodns, config: x.yaml, provider: y}", []),
        ("{type: route53, zone_id: Z1, profile: p, region: eu-central-1}", []),
    ],
)
def test_providers(provider: str, messages: list[str]) -> None:
    """Each provider has its own keys; a secret is only ever named."""
    expect_marked(f"version: 1\nname: demo\nzone: example.test\nprovider: {provider}\n{STAGE}", *messages)


@pytest.mark.parametrize(
    ("lookup", "messages"),
    [
        ("{authoritative: <<DC106|5>>}", ["write auto, or a list"]),
        ("{authoritative: [192.0.2.1, <<DC106|ns1.test>>]}", ["is no IP address"]),
        ("{authoritative: [192.0.2.1, '[2001:db8::1]:5353']}", []),
        ("{resolvers: [{preset: <<DC106|googel>>}]}", ["did you mean google?"]),
        ("{resolvers: [{name: x, <<DC104|addres_>>: 192.0.2.1}]}", ["did you mean address?"]),
        ("{resolvers: [{name: x, address: 192.0.2.1, transport: <<DC106|doh>>}]}", ["is no value of transport"]),
        ("{ignore: [{server: 192.0.2.1, because: <<DC106|x>>}]}", ["at least 3"]),
        ("{bootstrap: [<<DC106|'[::1'>>]}", ["[2001:db8::1]:53"]),
    ],
)
def test_lookup(lookup: str, messages: list[str]) -> None:
    """Servers are addresses, for a name would have to be looked up first."""
    expect_marked(HEAD + f"lookup: {lookup}\n" + STAGE, *messages)


def test_a_provider_without_a_type() -> None:
    """What is missing in a mapping is told at the mapping's key."""
    marked = "version: 1\nname: demo\nzone: example.test\n<<DC105|provider>>: {server: x}\n" + STAGE
    expect_marked(marked, "the key type is missing in provider")


def test_several_zones() -> None:
    """A finding about one zone of several is at that zone; unknown references suggest known ones."""
    text = """\
version: 1
name: demo
zones:
  public: {zone: example.test, provider: {type: manual}}
  private: {zone: <<DC106|a..b>>, provider: {type: manual}}
stages: [{name: s, changes: [{in: [public], name: www, type: A, ttl: 5}]}]
"""
    expect_marked(text)
    good = text.replace("<<DC106|a..b>>", "example.test")
    expect_marked(good)
    expect_marked(good.replace("[public]", "[<<DC117|pubic>>]"), "did you mean public?")
    expect_marked(good.replace("  private", "  <<DC106|a b>>"), "must match")


def test_a_zone_that_is_no_name() -> None:
    """In the short form it is told at the top."""
    expect_marked(HEAD.replace("example.test", "<<DC110|a..b>>") + STAGE, "empty label")


@pytest.mark.parametrize(
    ("rollback", "messages"),
    [
        ("{until: <<DC106|2026-03-10T16:00:00>>}", ["needs an offset or Z"]),
        ("{until: <<DC106|1773154800>>}", ["a time is written as"]),
        ("{until: <<DC106|soon>>}", ["valid datetime"]),
        ("{scope: <<DC106|stages>>}", ["did you mean stage?"]),
        ("{max_pause: <<DC106|4000d>>}", ["longer than ten years"]),
        ("{until: null}", []),
    ],
)
def test_rollback(rollback: str, messages: list[str]) -> None:
    """Times have an offset, for the runner's own zone is nobody's intention."""
    expect_marked(HEAD + f"rollback: {rollback}\n" + STAGE, *messages)


def test_variables_that_are_wrong() -> None:
    """Undefined, unclosed and nested references are errors; what follows from them is not told besides."""
    change = "{name: a, type: A, from: absent, to: [%s]}"
    variables = "variables: {known: '192.0.2.1'}\n"
    plan = stages(change % '<<DC107|"${knowm}">>', change.replace("name: a", "name: b") % '"${known}"')
    expect_marked(variables + plan, "did you mean known?")
    plan = stages(change % '<<DC107|"${known">>', change.replace("name: a", "name: b") % '"${known}"')
    expect_marked(variables + plan, "not closed")
    plan = stages(change % '"${known}"')
    expect_marked(
        "variables: {known: '192.0.2.1', other: <<DC107|'${known}'>>, <<DC108|third>>: x}\n"
        + plan.replace("name: switch", 'name: switch\n    summary: "${other}"')
    )
    expect_marked(stages("{name: a, type: A, ttl: 60}") + '    bake: <<DC107|"${bake}">>\n', "defined: none")


def test_a_variable_given_on_the_command_line_must_be_declared() -> None:
    """A misspelt --var would otherwise do nothing."""
    found = problems("variables: {speed: 5m}\n" + HEAD + STAGE + "    bake: ${speed}\n", sped="1m")
    assert [(f.id, f.line) for f in found] == [("DC107", 1)]
    assert "did you mean speed?" in found[0].hint


def test_secrets_do_not_show() -> None:
    """Neither findings nor the lines shown beside them have a secret that stands in the plan, and columns stay."""
    text = (
        """\
version: 1
name: demo
variables: {api_token: geheim0}
zone: example.test
provider:
  type: rfc2136
  server: 192.0.2.53
  key: {name: cutover, secret: "geheim1", algorithm: bad}
  password: >
    geheim2
    geheim3
"""
        + STAGE
        + """\
    probes:
      - {type: http, name: a, url: 'https://x/', headers: {Cookie: geheim4, Accept: text}}
      - {type: http, name: b, url: 'https://x/', token: geheim5}
"""
    )
    with pytest.raises(PlanInvalid) as caught:
        load(text)
    error = caught.value
    assert "geheim" not in "".join(error.lines) + repr(error.findings) + str(error)
    assert "text" in "".join(error.lines)
    assert "stages:" in error.lines
    assert "secret: •••••••••, algorithm: bad" in error.lines[7]
    assert {"DC104", "DC106", "DC119"} <= {f.id for f in error.findings}
    assert [len(line) for line in error.lines[:8]] == [len(line) for line in text.split("\n")[:8]]
    for shape in ("key: cutover:geheim", "key: [geheim]", "key: {name: k, secret: {value: geheim}}"):
        with pytest.raises(PlanInvalid) as caught:
            load(text.replace('key: {name: cutover, secret: "geheim1", algorithm: bad}', shape))
        assert "geheim" not in "".join(caught.value.lines) + repr(caught.value.findings)


def test_the_error_counts_errors_and_warnings_apart() -> None:
    """The message is one line; the exit code is that of a plan that is not valid."""
    with pytest.raises(PlanInvalid) as caught:
        load("variables: {unused: x}\n" + stages("{name: a, type: A}", "{name: a..b, type: A, ttl: 5}"))
    assert str(caught.value) == "plan.yaml is not valid: 2 errors"
    assert [f.severity for f in caught.value.findings] == ["warning", "error", "error"]
    assert caught.value.exit_code == 3


def test_variables_that_would_fill_the_memory() -> None:
    """A long value used often is refused before it is filled in."""
    names = "".join(f'      - {{name: h{n}, type: TXT, from: absent, to: ["${{v}}"]}}\n' for n in range(2000))
    found = problems(f"{HEAD}variables: {{v: {'x' * 100_000}}}\nstages:\n  - name: s\n    changes:\n{names}")
    assert [(f.id, f.line) for f in found if f.id == "DC103"] == [("DC103", 12 + 104)]


def test_names_and_zones_multiply_within_bounds() -> None:
    """A thousand names in a thousand zones are not looked at one by one."""
    zones = "".join(f"  z{n}: {{zone: z{n}.test, provider: {{type: manual}}}}\n" for n in range(1000))
    names = ", ".join(f"h{n}" for n in range(1000))
    change = f"{{names: [{names}], type: A, ttl: 5}}"
    marked = f"version: 1\nname: p\nzones:\n{zones}stages: [{{name: s, changes: [<<DC120|{change}>>, {change}]}}]\n"
    expect_marked(marked, "more than 200000 RRsets")
    unchanged = ", ".join(["h/A"] * 199 + ["<<DC120|h/A>>", "h/A"])
    change = "{in: [z0], name: a, type: A, ttl: 5}"
    marked = (
        f"version: 1\nname: p\nzones:\n{zones}stages: [{{name: s, changes: [{change}], unchanged: [{unchanged}]}}]\n"
    )
    expect_marked(marked, "more than 200000 RRsets")


def test_messages_stay_short() -> None:
    """A value as long as the file is not repeated in full."""
    found = problems(stages(f"{{name: a, type: A, from: absent, to: [{'x' * 100_000}]}}"))
    assert [f.id for f in found] == ["DC112"]
    assert len(found[0].message) <= 400
    found = problems(stages(f"{{name: a, type: CNAME, from: absent, to: {'ü' * 1_000_000}}}"))
    assert "more than any CNAME data can have" in found[0].message


def test_what_nobody_reads_is_not_told() -> None:
    """Ten thousand mistakes give as many findings as one can look at, and take no longer than reading the file."""
    found = problems(stages(*(f"{{name: h{n}, type: A, tll: 5}}" for n in range(10_000))))
    assert len(found) == 200
    assert {f.id for f in found} == {"DC104"}
    assert [f.line for f in found] == list(range(11, 211))


def test_warnings_crowd_out_no_error() -> None:
    """However many warnings there are, one error makes the plan invalid."""
    variables = "variables: {" + ", ".join(f"v{n}: x" for n in range(300)) + "}\n"
    found = problems(variables + stages("{name: a..b, type: A, ttl: 5}"))
    assert [f.id for f in found if f.severity == "error"] == ["DC110"]
    assert sum(f.severity == "warning" for f in found) == 200
