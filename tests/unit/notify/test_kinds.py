"""Each kind against a receiver that is as strict as its document."""

from __future__ import annotations

import json
import os
import stat
import threading
import traceback
from pathlib import Path

import pytest
import trustme

from dns_cutover.notify import post as posting
from dns_cutover.notify.exec import ExecSender
from dns_cutover.notify.interface import Failed, Sender
from dns_cutover.notify.pagerduty import PagerDutySender
from dns_cutover.notify.slack import SlackSender, code, escaped
from dns_cutover.notify.webhook import WebhookSender, signature
from dns_cutover.plan.notify_models import KINDS
from dns_cutover.providers.secret import Secret
from tests.unit.notify.receivers import Answer, PagerDuty, Receiver, closed_port, serving, slack, standard_webhook
from tests.unit.notify.stories import journal, one, told

KEY = "canary0123456789canary0123456789"
HOSTILE = "<!channel> & <https://evil.test|click> *bold* `code` \x1b[2J\u202e" + "&" * 600


def webhook(url: str, secret: str = KEY, now: float = 1_773_136_800.0) -> WebhookSender:
    return WebhookSender("hook", Secret(url, "$URL"), Secret(secret, "$HOOK"), KINDS, lambda: now)


# Webhook


def test_the_signature_is_that_of_the_specification_s_libraries():
    """The example that the libraries of Standard Webhooks test themselves with."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "the example")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_webhooks_are_verified_by_a_receiver_that_knows_the_specification():
    now = 1_773_136_800.0
    with serving(Receiver(standard_webhook(KEY.encode(), lambda: now))) as receiver:
        for n in told(journal(broken=True)):
            webhook(receiver.url).send(n)
        webhook(receiver.url).send(one(summary=HOSTILE, why=HOSTILE))
    assert [json.loads(r.body)["id"] for r in receiver.requests] == [r.headers["webhook-id"] for r in receiver.requests]


def test_sent_again_it_has_the_same_id_and_another_timestamp():
    with serving(Receiver(lambda _: Answer(200))) as receiver:
        webhook(receiver.url, now=100.0).send(one())
        webhook(receiver.url, now=200.0).send(one())
    first, second = (r.headers for r in receiver.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


def test_a_secret_that_is_no_base64_is_told_without_it():
    with pytest.raises(Failed) as caught:
        webhook("http://127.0.0.1:9", "whsec_ÄÖcanary").send(one())
    assert not caught.value.again
    assert "canary" not in caught.value.why


# Slack


def test_slack_takes_every_message_and_shows_hostile_text_as_text():
    with serving(Receiver(slack("/services/T0/B0/canary"))) as receiver:
        sender = SlackSender("slack", Secret(receiver.url + "/services/T0/B0/canary", "$SLACK"), KINDS)
        for n in told(journal(broken=True)):
            sender.send(n)
        sender.send(one(summary=HOSTILE, why=HOSTILE * 3, unblock=((HOSTILE, HOSTILE),)))
    assert len(receiver.requests) > 5


def test_mrkdwn_is_escaped():
    assert escaped("<!here> & <x>") == "&lt;!here&gt; &amp; &lt;x&gt;"
    assert "*a*" not in escaped("*a*")
    assert code("a`b & c") == "`a'b &amp; c`"


# PagerDuty


@pytest.mark.parametrize(("broken", "actions"), [(False, ["resolve"]), (True, ["trigger", "resolve"])])
def test_pagerduty_has_one_alert_per_run_and_a_change_event_per_step(broken, actions):
    service = PagerDuty(KEY)
    events = told(journal(broken=broken))
    with serving(Receiver(service)) as receiver:
        sender = PagerDutySender("pagerduty", Secret(KEY, "$KEY"), KINDS, receiver.url)
        for n in events:
            sender.send(n)
        sender.send(one("step", summary=HOSTILE * 2, why=HOSTILE))
    assert service.faults == []
    assert list(service.alerts.values()) == [actions]
    assert len(service.changes) == 1 + sum(n.kind in ("started", "step") for n in events)


def test_a_rollback_that_failed_is_no_end_of_the_alert():
    service = PagerDuty(KEY)
    with serving(Receiver(service)) as receiver:
        sender = PagerDutySender("pagerduty", Secret(KEY, "$KEY"), KINDS, receiver.url)
        sender.send(one("hold"))
        sender.send(one("resumed", severity="info"))
        sender.send(one("end", severity="critical", outcome="rollback_failed"))
    assert list(service.alerts.values()) == [["trigger", "acknowledge", "trigger"]]
    assert service.severities[-1] == "critical"


def test_what_was_triggered_is_resolved_whatever_the_plan_lists():
    sender = PagerDutySender("pagerduty", Secret(KEY, "$KEY"), ["hold"], "http://127.0.0.1:9")
    assert sender.wants("end")
    assert not sender.wants("step")
    assert not PagerDutySender("pagerduty", Secret(KEY, "$KEY"), ["step"], "http://127.0.0.1:9").wants("end")


# What can go wrong on the way; RFC 9110 section 15 for the statuses, section 10.2.3 for Retry-After


@pytest.mark.parametrize(
    ("answer", "why", "again", "after"),
    [
        (Answer(429, headers={"Retry-After": "7"}), "hook answers 429", True, 7.0),
        (Answer(429, headers={"Retry-After": "canary"}), "hook answers 429", True, 0.0),
        (Answer(503, b"canary"), "hook answers 503", True, 0.0),
        (
            Answer(503, headers={"Retry-After": "86400"}),
            "hook answers 503, and asks for a pause of 86400 s",
            False,
            0.0,
        ),
        (Answer(404, KEY.encode()), "hook answers 404", False, 0.0),
        (Answer(307, headers={"Location": "http://127.0.0.1:9/"}), "a redirect, which is not followed", False, 0.0),
        (Answer(0, raw=b"\x00\xff" * 50), "the answer is no HTTP", True, 0.0),
        (Answer(0, raw=b""), "no HTTP", True, 0.0),
    ],
)
def test_refusals_and_garbage(answer, why, again, after):
    with serving(Receiver(lambda _: answer)) as receiver, pytest.raises(Failed) as caught:
        webhook(receiver.url).send(one())
    assert why in caught.value.why
    assert caught.value.again is again
    assert caught.value.after == after
    assert len(receiver.requests) == 1


def test_a_receiver_that_hangs_costs_a_bounded_time(monkeypatch):
    monkeypatch.setattr(posting, "ATTEMPT_S", 0.3)
    receiver = Receiver(lambda _: Answer(200))
    held = threading.Event()
    receiver.plan = [held]
    with serving(receiver):
        with pytest.raises(Failed) as caught:
            webhook(receiver.url).send(one())
        held.set()
    assert caught.value.why == "hook does not answer in time"
    assert caught.value.again


def test_nobody_there():
    with pytest.raises(Failed) as caught:
        webhook(f"http://127.0.0.1:{closed_port()}").send(one())
    assert caught.value.why == "hook: connection refused"
    assert caught.value.again


def test_a_certificate_of_nobody_known(tmp_path, monkeypatch):
    import ssl

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(Receiver(lambda _: Answer(200)), context, "localhost") as receiver:
        with pytest.raises(Failed) as caught:
            webhook(receiver.url).send(one())
        assert "unknown CA" in caught.value.why
        assert receiver.requests == []
        # OpenSSL's own variable names further authorities.
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        webhook(receiver.url).send(one())
    assert len(receiver.requests) == 1


def senders_with(url: str) -> list[Sender]:
    return [
        webhook(url + "/canary", KEY),
        SlackSender("slack", Secret(url + "/services/canary", "$SLACK"), KINDS),
        PagerDutySender("pagerduty", Secret(KEY, "$KEY"), KINDS, url),
    ]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("trouble", ["refused", "400", "garbage", "nobody"])
def test_secrets_are_in_no_message_and_in_no_traceback(number, trouble):
    answers = {"400": Answer(400, KEY.encode()), "garbage": Answer(0, raw=b"canary\r\n\r\n")}
    with serving(Receiver(lambda _: answers.get(trouble, Answer(403)))) as receiver:
        url = f"http://127.0.0.1:{closed_port()}" if trouble == "nobody" else receiver.url
        with pytest.raises(Failed) as caught:
            senders_with(url)[number].send(one())
    assert "canary" not in str(caught.value)
    # Tracebacks quote lines of source, where the word stands as a test's own.
    assert KEY not in "".join(traceback.format_exception(caught.value, chain=True))
    assert "canary" not in repr(senders_with(url)[number].__dict__)


# Commands


def script(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_command_gets_the_document_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTOVER_TSIG", "canary")
    argv = [
        script(tmp_path / "tell", f'cat >"{tmp_path}/got"; env >"{tmp_path}/env"; echo "$1" >"{tmp_path}/arg"'),
        "$(id) `id` ;x",
    ]
    ExecSender("tell", argv, KINDS, os.environ["PATH"]).send(one())
    assert json.loads((tmp_path / "got").read_text())["schema"] == "dns-cutover/notification/1"
    assert (tmp_path / "arg").read_text() == "$(id) `id` ;x\n"
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("text", "why", "again"),
    [
        ("exit 3", "ended with exit 3", False),
        ("exit 75", "ended with exit 75", True),
        ("kill -9 $$", "signal 9", False),
    ],
)
def test_a_command_that_fails(tmp_path, text, why, again):
    with pytest.raises(Failed) as caught:
        ExecSender("tell", [script(tmp_path / "tell", text)], KINDS, "/usr/bin:/bin").send(one())
    assert why in caught.value.why
    assert caught.value.again is again


def test_a_command_that_is_not_there():
    with pytest.raises(Failed) as caught:
        ExecSender("tell", ["/nowhere/tell"], KINDS, "/usr/bin:/bin").send(one())
    assert caught.value.why == "tell: /nowhere/tell: no such file or directory"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("dns_cutover.notify.exec.ATTEMPT_S", 0.3)
    argv = [script(tmp_path / "tell", f'sleep 600 & echo $! >"{tmp_path}/pid"; wait')]
    with pytest.raises(Failed) as caught:
        ExecSender("tell", argv, KINDS, os.environ["PATH"]).send(one())
    assert "did not end" in caught.value.why
    pid = int((tmp_path / "pid").read_text())
    gone = threading.Event()
    for _ in range(200):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split(")")[1].split()[0] in "ZX":
            return
        gone.wait(0.02)
    raise AssertionError("a process outlived its command")
