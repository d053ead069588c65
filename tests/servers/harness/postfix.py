"""A real Postfix with one mail host per port, each with a trouble of its own. It needs root, or all of root's users."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .network import HarnessError, find

START_DEADLINE = 20.0  # seconds

# What smtpd needs to judge a recipient (postconf(5), master(5)); nothing is delivered.
_SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
error unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(address: str, hosts: Mapping[int, Mapping[str, str]]) -> Iterator[None]:
    """Mail hosts on `address`, by port, each with its own parameters of main.cf. Raises HarnessError."""
    # Not pytest's own directory: Postfix's own user must reach it.
    with tempfile.TemporaryDirectory(prefix="postfix-") as home:
        Path(home).chmod(0o755)
        with _started(Path(home), address, hosts):
            yield


@contextmanager
def _started(directory: Path, address: str, hosts: Mapping[int, Mapping[str, str]]) -> Iterator[None]:
    config, queue, data = directory / "config", directory / "queue", directory / "data"
    for path in (config, queue, data):
        path.mkdir(parents=True)
    program = find("postfix")
    try:
        subprocess.run(["chown", "postfix", str(data)], check=True, capture_output=True)
    except subprocess.CalledProcessError as exc:
        raise HarnessError(f"Postfix needs users of its own; run these tests as root: {exc.stderr!r}") from None
    (config / "main.cf").write_text(
        f"""\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.test
mydestination = example.test
inet_interfaces = {address}
inet_protocols = ipv4
maillog_file = /dev/stdout
local_recipient_maps = inline:{{postmaster=ok}}
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_delay_reject = no
smtpd_peername_lookup = no
alias_maps =
alias_database =
smtpd_tls_session_cache_database =
"""
    )
    lines = []
    for port, parameters in hosts.items():
        lines.append(f"{address}:{port} inet n - n - - smtpd")
        lines += [f"  -o {{ {name} = {value} }}" for name, value in parameters.items()]
    (config / "master.cf").write_text("\n".join(lines) + "\n" + _SERVICES)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", program, "-c", str(config), "start-fg"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_DEADLINE
        while "daemon started" not in (said := (directory / "log").read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise HarnessError(f"Postfix did not start:\n{said}")
            time.sleep(0.05)
        yield
    finally:
        subprocess.run([program, "-c", str(config), "stop"], check=False, capture_output=True)
        process.wait(START_DEADLINE)
