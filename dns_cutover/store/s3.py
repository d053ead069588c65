"""Runs in an S3 bucket, for teams whose runners are disposable. Any server with conditional writes will do.

One append is one object, `<prefix>/<run>/<seq of its first envelope>`, written with `If-None-Match: *`: of two writers
at the same length one gets in, and the other is answered 412. Nothing is ever overwritten or deleted. Amazon S3:
docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html; listing is strongly consistent there.

The calls are made synchronously, as those of the SQL stores are: what is journaled before an act is stored by then.
"""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.store.envelopes import checked
from dns_cutover.store.interface import RESERVED, Envelope, RunEntry
from dns_cutover.store.trouble import s3_unavailable

SCHEMA = "dns-cutover/store/1"
MARKER = "dns-cutover-store.json"
DIGITS = 10  # of a sequence number in a key: keys must sort as numbers do
CONFLICT_TRIES = 5  # 409 ConditionalRequestConflict: "upload the object again"
_OPTIONS = frozenset({"endpoint", "region", "profile"})

T = TypeVar("T")


class _Exists(Exception):
    """Something is there already under the key of a conditional write."""


class S3Store:
    """Implements `store.interface.Store`. `client` is boto3's for S3, `prefix` has no slash at its end, `label` is what
    messages call the store.
    """

    def __init__(self, client: Any, bucket: str, prefix: str, label: str) -> None:
        self._s3 = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._label = label
        self._trusted = False

    async def append(self, envelopes: Sequence[Envelope]) -> bool:
        """See the interface. Raises ValueError for envelopes that are not consecutive, Unavailable."""
        rows = checked(envelopes)
        self._trust()
        run_id, first = rows[0].run_id, rows[0].seq
        if self._length(run_id) != first:
            return False
        # A reply that was lost makes the client send again, and the answer to that is "exists": the nonce tells ours.
        nonce = secrets.token_hex(8)
        body = {"nonce": nonce, "envelopes": [[e.seq, e.ts, e.body] for e in rows]}
        key = self._key(run_id, first)
        try:
            self._create(key, body)
        except _Exists:
            return bool(self._read(key).get("nonce") == nonce)
        return True

    async def load(self, run_id: str, start: int = 0) -> tuple[Envelope, ...]:
        """See the interface. Raises Unavailable."""
        firsts = sorted(self._firsts(run_id))  # directory buckets list in no order
        # The object that `start` lies in begins at or before it.
        at = max(bisect_right(firsts, start) - 1, 0)
        found: list[Envelope] = []
        expected = firsts[at] if at and firsts else 0
        for first in firsts[at:]:
            if first != expected:
                raise self._damaged(self._key(run_id, expected), "is missing")
            batch = self._batch(run_id, first)
            expected = batch[-1].seq + 1
            found += batch
        return tuple(e for e in found if e.seq >= start)

    async def last(self, run_id: str) -> Envelope | None:
        """See the interface. Raises Unavailable."""
        first = max(self._firsts(run_id), default=None)
        return self._batch(run_id, first)[-1] if first is not None else None

    async def runs(self) -> tuple[RunEntry, ...]:
        """See the interface. Raises Unavailable."""
        entries = []
        for run_id in self._run_ids():
            firsts = sorted(self._firsts(run_id))
            if firsts:
                head, tail = self._batch(run_id, firsts[0]), self._batch(run_id, firsts[-1])
                entries.append(RunEntry(run_id, tail[-1].seq + 1, head[0].ts, tail[-1].ts))
        return tuple(sorted(entries, key=lambda e: (-e.created, e.run_id)))

    async def close(self) -> None:
        """See the interface."""
        self._s3.close()

    # Keys

    def _key(self, run_id: str, first: int) -> str:
        return f"{self._folder(run_id)}{first:0{DIGITS}d}"

    def _folder(self, run_id: str) -> str:
        return f"{self._prefix}{quote(run_id, safe='')}/"

    def _run_ids(self) -> Iterator[str]:
        for page in self._pages(Prefix=self._prefix, Delimiter="/"):
            for common in page.get("CommonPrefixes", ()):
                run_id = unquote(common["Prefix"][len(self._prefix) : -1])
                if RESERVED not in run_id:
                    yield run_id

    def _firsts(self, run_id: str) -> Iterator[int]:
        """The first sequence number of each append."""
        folder = self._folder(run_id)
        for page in self._pages(Prefix=folder):
            for item in page.get("Contents", ()):
                name = item["Key"][len(folder) :]
                if len(name) == DIGITS and name.isdecimal():
                    yield int(name)

    def _length(self, run_id: str) -> int:
        last = max(self._firsts(run_id), default=None)
        return 0 if last is None else self._batch(run_id, last)[-1].seq + 1

    # Calls

    def _batch(self, run_id: str, first: int) -> tuple[Envelope, ...]:
        content = self._read(self._key(run_id, first))
        try:
            batch = tuple(Envelope(run_id, int(seq), float(ts), str(body)) for seq, ts, body in content["envelopes"])
        except (KeyError, TypeError, ValueError):
            raise self._damaged(self._key(run_id, first)) from None
        if not batch or [e.seq for e in batch] != list(range(first, first + len(batch))):
            raise self._damaged(self._key(run_id, first))
        return batch

    def _read(self, key: str) -> dict[str, Any]:
        raw = self._call(lambda: self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        try:
            content = json.loads(raw)
        except ValueError:
            raise self._damaged(key) from None
        if not isinstance(content, dict):
            raise self._damaged(key)
        return content

    def _damaged(self, key: str, how: str = "is not what dns-cutover wrote") -> Unavailable:
        return Unavailable(
            f"the store {self._label} cannot be used",
            f"Its object {key} {how}.",
            ("restore an earlier version of the object", "name another store with --store"),
        )

    def _create(self, key: str, content: dict[str, Any]) -> None:
        """Write an object that is not there yet. Raises _Exists, Unavailable."""
        body = json.dumps(content, separators=(",", ":")).encode()

        def put() -> bool:
            from botocore.exceptions import ClientError

            for _ in range(CONFLICT_TRIES):
                try:
                    self._s3.put_object(
                        Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                    )
                except ClientError as exc:
                    match exc.response.get("Error", {}).get("Code"):
                        case "PreconditionFailed" | "412":
                            return False
                        case "ConditionalRequestConflict" | "409":
                            continue
                        case _:
                            raise
                return True
            return False

        if not self._call(put):
            raise _Exists

    def _pages(self, **query: Any) -> Iterator[Any]:
        pages = iter(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **query))
        while (page := self._call(lambda: next(pages, None))) is not None:
            yield page

    def _call(self, what: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return what()
        except (ClientError, BotoCoreError) as exc:
            raise s3_unavailable(self._label, exc) from None

    def _trust(self) -> None:
        """Once, before the first write: whether the server honours the condition that everything here rests on.

        A server that ignores it would let two runners write the same place in a journal.
        """
        if self._trusted:
            return
        key = f"{self._prefix}{MARKER}"
        for _ in range(2):
            try:
                self._create(key, {"schema": SCHEMA})
            except _Exists:
                found = self._read(key).get("schema")
                if found != SCHEMA:
                    raise Unavailable(
                        f"the store {self._label} has the schema {str(found)[:60]}",
                        f"This version knows {SCHEMA}, and writing to another could damage its runs.",
                        ("upgrade dns-cutover", "name another store with --store"),
                    ) from None
                self._trusted = True
                return
        raise Unavailable(
            f"the store {self._label} cannot be used",
            "Its server ignores If-None-Match, so that two runners could overwrite each other's journal.",
            ("use a server with conditional writes, or another kind of store",),
        )


def s3_store(url: str) -> S3Store:
    """The store at `s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&profile=NAME]`. Credentials come from the AWS chain.

    Nothing is asked until the store is used. Raises UsageError, Unavailable.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UsageError("the store's address is not valid", "", ("write s3://BUCKET/PREFIX",)) from None
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(set(options) - _OPTIONS):
        raise UsageError(
            f"the store's address has an unknown option {unknown[0][:60]}",
            "",
            (f"known: {', '.join(sorted(_OPTIONS))}",),
        )
    if not parts.netloc or "@" in parts.netloc:
        raise UsageError(
            "the store's address names no bucket",
            "Credentials do not belong into it: they come from the environment or the AWS configuration.",
            ("write s3://BUCKET/PREFIX",),
        )
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    label = f"s3://{parts.netloc}{parts.path.rstrip('/')}"
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})
    try:
        session = boto3.Session(profile_name=options.get("profile"), region_name=options.get("region"))
        client = session.client("s3", endpoint_url=options.get("endpoint"), config=config)
    except (BotoCoreError, ValueError) as exc:
        raise s3_unavailable(label, exc) from None
    return S3Store(client, parts.netloc, parts.path.strip("/"), label)
