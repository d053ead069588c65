"""Plans and zones of any size: what the benchmarks are made of."""

from __future__ import annotations

CHANGES = 10_000
STAGES = 10

_HEAD = """\
version: 1
name: {name}
zone: {zone}
provider: {{type: rfc2136, server: {server}, key: {{name: k, secret: {{env: BENCH_TSIG}}}}}}
lookup: {{authoritative: ["{server}"]}}
safety: {{max_changes: {count}, allow: [split]}}
stages:
"""


def _octets(n: int) -> str:
    return f"{n // 250}.{n % 250 + 1}"


def _records(n: int) -> tuple[str, str, str]:
    """Type, old and new data of the n-th record: a zone has some of everything, and most are addresses."""
    match n % 10:
        case 7:
            return "CNAME", f"h{n - 1}.example.test.", f"h{n - 2}.example.test."
        case 8:
            return "TXT", f'"old-{n}"', f'"new-{n}"'
        case 9:
            return "MX", "10 mx.oldmail.test.", "10 mx.newmail.test."
        case _:
            return "A", f"198.18.{_octets(n)}", f"198.19.{_octets(n)}"


def big_plan(server: str = "192.0.2.53", count: int = CHANGES) -> str:
    """A plan that changes `count` records in ten stages."""
    lines = [_HEAD.format(name="big", zone="example.test", server=server, count=count)]
    for stage in range(STAGES):
        lines.append(f"  - name: s{stage}\n    bake: 30m\n    probes:\n")
        lines.append(f"      - {{type: tcp, name: back{stage}, target: 192.0.2.10, port: 443, role: way_back}}\n")
        lines.append("    changes:\n")
        for n in range(stage * count // STAGES, (stage + 1) * count // STAGES):
            rdtype, old, new = _records(n)
            lines.append(f"      - {{name: h{n}, type: {rdtype}, from: ['{old}'], to: ['{new}'], ttl: 300}}\n")
    return "".join(lines)


def big_zone(count: int = CHANGES) -> str:
    """The records that `big_plan` finds, as zone text."""
    return "".join(f"h{n} 300 {rdtype} {old}\n" for n in range(count) for rdtype, old, _ in (_records(n),))


def octodns_zone(count: int = CHANGES) -> str:
    """The same records after the change, as octoDNS's YAML provider reads them."""
    lines = ["---\n"]
    for n in range(count):
        rdtype, _, new = _records(n)
        value = f"{{preference: 10, exchange: {new.split()[1]}}}" if rdtype == "MX" else new
        lines.append(f"h{n}: {{ttl: 300, type: {rdtype}, value: {value}}}\n")
    return "".join(lines)


def ordinary_plan(number: int) -> str:
    """One of many plans as people write them: five changes in two stages."""
    text = _HEAD.format(name=f"move{number}", zone=f"z{number}.test", server="192.0.2.53", count=50)
    for stage, names in (("first", ("www", "api")), ("second", ("mail", "ftp", "cdn"))):
        text += f"  - name: {stage}\n    bake: 30m\n    probes:\n"
        text += (
            f"      - {{type: tcp, name: {stage}-back, target: 192.0.2.10, port: 443, role: way_back}}\n    changes:\n"
        )
        for name in names:
            text += f'      - {{name: {name}, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"], ttl: 300}}\n'
    return text
