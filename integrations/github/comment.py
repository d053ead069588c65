"""One comment on a pull request, kept up to date: an earlier one with our marker is changed, otherwise one is added.

Needs nothing but Python. A comment that cannot be written (a fork's token may not) is told, and fails nothing: the
verdict is validate's exit code.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARKER = "<!-- dns-cutover validate -->"
MAX_BODY = 65536  # characters; GitHub refuses longer ones
MAX_PAGES = 20
_CUT = "\n\n… cut: the whole report is in the job's summary.\n"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the API that the runner names, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def call(method: str, url: str, token: str, body: dict[str, str] | None = None) -> Any:
    """One request to the REST API. Raises OSError."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 - the runner's own API
    request.add_header("Accept", "application/vnd.github+json")
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("X-GitHub-Api-Version", "2022-11-28")
    request.add_header("User-Agent", "dns-cutover")
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with _OPENER.open(request, timeout=30) as reply:
        return json.load(reply)


def comments(base: str, number: str, token: str) -> Iterator[dict[str, Any]]:
    """The pull request's comments, oldest first, page by page."""
    for page in range(1, MAX_PAGES + 1):
        found = call("GET", f"{base}/issues/{number}/comments?per_page=100&page={page}", token)
        yield from found
        if len(found) < 100:
            return


def own_login(api: str, token: str) -> str:
    """Whose token it is; empty for that of a workflow, which may not ask. Raises OSError."""
    try:
        return str(call("GET", f"{api}/user", token)["login"])
    except urllib.error.HTTPError as exc:
        if exc.code in (401, 403):
            return ""
        raise


def is_own(comment: dict[str, Any], login: str) -> bool:
    """Anybody can begin a comment with our marker: only what this token's owner, or a bot, wrote is ours to change."""
    user = comment.get("user") or {}  # null where the account is gone
    ours = user.get("login") == login if login else user.get("type") == "Bot"
    return ours and (comment.get("body") or "").startswith(MARKER)


def body_of(report: str) -> str:
    """The report with the marker in front, as long as GitHub takes it."""
    text = f"{MARKER}\n{report.replace(MARKER, '')}"
    return text if len(text) <= MAX_BODY else text[: MAX_BODY - len(_CUT)] + _CUT


def publish(api: str, repository: str, number: str, token: str, report: str) -> str:
    """Change our comment, or add one; its address. Raises OSError."""
    base = f"{api}/repos/{urllib.parse.quote(repository)}"
    body = {"body": body_of(report)}
    login = own_login(api, token)
    own = next((c for c in comments(base, number, token) if is_own(c, login)), None)
    if own is not None:
        done = call("PATCH", f"{base}/issues/comments/{int(own['id'])}", token, body)
    else:
        done = call("POST", f"{base}/issues/{number}/comments", token, body)
    return str(done["html_url"])


def say(line: str) -> None:
    """One line of the job's log."""
    sys.stdout.write(line + "\n")


def main(environ: dict[str, str]) -> int:
    """Read the runner's environment and publish. Never fails the job."""
    number, report = environ.get("PULL_REQUEST", ""), environ.get("REPORT", "")
    if not number.isdecimal() or not report or not Path(report).is_file():
        say("no pull request or no report: nothing to comment")
        return 0
    text = Path(report).read_text(encoding="utf-8")
    try:
        where = publish(
            environ["GITHUB_API_URL"].rstrip("/"), environ["GITHUB_REPOSITORY"], number, environ["GITHUB_TOKEN"], text
        )
    except urllib.error.HTTPError as exc:
        hint = " (the job needs the permission pull-requests: write; tokens of forks do not have it)"
        say(f"::warning::the comment was not written: HTTP {exc.code}{hint if exc.code in (401, 403, 404) else ''}")
        return 0
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as exc:
        say(f"::warning::the comment was not written: {type(exc).__name__}")
        return 0
    say(f"the report is at {where}")
    return 0


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
