"""What a stranger may write into a plan, and every place in which it can stand."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

CANARY = "canary-7f3a9c-not-to-be-seen"

# Each would do something where it is not taken as mere text. `MARK` shows where the payload stands in an output.
PAYLOADS = {
    "command": "$(touch PWNED) `touch PWNED`; touch PWNED | touch PWNED",
    "variable": "${HOME} $HOME ${env:CANARY} {env: CANARY} %CANARY%",
    "escape": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H \x9b31m",
    "carriage": "fine\rPWNED\r\nPWNED\x08\x08\x0b\x0c",
    "rich": "[red]x[/red] [link=https://evil.test]y[/link] [/] [bold",
    "workflow": "x\n::error file=a,line=1::PWNED\n::set-output name=a::b\n::add-mask::c %0A::stop-commands::d",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)> &lt;b&gt; ]]> <!-- -->",
    "markdown": "[a](https://evil.test) ![b](https://evil.test/c.png) @all #1 | x | ``` ~~~ **d** <https://evil.test>",
    "bidi": "\u202eredro ni \u2066x\u2069 \u200f\u061c",
    "invisible": "a\u200bb\u200dc\u2060d\ufeffe\u00adf\U000e0041",
    "homoglyph": "ехаmрlе \u0410\u0391A\u2028\u2029\u0085",
    "surrogate": "a\ud800b\udfff",
    "nul": "a\x00b\x7f",
    "long": "x" * 70_000,
    "combining": "Z" + "\u0334" * 2000,
    "formula": '=HYPERLINK("https://evil.test")\t@SUM(1)',
    "jinja": "{{ 7*7 }} {% include '/etc/passwd' %} ${{ secrets.CANARY }}",
    "path": "../../../../etc/shadow",
    "zip": "!!python/object/apply:os.system ['touch PWNED']",
}

EVERYTHING = """\
version: 1
name: everything
summary: All keys that a plan can have.
owner: sre@example.test
variables: {id: u42}
zones:
  public:
    zone: example.test
    provider: {type: rfc2136, server: "192.0.2.53:53", key: {name: k, algorithm: hmac-sha256, secret: {env: CANARY}}}
    lookup:
      bootstrap: [192.0.2.1]
      authoritative: [192.0.2.53]
      ignore: [{server: 192.0.2.99, because: being decommissioned}]
      resolvers: [{preset: public}, {name: office, address: 192.0.2.1, transport: udp}]
  private:
    zone: example.test
    provider: {type: rfc2136, server: ns.example.test, key: {name: k, secret: {file: /etc/shadow}}}
ttl: {lower_to: 60s, restore: original, resolver_floor: [0s], client_floor: 60s}
propagation: {resolvers: 95%, deadline: 15m, on_deadline: {wrong: rollback, unreachable: pause}, violators: warn}
rollback:
  {automatic: true, scope: run, additive: keep, after: restore_ttl, until: "2031-01-01T00:00:00Z", max_pause: 30m}
safety: {max_changes: 50, allow: [delete], ignore: [{check: DC305, because: the vendor caps TTLs}]}
stages:
  - name: switch
    summary: The move.
    wait: 1h
    bake: 5m
    commit: never
    ttl: {lower_to: 30s}
    window: {days: mon-thu, from: "09:00", to: "16:00", timezone: Europe/Berlin}
    unchanged: ["mail/A"]
    confirm: [{id: ready, who: Ann, says: "Bound to ${id}.", by: person, undo: Ann unbinds., timeout: 24h}]
    changes:
      - {in: [public], name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"], expect: {one_of: ["192.0.2.21"]}}
      - {in: [public, private], names: [a, b], type: CNAME, from: live, to: www.example.test.}
      - {in: [public], name: "@", type: TXT, remove: ["v=spf1 -all"], add: ["v=spf1 a -all"], expect: {ends_at: x.test}}
    probes:
      - {type: tcp, name: tcp, target: 192.0.2.20, port: 443, interval: 10s}
      - {type: http, name: http, url: "https://www.example.test/", headers: {X-Probe: "yes"}, role: way_back}
      - {type: command, name: command, argv: [touch, PWNED], interval: 10s}
      - {type: smtp, name: smtp, target: mx.example.test, starttls: required}
      - {type: dns, name: dns, question: www.example.test., rrtype: A, server: 192.0.2.53, expect: ["192.0.2.20"]}
"""

Path = tuple[str | int, ...]


def texts(data: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every text in plain data."""
    if isinstance(data, str):
        yield path
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from texts(value, (*path, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from texts(value, (*path, n))


def mappings(data: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every mapping: a payload can be a key as well."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from mappings(value, (*path, key))
    elif isinstance(data, list):
        for n, value in enumerate(data):
            yield from mappings(value, (*path, n))


def changed(data: Any, path: Path, change: Any) -> Any:
    """A copy in which the value at `path` is what `change` makes of it."""
    out = copy.deepcopy(data)
    if not path:
        return change(out)
    inner = out
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = change(inner[path[-1]])
    return out


def as_yaml(data: Any) -> bytes:
    """The plan as a file. Double quotes carry everything, a lone surrogate too."""
    text = yaml.safe_dump(data, sort_keys=False, default_style='"', width=1_000_000, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def everything() -> Any:
    """A plan with all keys, as plain data."""
    return yaml.safe_load(EVERYTHING)


def hostile_plans(payload: str) -> Iterator[tuple[str, bytes]]:
    """(where, file) with the payload in the place of each text, behind each text, and as a key of each mapping."""
    plan = everything()
    for path in texts(plan):
        where = ".".join(map(str, path))
        yield where, as_yaml(changed(plan, path, lambda _: payload))
        yield f"{where}+", as_yaml(changed(plan, path, lambda old: old + payload))
    for path in mappings(plan):
        yield ".".join(map(str, path)) + "?", as_yaml(changed(plan, path, lambda old: {**old, payload: "x"}))
