"""A network of the tests' own: port 53 on loopback without touching the host, with privileges or without.

The process moves itself into new user and network namespaces instead of being started again under
`unshare`: output capture, coverage, JUnit files and exit codes need no thought that way, and what is
started later (daemons, xdist workers, the tool under test) is inside too.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

PACKAGES_FILE = Path(__file__).parent.parent / "packages.txt"
SERVER_TESTS = Path(__file__).parent.parent
MARK = "DNS_CUTOVER_TEST_NETWORK"
ADMIN_PATH = "/usr/sbin:/sbin:/usr/local/sbin"  # an ordinary user's PATH lacks them


class HarnessError(Exception):
    """The servers cannot be had here. The text says what to do about it."""


def find(program: str) -> str:
    """Path of a program that one of the packages brings. Raises HarnessError naming all of them."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":" + ADMIN_PATH)
    if path is None:
        packages = " ".join(PACKAGES_FILE.read_text().split())
        raise HarnessError(
            f"{program} is not installed. The tests on real servers need it and are not skipped without it.\n"
            f"Debian, Ubuntu: apt-get install --no-install-recommends {packages}"
        )
    return path


def wanted_by(arguments: Iterable[str], base: Path) -> bool:
    """Whether pytest's arguments (paths and node ids, relative to `base`) cover tests on servers."""
    for argument in arguments:
        path = (base / argument.partition("::")[0]).resolve()
        if path == SERVER_TESTS or path in SERVER_TESTS.parents or SERVER_TESTS in path.parents:
            return True
    return False


def inside() -> bool:
    """Whether this process is in a network that `enter` made (here, or in a parent process)."""
    return os.environ.get(MARK) == os.readlink("/proc/self/ns/net")


def enter() -> None:
    """Move this process into a private network with loopback up. Does nothing when it is in one.

    Failing is left to `require`: a machine that cannot do it still runs its unit tests.
    """
    if inside():
        return
    with contextlib.suppress(KeyError, OSError):  # a user without a name
        # Inside everybody is root: whoever names directories after the user needs the real name.
        os.environ.setdefault("LOGNAME", getpass.getuser())
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        outside = _Outside() if uid == 0 else None
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
            if outside is None or not outside.map_all():
                # Root inside is this user outside: enough for port 53, and the user's files stay their own.
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
                Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        elif libc.unshare(CLONE_NEWNET) != 0:  # containers may forbid user namespaces and still let root do this
            return
        # The world outside is there and silent, as behind a firewall: without a route it would fail at once.
        steps = "link set lo up\nroute add default dev lo\n"
        subprocess.run([find("ip"), "-batch", "-"], input=steps, text=True, check=True, capture_output=True)
    except (HarnessError, OSError, subprocess.CalledProcessError):
        return  # no `ip`, or AppArmor, which lets a namespace be made and nothing be done in it
    os.environ[MARK] = os.readlink("/proc/self/ns/net")


class _Outside:
    """A process that stays outside and gives this one, once it is inside, all users that root has.

    Only from outside can more than one be given (user_namespaces(7)), and Postfix wants several.
    """

    def __init__(self) -> None:
        pid, maps = os.getpid(), [Path(f"/proc/self/{kind}_map").read_text() for kind in ("uid", "gid")]
        ours, theirs = socket.socketpair()
        self._child = os.fork()
        if self._child:
            theirs.close()
            self._socket = ours
            return
        ours.close()
        said = b"no"
        try:
            theirs.recv(1)
            for kind, text in zip(("uid", "gid"), maps, strict=True):
                # What is known as n here is known as n there.
                ranges = [line.split() for line in text.splitlines()]
                Path(f"/proc/{pid}/{kind}_map").write_text("".join(f"{n} {n} {count}\n" for n, _, count in ranges))
            said = b"ok"
        except OSError:
            pass
        theirs.send(said)
        os._exit(0)

    def map_all(self) -> bool:
        """Whether this process, inside by now, has all users."""
        self._socket.send(b"!")
        said = self._socket.recv(2)
        self._socket.close()
        os.waitpid(self._child, 0)
        return said == b"ok"


def require() -> None:
    """Raise HarnessError unless `enter` succeeded."""
    find("ip")
    if not inside():
        raise HarnessError(
            "No private network could be made, and tests on real servers need one for port 53.\n"
            "Run them as root, or allow user namespaces: sysctl -w user.max_user_namespaces=10000 and, where"
            " AppArmor forbids them (Ubuntu 23.10 and later),\n"
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0. In a container: --privileged."
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Loopback addresses 127.77.<number>.1-254, one block for every lab that runs at the same time."""

    number: int

    def address(self, host: int) -> str:
        """Address `host` of this block."""
        return f"127.77.{self.number}.{host}"

    def assign(self, hosts: Iterable[int]) -> None:
        """Give loopback these addresses: BIND is silently deaf on any that no interface has."""
        lines = "".join(f"address replace {self.address(host)}/32 dev lo\n" for host in hosts)
        result = subprocess.run([find("ip"), "-batch", "-"], input=lines, text=True, capture_output=True, check=False)
        if result.returncode != 0:
            raise HarnessError(f"ip address replace failed: {result.stderr.strip()}")


def block_of_worker(worker: str) -> Block:
    """The block of an xdist worker: `gw3` has 3; `master` (no xdist) has 0 like `gw0`, which never meet."""
    return Block(int(worker.removeprefix("gw")) if worker.startswith("gw") else 0)
