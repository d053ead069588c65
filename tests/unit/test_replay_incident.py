"""The incident, replayed with few cache phases: relations between outage, caches and rollback; no wall-clock times."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dns_cutover.cli.main import app
from dns_cutover.errors import UsageError
from dns_cutover.lab.replay.arms import ARMS, FAULT, KINDS, LOW_TTL, MAIL_EVERY, PROBE_FAILURES
from dns_cutover.lab.replay.figures import ArmResult, Delivery, Moment, Shown, Subject, middle, picture, shown, worst
from dns_cutover.lab.replay.judging import judge
from dns_cutover.lab.replay.page import page
from dns_cutover.lab.replay.playing import play
from dns_cutover.lab.replay.running import arms_named, run_arms
from dns_cutover.lab.replay.stepping import run_stepped
from dns_cutover.lab.replay.text import document, text
from dns_cutover.lab.replay.words import bound


def arm(name: str):
    return arms_named([name])[0]


def told(name: str = "late-fault") -> ArmResult:
    """A result as an arm leaves it, without playing one."""
    receivers = tuple(Shown(Subject(kind.name, kind.hold(3600), 60.0), 120.0, 1, 0, 3, 600.0, 600.0) for kind in KINDS)
    return ArmResult(
        name,
        "what it is",
        1,
        receivers,
        began=0.0,
        zero=300.0,
        ended=900.0,
        outcome="rolled back",
        fault_at=600.0,
        detected=620.0,
        noticed_by="the canary",
        decided=620.0,
        repaired=622.0,
        failures=3,
        moments=(Moment(600.0, "fault begins"),),
        picture=(0.0, 0.0, 0.5, 1.0, 0.0),
    )


def test_in_place_the_worst_receiver_is_out_for_as_long_as_its_cache_holds():
    """The fault ends for nobody before the repair, and after it each cache keeps the new records for its own time."""
    naive = play(arm("naive"), phases=3)
    for kind in KINDS:
        of_kind = naive.of(kind.name)
        assert worst(of_kind) >= max(FAULT, of_kind[0].subject.hold) - MAIL_EVERY, kind
        assert worst(of_kind) <= FAULT + of_kind[0].subject.hold + LOW_TTL + 2 * MAIL_EVERY, kind
    assert worst(naive.of("honours TTL")) > worst(naive.of("at most 5 min"))
    assert all(r.deferred == 0 for r in naive.receivers)


def test_a_late_fault_is_bounded_by_probes_rollback_and_the_low_ttl():
    """Three failed probes, the rollback, and the application's copy of the old answer: no receiver's cache counts."""
    late = play(arm("late-fault"), phases=1)
    assert late.outcome == "rolled back"
    assert late.failures == PROBE_FAILURES
    limit = bound(late)
    assert limit is not None
    assert worst(late.receivers) <= limit < FAULT
    repaired = late.repaired
    assert repaired is not None
    assert all(r.last is None or r.last <= repaired + LOW_TTL for r in late.receivers)
    assert all(r.first is None or r.first >= late.fault_at for r in late.receivers)
    assert late.false_rollbacks == 0


def test_the_canary_goes_before_the_users():
    """The fault is found while no user's mail goes through the new vendor."""
    gated = play(arm("dns-cutover"), phases=1)
    assert gated.refused == 0
    assert gated.outcome == "rolled back"
    assert gated.failures == PROBE_FAILURES
    assert "SPF fail" in gated.why
    assert bound(gated) is not None


def answers(name: str, rdtype: str) -> tuple[str, ...]:
    known = {
        ("example.test.", "TXT"): ('"v=spf1 ip4:127.0.1.1 ~all"',),
        ("_dmarc.example.test.", "TXT"): ('"v=DMARC1; p=reject"',),
    }
    return known.get((name, rdtype), ())


