"""SQLite files: processes that race, that are killed, and files that cannot be used."""

import asyncio
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.interface import Envelope
from dns_cutover.store.memory import MemoryStore
from dns_cutover.store.open import default_path, open_store

APPENDER = """
import asyncio, sys
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store

async def main(path, me, count):
    store = open_store(path)
    print("ready", flush=True)
    sys.stdin.readline()
    done = 0
    while done < count:
        seq = len(await store.load("r"))
        # Two at once, so that half an append would be seen.
        rows = [Envelope("r", seq + n, 0.0, f"{me}/{done}/{n}") for n in range(2)]
        if await store.append(rows):
            done += 1
            print(done, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

# Errors as a child process meets them. Everything is imported before the child gives up what it may do.
STRICKEN = """
import asyncio, ctypes, os, resource, sys
from dns_cutover.errors import Unavailable
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store

async def main(path, spare, limit, first):
    store = open_store(spare)
    await store.append([Envelope("r", 0, 0.0, "{}")])
    await store.close()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    elif os.geteuid() == 0:
        # Root without its privileges obeys the modes of its own files, in a user namespace of one user as well.
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, none) == 0
    stored = 0
    try:
        store = open_store(path)
        for seq in range(first, 1000):
            await store.append([Envelope("r", seq, 0.0, "x" * 1000)])
            stored += 1
    except Unavailable as exc:
        print(stored, exc.what, exc.why, *exc.hints, sep="|")

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def appender(path: Path, me: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), me, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def stricken(path: Path, spare: Path, limit: int, first: int = 0) -> list[str]:
    argv = [sys.executable, "-c", STRICKEN, str(path), str(spare), str(limit), str(first)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip().split("|")


def bodies(path: Path) -> list[str]:
    async def read() -> list[str]:
        store = open_store(str(path))
        try:
            found = await store.load("r")
        finally:
            await store.close()
        assert [e.seq for e in found] == list(range(len(found)))
        return [e.body for e in found]

    return asyncio.run(read())


def unusable(path: Path) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        open_store(str(path))
    assert caught.value.__cause__ is None
    assert str(path) in caught.value.what
    assert caught.value.why.endswith(".")
    assert caught.value.hints
    return caught.value


def test_two_processes_race_and_nothing_is_lost(tmp_path):
    """Both make the file, then append a hundred times each: every append is there once, whole, in its own order."""
    path = tmp_path / "new" / "runs.sqlite3"
    children = [appender(path, me, 100) for me in "ab"]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    found = bodies(path)
    assert sorted(found) == sorted(f"{me}/{done}/{n}" for me in "ab" for done in range(100) for n in range(2))
    assert [b[:-2] for b in found[::2]] == [b[:-2] for b in found[1::2]]
    for me in "ab":
        assert [b for b in found if b.startswith(me)] == [f"{me}/{done}/{n}" for done in range(100) for n in range(2)]


def test_a_killed_process_leaves_a_readable_store(tmp_path):
    """What was acknowledged is there, no append is there by half, and the next process goes on."""
    path = tmp_path / "runs.sqlite3"
    child = appender(path, "a", 100000)
    child.stdin.write("\n")
    child.stdin.flush()
    while (line := child.stdout.readline()) != "20\n":
        assert line
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    acknowledged = 20 + rest.count("\n")
    found = bodies(path)
    assert len(found) in (2 * acknowledged, 2 * acknowledged + 2)
    assert found == [f"a/{done}/{n}" for done in range(len(found) // 2) for n in range(2)]
    with appender(path, "b", 3) as child:
        child.communicate("\n")
    assert bodies(path) == [*found, *(f"b/{done}/{n}" for done in range(3) for n in range(2))]


def test_file_and_folder_are_for_their_user_only(tmp_path):
    before = os.umask(0)
    try:
        bodies(tmp_path / "state" / "runs.sqlite3")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "runs.sqlite3").stat().st_mode) == 0o600


async def test_commits_are_durable_and_readers_do_not_wait(tmp_path):
    """WAL and synchronous=FULL; a reader beside an open write transaction sees what was committed."""
    store = open_store(str(tmp_path / "s"))
    await store.append([Envelope("r", 0, 0.0, "{}")])
    with store._connection() as db:
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert db.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    other = sqlite3.connect(tmp_path / "s", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO journal VALUES ('r', 1, 0.0, '{}')")
    assert len(await store.load("r")) == 1
    other.execute("COMMIT")
    other.close()
    assert len(await store.load("r")) == 2
    await store.close()


async def test_a_store_that_stays_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("dns_cutover.store.sql.BUSY_SECONDS", 0)
    store = open_store(str(tmp_path / "s"))
    other = sqlite3.connect(tmp_path / "s", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        await store.append([Envelope("r", 0, 0.0, "{}")])
    assert "locked" in caught.value.why
    other.close()
    assert await store.append([Envelope("r", 0, 0.0, "{}")])
    await store.close()


@pytest.fixture
def open_folder():
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_folder_that_cannot_be_written_to(open_folder, tmp_path):
    open_folder.chmod(0o555)
    stored, what, why, *hints = stricken(open_folder / "runs.sqlite3", tmp_path / "spare", 0)
    open_folder.chmod(0o755)
    assert (stored, what) == ("0", f"the store {open_folder / 'runs.sqlite3'} cannot be made")
    assert why == "Permission denied."
    assert hints


def test_a_file_that_cannot_be_written_to(open_folder, tmp_path):
    """It can still be opened and read where SQLite can read it, and says so when something is to be appended."""
    path = open_folder / "runs.sqlite3"
    assert bodies(path) == []
    path.chmod(0o444)
    open_folder.chmod(0o777)  # the -shm file, which even readers need, can be made
    stored, what, why, *hints = stricken(path, tmp_path / "spare", 0)
    assert (stored, what, why) == ("0", f"the store {path} cannot be used", "It cannot be written to.")
    assert hints


def test_a_full_disk(tmp_path):
    """Some appends fit, then one does not: an error, and everything acknowledged is there."""
    path = tmp_path / "runs.sqlite3"
    stored, what, why, *hints = stricken(path, tmp_path / "spare", 200_000)
    assert int(stored) > 10
    assert what == f"the store {path} cannot be used"
    assert why in ("The disk is full.", "Reading or writing failed.")
    assert hints
    assert bodies(path) == ["x" * 1000] * int(stored)
    # With room again it goes on where it stopped.
    again = stricken(path, tmp_path / "spare", 400_000, first=int(stored))
    assert int(again[0]) > 10
    assert len(bodies(path)) == int(stored) + int(again[0])


def test_full_before_the_first_write(tmp_path):
    stored, what, *_ = stricken(tmp_path / "runs.sqlite3", tmp_path / "spare", 1)
    assert (stored, what) == ("0", f"the store {tmp_path / 'runs.sqlite3'} cannot be used")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("version: 1\n" * 500)
    assert unusable(path).why == "The file is no SQLite database."
    assert path.read_text() == "version: 1\n" * 500


def test_a_damaged_database(tmp_path):
    path = tmp_path / "runs.sqlite3"

    async def fill() -> None:
        store = open_store(str(path))
        await store.append([Envelope("r", n, 0.0, "x" * 500) for n in range(200)])
        await store.close()

    asyncio.run(fill())
    data = path.read_bytes()
    path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    with pytest.raises(Unavailable) as caught:
        bodies(path)
    assert caught.value.why == "The file is damaged."
    assert any("recover" in hint for hint in caught.value.hints)


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name TEXT)")
    other.commit()
    other.close()
    before = path.read_bytes()
    assert "another program" in unusable(path).what
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version(tmp_path):
    path = tmp_path / "runs.sqlite3"
    bodies(path)
    other = sqlite3.connect(path)
    other.execute("UPDATE schema_version SET version = 2")
    other.commit()
    other.close()
    error = unusable(path)
    assert "schema 2" in error.what
    assert "upgrade dns-cutover" in error.hints


def test_paths_where_no_file_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    assert unusable(tmp_path).why == "It cannot be opened."
    assert "no folder" in unusable(tmp_path / "file" / "runs.sqlite3").why
    assert unusable(tmp_path / ("x" * 300)).why == "File name too long."
    with pytest.raises(Unavailable, match="cannot be made"):
        open_store("nul\0byte")


@pytest.mark.parametrize("name", ["with space", "what?mode=memory", "100%25", "a#b", ":memory:", "file:x"])
def test_names_of_files_mean_nothing_else(tmp_path, name):
    async def fill() -> None:
        store = open_store(f"sqlite:///{tmp_path}/{name}")
        await store.append([Envelope("r", 0, 0.0, "x")])
        await store.close()

    asyncio.run(fill())
    assert (tmp_path / name).stat().st_size > 0
    assert bodies(tmp_path / name) == ["x"]


async def test_urls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_store("memory:"), MemoryStore)
    for url, path in (
        ("sqlite:///one.db", "one.db"),
        (f"SQLite:///{tmp_path}/two.db", "two.db"),
        ("three.db", "three.db"),
        ("./a:b", "a:b"),
    ):
        await open_store(url).close()
        assert (tmp_path / path).is_file()


async def test_the_user_s_own_store(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_state_dir", lambda app: f"{tmp_path}/{app}")
    for url in (None, ""):
        await open_store(url).close()
    assert default_path() == tmp_path / "dns-cutover" / "runs.sqlite3"
    assert default_path().is_file()


@pytest.mark.parametrize(
    "url",
    ["redis://u:geheim@db.example.test/0", "mysql+pymysql://geheim@x/", "sqlite:", "sqlite:///", "sqlite://x"],
)
def test_other_kinds_of_store(url):
    """They name what is supported, and repeat no password."""
    with pytest.raises(UsageError) as caught:
        open_store(url)
    said = "\n".join([caught.value.what, caught.value.why, *caught.value.hints])
    assert "sqlite:///PATH" in said
    assert "memory:" in said
    assert "geheim" not in said


def test_memory_imports_no_database():
    """SQLAlchemy costs a tenth of a second: only a store in a file pays for it."""
    code = "import sys, dns_cutover.store.open as o; o.open_store('memory:'); print('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
