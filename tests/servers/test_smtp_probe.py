"""SMTP probes against a real Postfix: each trouble has a verdict of its own (DESIGN section 7)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from dns_cutover.clock import SystemClock
from dns_cutover.probes.interface import ProbeResult, ProbeSpec, Verdict
from dns_cutover.probes.prober import RealProber, check_specs

from .harness.network import Block
from .harness.postfix import postfix

HOST = "mx.example.test"
GOOD, OTHER_NAME, EXPIRED, SELF_SIGNED, PLAIN, BUSY, UNWANTED, SLOW, CLOSED = range(2501, 2510)


class Mail:
    """Where the mail hosts are, and whom to trust."""

    def __init__(self, address: str, authorities: str) -> None:
        self.address = address
        self.authorities = authorities

    async def ask(self, port: int, *, timeout: float = 20.0, **options: object) -> ProbeResult:
        """What a probe says of the host at that port."""
        asked = {"target": HOST, "address": self.address, "port": port, "verify": self.authorities, **options}
        spec = ProbeSpec("p", "smtp", "health", asked, timeout=timeout)
        check_specs([spec], allow_commands=False)
        (result,) = await RealProber(SystemClock()).ask([spec])
        return result


def _tls(directory: Path, name: str, certificate: trustme.LeafCert) -> dict[str, str]:
    path = directory / f"{name}.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    return {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(path)}


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory, block: Block) -> Iterator[Mail]:
    """One Postfix with all of them."""
    directory = tmp_path_factory.mktemp("certificates")
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    expired = authority.issue_cert(HOST, not_before=yesterday - datetime.timedelta(days=30), not_after=yesterday)
    hosts = {
        GOOD: _tls(directory, "good", authority.issue_cert(HOST)),
        OTHER_NAME: _tls(directory, "other", authority.issue_cert("mx.elsewhere.test")),
        EXPIRED: _tls(directory, "expired", expired),
        SELF_SIGNED: _tls(directory, "self", stranger.issue_cert(HOST)),
        PLAIN: {"smtpd_tls_security_level": "none"},
        BUSY: {"smtpd_client_restrictions": "check_client_access static:{421 4.3.2 come back later}"},
        UNWANTED: {"smtpd_client_restrictions": "check_client_access static:{554 5.7.1 not from there}"},
        SLOW: {"smtpd_client_restrictions": "sleep 30"},
    }
    address = block.address(90)
    block.assign([90])
    with postfix(address, hosts):
        yield Mail(address, str(directory / "ca.pem"))


async def test_a_good_host(mail: Mail) -> None:
    """TLS with a good certificate, and a mailbox that is taken."""
    result = await mail.ask(GOOD, starttls="required", recipient="postmaster@example.test")
    assert result.verdict is Verdict.SUCCESS, result.detail
    assert "TLSv1.3, certificate valid for" in result.detail
    assert "takes mail for postmaster@example.test" in result.detail


@pytest.mark.parametrize(
    ("port", "detail"),
    [
        (OTHER_NAME, "certificate for another name"),
        (EXPIRED, "certificate expired"),
        (SELF_SIGNED, "certificate of an unknown CA"),
        (PLAIN, "STARTTLS is not offered"),
        (CLOSED, "connection refused"),
    ],
)
async def test_tls_as_it_should_not_be(mail: Mail, port: int, detail: str) -> None:
    """Each is a failure: the service is wrong."""
    result = await mail.ask(port, starttls="required")
    assert (result.verdict, result.detail) == (Verdict.FAILURE, detail)


@pytest.mark.parametrize(
    ("port", "code", "kind"), [(BUSY, "421 4.3.2", "(temporary)"), (UNWANTED, "554 5.7.1", "(permanent)")]
)
async def test_a_host_that_does_not_want_us(mail: Mail, port: int, code: str, kind: str) -> None:
    """Temporary and permanent refusals are told apart."""
    result = await mail.ask(port)
    assert result.verdict is Verdict.FAILURE
    assert f"greets with {code}" in result.detail
    assert result.detail.endswith(kind)


async def test_a_mailbox_that_is_not_there(mail: Mail) -> None:
    """550 to the recipient is a failure."""
    result = await mail.ask(GOOD, recipient="nobody@example.test")
    assert result.verdict is Verdict.FAILURE
    assert result.detail.startswith("RCPT TO:<nobody@example.test>: 550 5.1.1")


async def test_a_host_that_holds_the_line(mail: Mail) -> None:
    """A tarpit costs the timeout, and no more."""
    result = await mail.ask(SLOW, timeout=0.5)
    assert result.verdict is Verdict.FAILURE
    assert "timed out" in result.detail
