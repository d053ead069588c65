"""Start-up: `--help` must stay as quick as a shell command, so nothing heavy is imported for it."""

import subprocess
import sys

import pytest

HEAVY = ("asyncio", "boto3", "dns.message", "httpcore", "jinja2", "pydantic", "rich.console", "sqlalchemy", "yaml")

PROBE = f"""
import sys
from dns_cutover.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print("EXIT", stop.code)
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments):
    """The modules that cost tens of milliseconds each are left alone until a verb needs them."""
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["EXIT 0", "HEAVY []"]
