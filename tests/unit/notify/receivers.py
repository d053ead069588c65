"""Receivers on loopback that are as strict as the documents of the real ones. Each rule names its document."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any


@dataclass
class Answer:
    """`drip`: that many seconds between single bytes of the body; `raw`: sent in the place of an HTTP answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


Judge = Callable[[Request], Answer]


class Receiver:
    """Answers by `judge`, but first by `plan`: an answer, or an event that is waited for without answering."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.requests: list[Request] = []
        self.plan: list[Answer | threading.Event] = []
        self.url = ""
        self.changed = threading.Condition()

    def answer(self, request: Request) -> Answer | threading.Event:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            if self.plan:
                return self.plan.pop(0)
        return self.judge(request)

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, 20), self.requests


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that gave up is no news."""


@contextmanager
def serving(receiver: Receiver, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = receiver.answer(Request(self.path, headers, body))
            if isinstance(found, threading.Event):
                found.wait(30)
                return
            if found.raw is not None:
                self.wfile.write(found.raw)
                return
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    receiver.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        for held in receiver.plan:
            if isinstance(held, threading.Event):
                held.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


# Standard Webhooks 1.0.0 (standard-webhooks/spec/standard-webhooks.md)


def standard_webhook(key: bytes, now: Callable[[], float] = time.time) -> Judge:
    """Verifies the signature over `id.timestamp.body`, refuses timestamps five minutes away, and ids seen before."""
    seen: set[str] = set()

    def judge(request: Request) -> Answer:
        message, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        if not message or "." in message or not stamp.isdigit() or abs(int(stamp) - now()) > 300:
            return Answer(401)
        digest = hmac.new(key, f"{message}.{stamp}.".encode() + request.body, hashlib.sha256).digest()
        good = "v1," + base64.b64encode(digest).decode()
        if not any(hmac.compare_digest(good, given) for given in request.headers["webhook-signature"].split(" ")):
            return Answer(401)
        if request.headers.get("content-type") != "application/json":
            return Answer(415)
        json.loads(request.body)
        seen.add(message)
        return Answer(204)

    return judge


# Slack: docs.slack.dev "Sending messages using incoming webhooks", "Formatting message text", Block Kit reference


def slack(path: str) -> Judge:
    """200 "ok", or the documented status with its word."""

    def judge(request: Request) -> Answer:
        if request.path != path:
            return Answer(404, b"no_service")
        try:
            body = json.loads(request.body)
        except ValueError:
            return Answer(400, b"invalid_payload")
        texts = [body.get("text"), *_slack_texts(body.get("blocks", []))]
        if not body.get("text") or any(t is None or not 0 < len(t) <= 3000 for t in texts):
            return Answer(400, b"invalid_payload")
        if len(body.get("blocks", [])) > 50:
            return Answer(400, b"invalid_blocks")
        # Anything between < and > is a link or a mention, and & must begin one of three entities.
        if any(re.search(r"[<>]|&(?!amp;|lt;|gt;)", t) for t in texts):
            return Answer(400, b"invalid_payload")
        return Answer(200, b"ok")

    return judge


def _slack_texts(blocks: list[dict[str, Any]]) -> list[str | None]:
    out: list[str | None] = []
    for block in blocks:
        match block.get("type"):
            case "section":
                out.append(block["text"]["text"] if block["text"]["type"] == "mrkdwn" else None)
            case "context":
                elements = block["elements"]
                out += [e["text"] if e["type"] == "mrkdwn" else None for e in elements[:10]]
                out += [None] * (len(elements) > 10)
            case _:
                out.append(None)
    return out


# PagerDuty: developer.pagerduty.com/docs/events-api-v2 (overview, trigger events, change events); api-schema events-v2


@dataclass
class PagerDuty:
    """Alerts by dedup_key, and change events, as the service would show them."""

    key: str
    alerts: dict[str, list[str]] = field(default_factory=dict)
    severities: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        try:
            fault = self._take(request.path, json.loads(request.body))
        except (ValueError, KeyError, TypeError, binascii.Error) as exc:
            fault = repr(exc)
        if fault:
            self.faults.append(fault)
            return Answer(400, json.dumps({"status": "invalid event", "errors": [fault]}).encode())
        return Answer(202, b'{"status":"success","message":"Event processed"}')

    def _take(self, path: str, body: dict[str, Any]) -> str:
        if body.pop("routing_key") != self.key or len(self.key) != 32:
            return "Length of 'routing_key' is incorrect (should be 32 characters)"
        payload = body.pop("payload")
        if not 0 < len(payload["summary"]) <= 1024 or not payload["source"]:
            return "summary or source"
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", payload["timestamp"]):
            return "timestamp"
        if not isinstance(payload["custom_details"], dict):
            return "custom_details"
        if path == "/v2/change/enqueue":
            if set(body) - {"links", "images"} or "severity" in payload:
                return "a change event has payload and links only"
            self.changes.append(payload["summary"])
            return ""
        if path != "/v2/enqueue":
            return "no such path"
        action, key = body.pop("event_action"), body.pop("dedup_key")
        if action not in ("trigger", "acknowledge", "resolve") or not 0 < len(key) <= 255:
            return "event_action or dedup_key"
        if payload["severity"] not in ("critical", "error", "warning", "info"):
            return "severity"
        if set(body) - {"client", "client_url", "links", "images"}:
            return f"unknown: {sorted(body)}"
        self.alerts.setdefault(key, []).append(action)
        self.severities.append(payload["severity"])
        return ""
