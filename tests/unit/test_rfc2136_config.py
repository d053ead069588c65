"""Secrets from where the plan says they are, and a provider from what the plan says."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from dns_cutover.errors import CutoverError, Unavailable, UsageError
from dns_cutover.providers.interface import Refused
from dns_cutover.providers.rfc2136.config import from_config, one_address
from dns_cutover.providers.rfc2136.provider import Rfc2136Provider
from dns_cutover.providers.rfc2136.refusal import Place
from dns_cutover.providers.rfc2136.transport import DnsTransport
from dns_cutover.providers.secret import MAX_LENGTH, Secret, read_secret

SECRET = "c2VjcmV0LW9jdGV0cy1vZi1hLWtleQ=="


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "tsig"
    path.write_text(f"\n{SECRET} \n")
    path.chmod(0o600)
    return path


def test_secret_shows_nothing_of_itself() -> None:
    secret = Secret(SECRET, "$CUTOVER_TSIG")
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", "%s" % secret]  # noqa: UP031 - each way of showing
    assert not any(SECRET[:8] in text for text in shown)
    assert (len(secret), secret.reveal(), secret.octets()) == (32, SECRET, b"secret-octets-of-a-key")
    with pytest.raises(TypeError, match="not stored"):
        pickle.dumps(secret)


def test_secret_as_octets() -> None:
    assert Secret(SECRET.encode(), "x").octets() == b"secret-octets-of-a-key"


@pytest.mark.parametrize("value", ["ä", "abc", "a b c d", "ab=cd"])
def test_what_is_no_base64_says_so_and_no_more(value: str) -> None:
    with pytest.raises(ValueError, match=r"^not base64$") as caught:
        Secret(value, "x").octets()
    assert caught.value.__suppress_context__


def test_secret_from_the_environment() -> None:
    secret = read_secret({"env": "CUTOVER_TSIG", "file": None}, {"CUTOVER_TSIG": f" {SECRET}\n"})
    assert (secret.reveal(), secret.source) == (SECRET, "$CUTOVER_TSIG")


@pytest.mark.parametrize(
    ("environ", "what"),
    [({}, "the environment variable CUTOVER_TSIG is not set"), ({"CUTOVER_TSIG": " \n"}, "$CUTOVER_TSIG is empty")],
)
def test_environment_without_the_secret(environ: dict[str, str], what: str) -> None:
    with pytest.raises(Unavailable) as caught:
        read_secret({"env": "CUTOVER_TSIG"}, environ)
    assert caught.value.what == what
    assert caught.value.hints


def test_secret_from_a_file(secret_file: Path) -> None:
    secret = read_secret({"file": str(secret_file)}, {})
    assert (secret.reveal(), secret.source) == (SECRET, str(secret_file))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o777])
def test_file_that_others_can_read_or_change(mode: int, secret_file: Path) -> None:
    secret_file.chmod(mode)
    with pytest.raises(Unavailable) as caught:
        read_secret({"file": str(secret_file)}, {})
    assert f"mode {mode:04o}" in caught.value.what
    assert caught.value.hints == (f"chmod 600 {secret_file}",)
    assert not _shows(caught.value, SECRET)


def test_mode_that_counts_is_that_of_the_file_and_not_of_a_link(secret_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret_file)
    assert read_secret({"file": str(link)}, {}).reveal() == SECRET


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xff\xfe\x00", "is no secret"),
        (b"x" * (MAX_LENGTH + 1), "is too long"),
    ],
)
def test_file_that_holds_no_secret(content: bytes, what: str, secret_file: Path) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        read_secret({"file": str(secret_file)}, {})
    assert what in caught.value.what


def test_file_that_is_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path, what in (
        (tmp_path / "missing", "cannot be read"),
        (tmp_path, "cannot be read|is no file"),
        (pipe, "is no file"),
    ):
        with pytest.raises(Unavailable, match=what):
            read_secret({"file": str(path)}, {})


def _shows(error: CutoverError, text: str) -> bool:
    return any(text in part for part in (error.what, error.why, *error.hints, repr(error)))


def make(**changed: object) -> Rfc2136Provider:
    settings: dict[str, object] = {
        "server": "192.0.2.53",
        "key_name": "cutover",
        "algorithm": "hmac-sha256",
        "secret": lambda: Secret(SECRET, "$CUTOVER_TSIG"),
        "resolve": lambda host: host,
    }
    return from_config("main", "example.test.", **(settings | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "address", "port", "dig"),
    [
        ("192.0.2.53", "192.0.2.53", 53, "dig @192.0.2.53 +tcp"),
        ("192.0.2.53:5353", "192.0.2.53", 5353, "dig @192.0.2.53 -p 5353 +tcp"),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353, "dig @2001:db8::53 -p 5353 +tcp"),
        ("2001:db8::53", "2001:db8::53", 53, "dig @2001:db8::53 +tcp"),
    ],
)
def test_server_is_pinned_to_one_address(server: str, address: str, port: int, dig: str) -> None:
    transport = make(server=server)._transport
    assert isinstance(transport, DnsTransport)
    assert (transport.address, transport.port, transport.zone) == (address, port, "example.test.")
    assert Place(server).dig == dig


def test_place_that_is_no_address_is_shown_as_it_is() -> None:
    assert Place("[broken").dig == "dig @[broken +tcp"
    assert Place("x").facts == ()


def test_host_is_resolved_once() -> None:
    asked: list[str] = []

    def resolve(host: str) -> str:
        asked.append(host)
        return "192.0.2.7"

    transport = make(server="ns.example.test:5300", resolve=resolve)._transport
    assert isinstance(transport, DnsTransport)
    assert (transport.address, asked) == ("192.0.2.7", ["ns.example.test"])


def test_addresses_need_no_resolver_and_names_that_have_none_are_told() -> None:
    assert one_address("127.0.0.1") == "127.0.0.1"
    with pytest.raises(Unavailable, match="has no address"):
        one_address("a" * 70 + ".test")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"server": "[2001:db8::1"}, UsageError),
        ({"algorithm": "hmac-md5"}, UsageError),
        ({"secret": lambda: Secret("no base64", "$CUTOVER_TSIG")}, Refused),
        ({"secret": lambda: read_secret({"env": "NOT_THERE"}, {})}, Unavailable),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_sent(changed: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(**changed)


def test_bounds_are_passed_on() -> None:
    assert make(propagation_bound=30.0).guarantees.propagation_bound == 30.0
