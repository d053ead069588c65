"""`export`, and `validate` with --owner-file and --probe, as commands."""

import asyncio
import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dns_cutover.cli.main import main
from dns_cutover.engine.events import Created
from dns_cutover.engine.journal import to_envelope
from dns_cutover.lab.server import Authoritative
from dns_cutover.lab.zone import ZoneVersion
from dns_cutover.runbook.codec import parse_runbook, runbook_json, runbook_sha256
from dns_cutover.store.open import open_store

ZONE = """\
@ 3600 IN SOA ns1 host 1 7200 900 1209600 300
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
www 3600 IN A 192.0.2.10
@ 3600 IN TXT "v=spf1 a -all"
@ 3600 IN TXT "other=1"
a-www 300 IN TXT "heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/web"
"""
PLAN = """\
version: 1
name: web
zone: example.test
provider: {{type: rfc2136, server: 192.0.2.53, key: {{name: k, secret: {{env: K}}}}}}
lookup: {{authoritative: ["127.0.0.1:{port}"]}}
safety: {{ignore: [{{check: DC901, because: "paused for the move"}}]}}
stages:
  - name: web
    changes:
      - {{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}}
  - name: mail
    changes:
      - {{name: "@", type: TXT, remove: ["v=spf1 a -all"], add: ["v=spf1 -all"]}}
"""
END = (
    "; example.test. after web\n"
    'example.test. 3600 IN TXT "other=1"\n'
    'example.test. 3600 IN TXT "v=spf1 -all"\n'
    "www.example.test. 3600 IN A 192.0.2.20\n"
)


async def call(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error; in a thread, since the server answers in this loop."""

    def run() -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(["--store", str(folder / "runs.sqlite3"), *arguments])
        assert isinstance(end.value.code, int)
        return end.value.code, out.getvalue(), err.getvalue()

    return await asyncio.to_thread(run)


@pytest.fixture
async def server():
    server = Authoritative("ns1", ZoneVersion.from_text("example.test.", ZONE))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def plan(server: Authoritative, tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.format(port=server.endpoint.port))
    return path


async def test_scripts_of_a_plan(plan: Path, tmp_path: Path) -> None:
    """Forward unless asked for back; a folder has both, one message a file, and never another move's files."""
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "nsupdate")
    assert code == 0, err
    assert "update add www.example.test. 60 A 192.0.2.20\n" in out
    code, back, _ = await call(tmp_path, "export", str(plan), "--format", "nsupdate", "--direction", "back")
    assert (code, "update add www.example.test. 3600 A 192.0.2.10\n" in back) == (0, True)
    folder = tmp_path / "scripts"
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "nsupdate", "-o", str(folder))
    assert (code, out) == (0, "")
    assert f"files in {folder}; read README.txt first" in err
    names = sorted(p.name for p in folder.iterdir())
    assert {n.partition("-")[0] for n in names} == {"README.txt", "forward", "back"}
    code, _, err = await call(tmp_path, "export", str(plan), "--format", "nsupdate", "-o", str(folder))
    assert (code, "no empty folder" in err) == (64, True)
    (tmp_path / "file").touch()
    one = ("--stage", "web", "--direction", "back", "-o", str(tmp_path / "file" / "x"))
    code, _, err = await call(tmp_path, "export", str(plan), "--format", "nsupdate", *one)
    assert (code, "cannot be written" in err) == (1, True)


async def test_the_human_runbook(plan: Path, tmp_path: Path) -> None:
    """The same plan, live view and start give the same document, whoever makes it."""
    start = ("--start", "2026-03-10T09:00+01:00")
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "markdown", *start)
    assert code == 0, err
    assert out.startswith("# Runbook: `web`\n\nSHA-256 `")
    assert "Start: Tue 2026-03-10 08:00:00 UTC" in out
    assert (await call(tmp_path, "export", str(plan), "--format", "markdown", *start))[1] == out
    code, now, _ = await call(tmp_path, "export", str(plan), "--format", "markdown")
    assert (code, now != out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "markdown", "--start", "noon"), "noon is no time"),
        (("--format", "zone", "--start", "2026-03-10"), "--start is for"),
        (("--format", "markdown", "--direction", "back"), "both directions"),
        (("--format", "nsupdate", "--stage", "wep"), "no stage wep"),
    ],
)
async def test_options_that_make_no_sense(plan: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = await call(tmp_path, "export", str(plan), *arguments)
    assert (code, out) == (64, "")
    assert said in err


async def test_the_state_after_the_way_back(plan: Path, tmp_path: Path) -> None:
    """Whole, and of one stage: what others have at the name stays."""
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "zone", "--direction", "back")
    assert code == 0, err
    assert out == (
        "; example.test. after web was taken back\n"
        'example.test. 3600 IN TXT "other=1"\n'
        'example.test. 3600 IN TXT "v=spf1 a -all"\n'
        "www.example.test. 3600 IN A 192.0.2.10\n"
    )
    one = ("--stage", "mail", "--direction", "back")
    code, out, _ = await call(tmp_path, "export", str(plan), "--format", "zone", *one)
    assert code == 0
    assert out.startswith("; example.test. after stage mail of web was taken back\n")
    assert "www.example.test. 3600 IN A 192.0.2.20\n" in out


