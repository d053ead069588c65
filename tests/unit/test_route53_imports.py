"""boto3 takes a tenth of a second to import: it is left alone until a zone on Route 53 is really asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
from dns_cutover.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    print("EXIT", stop.code)
print("AWS", sorted(n for n in sys.modules if n.split(".")[0] in ("boto3", "botocore")))
"""
PLAN = """\
version: 1
name: move
owner: sre@example.test
zone: example.test
provider: {provider}
stages:
  - name: switch
    changes:
      - {{name: www, type: A, from: [192.0.2.10], to: [192.0.2.20]}}
"""
ROUTE53 = "{type: route53, profile: nobody-has-this, zone_id: Z1}"
RFC2136 = "{type: rfc2136, server: 127.0.0.1, key: {name: k, secret: {env: DNS_CUTOVER_TEST_SECRET}}}"


def call(*arguments: str, env: dict[str, str] | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True, env=env, timeout=120
    )
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("provider", [ROUTE53, RFC2136], ids=["route53", "rfc2136"])
def test_offline_validation_imports_no_boto3(provider: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.format(provider=provider))
    assert call("validate", "--offline", str(plan)) == ["EXIT 0", "AWS []"]


def test_help_imports_no_boto3() -> None:
    assert call("--help") == ["EXIT 0", "AWS []"]


def test_wiring_of_an_rfc2136_zone_imports_no_boto3() -> None:
    code = """
import sys
from tests.simulation.plans import BOOK
from dataclasses import replace
from dns_cutover.assembly import Setting
from dns_cutover.assembly.wiring import provider
zone = BOOK.zones[0]
key = {"name": "k.", "algorithm": "hmac-sha256", "secret": {"env": "S"}}
zone = replace(zone, provider={"type": "rfc2136", "server": "127.0.0.1", "key": key})
print(type(provider(zone, Setting(environ={"S": "c2VjcmV0"}))).__name__)
print([n for n in sys.modules if n.split(".")[0] in ("boto3", "botocore")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["Rfc2136Provider", "[]"]
