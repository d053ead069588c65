"""Runs in a SQL database, by SQLAlchemy Core. SQLite today; nothing here is particular to it but its pragmas.

Calls are short and made within the coroutine: a thread in between would only blur what a crash leaves behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, create_engine, event, func, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, SQLAlchemyError

from dns_cutover.errors import Unavailable
from dns_cutover.store.interface import Envelope, RunEntry

SCHEMA_VERSION = 1
_metadata = MetaData()
_journal = Table(
    "journal",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("ts", Float, nullable=False),
    Column("body", Text, nullable=False),
)
_schema = Table("schema_version", _metadata, Column("version", Integer, primary_key=True))


class SqlStore:
    """Implements `store.interface.Store` on a database URL. Raises Unavailable for everything the database refuses."""

    def __init__(self, url: str, label: str) -> None:
        self._label = label
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_pragmas)
            event.listen(self._engine, "begin", _sqlite_begin)
        with self._errors(), self._engine.begin() as db:
            _metadata.create_all(db)
            version = db.execute(select(func.max(_schema.c.version))).scalar()
            if version is None:
                db.execute(insert(_schema).values(version=SCHEMA_VERSION))
            elif version > SCHEMA_VERSION:
                raise Unavailable(
                    f"the store {label} was written by a newer dns-cutover (schema {version})",
                    f"This version knows schema {SCHEMA_VERSION}.",
                    ("upgrade dns-cutover, or name another store with --store",),
                )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, DatabaseError) as exc:
            raise self._unavailable(str(exc.orig)) from None
        except SQLAlchemyError as exc:
            raise self._unavailable(type(exc).__name__) from None

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"the store {self._label} cannot be used",
            f"{reason[:1].upper()}{reason[1:]}.",
            ("name another store with --store, or free space and check the file's permissions",),
        )

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """See the interface: the primary key (run_id, seq) makes it a compare-and-swap between processes."""
        run_id, seq = envelopes[0].run_id, envelopes[0].seq
        rows: list[dict[str, Any]] = [{"run_id": e.run_id, "seq": e.seq, "ts": e.ts, "body": e.body} for e in envelopes]
        try:
            with self._errors_but_races(), self._engine.begin() as db:
                if _length(db, run_id) != seq:
                    return False
                db.execute(insert(_journal), rows)
        except _Raced:
            return False
        return True

    @contextmanager
    def _errors_but_races(self) -> Iterator[None]:
        with self._errors():
            try:
                yield
            except IntegrityError:
                raise _Raced from None

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """See the interface."""
        query = (
            select(_journal.c.seq, _journal.c.ts, _journal.c.body)
            .where(_journal.c.run_id == run_id, _journal.c.seq >= start)
            .order_by(_journal.c.seq)
        )
        with self._errors(), self._engine.connect() as db:
            return tuple(Envelope(run_id, seq, ts, body) for seq, ts, body in db.execute(query))

    async def runs(self) -> tuple[RunEntry, ...]:
        """See the interface."""
        c = _journal.c
        query = (
            select(c.run_id, func.count(), func.min(c.ts), func.max(c.ts))
            .group_by(c.run_id)
            .order_by(func.min(c.ts).desc(), c.run_id)
        )
        with self._errors(), self._engine.connect() as db:
            return tuple(RunEntry(*row) for row in db.execute(query))

    async def close(self) -> None:
        """See the interface."""
        self._engine.dispose()


class _Raced(Exception):
    """Another process appended first."""


def _length(db: Connection, run_id: str) -> int:
    return int(db.execute(select(func.count()).select_from(_journal).where(_journal.c.run_id == run_id)).scalar() or 0)


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event below decides when transactions begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # Take the write lock first: two appenders that both read the length must not both go on.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def sqlite_store(path: Path) -> SqlStore:
    """A store in one file, made with its folder for this user only. Raises Unavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as exc:
        raise Unavailable(
            f"the store {path} cannot be made", f"{exc.strerror}.", ("name another with --store",)
        ) from None
    return SqlStore(f"sqlite:///{path}", str(path))
