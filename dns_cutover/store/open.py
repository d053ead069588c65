"""From a store's URL to a store. SQLAlchemy is imported only here, and only when a store needs it."""

from __future__ import annotations

import re
from pathlib import Path

from dns_cutover.errors import UsageError
from dns_cutover.store.interface import Store

SUPPORTED = ("sqlite:///PATH", "a path", "postgresql://USER@HOST/DATABASE", "s3://BUCKET/PREFIX", "memory:")

# One letter before a colon is more likely a strange file name than a scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def default_path() -> Path:
    """Where runs are kept if nobody says otherwise."""
    import platformdirs

    return Path(platformdirs.user_state_dir("dns-cutover")) / "runs.sqlite3"


def beside(url: str | None) -> Path:
    """The folder for files that belong to the store at `url`: its own, or the user's where it is no file here."""
    scheme = _SCHEME.match(url or "")
    if url and scheme is None:
        return Path(url).absolute().parent
    if url and url.lower().startswith("sqlite:///"):
        return Path(url[len("sqlite:///") :]).absolute().parent
    return default_path().parent


def open_store(url: str | None, *, make: bool = True) -> Store:
    """The store at `url`, of the forms in SUPPORTED; the user's own store without one.

    Three slashes and a relative path, four and an absolute one, as SQLAlchemy has it. Without `make`, a file that is
    not there is an empty store, and stays away: whoever only looks leaves nothing behind. Raises UsageError,
    Unavailable.
    """
    if not url:
        return _sqlite(default_path(), make)
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _sqlite(Path(url), make)
    if url.lower() == "memory:":
        from dns_cutover.store.memory import MemoryStore

        return MemoryStore()
    if scheme[1].lower() in ("postgresql", "postgres"):
        from dns_cutover.store.sql import postgresql_store

        return postgresql_store(url)
    if scheme[1].lower() == "s3":
        from dns_cutover.store.s3 import s3_store

        return s3_store(url)
    path = url[len("sqlite:///") :]
    if url.lower().startswith("sqlite:///") and path:
        return _sqlite(Path(path), make)
    # The rest of the URL may hold a password: it is not repeated.
    kind = scheme[1].lower()
    raise UsageError(
        "the store's address names no file" if kind == "sqlite" else f"there is no store of the kind {kind}",
        "A file's name with a colon in it can be written as ./NAME.",
        tuple(f"supported: {form}" for form in SUPPORTED),
    )


def _sqlite(path: Path, make: bool) -> Store:
    if not make and not path.exists():
        from dns_cutover.store.memory import MemoryStore

        return MemoryStore()
    from dns_cutover.store.sql import sqlite_reader, sqlite_store

    return sqlite_store(path) if make else sqlite_reader(path)
