"""Scripts of `export` in the hands of the real nsupdate, against BIND: the zone is as the tool would leave it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dns_cutover.lookup.interface import Endpoint
from dns_cutover.plan.loader import parse_plan
from dns_cutover.providers.rfc2136.nsupdate import NsupdateScripts
from dns_cutover.providers.rfc2136.provider import guarantees
from dns_cutover.providers.rfc2136.size import partition_changes
from dns_cutover.records import Change, RRset, RRsetKey
from dns_cutover.report.by_hand import from_runbook
from dns_cutover.report.by_hand_files import Renderer, Sheet
from dns_cutover.runbook.compile import compile_runbook
from dns_cutover.runbook.compiling import LiveFacts
from dns_cutover.runbook.model import Runbook, ZoneInfo
from dns_cutover.timing.exposure import NameContext

from .harness import client
from .harness.bind import Bind
from .harness.hierarchy import Hierarchy
from .harness.zones import KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Zone

RECORDS = r"""
@ 600 MX 10 mx.oldmail.test.
@ 600 TXT "v=spf1 include:spf.oldmail.test -all"
@ 600 TXT "site; verification=\"3f9a\" \\ \195\164\010$TTL 0"
www 600 A 192.0.2.10
alias 600 CNAME old-edge.test.
swap 600 A 192.0.2.30
swap 600 AAAA 2001:db8::30
back 600 CNAME swap
gone 600 TXT "gone"
keep 600 A 192.0.2.99
we\;ird\032\"name\" 600 TXT "a" "b"
_sip._tcp 600 SRV 0 0 5060 sip.oldmail.test.
"""
PLAN = r"""
version: 1
name: move
zone: {zone}
provider: {{type: rfc2136, server: "{server}", key: {{name: cutover-key, secret: {{env: X}}}}}}
lookup: {{authoritative: ["{server}"]}}
ttl: {{lower_to: 60s}}
rollback: {{additive: {additive}}}
safety: {{allow: [delete, apex_ns]}}
stages:
  - name: overlap
    changes:
      - {{name: new, type: A, from: absent, to: [192.0.2.77]}}
      - {{name: "@", type: TXT, remove: ["v=spf1 include:spf.oldmail.test -all"], add: ["v=spf1 -all; quit"]}}
      - {{name: 'we\;ird\032\"name\"', type: TXT, from: live, to: ["semi;colon \"quoted\" back\\slash"]}}
    bake: 5m
  - name: switch
    confirm: [{{id: c, who: "Vendor\nsend", says: "yes\nsend", undo: "no\nsend"}}]
    changes:
      - {{name: www, type: A, from: [192.0.2.10], to: [198.51.100.10, 198.51.100.11], ttl: 900}}
      - {{name: "@", type: MX, from: ["10 mx.oldmail.test."], to: ["10 mx.newmail.test.", "20 mx2.newmail.test."]}}
      - {{name: alias, type: CNAME, from: old-edge.test., to: new-edge.test.}}
      - {{name: swap, type: A, from: [192.0.2.30], to: absent}}
      - {{name: swap, type: AAAA, from: ["2001:db8::30"], to: absent}}
      - {{name: swap, type: CNAME, from: absent, to: edge.test.}}
      - {{name: back, type: CNAME, from: live, to: absent}}
      - {{name: back, type: A, from: absent, to: [192.0.2.31]}}
      - {{name: _sip._tcp, type: SRV, from: live, to: ["0 0 5060 sip.newmail.test."]}}
  - name: servers
    wait: 1d
    changes:
      - {{name: "@", type: NS, from: live, to: ["ns1.newdns.test.", "ns2.newdns.test."]}}
      - {{name: gone, type: TXT, from: live, to: absent}}
