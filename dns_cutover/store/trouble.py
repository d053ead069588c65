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


# PostgreSQL's error codes, by class or whole (postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRESQL = {
    "28": Trouble("The server does not let this user in.", ("check the user's name and password ($PGPASSWORD)",)),
    "3D": Trouble("There is no such database on the server.", ("create it: createdb NAME", OTHER_STORE)),
    "42501": Trouble(
        "This user may not write there.", ("grant it: GRANT CREATE, USAGE ON SCHEMA public TO USER", OTHER_STORE)
    ),
    "25006": Trouble("It is read-only: a standby, perhaps.", ("name the primary server",)),
    "53100": Trouble("The server's disk is full.", ("free some space, then repeat the command: nothing is lost",)),
    "53300": Trouble("The server has no connection left.", ("wait, then repeat the command",)),
    "57": Trouble("The server is stopping or starting.", ("wait, then repeat the command",)),
}
_NO_SERVER = Trouble("Its server does not answer.", ("check that it runs and can be reached from here", OTHER_STORE))

# S3's error codes (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), and botocore's own exceptions.
_S3 = {
    "NoSuchBucket": Trouble("There is no such bucket.", ("create it, or name another store with --store",)),
    "AccessDenied": Trouble(
        "The credentials are not allowed to do that.",
        ("grant s3:ListBucket on the bucket, s3:GetObject and s3:PutObject on what is in it",),
    ),
    "403": Trouble("The credentials are not allowed to do that.", ("check them: aws sts get-caller-identity",)),
    "InvalidAccessKeyId": Trouble("The access key is not known there.", ("check the AWS credentials",)),
    "SignatureDoesNotMatch": Trouble("The secret key does not fit the access key.", ("check the AWS credentials",)),
    "ExpiredToken": Trouble("The credentials have expired.", ("sign in again, then repeat the command",)),
    "RequestTimeTooSkewed": Trouble("This machine's clock is wrong.", ("set the clock, then repeat the command",)),
    "NotImplemented": Trouble(
        "Its server has no conditional writes.", ("use a server that has them, or another kind of store",)
    ),
    "NoCredentialsError": Trouble("There are no AWS credentials.", ("set AWS_ACCESS_KEY_ID, or AWS_PROFILE",)),
    "PartialCredentialsError": Trouble("The AWS credentials are incomplete.", ("set AWS_SECRET_ACCESS_KEY, too",)),
    "ProfileNotFound": Trouble("There is no such AWS profile.", ("list them: aws configure list-profiles",)),
    "NoRegionError": Trouble("No AWS region is known.", ("add ?region=NAME to the store's address",)),
    "EndpointConnectionError": _NO_SERVER,
    "ConnectTimeoutError": _NO_SERVER,
    "ReadTimeoutError": _NO_SERVER,
    "ConnectionClosedError": _NO_SERVER,
}


def s3_unavailable(label: str, cause: BaseException) -> Unavailable:
    """The error for a person. `cause` is botocore's exception; only its code or its type's name is shown."""
    response: object = getattr(cause, "response", None)
    error = response.get("Error", {}) if isinstance(response, dict) else {}
    code = str(error.get("Code") or type(cause).__name__)
    trouble = _S3.get(code) or Trouble(f"S3 says: {code[:60]}.", ("repeat the command", OTHER_STORE))
    return Unavailable(f"the store {label} cannot be used", trouble.why, trouble.hints)


def _known(cause: BaseException | None) -> Trouble | None:
    code = str(getattr(cause, "sqlite_errorname", None) or "")
    if code:
        return next((t for name, t in _SQLITE.items() if code == name or code.startswith(f"{name}_")), None)
    if (state := getattr(cause, "sqlstate", None)) is not None:
        return _POSTGRESQL.get(str(state)) or _POSTGRESQL.get(str(state)[:2])
    # A failed connection has no code: what the library says then names only host, port and user.
    text = str(cause)
    if "password authentication failed" in text or "no password supplied" in text:
        return _POSTGRESQL["28"]
    if "database" in text and "does not exist" in text:
        return _POSTGRESQL["3D"]
    return _NO_SERVER if type(cause).__module__.startswith("psycopg") else None


def unavailable(label: str, cause: BaseException | None) -> Unavailable:
    """The error for a person. `cause`: the driver's exception; its text is shown only where nothing better is known."""
    known = _known(cause)
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
