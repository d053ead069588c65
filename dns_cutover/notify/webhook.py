"""A generic webhook: the notification as JSON, signed as Standard Webhooks 1.0 has it.

standardwebhooks.com, spec/standard-webhooks.md: the headers webhook-id, webhook-timestamp (Unix seconds of the attempt)
and webhook-signature; what is signed is `<id>.<timestamp>.<body>`. The id stays the same when it is sent again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Collection

from dns_cutover.notify.interface import Failed, Notification, document
from dns_cutover.notify.post import post
from dns_cutover.plan.notify_models import Kind
from dns_cutover.providers.secret import Secret

PREFIX = "whsec_"


def signature(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64 of HMAC-SHA256>`. A secret that begins with whsec_ is base64 after it, any other is taken as it is.

    Raises Failed for one that says whsec_ and is no base64.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    try:
        digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    except ValueError:
        raise Failed(f"the secret from {secret.source} is no base64 after {PREFIX}", again=False) from None
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: Secret) -> bytes:
    if secret.reveal().startswith(PREFIX):
        return base64.b64decode(secret.reveal()[len(PREFIX) :], validate=True)
    return secret.reveal().encode()


class WebhookSender:
    """Implements `interface.Sender`. `now` gives seconds UTC: receivers compare the timestamp with their own clocks."""

    def __init__(self, name: str, url: Secret, secret: Secret, on: Collection[str], now: Callable[[], float]) -> None:
        self._name = name
        self._url = url
        self._secret = secret
        self._on = frozenset(on)
        self._now = now

    def wants(self, kind: Kind) -> bool:
        """See the interface."""
        return kind in self._on

    def send(self, notification: Notification) -> None:
        """See the interface. Any 2xx is a delivery."""
        body = json.dumps(document(notification), ensure_ascii=True, separators=(",", ":")).encode()
        timestamp = int(self._now())
        headers = [
            ("webhook-id", notification.id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", signature(self._secret, notification.id, timestamp, body)),
        ]
        post(self._url.reveal(), body, headers, range(200, 300), self._name)