async def test_scripts_of_a_run(plan: Path, tmp_path: Path) -> None:
    """From where it stands, without asking anybody."""
    runbook = tmp_path / "book.json"
    assert (await call(tmp_path, "preview", str(plan), "-o", str(runbook)))[0] == 0
    book = parse_runbook(runbook.read_text())
    store = open_store(str(tmp_path / "runs.sqlite3"))
    await store.append([to_envelope("7f3a", 0, Created(1.0, runbook_json(book), runbook_sha256(book), "me"))])
    await store.close()
    code, out, err = await call(tmp_path, "export", "7f", "--format", "nsupdate")
    assert code == 0, err
    assert f"; runbook {runbook_sha256(book)}\n" in out
    code, out, err = await call(tmp_path, "export", "7f", "--format", "nsupdate", "--direction", "back")
    assert (code, out, err) == (0, "", "Nothing is left to send back.\n")
    code, out, _ = await call(tmp_path, "export", "7f", "--format", "markdown")
    assert (code, "dns-cutover rollback 7f3a" in out, "1970-01-01 00:00:01" in out) == (0, True, True)


async def test_values_that_others_added(plan: Path, tmp_path: Path, server: Authoritative) -> None:
    """Without --live the script expects what was seen last, with it what is there now."""
    runbook = tmp_path / "book.json"
    assert (await call(tmp_path, "preview", str(plan), "-o", str(runbook)))[0] == 0
    book = parse_runbook(runbook.read_text())
    store = open_store(str(tmp_path / "runs.sqlite3"))
    await store.append([to_envelope("7f3a", 0, Created(1.0, runbook_json(book), runbook_sha256(book), "me"))])
    await store.close()
    server.publish(ZoneVersion.from_text("example.test.", ZONE + '@ 3600 IN TXT "new=1"\n'))
    for source in (str(runbook), "7f3a"):
        code, out, _ = await call(tmp_path, "export", source, "--format", "nsupdate")
        assert (code, 'prereq yxrrset example.test. TXT "new=1"' in out) == (0, False)
        code, out, err = await call(tmp_path, "export", source, "--format", "nsupdate", "--live")
        assert (code, 'prereq yxrrset example.test. TXT "new=1"' in out) == (0, True), err
    code, out, _ = await call(tmp_path, "export", str(runbook), "--format", "nsupdate", "--live", "--direction", "back")
    assert 'update add example.test. 60 TXT "new=1"' in out
    code, _, err = await call(tmp_path, "export", "7f3a", "--format", "zone", "--live")
    assert (code, "--live is for scripts" in err) == (64, True)


async def test_a_provider_without_scripts(plan: Path, tmp_path: Path) -> None:
    runbook = tmp_path / "book.json"
    assert (await call(tmp_path, "preview", str(plan), "-o", str(runbook)))[0] == 0
    book = parse_runbook(runbook.read_text())
    odd = replace(book, zones=tuple(replace(z, provider={**z.provider, "type": "manual"}) for z in book.zones))
    store = open_store(str(tmp_path / "runs.sqlite3"))
    await store.append([to_envelope("7f3a", 0, Created(1.0, runbook_json(odd), runbook_sha256(odd), "me"))])
    await store.close()
    code, _, err = await call(tmp_path, "export", "7f3a", "--format", "nsupdate")
    assert (code, "in a way that nsupdate knows" in err) == (64, True)


async def test_from_a_plan(plan: Path, tmp_path: Path) -> None:
    """Live values complete what the plan edits by value; JSON and text alone go to standard output."""
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "zone")
    assert (code, out, err) == (0, END, "")


async def test_from_a_runbook_and_from_a_run(plan: Path, server: Authoritative, tmp_path: Path) -> None:
    """Before the run and after it the end is the same."""
    book = tmp_path / "book.json"
    code, _, err = await call(tmp_path, "preview", str(plan), "-o", str(book))
    assert code == 0, err
    assert (await call(tmp_path, "export", str(book), "--format", "zone"))[:2] == (0, END)
    made = parse_runbook(book.read_text())
    store = open_store(str(tmp_path / "runs.sqlite3"))
    first = Created(1.0, runbook_json(made), runbook_sha256(made), "somebody")
    assert await store.append([to_envelope("ab12", 0, first)])
    await store.close()
    done = ZONE.replace("v=spf1 a -all", "v=spf1 -all").replace("192.0.2.10", "192.0.2.20")
    server.publish(ZoneVersion.from_text("example.test.", done))
    assert (await call(tmp_path, "export", "ab", "--format", "zone"))[:2] == (0, END)
    code, out, _ = await call(tmp_path, "export", "ab", "--format", "octodns", "--stage", "web")
    assert code == 0
    assert "192.0.2.20" in out
    assert 'value: "v=spf1' not in out
    assert '- "v=spf1 a -all"' in out  # the later stage's own values are still the old ones
    target = tmp_path / "www.tf"
    assert (await call(tmp_path, "export", "ab", "--format", "terraform", "-o", str(target)))[:2] == (0, "")
    assert 'resource "dns_a_record_set" "www_a"' in target.read_text()
    code, _, err = await call(tmp_path, "export", "ab", "--format", "terraform", "-o", str(target))
    assert code == 64
    assert "exists already" in err
    await server.stop()
    code, out, err = await call(tmp_path, "export", "ab", "--format", "zone")
    assert (code, out) == (1, "")
    assert "no server tells what @ TXT is now" in err


