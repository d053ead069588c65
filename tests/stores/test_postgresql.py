"""PostgreSQL: processes that race and are killed, and what people are told."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.interface import Envelope
from dns_cutover.store.open import open_store
from tests.stores import postgresql
from tests.stores.test_sqlite import APPENDER


def appender(url: str, me: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, url, me, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_racing_processes_leave_one_journal_and_a_killed_one_half_of_nothing(postgresql_url: str) -> None:
    """Three processes append pairs; one is killed on the way. They make the tables at the same time, too."""
    processes = [appender(postgresql_url, me, 40) for me in "abc"]
    for p in processes:
        assert p.stdin is not None
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in processes:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    victim = processes[0]
    assert victim.stdout is not None
    assert victim.stdout.readline()
    os.kill(victim.pid, signal.SIGKILL)
    for p in processes:
        await asyncio.to_thread(p.communicate)
    store = open_store(postgresql_url)
    journal = await store.load("r")
    await store.close()
    assert [e.seq for e in journal] == list(range(len(journal)))
    done = {me: [e.body for e in journal if e.body.startswith(f"{me}/")] for me in "abc"}
    assert len(done["b"]) == len(done["c"]) == 80
    assert len(done["a"]) % 2 == 0
    for bodies in done.values():
        assert bodies == [f"{b.split('/')[0]}/{n // 2}/{n % 2}" for n, b in enumerate(bodies)]


async def test_a_lost_race_is_one_whatever_isolation_the_database_defaults_to(
    postgresql_url: str, postgresql_server: Path
) -> None:
    """At "serializable" the server would end the loser's transaction with an error of its own (40001)."""
    name = postgresql_url.split("/")[3].split("?")[0]
    postgresql.sql(postgresql_server, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    processes = [appender(postgresql_url, me, 60) for me in "abc"]
    for p in processes:
        assert p.stdin is not None
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in processes:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    for p in processes:
        await asyncio.to_thread(p.communicate)
        assert p.returncode == 0
    store = open_store(postgresql_url)
    assert len(await store.load("r")) == 3 * 60 * 2
    await store.close()


async def test_tables_of_others_do_not_disturb(postgresql_url: str, postgresql_server: Path) -> None:
    name = postgresql_url.split("/")[3].split("?")[0]
    postgresql.sql(postgresql_server, "CREATE TABLE theirs (n int)", name)
    store = open_store(postgresql_url)
    assert await store.append([Envelope("r", 0, 1.0, "{}")])
    await store.close()


async def test_a_newer_schema_is_left_alone(postgresql_url: str, postgresql_server: Path) -> None:
    await open_store(postgresql_url).close()
    name = postgresql_url.split("/")[3].split("?")[0]
    postgresql.sql(postgresql_server, "INSERT INTO schema_version VALUES (99)", name)
    with pytest.raises(Unavailable, match="newer"):
        open_store(postgresql_url)


def test_what_is_wrong_is_said_without_the_password(postgresql_server: Path, postgresql_url: str) -> None:
    base = f"?host={postgresql_server}"
    with pytest.raises(Unavailable) as caught:
        open_store(f"postgresql://{postgresql.USER}:canary@/nowhere{base}")
    assert caught.value.why == "There is no such database on the server."
    assert "canary" not in str(caught.value) + caught.value.why
    with pytest.raises(Unavailable) as caught:
        open_store(f"postgresql://{postgresql.USER}:canary@/x?host={postgresql_server}/nobody")
    assert caught.value.why == "Its server does not answer."
    name = postgresql_url.split("/")[3].split("?")[0]
    postgresql.sql(postgresql_server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(Unavailable) as caught:
        open_store(postgresql_url)
    assert "read-only" in caught.value.why


def test_a_user_who_may_not_write_is_told_the_grant(postgresql_server: Path, postgresql_url: str) -> None:
    postgresql.sql(postgresql_server, "CREATE ROLE reader LOGIN")
    with pytest.raises(Unavailable) as caught:
        open_store(postgresql_url.replace(postgresql.USER, "reader"))
    assert any("GRANT" in hint for hint in caught.value.hints)


@pytest.mark.parametrize("url", ["postgresql://u:canary@h:port/db", "postgresql://u:canary@[::1/db"])
def test_a_broken_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="not valid") as caught:
        open_store(url)
    assert "canary" not in str(caught.value) + caught.value.why + "".join(caught.value.hints)
