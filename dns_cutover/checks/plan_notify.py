"""DC158, DC159: notifications that do not say what they seem to, or say it to everybody."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.plan.notify_models import ExecNotify, WebhookNotify

_HOOK = 'notify: [{type: webhook, url: "%s", secret: {env: HOOK_SECRET}}]\n'
_EXEC = "notify: [{type: exec, argv: [%s]}]\n"
_STAGES = """stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
# Forms in which other tools have their fields filled in; ${name} is the plan's own, and long replaced here.
_PLACEHOLDER = re.compile(
    r"\{\{[^{}]+\}\}|\{[A-Za-z_][A-Za-z0-9_.]*\}|%[(][^()]+[)][sd]|%[sd]|<[A-Za-z_]+>|\$[A-Z_]{2,}"
)


@check(
    "DC158",
    "warning",
    "a notification that is sent in clear text",
    why="Whoever is on the way can read which names move and when, and can keep the message back.",
    hint="write https://",
    source="RFC 9110 section 4.2.1",
    fires=Example(_HOOK % "http://hooks.example.net/dns" + _STAGES),
    silent=Example(_HOOK % "https://hooks.example.net/dns" + _STAGES),
)
def clear_text(subject: Subject) -> Iterator[Spot]:
    """A webhook is signed, so that nobody can change or invent a message unnoticed; but with http:// it can be read,
    and a message that never arrives is missed by nobody. An address of this machine is nothing to warn of.
    """
    for n, item in enumerate(subject.loaded.plan.notify):
        if isinstance(item, WebhookNotify) and isinstance(item.url, str):
            url = urlsplit(item.url)
            if url.scheme == "http" and not _is_here(url.hostname or ""):
                yield Spot(("notify", n, "url"), f"{item.name or 'the webhook'} is sent to {url.hostname} by http")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@check(
    "DC159",
    "warning",
    "a placeholder that nothing fills in",
    why="The receiver would get it letter by letter.",
    hint="read the run, the step and the rest from the JSON document: on standard input, or in the request's body",
    source="the plan format, notify",
    fires=Example(_EXEC % '/usr/local/bin/tell, "--run", "{run_id}"' + _STAGES),
    silent=Example(_EXEC % "/usr/local/bin/tell, --from-stdin" + _STAGES),
)
def placeholder(subject: Subject) -> Iterator[Spot]:
    """Other tools fill fields into the arguments of a command or into an address, which is how a shell comes to run
    what a server said. Here nothing is filled in but the plan's own variables, ${name}: everything about the
    notification is in its JSON document.
    """
    for n, item in enumerate(subject.loaded.plan.notify):
        texts: list[tuple[tuple[str | int, ...], str]] = []
        if isinstance(item, ExecNotify):
            texts = [(("notify", n, "argv", k), text) for k, text in enumerate(item.argv)]
        elif isinstance(item, WebhookNotify) and isinstance(item.url, str):
            texts = [(("notify", n, "url"), item.url)]
        for path, text in texts:
            if found := _PLACEHOLDER.search(text):
                yield Spot(path, f"nothing is put in the place of {found[0][:40]}")


CHECKS = (clear_text, placeholder)
