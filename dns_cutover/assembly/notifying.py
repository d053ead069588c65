"""A runbook in, those who tell people out. Secrets are read here, when a run begins or goes on, and never before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dns_cutover.errors import CutoverError, UsageError

if TYPE_CHECKING:
    from dns_cutover.assembly.setting import Setting
    from dns_cutover.notify.interface import Sender
    from dns_cutover.providers.secret import Secret
    from dns_cutover.runbook.model import Notify, Runbook


def senders(book: Runbook, setting: Setting, *, allow_commands: bool) -> Mapping[str, Sender]:
    """All of the runbook's notifications by name. Raises Unavailable, UsageError: told before a run exists."""
    return {n.name: sender(n, setting, allow_commands=allow_commands) for n in book.notify}


def usable_senders(
    book: Runbook, setting: Setting, *, allow_commands: bool
) -> tuple[Mapping[str, Sender], tuple[CutoverError, ...]]:
    """Those that can be used here, and why the others cannot: a run that exists goes on without them."""
    out: dict[str, Sender] = {}
    trouble: list[CutoverError] = []
    for n in book.notify:
        try:
            out[n.name] = sender(n, setting, allow_commands=allow_commands)
        except CutoverError as exc:
            trouble.append(exc)
    return out, tuple(trouble)


def sender(n: Notify, setting: Setting, *, allow_commands: bool) -> Sender:
    """Reads its secrets. Raises Unavailable, UsageError."""
    match n.type:
        case "webhook":
            import time

            from dns_cutover.notify.webhook import WebhookSender

            return WebhookSender(n.name, _url(n, setting), _secret(n, "secret", setting), n.on, time.time)
        case "slack":
            from dns_cutover.notify.slack import SlackSender

            return SlackSender(n.name, _url(n, setting), n.on)
        case "pagerduty":
            from dns_cutover.notify.pagerduty import BASES, PagerDutySender

            return PagerDutySender(n.name, _secret(n, "routing_key", setting), n.on, BASES[n.options["region"]])
        case "exec":
            from dns_cutover.notify.exec import ExecSender

            if not allow_commands:
                raise UsageError(
                    f"the notification {n.name} would run a command",
                    "Commands of a plan run only if you say so.",
                    ("read the plan, then add --allow-commands",),
                )
            return ExecSender(n.name, n.options["argv"], n.on, setting.environ.get("PATH", os.defpath))
        case _:
            raise UsageError(f"the notification {n.name} is of a kind that is not available in this version: {n.type}")


def _secret(n: Notify, key: str, setting: Setting) -> Secret:
    """Raises Unavailable."""
    from dns_cutover.errors import Unavailable
    from dns_cutover.providers.secret import read_secret

    try:
        return read_secret(n.options[key], setting.environ)
    except Unavailable as exc:
        hints = tuple(h.replace("   the key's base64 secret", "") for h in exc.hints)
        raise Unavailable(f"notification {n.name}: {exc.what}", exc.why, hints) from None


def _url(n: Notify, setting: Setting) -> Secret:
    """Raises Unavailable."""
    from dns_cutover.errors import Unavailable
    from dns_cutover.plan.notify_models import usable_url
    from dns_cutover.providers.secret import Secret

    given = n.options["url"]
    url = Secret(given, "the plan") if isinstance(given, str) else _secret(n, "url", setting)
    try:
        usable_url(url.reveal())
    except ValueError:
        # What is there may be a secret of another kind: not a character of it is shown.
        raise Unavailable(
            f"notification {n.name}: {url.source} holds no address",
            "A webhook's address begins with https:// and has no spaces in it.",
        ) from None
    return url
