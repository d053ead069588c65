"""`checks` and `schema`, and the pages that are made from them."""

import json
from pathlib import Path

import pytest

from dns_cutover.checks.registry import all_checks
from dns_cutover.cli.main import main
from dns_cutover.cli.resolvers import resolvers_page
from dns_cutover.plan.schema import plan_schema
from dns_cutover.report.check_pages import FAMILIES, NEEDS, check_text, checks_markdown, every_check
from dns_cutover.report.plan_page import plan_page

ROOT = Path(__file__).parent.parent.parent
IDS = [c.id for c in every_check()]


@pytest.fixture
def call(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("docs/reference/checks.md", lambda: checks_markdown(every_check())),
        ("docs/reference/resolvers.md", resolvers_page),
        ("docs/reference/plan.md", lambda: plan_page(plan_schema())),
    ],
)
def test_pages_are_what_the_code_says(page, made):
    """Whoever changes a check or a key makes the pages anew: `make reference`."""
    assert (ROOT / page).read_text(encoding="utf-8") == made(), "run: make reference"


def test_the_list_has_every_check(call):
    code, out, _ = call("checks")
    assert code == 0
    assert all(f"  {i}  " in out for i in IDS)
    assert f"{len(IDS)} checks." in out


@pytest.mark.parametrize("check", every_check(), ids=IDS)
def test_each_check_can_be_explained(check):
    """What it finds, what it looks at, whether it may be ignored, and its examples; no line wider than asked for."""
    text = check_text(check, 80)
    assert text.startswith(f"{check.id}  {check.severity}  {check.title}\n")
    assert "looks at" in text
    assert "ignore it" in text
    if check in all_checks():
        assert check.hint.split()[0] in text
        assert "It speaks here:" in text
        assert "It is silent here:" in text
    assert check.needs in NEEDS
    assert check.id[2] in FAMILIES
    prose = [line for line in text.splitlines() if not line.startswith("  ")]
    assert all(len(line) <= 80 or " " not in line[14:] for line in prose)


def test_one_check_as_json_and_markdown(call):
    _, out, _ = call("checks", "dc401", "--format", "json")
    document = json.loads(out)
    assert (document["schema"], document["id"]) == ("dns-cutover/checks/1", "DC401")
    assert set(document["examples"]) == {"fires", "silent"}
    _, out, _ = call("checks", "--format", "json")
    assert [c["id"] for c in json.loads(out)["checks"]] == IDS
    _, out, _ = call("checks", "DC401", "--format", "markdown")
    assert out.startswith("### DC401: ")


@pytest.mark.parametrize(
    ("given", "meant"), [("DC40", "DC40"), ("401", "DC401"), ("DC4O1", "DC4"), ("\x1b[2J", "lists")]
)
def test_an_unknown_check_is_a_usage_error_with_a_guess(call, given, meant):
    code, out, err = call("checks", given)
    assert (code, out) == (64, "")
    assert "there is no check" in err
    assert meant in err
    assert "\x1b" not in err


def test_the_plan_s_page_has_every_key():
    """Each key of each model of the schema is in a table, and no link leads nowhere."""
    schema, page = plan_schema(), plan_page(plan_schema())
    for model in (schema, *schema["$defs"].values()):
        for key in model["properties"]:
            assert f"| `{key}` |" in page
    anchors = {part.split("}")[0] for part in page.split("{#")[1:]}
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links <= anchors
    assert len(anchors) == len(schema["$defs"])


def test_the_schema_as_a_page(call):
    code, out, _ = call("schema", "--format", "markdown")
    assert code == 0
    assert out == plan_page(plan_schema())
