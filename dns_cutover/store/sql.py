"""Runs in a SQL database, by SQLAlchemy Core. What is particular to SQLite stands at the end; the rest is any SQL.

The methods are coroutines by contract, but make their short calls synchronously: a thread in between would only blur
what a crash leaves behind. Once `append` returns True the rows are on disk; before that, none of them is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.envelopes import checked
from dns_cutover.store.interface import MAX_RUN_ID, RESERVED, Envelope, RunEntry
from dns_cutover.store.trouble import OTHER_STORE, foreign, newer, unavailable

SCHEMA_VERSION = 1
BUSY_SECONDS = 10

_metadata = MetaData()
_journal = Table(
    "journal",
    _metadata,
    Column("run_id", String(MAX_RUN_ID), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("ts", Float(53), nullable=False),
    Column("body", Text, nullable=False),
)
_schema = Table("schema_version", _metadata, Column("version", Integer, primary_key=True, autoincrement=False))

# How SQLite begins a transaction; any other database ignores it.
_BEGIN = "dns_cutover_begin"
_READS, _WRITES = "BEGIN", "BEGIN IMMEDIATE"


class SqlStore:
    """Implements `store.interface.Store`. `label` is what messages call it: it must carry no secret.

    Every refusal of the database is raised as Unavailable, by the constructor too.
    """

    def __init__(self, url: URL, label: str) -> None:
        self._label = label
        # Whatever the database defaults to: an append that lost a race is told by the primary key, and must not end in
        # a serialisation failure, which would look like a store that cannot be used.
        options = {"isolation_level": "READ COMMITTED"} if url.get_backend_name() == "postgresql" else {}
        self._engine = create_engine(url, **options)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _sqlite_connect)
            event.listen(self._engine, "begin", _sqlite_begin)
        try:
            with self._connection() as db:
                ready = self._recognise(db)
            if not ready:
                self._create()
        except Unavailable:
            self._engine.dispose()
            raise

    def _recognise(self, db: Connection) -> bool:
        """Whether our tables are there. Raises Unavailable for a schema that this version does not know."""
        tables = set(inspect(db).get_table_names())
        if _schema.name not in tables:
            # Elsewhere than in a file, tables of others are nothing unusual.
            if tables and db.dialect.name == "sqlite":
                raise foreign(self._label)
            return False
        version = db.execute(select(func.max(_schema.c.version))).scalar()
        if version is not None and version > SCHEMA_VERSION:
            raise newer(self._label, version, SCHEMA_VERSION)
        return version is not None

    def _create(self) -> None:
        if self._engine.dialect.name == "sqlite":
            # Readers beside a writer. The file remembers it; no transaction may be open while it changes.
            with self._connection("") as db:
                db.exec_driver_sql("PRAGMA journal_mode=WAL")
        try:
            with self._connection(_WRITES) as db:
                if self._recognise(db):
                    return  # another process was quicker
                _metadata.create_all(db)
                db.execute(insert(_schema).values(version=SCHEMA_VERSION))
        except (IntegrityError, Unavailable):
            # Where nothing locks the whole database, another process may be making the same tables just now.
            with self._connection() as db:
                if not self._recognise(db):
                    raise

    @contextmanager
    def _connection(self, begin: str = _READS) -> Iterator[Connection]:
        """One transaction, committed at the end. Raises Unavailable; IntegrityError passes."""
        options = {_BEGIN: begin}
        if begin == _READS and self._engine.dialect.name == "postgresql":
            # Each reading is one statement: a transaction around it would only be two more round trips.
            options["isolation_level"] = "AUTOCOMMIT"
        try:
            with self._engine.connect() as db, db.execution_options(**options).begin():
                yield db
        except IntegrityError:
            raise
        except DBAPIError as exc:
            raise unavailable(self._label, exc.orig) from None
        except SQLAlchemyError as exc:
            raise unavailable(self._label, exc) from None

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """See the interface. Raises ValueError for envelopes that are not consecutive.

        The length check refuses gaps; of two processes that both pass it, the primary key lets one in.
        """
        rows = checked(envelopes)
        values: list[dict[str, Any]] = [{"run_id": e.run_id, "seq": e.seq, "ts": e.ts, "body": e.body} for e in rows]
        try:
            with self._connection(_WRITES) as db:
                if _length(db, rows[0].run_id) != rows[0].seq:
                    return False
                db.execute(insert(_journal), values)
        except IntegrityError:
            return False
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """See the interface. Raises Unavailable."""
        query = (
            select(_journal.c.seq, _journal.c.ts, _journal.c.body)
            .where(_journal.c.run_id == run_id, _journal.c.seq >= start)
            .order_by(_journal.c.seq)
        )
        with self._connection() as db:
            return tuple(Envelope(run_id, seq, ts, body) for seq, ts, body in db.execute(query))

    async def last(self, run_id: str) -> Envelope | None:
        """See the interface. Raises Unavailable."""
        c = _journal.c
        query = select(c.seq, c.ts, c.body).where(c.run_id == run_id).order_by(c.seq.desc()).limit(1)
        with self._connection() as db:
            row = db.execute(query).first()
        return Envelope(run_id, *row) if row is not None else None

    async def runs(self) -> tuple[RunEntry, ...]:
        """See the interface. Raises Unavailable."""
        c = _journal.c
        query = (
            select(c.run_id, func.count(), func.min(c.ts), func.max(c.ts))
            .where(~c.run_id.contains(RESERVED, autoescape=True))
            .group_by(c.run_id)
            .order_by(func.min(c.ts).desc(), c.run_id)
        )
        with self._connection() as db:
            return tuple(RunEntry(*row) for row in db.execute(query))

    async def close(self) -> None:
        """See the interface."""
        self._engine.dispose()


def _length(db: Connection, run_id: str) -> int:
    # Rows are never deleted and leave no gaps, so the highest seq tells the length, and the key's index answers it.
    highest = db.execute(select(func.max(_journal.c.seq)).where(_journal.c.run_id == run_id)).scalar()
    return 0 if highest is None else int(highest) + 1


# PostgreSQL


def postgresql_store(url: str) -> SqlStore:
    """A store in a PostgreSQL database, `postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE`; it makes its tables.

    The password is better kept in $PGPASSWORD or in ~/.pgpass, which libpq reads. Raises Unavailable, UsageError.
    """
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise UsageError(
            "the store's address is not valid", "", ("write postgresql://USER@HOST/DATABASE",)
        ) from None  # the address may hold a password: it is not repeated
    if find_spec("psycopg") is None:
        raise UsageError(
            "stores in PostgreSQL need psycopg, which is not installed", "", ("pip install 'dns-cutover[postgres]'",)
        )
    host = address.host or "local socket"
    return SqlStore(address, f"postgresql://{host}/{address.database or ''}")


# SQLite


def sqlite_reader(path: Path) -> SqlStore:
    """The store at `path` for somebody who only looks. Where neither the file nor its folder can be written SQLite
    could not even read it (WAL wants files beside it); if nobody has it open, it is read as what never changes.

    sqlite.org/wal.html, "Read-Only Databases". Raises Unavailable.
    """
    path = path.absolute()
    try:
        return sqlite_store(path)
    except Unavailable:
        if os.access(path.parent, os.W_OK) or not os.access(path, os.R_OK) or Path(f"{path}-wal").exists():
            raise
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"immutable": "1", "uri": "true"})
    return SqlStore(url, str(path))


def sqlite_store(path: Path) -> SqlStore:
    """A store in one file, made for this user only (0600 in a folder of 0700). Raises Unavailable."""
    path = path.absolute()  # so that no name, ":memory:" say, has a meaning of its own
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Before SQLite does it: it would follow the umask. Its -wal and -shm files take the mode of this one.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not path.parent.is_dir():
            raise _unmakeable(path, f"{path.parent} is no folder") from None
    except (OSError, ValueError) as exc:
        raise _unmakeable(path, getattr(exc, "strerror", None) or "the name is not valid") from None
    return SqlStore(URL.create("sqlite", database=str(path)), str(path))


def _unmakeable(path: Path, reason: str) -> Unavailable:
    return Unavailable(f"the store {path} cannot be made", f"{reason[:1].upper()}{reason[1:]}.", (OTHER_STORE,))


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_sqlite_begin` does
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit is on disk before anything is sent to a server
    finally:
        cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A writer takes the lock first: an upgrade from reading to writing fails at once, without the busy timeout, when
    # somebody else wrote in between. Readers never wait for writers (WAL).
    statement = connection.get_execution_options().get(_BEGIN, _READS)
    if statement:
        connection.exec_driver_sql(statement)
