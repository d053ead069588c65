"""From a store's URL to a store. SQLAlchemy is imported only here, and only when a store is opened."""

from __future__ import annotations

from pathlib import Path

from dns_cutover.errors import UsageError
from dns_cutover.store.interface import Store


def default_path() -> Path:
    """Where runs are kept if nobody says otherwise."""
    import platformdirs

    return Path(platformdirs.user_state_dir("dns-cutover")) / "runs.sqlite3"


def open_store(url: str | None) -> Store:
    """The store at `url`: `sqlite:///PATH`, a path, or `memory:`; the default without one.

    Raises UsageError, Unavailable.
    """
    if url == "memory:":
        from dns_cutover.store.memory import MemoryStore

        return MemoryStore()
    from dns_cutover.store.sql import sqlite_store

    if not url:
        return sqlite_store(default_path())
    if url.startswith("sqlite:///"):
        return sqlite_store(Path(url.removeprefix("sqlite:///")))
    if "://" in url or url.endswith(":"):
        scheme = url.partition(":")[0]
        raise UsageError(f"there is no store of the kind {scheme}", "", ("supported: sqlite:///PATH, a path, memory:",))
    return sqlite_store(Path(url))
