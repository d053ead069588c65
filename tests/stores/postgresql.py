"""A PostgreSQL server of Debian's package, for as long as a test session: own data, own UNIX socket, no TCP."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "cutover"


def program(name: str) -> str:
    """Debian keeps the server's programs off PATH, by version."""
    found = shutil.which(name) or max((str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    assert found, f"{name} is not there: apt-get install --no-install-recommends postgresql"
    return found


NOBODY = 65534


def _knows_nobody() -> bool:
    """Whether there is a second user here: the tests' own network namespace may come with one user only."""
    ranges = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(first <= NOBODY < first + count for first, _, count in ranges)


def _as_nobody(arguments: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: somebody else runs it, or root under another number."""
    if os.geteuid() != 0:
        return arguments
    if _knows_nobody():
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *arguments]
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *arguments]


@contextmanager
def server() -> Iterator[Path]:
    """The folder of its socket. The superuser is `cutover`; peers on the socket are trusted, others need a password."""
    # Not pytest's own directory: names of UNIX sockets must be short, and another user must reach it.
    with tempfile.TemporaryDirectory(prefix="pg-") as home:
        folder = Path(home)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        sockets = folder / "s"
        sockets.mkdir()
        if os.geteuid() == 0 and _knows_nobody():
            for path in (data, sockets):
                os.chown(path, NOBODY, NOBODY)
        initdb = [
            program("initdb"),
            "-D",
            str(data),
            "-U",
            USER,
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(_as_nobody(initdb), check=True, capture_output=True, cwd="/")
        options = ["-k", str(sockets), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20"]
        wrapped = ["setpriv", "--pdeathsig", "KILL", *_as_nobody([program("postgres"), "-D", str(data), *options])]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(wrapped, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        try:
            ready = [program("pg_isready"), "-h", str(sockets), "-U", USER, "-q"]
            while subprocess.run(ready, check=False).returncode != 0:
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            yield sockets
        finally:
            process.terminate()
            process.wait(20)


def sql(sockets: Path, statement: str, database: str = "postgres") -> None:
    """Run one statement as the superuser."""
    command = [program("psql"), "-h", str(sockets), "-U", USER, "-d", database, "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*command, "-c", statement], check=True, capture_output=True)


def url(sockets: Path, database: str) -> str:
    """The address as a user writes it."""
    return f"postgresql://{USER}@/{database}?host={sockets}"
