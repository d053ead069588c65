"""GitHub's and GitLab's comment APIs on loopback, strict: what they would refuse is refused, and kept in `broken`.

Rules and where they are written:
- api.github.com wants a User-Agent (docs.github.com/rest, "Getting started", "User agent"); media type and version as
  under "Headers" there.
- List, create and update comments of an issue, which a pull request is one of: docs.github.com/rest/issues/comments;
  30 to a page, at most 100 ("Using pagination").
- A body has at most 65,536 characters: 422 "body is too long" (as its answers say; no page does).
- A workflow's token may not read /user: 403 "Resource not accessible by integration".
- Notes of merge requests: docs.gitlab.com/api/notes, 20 to a page, at most 100; created with POST, changed with PUT;
  the token in PRIVATE-TOKEN (docs.gitlab.com/api/rest/authentication). A note has at most 1,000,000 characters.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]


class Forge:
    """What both have in common. `trouble`: "forbidden", "redirect" (to another path), "down" (status 502), or "odd"
    (JSON of another kind).
    """

    token = "t0ken-of-the-job"

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble
        self.broken: list[str] = []
        self.elsewhere: list[str] = []  # requests after a redirect: a token must not follow it

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Answer:
        if path.startswith("/elsewhere"):
            self.elsewhere.append(path)
            return 200, []
        match self.trouble:
            case "forbidden":
                return 403, {"message": "Resource not accessible by integration"}
            case "redirect":
                return 302, "/elsewhere"
            case "down":
                return 502, {}
            case "odd":
                return 200, "hello"
        return self.route(method, path, query, headers, body)

    def route(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Answer:
        raise NotImplementedError

    def refuse(self, status: int, why: str) -> Answer:
        self.broken.append(why)
        return status, {"message": why}

    def page(self, items: list[dict[str, Any]], query: dict[str, str], default: int) -> Answer:
        size = int(query.get("per_page", default))
        if not 1 <= size <= 100:
            return self.refuse(422, "per_page is 1 to 100")
        first = (int(query.get("page", 1)) - 1) * size
        return 200, items[first : first + size]


class FakeGitHub(Forge):
    """Comments of pull request 7. `login`: whose personal token it is; empty for a workflow's."""

    repository = "team/dns plans"

    def __init__(self, login: str = "", trouble: str = "") -> None:
        super().__init__(trouble)
        self.login = login
        self.comments: list[dict[str, Any]] = []

    def say(self, login: str, kind: str, body: str, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.comments) + 1
            url = f"https://github.test/c/{number}"
            self.comments.append({"id": number, "user": {"login": login, "type": kind}, "body": body, "html_url": url})

    def route(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Answer:
        if headers["User-Agent"] in (None, "") or headers["User-Agent"].startswith("Python-urllib"):
            return self.refuse(403, "a User-Agent of its own is needed")
        if headers["Authorization"] != f"Bearer {self.token}":
            return self.refuse(401, "Bad credentials")
        if headers["Accept"] != "application/vnd.github+json" or headers["X-GitHub-Api-Version"] != "2022-11-28":
            return self.refuse(400, "media type or version")
        if (method, path) == ("GET", "/user"):
            return (200, {"login": self.login}) if self.login else (403, {"message": "Resource not accessible"})
        base = "/repos/team/dns%20plans/issues"
        if (method, path) == ("GET", f"{base}/7/comments"):
            return self.page(self.comments, query, 30)
        if method in ("POST", "PATCH") and (not isinstance(body, dict) or set(body) != {"body"}):
            return self.refuse(422, "a comment is an object with a body")
        if method in ("POST", "PATCH") and len(body["body"]) > 65536:
            return self.refuse(422, "body is too long (maximum is 65536 characters)")
        if (method, path) == ("POST", f"{base}/7/comments"):
            self.say(self.login or "github-actions[bot]", "User" if self.login else "Bot", body["body"])
            return 201, self.comments[-1]
        for comment in self.comments:
            if (method, path) == ("PATCH", f"{base}/comments/{comment['id']}"):
                comment["body"] = body["body"]
                return 200, comment
        return self.refuse(404, f"{method} {path}")


class FakeGitLab(Forge):
    """Notes of merge request 7 of project 5. The token belongs to user 42."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__(trouble)
        self.notes: list[dict[str, Any]] = []

    def say(self, author: int, body: str) -> None:
        self.notes.append({"id": len(self.notes) + 1, "author": {"id": author}, "body": body})

    def route(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Answer:
        if headers["PRIVATE-TOKEN"] != self.token:
            return self.refuse(401, "401 Unauthorized")
        if (method, path) == ("GET", "/user"):
            return 200, {"id": 42}
        notes = "/projects/5/merge_requests/7/notes"
        if (method, path) == ("GET", notes):
            return self.page(self.notes, query, 20)
        if method in ("POST", "PUT") and (not isinstance(body, dict) or set(body) != {"body"}):
            return self.refuse(400, "body is missing")
        if method in ("POST", "PUT") and len(body["body"]) > 1_000_000:
            return self.refuse(400, "note is too long (maximum is 1000000 characters)")
        if (method, path) == ("POST", notes):
            self.say(42, body["body"])
            return 201, self.notes[-1]
        for note in self.notes:
            if (method, path) == ("PUT", f"{notes}/{note['id']}") and note["author"]["id"] == 42:
                note["body"] = body["body"]
                return 200, note
        return self.refuse(404, f"{method} {path}")


@contextmanager
def serving(forge: Forge) -> Iterator[str]:
    """The API's address while it is served."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            size = int(self.headers["Content-Length"] or 0)
            raw = self.rfile.read(size)
            body = None
            if raw:
                assert self.headers["Content-Type"] == "application/json"
                body = json.loads(raw)
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            status, data = forge.answer(self.command, parts.path, query, self.headers, body)
            out = json.dumps(data).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", str(data))
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        do_GET = do_POST = do_PATCH = do_PUT = _do

        def log_message(self, *_: Any) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
