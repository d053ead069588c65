"""Stores of every kind, each test with one of its own."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dns_cutover.store.interface import Store
from dns_cutover.store.memory import MemoryStore
from dns_cutover.store.open import open_store
from tests.stores import postgresql

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """The folder of the server's socket."""
    with postgresql.server() as sockets:
        yield sockets


@pytest.fixture
def postgresql_url(postgresql_server: Path) -> str:
    """An empty database."""
    name = f"runs{next(_numbers)}"
    postgresql.sql(postgresql_server, f"CREATE DATABASE {name}")
    return postgresql.url(postgresql_server, name)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """moto's S3: it honours If-None-Match, and lists what was written."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-secret-key")
    bucket = f"runs-{next(_numbers)}"
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    client.close()
    return f"s3://{bucket}/team/dns?endpoint={s3_endpoint}&region=us-east-1"


@pytest.fixture(params=["memory", "sqlite", "postgresql", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    match request.param:
        case "memory":
            store: Store = MemoryStore()
        case "sqlite":
            store = open_store(str(tmp_path / "state" / "runs.sqlite3"))
        case kind:
            store = open_store(request.getfixturevalue(f"{kind}_url"))
    yield store
    await store.close()
