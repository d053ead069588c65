"""A stranger's plan is harmless (DESIGN section 11): it runs nothing, reads nothing, tells nothing, and stays text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from dns_cutover.errors import Unavailable
from dns_cutover.plan.loader import load_plan
from dns_cutover.plan.reading import read_at_most
from tests.fuzz.everything import assert_quiet, rendered, report_on
from tests.unit.hostile import CANARY, EVERYTHING, PAYLOADS, as_yaml, changed, everything, hostile_plans, texts

FORMATS = ("text", "json", "github", "junit", "sarif", "markdown")
OWN_HTML = {"<details>", "</details>", "<details open>", "<summary>", "</summary>"}
HANGS_S = 120  # a guard against hanging for ever, not a measure of speed


def replaced(payload: str) -> list[bytes]:
    plan = everything()
    return [as_yaml(changed(plan, path, lambda _: payload)) for path in texts(plan)]


def test_the_plan_that_everything_is_tried_on_is_one() -> None:
    report, loaded = report_on(EVERYTHING.encode())
    assert loaded is not None, report.findings
    assert len(list(texts(everything()))) > 90


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_payload_in_any_text_stays_text_in_every_format(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves the cursor, begins a workflow command, is a tag, an image or a link, or shows the environment."""
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.setenv("HOME", f"/{CANARY}")
    shown = 0
    for raw in replaced(PAYLOADS[kind]):
        report, _ = report_on(raw)
        for name, text in rendered(report).items():
            assert_quiet(name, text)
            shown += PAYLOADS[kind][:1] in text
            assert CANARY not in text
            assert len(text) < 3_000_000
            if name == "markdown":
                assert_plain_markdown(text)
    assert shown or not PAYLOADS[kind][0].isprintable()


@pytest.mark.parametrize("kind", ["escape", "workflow", "rich", "html", "surrogate", "nul"])
def test_a_payload_behind_any_text_or_as_any_key_stays_text(kind: str) -> None:
    for where, raw in hostile_plans(PAYLOADS[kind]):
        if where[-1] in "+?":
            report, _ = report_on(raw)
            for name, text in rendered(report).items():
                assert_quiet(name, text)
                if name == "markdown":
                    assert_plain_markdown(text)


def assert_plain_markdown(text: str) -> None:
    """No HTML but our own, no link, no image."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        for inner in (token, *(token.children or ())):
            assert inner.type not in ("link_open", "image"), inner
            if inner.type in ("html_inline", "html_block"):
                tags = {part.strip() for part in inner.content.replace("><", ">\n<").split("\n")}
                words = {"Where, why, and what to do", "Preview"}
                shown = {tag for tag in tags if tag}
                assert all(tag in OWN_HTML or any(word in tag for word in words) for tag in shown), inner.content


# -- it runs nothing and reads nothing ------------------------------------------------------------------------------

# In a process of its own: an audit hook cannot be taken away. What is allowed is what Python and the package need.
CHILD = """
import os, sys, sysconfig
from pathlib import Path
mode, folder, *arguments = sys.argv[1:]
paths = sysconfig.get_paths()
allowed = [sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], folder, os.environ["PACKAGE"]]
allowed += ["/usr/share/zoneinfo", "/usr/lib", "/etc/localtime", "/dev/null", "/proc/self"]
allowed = [os.path.realpath(p) for p in allowed]
seen, armed = [], []
FORBIDDEN = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.forkpty",
             "pty.spawn", "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.bind",
             "socket.gethostbyname", "os.remove", "os.rename", "os.mkdir", "os.symlink", "os.chmod", "ctypes.dlopen",
             "urllib.Request", "webbrowser.open", "shutil.copyfile")
def hook(event, args):
    if not armed:
        return
    if event in FORBIDDEN:
        seen.append(f"{event} {args[:1]!r}")
    elif event == "open" and isinstance(args[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(args[0]))
        writes = isinstance(args[1], str) and set(args[1]) & set("wax+")
        writes = writes or (args[1] is None and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        writes = writes and path != os.devnull  # where words go that nobody can hear
        if writes or not any(path == p or path.startswith(p + os.sep) for p in allowed):
            seen.append(f"open {path} {args[1:]!r}")
sys.addaudithook(hook)
sys.dont_write_bytecode = True
armed.append(True)
if mode == "control":
    import socket, subprocess
    for act in (lambda: open("/etc/passwd"), lambda: subprocess.run(["true"]), lambda: open(folder + "/x", "w"),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))):
        act()
else:
    from dns_cutover.cli.main import main
    try:
        main(arguments)
    except SystemExit as stop:
        print(f"exit {stop.code}", file=sys.stderr)