@pytest.mark.parametrize(("peer", "taken"), [("127.0.1.1", True), ("127.0.1.2", False)])
def test_receivers_judge_the_true_peer(peer, taken):
    """Unsigned mail is worth what its peer address is."""
    found = judge(peer, "bounces@example.test", b"From: a@example.test\r\n\r\nx\r\n", answers)
    assert found.taken is taken


def test_a_signature_that_does_not_hold_is_none():
    """With a key that is not there, or for another message."""
    line = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.test; s=x; h=from; bh=AA==; b=AA==\r\n"
    message = line + b"From: a@example.test\r\n\r\nx\r\n"
    assert not judge("127.0.1.2", "bounces@example.test", message, answers).taken


def test_lab_time_passes_while_nothing_happens():
    """Who waits for less goes on first, and an hour takes no time."""
    order: list[str] = []

    async def main(clock):
        import asyncio

        start = clock.now()

        async def wait(name: str, seconds: float) -> None:
            await clock.sleep_until(start + seconds)
            order.append(name)

        await asyncio.gather(wait("hour", 3600.0), wait("minute", 60.0), wait("now", -1.0))
        return clock.now() - start

    assert run_stepped(main) == pytest.approx(3600.0)
    assert order == ["now", "minute", "hour"]


def test_outage_is_the_time_whose_messages_were_refused():
    """A message stands for the time until the next one; 4xx is out but not lost."""
    subject = Subject("k", 10.0, 5.0)
    sent = [Delivery(0, at, code) for at, code in ((0.0, 250), (60.0, 550), (120.0, 451), (150.0, 250))]
    (found,) = shown([subject, subject][:1], sent, 200.0)
    assert (found.outage, found.refused, found.deferred, found.sent) == (90.0, 1, 1, 4)
    assert (found.first, found.last) == (60.0, 60.0)
    assert picture(1, sent, 0.0, 180.0, 60.0) == (0.0, 1.0, 0.0)
    assert middle((found,)) == worst((found,)) == 90.0


def test_text_and_document_say_what_they_leave_out():
    """Every format has the figures of every arm, and the limits of what it shows."""
    by_hand = replace(told("naive"), failures=0, detected=610.0)
    shown_as_text = text((by_hand, told()))
    assert "2.0 / 2.0" in shown_as_text
    assert "..5#." in shown_as_text.replace("|", "")
    assert "Unbound" in shown_as_text
    data = json.loads(json.dumps(document((by_hand, told()))))
    assert data["schema"] == "dns-cutover/demo-incident/1"
    assert data["arms"][0]["outage_s"]["honours TTL"] == {"median": 120.0, "worst": 120.0}
    assert data["arms"][0]["bound_s"] is None
    assert data["arms"][1]["bound_s"] == 30 + 2 + LOW_TTL + 10 + MAIL_EVERY


def test_the_page_fetches_nothing_and_escapes_everything():
    """Whatever a mail host said is text."""
    hostile = '<script>alert(1)</script>"\x1b[31m'
    moments = tuple(replace(m, what=hostile) for m in told().moments)
    made = page((replace(told(), why=hostile, outcome=hostile, moments=moments),))
    assert "<script" not in made
    assert "\x1b" not in made
    assert "&lt;script&gt;" in made
    assert re.search(r"""(src|href)\s*=|url\(|@import""", made) is None
    shown_as_text = text((replace(told(), why=hostile),))
    assert "\x1b" not in shown_as_text


def test_command_line_errors(monkeypatch):
    """Unknown arms, options of the other scenario, and a missing extra are one clear message each."""
    with pytest.raises(UsageError, match="there is no arm nave"):
        arms_named(["nave"])
    assert arms_named([]) == ARMS
    done = CliRunner().invoke(app, ["demo", "--arm", "naive"])
    assert isinstance(done.exception, UsageError)
    monkeypatch.setattr("dns_cutover.lab.replay.running.find_spec", lambda name: None if name == "aiosmtpd" else sys)
    with pytest.raises(UsageError, match="aiosmtpd, which is not installed"):
        run_arms(ARMS[:1], 1, lambda r: None)
