"""A Slack incoming webhook.

docs.slack.dev/messaging/sending-messages-using-incoming-webhooks: POST of JSON; success is 200 with the body "ok", an
error is 400, 403, 404, 410 or 500 with a word; too many requests are 429 with Retry-After. Formatting:
docs.slack.dev/messaging/formatting-message-text: & < > are escaped, as they would begin entities and mentions.
Block Kit: a header has plain text of at most 150 characters, the text of a section at most 3,000.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from dns_cutover.notify.interface import Notification, Severity
from dns_cutover.notify.post import post
from dns_cutover.plan.notify_models import Kind
from dns_cutover.providers.secret import Secret
from dns_cutover.report.words import safe, utc

MAX_HEADER = 150
MAX_SECTION = 3000
_MARKS: dict[Severity, str] = {"info": "●", "warning": "▲", "error": "■", "critical": "✖"}


def escaped(text: str) -> str:
    """`text` as mrkdwn that shows it as it is: no mention, no link, no code that ends early, no formatting.

    A zero-width space after a formatting character keeps it from pairing: Slack has no escape for these.
    """
    out = safe(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "*_~`":
        out = out.replace(character, f"{character}\u200b")
    return out


def code(text: str) -> str:
    """A command in code style; it holds no backtick then."""
    plain = safe(text).replace("`", "'")
    return "`" + plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") + "`"


def message(n: Notification) -> dict[str, Any]:
    """The request's body. `text` is what notifications show, and what is read aloud."""
    lines = [f"{_MARKS[n.severity]} {escaped(n.summary)}"]
    if n.why:
        lines.append(escaped(n.why))
    lines += [f"{code(command)}  {escaped(effect)}" for command, effect in n.unblock]
    where = " · ".join(escaped(x) for x in (", ".join(n.zones)[:200], n.step, utc(n.at)) if x)
    return {
        "text": _whole(lines[0]),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": _whole("\n".join(lines)), "verbatim": True}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _whole(where), "verbatim": True}]},
        ],
    }


def _whole(text: str) -> str:
    """Within the limit, and without half an escape at its end."""
    if len(text) <= MAX_SECTION:
        return text
    cut = text[: MAX_SECTION - 1]
    start = cut.rfind("&", len(cut) - 5)
    return (cut[:start] if start >= 0 and ";" not in cut[start:] else cut) + "…"


class SlackSender:
    """Implements `interface.Sender`."""

    def __init__(self, name: str, url: Secret, on: Collection[str]) -> None:
        self._name = name
        self._url = url
        self._on = frozenset(on)

    def wants(self, kind: Kind) -> bool:
        """See the interface."""
        return kind in self._on

    def send(self, notification: Notification) -> None:
        """See the interface."""
        body = json.dumps(message(notification), ensure_ascii=False).encode("utf-8", "backslashreplace")
        post(self._url.reveal(), body, (), (200,), self._name)
