"""What a database's refusal means, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from dns_cutover.errors import Unavailable

OTHER_STORE = "name another store with --store"


class Trouble(NamedTuple):
    """One sentence of why, and hints."""

    why: str
    hints: tuple[str, ...]


# SQLite's primary result codes (sqlite.org/rescode.html); extended ones begin with the same name.
_SQLITE = {
    "SQLITE_READONLY": Trouble("It cannot be written to.", ("check the owner and mode of the file and its folder",)),
    "SQLITE_FULL": Trouble("The disk is full.", ("free some space, then repeat the command: nothing is lost",)),
    "SQLITE_BUSY": Trouble(
        "Another process has held it locked for ten seconds.", ("end that process, or wait, then repeat the command",)
    ),
    "SQLITE_LOCKED": Trouble("It is locked.", ("repeat the command",)),
    "SQLITE_CORRUPT": Trouble(
        "The file is damaged.", ("keep a copy, then try: sqlite3 FILE .recover | sqlite3 NEWFILE", OTHER_STORE)
    ),
    "SQLITE_NOTADB": Trouble("The file is no SQLite database.", (OTHER_STORE,)),
    "SQLITE_CANTOPEN": Trouble(
        "It cannot be opened.", ("check that it is a file, and the owner and mode of it and its folder", OTHER_STORE)
    ),
    "SQLITE_PERM": Trouble("Access is not permitted.", ("check the owner and mode of the file and its folder",)),
    "SQLITE_AUTH": Trouble("Access is not permitted.", (OTHER_STORE,)),
    "SQLITE_IOERR": Trouble(
        "Reading or writing failed.", ("check the disk and its free space, then repeat the command", OTHER_STORE)
    ),
    "SQLITE_NOMEM": Trouble("Memory is short.", ("free some memory, then repeat the command",)),
    "SQLITE_TOOBIG": Trouble("One entry is too large for it.", (OTHER_STORE,)),
}


def unavailable(label: str, cause: BaseException | None) -> Unavailable:
    """The error for a person. `cause`: the driver's exception; its text is shown only where nothing better is known."""
    code = str(getattr(cause, "sqlite_errorname", None) or "")
    known = next((t for name, t in _SQLITE.items() if code == name or code.startswith(f"{name}_")), None)
    text = " ".join(str(cause or "").split())[:200].rstrip(".") or type(cause).__name__
    trouble = known or Trouble(f"The database says: {text}.", (OTHER_STORE,))
    return Unavailable(f"the store {label} cannot be used", trouble.why, trouble.hints)


def newer(label: str, found: int, known: int) -> Unavailable:
    """The store's schema is from the future."""
    return Unavailable(
        f"the store {label} was written by a newer dns-cutover (schema {found})",
        f"This version knows schemas up to {known}, and writing to it could damage its runs.",
        ("upgrade dns-cutover", OTHER_STORE),
    )


def foreign(label: str) -> Unavailable:
    """A sound database, but of another program."""
    return Unavailable(
        f"the store {label} is a database of another program", "It has tables, but none of ours.", (OTHER_STORE,)
    )