@pytest.fixture
async def second(plan: Path, server: Authoritative):
    """Another server of the same zone, which the plan then lists as well."""
    other = Authoritative("ns2", ZoneVersion.from_text("example.test.", ZONE))
    await other.start()
    list_both(plan, other.endpoint.port)
    yield other
    await other.stop()


def list_both(plan: Path, port: int) -> None:
    text = plan.read_text()
    both = text.replace('"]}\nsafety', f'", "127.0.0.1:{port}"]}}\nsafety')
    assert both != text
    plan.write_text(both)


async def test_servers_that_disagree(plan: Path, second: Authoritative, tmp_path: Path) -> None:
    """What others have at a name is not guessed from one of two answers."""
    book = tmp_path / "book.json"
    code, _, err = await call(tmp_path, "preview", str(plan), "-o", str(book))
    assert code == 0, err
    second.publish(ZoneVersion.from_text("example.test.", ZONE.replace("other=1", "other=2")))
    code, out, err = await call(tmp_path, "export", str(book), "--format", "zone")
    assert (code, out) == (1, "")
    assert "the servers disagree about @ TXT" in err


async def test_errors_are_one_message(plan: Path, tmp_path: Path) -> None:
    for arguments, code, text in (
        (("nope.yaml", "--format", "zone"), 1, "There is no such file"),
        (("ffff", "--format", "zone"), 64, "there is no run ffff"),
        ((str(plan), "--format", "zone", "--stage", "nope"), 64, "stages: web, mail"),
        ((str(plan), "--format", "cobol"), 64, "cobol"),
        ((str(plan),), 64, "--format"),
    ):
        got = await call(tmp_path, "export", *arguments)
        assert got[0] == code, got
        assert got[1] == ""
        assert text in got[2]


async def test_a_plan_that_does_not_fit(plan: Path, server: Authoritative, tmp_path: Path) -> None:
    server.publish(ZoneVersion.from_text("example.test.", ZONE.replace("192.0.2.10", "192.0.2.11")))
    code, out, err = await call(tmp_path, "export", str(plan), "--format", "zone")
    assert (code, out) == (3, "")
    assert "DC201" in err
    assert "dns-cutover validate" in err


async def test_validate_sees_who_else_keeps_the_record(plan: Path, tmp_path: Path) -> None:
    """external-dns by its mark on the live server, Terraform by its state."""
    state = tmp_path / "prod.tfstate"
    attributes = {"zone": "example.test.", "name": "www", "ttl": 300, "addresses": ["192.0.2.10"]}
    resource = {"mode": "managed", "type": "dns_a_record_set", "name": "www", "instances": [{"attributes": attributes}]}
    state.write_text(json.dumps({"version": 4, "lineage": "x", "resources": [resource]}))
    code, out, err = await call(tmp_path, "validate", str(plan), "--owner-file", str(state), "--format", "json")
    assert code == 0, err
    document = json.loads(out)
    (terraform,) = (f for f in document["findings"] if f["id"] == "DC905")
    assert "dns_a_record_set.www" in terraform["message"]
    assert "DC901" in out  # ignored, and shown


async def test_options_that_contradict_or_cannot_be_read(plan: Path, tmp_path: Path) -> None:
    code, _, err = await call(tmp_path, "validate", str(plan), "--offline", "--probe")
    assert (code, "--offline asks nobody" in err) == (64, True)
    code, _, err = await call(tmp_path, "validate", str(plan), "--offline", "--owner-file", str(tmp_path / "x.json"))
    assert (code, "cannot be read" in err) == (1, True)
    (tmp_path / "bad.json").write_text('{"secret": hunter2')
    code, _, err = await call(tmp_path, "validate", str(plan), "--offline", "--owner-file", str(tmp_path / "bad.json"))
    assert (code, "line 1, column 12" in err, "hunter2" in err) == (3, True, False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("www.example.test.", "evil\\n  IN NS attacker."), "not written as it must be"),
        (("{", "{\n"), "changed after preview wrote it"),
    ],
)
async def test_a_runbook_that_preview_did_not_write_is_not_exported(
    plan: Path, server: Authoritative, tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    """`export` reads a runbook as `run` does: a line of a stranger's would become a record of somebody's zone file."""
    book = tmp_path / "book.json"
    assert (await call(tmp_path, "preview", str(plan), "-o", str(book)))[0] == 0
    book.write_text(book.read_text().replace(*change))
    code, out, err = await call(tmp_path, "export", str(book), "--format", "zone")
    assert (code, out) == (3, "")
    assert told in " ".join(err.split())
    await server.stop()
