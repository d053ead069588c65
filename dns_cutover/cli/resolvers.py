"""`resolvers`: the catalogue of presets, from the code."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dns_cutover.cli.common import print_json, write_text


class Format(StrEnum):
    """How it is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(resolvers)


def resolvers(
    output: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
) -> None:
    """List the resolvers that plans and `check` can name by a preset."""
    rows = _rows()
    match output:
        case Format.JSON:
            print_json({"schema": "dns-cutover/resolvers/1", "presets": rows})
        case Format.TEXT:
            lines = [
                f"{r['name']:<12}{', '.join(r['addresses']):<34}{', '.join(r['transports']):<24}{_cap(r)}" for r in rows
            ]
            write_text("\n".join([*lines, "public      all of these", "system      those of resolv.conf"]) + "\n")
        case Format.MARKDOWN:
            write_text(resolvers_page())


def _rows() -> list[dict[str, Any]]:
    from dns_cutover.lookup.resolvers import PRESET_TRANSPORTS, PRESETS, preset_cap

    return [
        {
            "name": name,
            "addresses": [e.address for e in endpoints],
            "transports": list(PRESET_TRANSPORTS[name]),
            "max_ttl": preset_cap(name),
        }
        for name, endpoints in PRESETS.items()
    ]


def _cap(row: dict[str, Any]) -> str:
    return f"keeps at most {row['max_ttl']} s" if row["max_ttl"] is not None else "no maximum seen"


def resolvers_page() -> str:
    """The catalogue as a page of the documentation."""
    rows = _rows()
    lines = [
        "# Resolvers",
        "",
        "What `lookup.resolvers` of a plan and `check --resolver` can name by a preset.",
        "",
        "| preset | addresses | transports | highest TTL kept |",
        "|---|---|---|---|",
    ]
    for r in rows:
        cap = f"{r['max_ttl']} s" if r["max_ttl"] is not None else "none seen"
        lines.append(f"| `{r['name']}` | {', '.join(r['addresses'])} | {', '.join(r['transports'])} | {cap} |")
    lines += [
        "| `public` | all of these | | |",
        "| `system` | those of resolv.conf | udp | |",
        "",
        "The highest TTL is one author's measure of 2023: an answer at exactly that TTL is taken for one that our own",
        "question fetched. Others are listed by address; in `check`, `tls://` or `https://` goes before it.",
    ]
    return "\n".join(lines) + "\n"
