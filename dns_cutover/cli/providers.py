"""`providers [TYPE]`: where records can be written, what each place promises, and what credentials it needs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dns_cutover.cli.common import json_text, write_text
from dns_cutover.errors import UsageError


class Format(StrEnum):
    """How providers are shown."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(providers)


def providers(
    kind: Annotated[str | None, typer.Argument(metavar="TYPE", help="One provider; default: all.")] = None,
    iam_policy: Annotated[
        str | None, typer.Option("--iam-policy", metavar="ZONE", help="The IAM policy for a hosted zone, id or name.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="How to show them.")] = Format.TEXT,
) -> None:
    """List providers and what they promise."""
    from dns_cutover.assembly.catalogue import iam_policy as policy_of
    from dns_cutover.assembly.catalogue import known_providers
    from dns_cutover.report.provider_pages import providers_document, providers_text

    known = known_providers()
    if kind is not None:
        known = tuple(k for k in known if k.type == kind)
        if not known:
            raise UsageError(f"there is no provider {kind[:40]}", "", ("dns-cutover providers   lists them all",))
    if iam_policy is not None:
        if kind not in (None, "route53"):
            raise UsageError(
                f"{kind} has no IAM policies", "", (f"dns-cutover providers route53 --iam-policy {iam_policy[:80]}",)
            )
        write_text(json_text(policy_of(iam_policy)))
        return
    write_text(json_text(providers_document(known)) if output is Format.JSON else providers_text(known))