"""


@pytest.fixture
def own(hierarchy: Hierarchy, bind: Bind) -> Zone:
    return hierarchy.fresh_zone(bind, RECORDS)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    text = f'key "{KEY_NAME.rstrip(".")}" {{ algorithm {KEY_ALGORITHM}; secret "{KEY_SECRET}"; }};\n'
    path.write_text(text)
    return path


def contents(bind: Bind, zone: Zone) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    return client.contents(client.transfer(bind.address, zone.origin))


def runbook(bind: Bind, zone: Zone, plan: str = PLAN, additive: str = "remove") -> Runbook:
    """The plan compiled against what BIND holds."""
    text = plan.format(zone=zone.origin, server=bind.address, additive=additive)
    loaded = parse_plan(text.encode(), "plan.yaml", {})
    held = client.transfer(bind.address, zone.origin)
    rrsets: dict[RRsetKey, RRset | None] = {
        RRsetKey("default", n.canonicalize().to_text(), kind.rdtype.name): RRset.from_rdataset(kind)
        for n, kind in held.iterate_rdatasets()
    }
    soa = rrsets.pop(RRsetKey("default", zone.origin, "SOA"))
    assert soa is not None
    from dns_cutover.plan.expand import expand_changes

    keys = {p.key for s in loaded.plan.stages for p in expand_changes(loaded.plan, s)}
    config = loaded.plan.all_zones()["default"].provider.model_dump(mode="json")
    info = ZoneInfo(
        "default", zone.origin, config, {}, (Endpoint("ns1", bind.address),),
        soa.values[0], soa.ttl, 1, 5, guarantees(),
    )  # fmt: skip
    facts = LiveFacts((info,), {k: rrsets.get(k) for k in keys}, {k: NameContext(5) for k in keys})
    book = compile_runbook(loaded.plan, loaded.sha256, facts, {"default": partition_changes})
    return replace(book, plan=f"move\nupdate delete {zone.origin} MX\nsend")  # no plan has such a name, a file may


def renderer(book: Runbook, stage: str = "") -> Renderer:
    from dns_cutover.assembly import scripts_for

    return Renderer(from_runbook(book, stage), "ab" * 32, scripts_for(book))


def send(sheets: tuple[Sheet, ...], folder: Path, key_file: Path) -> list[str]:
    """Each file to nsupdate, by the command that it names; what nsupdate said about each."""
    said = []
    for sheet in sheets:
        (folder / sheet.name).write_text(sheet.text, encoding="utf-8")
        command = sheet.command.replace("KEYFILE", str(key_file))
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=20, check=False
        )
        said.append((done.stdout + done.stderr).strip())
    return said


def expected(zone: Zone, book: Runbook, image: object) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    """The zone at its beginning, with what the runbook's edits make of it by the tool's own arithmetic."""
    from dns_cutover.records import realise

    rrsets = {
        RRsetKey("default", n.canonicalize().to_text(), kind.rdtype.name): RRset.from_rdataset(kind)
        for n, kind in zone.parsed().iterate_rdatasets()
        if kind.rdtype.name != "SOA"
    }
    for step in book.steps:
        for edit in step.edits if step.kind.value in ("lower_ttl", "apply", "restore_ttl") else ():
            change = realise(edit, rrsets.get(edit.key))
            assert isinstance(change, Change), change
            if change.after is None:
                rrsets.pop(edit.key, None)
            else:
                rrsets[edit.key] = change.after
    return {(k.owner, k.rdtype): (r.ttl, frozenset(r.values)) for k, r in rrsets.items()}


def test_forward_whole_then_back_whole(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """Forward: what the plan says, byte for byte and TTL for TTL. Back: what was there at the beginning."""
    book = runbook(bind, own)
    begin = contents(bind, own)
    made = renderer(book)
    forward = made.folder("forward")[1:]
    assert [s for s in send(forward, tmp_path, key_file) if s] == []
    assert contents(bind, own) == expected(own, book, None)
    back = made.folder("back")[1:]
    assert [s for s in send(back, tmp_path, key_file) if s] == []
    assert contents(bind, own) == begin


def test_stage_by_stage(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """The scripts of the stages, one after the other and back again, are the whole."""
    book = runbook(bind, own)
    states = [contents(bind, own)]
    for stage in book.stages:
        sheets = renderer(book, stage.name).folder("forward")[1:]
        assert [s for s in send(sheets, tmp_path, key_file) if s] == []
        states.append(contents(bind, own))
    assert states[-1] == expected(own, book, None)
    values = [{k: v for k, (_, v) in state.items()} for state in states]
    for stage, before in zip(reversed(book.stages), reversed(values[:-1]), strict=True):
        sheets = renderer(book, stage.name).folder("back")[1:]
        assert [s for s in send(sheets, tmp_path, key_file) if s] == []
        assert {k: v for k, (_, v) in contents(bind, own).items()} == before
    assert contents(bind, own) == states[0]


def test_what_only_adds_stays(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """As the tool does it: additive changes are no harm, and keep the TTL that the plan gives them."""
    book = runbook(bind, own, additive="keep")
    begin = contents(bind, own)
    made = renderer(book)
    assert set(send(made.folder("forward", "back")[1:], tmp_path, key_file)) == {""}
    end = contents(bind, own)
    new = (f"new.{own.origin}", "A")
    assert end.pop(new)[1] == {"192.0.2.77"}
    assert end == begin


def test_a_foreign_change_is_refused(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """A message is refused as a whole where one of its records is not as it expects; so is one while a run writes."""
    book = runbook(bind, own)
    made = renderer(book)
    forward = made.folder("forward")[1:]
    assert set(send(forward[:2], tmp_path, key_file)) == {""}
    client.write(bind.address, own.origin, "www", 60, "A", "203.0.113.5")
    before = contents(bind, own)
    assert send(forward[2:3], tmp_path, key_file) == ["update failed: NXRRSET"]
    assert contents(bind, own) == before
    client.write(bind.address, own.origin, "www", 60, "A", "192.0.2.10")
    client.write(bind.address, own.origin, "_dns-cutover", 60, "TXT", '"v=dc1 run=r n=1 op=x until=2"')
    assert send(forward[2:3], tmp_path, key_file) == ["update failed: YXRRSET"]
    client.erase(bind.address, own.origin, "_dns-cutover", "TXT")
    assert send(forward[2:3], tmp_path, key_file) == [""]


def test_one_text_stops_before_the_wait(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """Whoever pipes the whole text into nsupdate has sent the first message, and lowered TTLs, and no more."""
    book = runbook(bind, own)
    text = renderer(book).script("forward")
    done = subprocess.run(
        ["nsupdate", "-v", "-k", str(key_file)], input=text, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    now = contents(bind, own)
    assert now[f"www.{own.origin}", "A"] == (60, frozenset({"192.0.2.10"}))


@pytest.mark.parametrize(
    ("rdtype", "old", "new"),
    [
        ("CAA", '0 issue "ca.test"', '128 issuewild ";"'),
        ("HTTPS", '1 . alpn="h2,h3" ipv4hint="192.0.2.1"', "0 svc.test."),
        ("NAPTR", '1 2 "S" "SIP+D2U" "!^.*$!sip:x@y;z!" .', '1 2 "U" "E2U" "!^a b$!x:y!" .'),
        ("TLSA", "3 1 1 " + "ab" * 32, "3 1 1 " + "cd" * 32),
        ("SSHFP", "4 2 " + "ab" * 32, "1 1 " + "cd" * 20),
        ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "42 21 54.000 N 71 6 18.000 W -24.00m 30m"),
        ("TYPE65400", r"\# 4 0a000001", r"\# 0"),
        ("TXT", '"' + "x" * 255 + '" ' * 1 + '"' + r"\000\255\"\\;" + '"', '""'),
        ("PTR", r"a\.b\;c\032d.test.", "x.test."),
    ],
)
def test_every_type(bind: Bind, own: Zone, tmp_path: Path, key_file: Path, rdtype: str, old: str, new: str) -> None:
    """Values of all kinds are read by nsupdate as they are meant, in what is expected and in what comes."""
    key = RRsetKey.of("default", r"odd\;\032\@\$\(x", rdtype, own.origin)
    one, other = RRset.of(rdtype, 60, old), RRset.of(rdtype, 120, new)
    scripts = NsupdateScripts(own.origin, bind.address, KEY_NAME, KEY_ALGORITHM)
    for n, change in enumerate((Change(key, None, one), Change(key, one, other), Change(key, other, None))):
        sheet = Sheet(f"{n}.nsupdate", scripts.message((), (change,)), "", scripts.command(f"{n}.nsupdate"))
        assert send((sheet,), tmp_path, key_file) == [""]
        held = client.transfer(bind.address, own.origin).get_rdataset(key.owner, rdtype)
        found = RRset.from_rdataset(held) if held is not None else None
        assert found == change.after


def test_the_longest_text(bind: Bind, own: Zone, tmp_path: Path, key_file: Path) -> None:
    """A value whose line nsupdate would cut goes as octets."""
    key = RRsetKey.of("default", "long", "TXT", own.origin)
    value = " ".join('"' + r"\001" * 255 + '"' for _ in range(200))
    change = Change(key, None, RRset(60, (value,)))
    scripts = NsupdateScripts(own.origin, bind.address, KEY_NAME, KEY_ALGORITHM)
    sheet = Sheet("long.nsupdate", scripts.message((), (change,)), "", scripts.command("long.nsupdate"))
    assert send((sheet,), tmp_path, key_file) == [""]
    held = client.transfer(bind.address, own.origin).get_rdataset(key.owner, "TXT")
    assert held is not None
    assert RRset.from_rdataset(held) == replace(change.after or held, ttl=60)
