"""What the shell offers while one types. Nothing here asks DNS or creates a file, and trouble only means no offer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dns_cutover.errors import CutoverError

if TYPE_CHECKING:
    from dns_cutover.store.interface import Store


def templates(incomplete: str) -> list[tuple[str, str]]:
    """Templates of `init`, with what they are for."""
    from dns_cutover.plan.template_kinds import TEMPLATES

    return [(t.name, t.summary) for t in TEMPLATES if t.name.startswith(incomplete)]


def check_ids(incomplete: str) -> list[tuple[str, str]]:
    """Ids of checks, with what they find."""
    from dns_cutover.report.validation import titles

    return [(i, title) for i, title in sorted(titles().items()) if i.startswith(incomplete.upper())]


def run_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of the runs in the store that the command line or the environment names, newest first."""
    import asyncio

    from dns_cutover.store.open import open_store

    url = context.find_root().params.get("store") or os.environ.get("DNS_CUTOVER_STORE") or None
    try:
        if not _file(url).is_file():
            return []  # opening a store makes one
        found = asyncio.run(_runs(open_store(url)))
    except CutoverError:
        return []
    return [(run, "") for run in found if run.startswith(incomplete)]


async def _runs(store: Store) -> list[str]:
    try:
        return [entry.run_id for entry in await store.runs()]
    finally:
        await store.close()


def _file(url: str | None) -> Path:
    from dns_cutover.store.open import default_path

    return Path(url.removeprefix("sqlite:///")) if url else default_path()