armed.clear()
print("SEEN", seen, file=sys.stderr)
"""


def child(folder: Path, mode: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(__file__).parents[2] / "dns_cutover")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "CANARY": CANARY,
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "PACKAGE": package,
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-W", "ignore", "-c", CHILD, mode, str(folder), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=True,
        errors="replace",
    )


def test_the_watch_sees_what_a_plan_must_not_do(tmp_path: Path) -> None:
    seen = child(tmp_path, "control").stderr
    for act in ("open /etc/passwd", "subprocess.Popen", "/x ('w'", "socket.connect"):
        assert act in seen


@pytest.mark.parametrize("output", FORMATS)
def test_an_offline_validation_touches_nothing_but_the_plan(tmp_path: Path, output: str) -> None:
    """A hundred plans with commands, environment references and key files, one for each text that a plan has."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secret").write_text(CANARY)
    wanted = ["command", "variable", "path", "zip", "jinja"]
    files = []
    for kind in wanted[FORMATS.index(output) % len(wanted) :][:1]:
        for n, raw in enumerate([EVERYTHING.encode(), *replaced(PAYLOADS[kind])]):
            files.append(tmp_path / f"{kind}{n}.yaml")
            files[-1].write_bytes(raw)
    before = sorted(p.name for p in tmp_path.iterdir())
    done = child(tmp_path, "watch", "validate", "--offline", "--format", output, *map(str, files))
    assert "SEEN []" in done.stderr, done.stderr[-2000:]
    assert "exit 3" in done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_showing_a_plan_against_live_dns_reads_no_secret(tmp_path: Path) -> None:
    """Without --offline too: the servers are asked, the key's file and variable are not read, no probe connects."""
    (tmp_path / "home").mkdir()
    key = tmp_path / "home" / "key"
    key.write_text(CANARY)
    key.chmod(0o600)
    plan = everything()
    plan["zones"] = {
        "public": {
            "zone": "example.test",
            "provider": {
                "type": "rfc2136",
                "server": "127.0.0.1:9",
                "key": {"name": "k", "secret": {"file": str(key)}},
            },
            "lookup": {"authoritative": ["127.0.0.1:9"]},
        }
    }
    plan["stages"][0]["changes"] = plan["stages"][0]["changes"][:1]
    (tmp_path / "plan.yaml").write_bytes(as_yaml(plan))
    done = child(tmp_path, "watch", "validate", "--format", "json", str(tmp_path / "plan.yaml"))
    assert str(key) not in done.stderr
    assert CANARY not in done.stdout + done.stderr
    seen = done.stderr.rpartition("SEEN ")[2]
    assert all(word not in seen for word in ("Popen", "exec", "spawn", "system", "fork", "'w'", "/home"))
    assert json.loads(done.stdout)["ok"] is False


# -- files that are no plans ----------------------------------------------------------------------------------------


def test_a_file_of_ten_gigabytes_is_refused_at_its_beginning(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(10 * 1024**3)
    done = child(tmp_path, "watch", "validate", "--offline", str(huge))
    assert "larger than 5 MiB" in done.stderr
    assert "exit 3" in done.stderr


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_without_an_end_is_refused(tmp_path: Path, device: str) -> None:
    done = child(tmp_path, "watch", "validate", "--offline", device)
    assert "larger than 5 MiB" in done.stderr


def test_a_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read") as error:
        load_plan(tmp_path)
    assert "directory" in error.value.why


def test_a_pipe_into_which_nobody_writes_is_given_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TimeoutError, match="nothing more came"):
        read_at_most(pipe, 100, patience=0.05)


def test_a_pipe_into_which_somebody_writes_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(EVERYTHING.encode() * 40))
    writer.start()
    assert read_at_most(pipe, 10**9) == EVERYTHING.encode() * 40
    writer.join()


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        load_plan(Path("a\0b"))


# -- plans that are large in some way -------------------------------------------------------------------------------

STAGE = '{{name: s{n}, changes: [{{name: h{n}, type: A, from: ["192.0.2.1"], to: ["192.0.2.2"]}}]}}'
HEAD = "version: 1\nname: big\nzone: example.test\nprovider: {type: manual}\n"


def large(kind: str) -> str:
    match kind:
        case "stages":
            return f"{HEAD}stages:\n" + "".join(f"  - {STAGE.format(n=n)}\n" for n in range(10_000))
        case "aliases":
            lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
            lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
            return HEAD + "\n".join(lines) + "\nstages: [*a11]\n"
        case "brackets":
            return HEAD + "stages: " + "[" * 200_000
        case "maps":
            return HEAD + "stages: " + "{a: " * 200_000
        case "blocks":
            return HEAD + "stages:\n" + "".join(f"{' ' * n}-\n" for n in range(1, 2000))
        case "names":
            names = ", ".join(f"h{n}" for n in range(200_001))
            return f"{HEAD}stages: [{{name: s, changes: [{{names: [{names}], type: A, ttl: 5}}]}}]\n"
        case "zones":
            zones = "".join(f"  z{n}: {{zone: z{n}.test, provider: {{type: manual}}}}\n" for n in range(20_000))
            return f"version: 1\nname: big\nzones:\n{zones}stages: [{STAGE.format(n=1)}]\n"
        case "servers":
            listed = ", ".join(f"10.{n // 250}.{n % 250}.1" for n in range(1000))
            return f"{HEAD}lookup: {{authoritative: [{listed}]}}\nstages: [{STAGE.format(n=1)}]\n"
        case "variables":
            return (
                f'{HEAD}variables: {{v: {"x" * 100_000}}}\nsummary: "{"${v}" * 1000}"\nstages: [{STAGE.format(n=1)}]\n'
            )
        case "errors":
            return f"{HEAD}stages:\n" + "".join(f"  - {{name: s, wrong{n}: 1}}\n" for n in range(20_000))
        case _:
            raise ValueError(kind)


@pytest.mark.parametrize(
    "kind", ["stages", "aliases", "brackets", "maps", "blocks", "names", "zones", "servers", "variables", "errors"]
)
def test_a_plan_that_is_large_in_some_way_is_judged_and_done_with(tmp_path: Path, kind: str) -> None:
    (tmp_path / "plan.yaml").write_text(large(kind))
    done = child(tmp_path, "watch", "validate", "--offline", "--format", "json", "plan.yaml")
    assert "exit 3" in done.stderr
    assert "SEEN []" in done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)["findings"]
    assert 0 < len(found) <= 400
    assert len(done.stdout) < 1_000_000
