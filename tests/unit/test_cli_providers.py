"""`providers`: where records can be written, and what credentials that needs."""

from __future__ import annotations

import json

import pytest

from dns_cutover.cli.main import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["providers", *arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_all_providers_are_listed_with_their_promises(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys)
    assert code == 0
    assert "route53   Amazon Route 53" in out
    assert "! apex ns swap      but the NS set of the apex is overwritten without a condition" in out
    assert "✓ compare and swap" in out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "route53", "--format", "json")
    document = json.loads(out)
    assert document["schema"] == "dns-cutover/providers/1"
    (one,) = document["providers"]
    assert (one["type"], one["available"]) == ("route53", True)
    assert one["guarantees"]["serial"] == "none"


def test_the_policy_for_an_id_names_that_zone_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "route53", "--iam-policy", "/hostedzone/Z1EXAMPLE")
    policy = json.loads(out)
    resources = {s["Resource"] for s in policy["Statement"]}
    assert resources == {"arn:aws:route53:::hostedzone/Z1EXAMPLE", "arn:aws:route53:::change/*"}
    actions = {a for s in policy["Statement"] for a in s["Action"]}
    assert actions == {
        "route53:GetHostedZone",
        "route53:ListResourceRecordSets",
        "route53:ChangeResourceRecordSets",
        "route53:GetChange",
    }


def test_the_policy_for_a_name_lets_only_its_names_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "--iam-policy", "Example.test")
    statements = {s["Sid"]: s for s in json.loads(out)["Statement"]}
    assert statements["FindTheZone"]["Resource"] == "*"
    assert statements["ChangeRecordsAndLock"]["Condition"] == {
        "ForAllValues:StringLike": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["example.test", "*.example.test"]
        }
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bind"], "there is no provider bind"),
        (["rfc2136", "--iam-policy", "example.test"], "rfc2136 has no IAM policies"),
        (["--iam-policy", "a..b"], "a..b is no hosted zone"),
    ],
)
def test_what_makes_no_sense(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, *arguments)
    assert code == 64
    assert message in err
