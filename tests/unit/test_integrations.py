"""The GitHub Action, the GitLab job and the pre-commit hook, as far as they can be run without those services."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.fake_forge import FakeGitHub, FakeGitLab, serving

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "integrations" / "github"
PLAN = (ROOT / "plans" / "ttl-only.yaml").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]

# Stands in for the command: what it was called with goes to a file, what it says depends on the format alone.
STUB = """\
#!{python}
import os, sys
with open(os.environ["STUB_LOG"], "a") as log:
    log.write("\\0".join(sys.argv[1:]) + "\\n")
form = sys.argv[sys.argv.index("--format") + 1] if "--format" in sys.argv else ""
said = {{"github": "::error file=p.yaml,line=1::wrong", "markdown": "# Report", "sarif": "{{}}", "junit": "<x/>"}}
if os.environ.get("STUB_CODE") != "1":
    print(said.get(form, "1"))
print("::stop-commands::x is not valid", file=sys.stderr)
sys.exit(int(os.environ.get("STUB_CODE", "0")))
"""


class Runner:
    """What a runner gives to a step: folders, files for outputs, and a command in the place of the installed one."""

    def __init__(self, tmp: Path) -> None:
        self.work, self.temp, home = tmp / "work", tmp / "temp", tmp / "home" / "bin"
        for folder in (self.work / "plans", self.temp, home):
            folder.mkdir(parents=True)
        self.log = tmp / "log"
        stub = home / "dns-cutover"
        stub.write_text(STUB.format(python=sys.executable), encoding="utf-8")
        stub.chmod(0o755)
        (home / "python").symlink_to(sys.executable)
        self.output, self.summary, self.env = tmp / "output", tmp / "summary", tmp / "env"
        self.environ = {
            "PATH": os.environ["PATH"],
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_ENV": str(self.env),
            "DNS_CUTOVER_HOME": str(home.parent),
            "STUB_LOG": str(self.log),
        }

    def step(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a step's script as the runner does: `bash --noprofile --norc -eo pipefail FILE`."""
        script = self.temp / "step.sh"
        script.write_text(next(s for s in STEPS if s["name"] == name)["run"], encoding="utf-8")
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(argv, env=self.environ | more, cwd=self.work, capture_output=True, text=True, check=False)

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    @property
    def calls(self) -> list[list[str]]:
        return [line.split("\0") for line in self.log.read_text().splitlines()]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    made = Runner(tmp_path)
    (made.work / "plans" / "a.yaml").write_text(PLAN)
    return made


def test_nothing_that_others_write_gets_into_a_script() -> None:
    """Expressions stand in `env`, `with` and `if` alone: in a script's text, an input could write commands."""
    for step in STEPS:
        assert "${{" not in step.get("run", ""), step["name"]
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"
    tokens = [s["name"] for s in STEPS if "token" in json.dumps(s)]
    assert tokens == ["Comment on the pull request"], "no other step sees the token"


def test_every_input_is_described_used_and_known() -> None:
    """No input that does nothing, and no use of one that is not declared."""
    used = set(re.findall(r"inputs\.([a-z_]+)", json.dumps(STEPS)))
    assert used == set(ACTION["inputs"])
    assert all(i["description"] and "default" in i for i in ACTION["inputs"].values())
    assert ACTION["runs"]["using"] == "composite"
    outputs = {re.search(r"steps\.validate\.outputs\.([a-z-]+)", o["value"])[1] for o in ACTION["outputs"].values()}
    assert outputs == set(ACTION["outputs"])


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_exit_code_of_validate_is_kept(runner: Runner, code: int) -> None:
    """3 is findings, 1 is "could not be asked": the job ends with what validate said, after the report is written."""
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml", STUB_CODE=str(code))
    assert done.returncode == 0, done.stderr
    assert runner.outputs["exit-code"] == str(code)
    assert ("::error file=p.yaml,line=1::wrong\n" in done.stdout) == (code in (0, 3))
    assert ("markdown" in runner.outputs) == (code in (0, 3))
    assert "sarif" not in runner.outputs
    assert runner.step("Exit as validate did", EXIT_CODE=runner.outputs["exit-code"]).returncode == code
    if code in (0, 3):
        assert runner.summary.read_text() == "# Report\n"


def test_options_reach_the_command_and_plans_come_last(runner: Runner) -> None:
    """Each format is one call; what follows -- is a file, whatever it is called."""
    (runner.work / "-strict.yaml").write_text(PLAN)
    (runner.work / "plans" / "two words.yaml").write_text(PLAN)
    done = runner.step(
        "Validate",
        INPUT_PLANS="  plans/*.yaml \n\n*.yaml\nno/such.yaml\n",
        INPUT_OFFLINE="true",
        INPUT_STRICT="true",
        INPUT_ARGS="--var a=b",
        INPUT_SARIF="true",
    )
    assert done.returncode == 0, done.stderr
    files = ["--", "plans/a.yaml", "plans/two words.yaml", "-strict.yaml"]
    options = ["validate", "--offline", "--strict", "--var", "a=b", "--format"]
    assert runner.calls == [[*options, form, *files] for form in ("github", "markdown", "sarif")]
    assert Path(runner.outputs["sarif"]).read_text() == "{}\n"


@pytest.mark.parametrize(
    "name", ["$(touch pwned).yaml", "`touch pwned`.yaml", "a; touch pwned.yaml", "${IFS}.yaml", "'\".yaml", "\\x.yaml"]
)
def test_file_names_and_patterns_are_never_commands(runner: Runner, name: str) -> None:
    """A pull request names its files as it likes."""
    (runner.work / "plans" / "a.yaml").rename(runner.work / "plans" / name)
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml")
    assert done.returncode == 0, done.stderr
    assert runner.calls[0][-1] == f"plans/{name}"
    done = runner.step("Validate", INPUT_PLANS=f"plans/{name}\n$(touch pwned)", INPUT_ARGS="$(touch pwned) *")
    assert done.returncode == 0, done.stderr
    assert not list(runner.work.rglob("pwned"))
    assert "*" in runner.calls[-1]


def test_what_is_said_to_people_is_no_command_to_the_runner(runner: Runner) -> None:
    """The runner reads commands at the beginning of a line; only annotations are such."""
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml", STUB_CODE="3")
    assert "validate: ::stop-commands::x is not valid\n" in done.stdout
    assert [x for x in done.stdout.splitlines() if x.startswith("::")] == ["::error file=p.yaml,line=1::wrong"]


@pytest.mark.parametrize("link", ["plans/b.yaml", "plans/deep", "plans/git"])
def test_a_link_is_no_plan(runner: Runner, link: str) -> None:
    """A pull request could lead it to a file of the runner, whose lines would be shown in the comment."""
    outside = runner.temp / "secret.yaml"
    outside.write_text("token: abc\n")
    (runner.work / ".git").mkdir()
    (runner.work / ".git" / "config.yaml").write_text("token: abc\n")
    to = {"b.yaml": outside, "deep": runner.temp, "git": runner.work / ".git"}[Path(link).name]
    (runner.work / link).symlink_to(to)
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml\nplans/*/*.yaml")
    assert done.returncode == 64, done.stdout
    assert "::error::a plan is a file of the workspace and no link" in done.stdout
    assert not runner.log.exists()


def test_a_links_name_is_no_command(runner: Runner) -> None:
    """Not even with a newline in it."""
    (runner.work / "plans" / "a\n::warning::x.yaml").symlink_to(runner.temp)
    (runner.work / "plans" / "a\n::warning::y.yaml").symlink_to(runner.work / "plans" / "a.yaml")
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml")
    assert done.returncode == 64
    assert [x[:9] for x in done.stdout.splitlines() if x.startswith("::")] == ["::error::"]


def test_no_module_of_the_workspace_is_run(runner: Runner) -> None:
    """Python looks for modules where it is started, which is in the stranger's checkout."""
    (runner.work / "venv.py").write_text("open('pwned', 'w')")
    (runner.work / "pip.py").write_text("open('pwned', 'w')")
    fake = runner.temp / "python"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *pip*) exit 3;; esac\nexec "{sys.executable}" "$@" --without-pip\n')
    fake.chmod(0o755)
    runner.step("Install dns-cutover", INPUT_PYTHON=str(fake))
    assert not (runner.work / "pwned").exists()


def test_no_plan_is_an_error_and_not_a_pass(runner: Runner) -> None:
    """A pattern that matches nothing would otherwise be green for ever."""
    done = runner.step("Validate", INPUT_PLANS="nothing/*.yaml")
    assert done.returncode == 64
    assert "::error::no plan matches" in done.stdout


def test_with_the_real_command_a_bad_plan_is_annotated_at_its_line(runner: Runner) -> None:
    """The stub above stands for this."""
    (runner.work / "plans" / "a.yaml").write_text(PLAN.replace("ttl: 300", "ttl: soon"))
    real = Path(runner.environ["DNS_CUTOVER_HOME"]) / "bin" / "dns-cutover"
    real.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dns_cutover "$@"\n')
    done = runner.step("Validate", INPUT_PLANS="plans/*.yaml", INPUT_OFFLINE="true", INPUT_SARIF="true")
    assert done.returncode == 0, done.stderr
    assert runner.outputs["exit-code"] == "3"
    assert "plans/a.yaml" in runner.summary.read_text()
    assert Path(runner.outputs["markdown"]).read_text() == runner.summary.read_text()
    assert json.loads(Path(runner.outputs["sarif"]).read_text())["version"] == "2.1.0"
    line = PLAN.splitlines().index("      - {name: www, type: A, ttl: 300}") + 1
    assert f"::error file=plans/a.yaml,line={line}," in done.stdout


PYTHON = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$STUB_LOG"
case "$*" in
*"-m venv"*) mkdir -p "$5/bin"; cp "$0" "$5/bin/python"; cp "$0" "$5/bin/dns-cutover" ;;
*version_info*) exit "${STUB_CODE:-0}" ;;
esac
"""


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("", str(ROOT)), ("1.2.0", "dns-cutover==1.2.0"), ("1.2.0rc1", "dns-cutover==1.2.0rc1")],
)
def test_the_package_is_installed_from_where_the_action_is(runner: Runner, version: str, wanted: str) -> None:
    """Into an environment outside the workspace."""
    fake = runner.temp / "python"
    fake.write_text(PYTHON)
    fake.chmod(0o755)
    done = runner.step("Install dns-cutover", INPUT_PYTHON=str(fake), INPUT_VERSION=version)
    assert done.returncode == 0, done.stderr
    said = runner.log.read_text()
    assert f"-m pip install --quiet --disable-pip-version-check --no-input {wanted}\n" in said
    assert runner.env.read_text() == f"DNS_CUTOVER_HOME={runner.temp}/dns-cutover\n"


@pytest.mark.parametrize("version", ["--index-url=https://evil.test", "git+https://evil.test/x", "1.0 evil", "$(id)"])
def test_a_version_is_a_version(runner: Runner, version: str) -> None:
    """Nothing that pip would take for an option or another source."""
    fake = runner.temp / "python"
    fake.write_text(PYTHON)
    fake.chmod(0o755)
    done = runner.step("Install dns-cutover", INPUT_PYTHON=str(fake), INPUT_VERSION=version)
    assert done.returncode == 64
    assert "pip install" not in runner.log.read_text()


def test_an_old_python_is_one_message(runner: Runner) -> None:
    """With the step that is missing."""
    fake = runner.temp / "python"
    fake.write_text(PYTHON)
    fake.chmod(0o755)
    done = runner.step("Install dns-cutover", INPUT_PYTHON=str(fake), STUB_CODE="1")
    assert done.returncode == 1
    assert "setup-python" in done.stdout


@contextmanager
def github(runner: Runner, fake: FakeGitHub, report: str = "# Report\n") -> Iterator[dict[str, str]]:
    path = runner.temp / "report.md"
    path.write_text(report, encoding="utf-8")
    with serving(fake) as url:
        yield {
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORY": fake.repository,
            "GITHUB_TOKEN": fake.token,
            "PULL_REQUEST": "7",
            "REPORT": str(path),
        }


def test_the_comment_is_written_once_and_then_kept_up_to_date(runner: Runner) -> None:
    """One comment for all pushes, among a hundred and more of other people."""
    fake = FakeGitHub()
    fake.say("somebody", "User", "looks good", count=130)
    fake.say("mallory", "User", "<!-- dns-cutover validate -->\nnot yours")
    with github(runner, fake) as environ:
        done = runner.step("Comment on the pull request", **environ)
        assert done.returncode == 0, done.stderr
        assert "the report is at" in done.stdout
        Path(environ["REPORT"]).write_text("# Another\n<!-- dns-cutover validate -->")
        assert runner.step("Comment on the pull request", **environ).returncode == 0
    assert fake.broken == []
    own = [c for c in fake.comments if c["user"]["type"] == "Bot"]
    assert [c["body"] for c in own] == ["<!-- dns-cutover validate -->\n# Another\n"]
    assert len(fake.comments) == 132
    assert fake.comments[130]["body"].endswith("not yours")


def test_a_personal_token_changes_its_owners_comment(runner: Runner) -> None:
    """Then the comment is a person's, and no other person's is touched."""
    fake = FakeGitHub(login="deployer")
    fake.say("mallory", "User", "<!-- dns-cutover validate -->\nnot yours")
    with github(runner, fake) as environ:
        for _ in range(2):
            assert runner.step("Comment on the pull request", **environ).returncode == 0
    assert fake.broken == []
    assert [c["user"]["login"] for c in fake.comments] == ["mallory", "deployer"]


def test_a_long_report_is_cut_to_what_github_takes(runner: Runner) -> None:
    """It refuses bodies above 65,536 characters."""
    fake = FakeGitHub()
    with github(runner, fake, "ä" * 100_000) as environ:
        assert runner.step("Comment on the pull request", **environ).returncode == 0
    assert fake.broken == []
    assert len(fake.comments[0]["body"]) == 65536
    assert fake.comments[0]["body"].endswith("the whole report is in the job's summary.\n")


@pytest.mark.parametrize("trouble", ["forbidden", "redirect", "down", "odd"])
def test_a_comment_that_cannot_be_written_fails_nothing(runner: Runner, trouble: str) -> None:
    """Forks have a token that may only read. The token goes nowhere else, and stays out of the log."""
    fake = FakeGitHub(trouble=trouble)
    with github(runner, fake) as environ:
        done = runner.step("Comment on the pull request", **environ)
    assert done.returncode == 0
    assert "::warning::the comment was not written" in done.stdout
    assert fake.token not in done.stdout + done.stderr
    assert fake.comments == []
    assert fake.elsewhere == []


# GitLab

JOB_FILE = ROOT / "integrations" / "gitlab" / "dns-cutover.gitlab-ci.yml"
PIPELINE: dict[str, Any] = yaml.safe_load(JOB_FILE.read_text(encoding="utf-8"))
JOB: dict[str, Any] = PIPELINE["dns-cutover:validate"]


def test_the_gitlab_job_has_the_form_that_gitlab_reads() -> None:
    """Keys of the CI/CD YAML reference; the JUnit report is kept whatever the verdict is."""
    assert set(PIPELINE) == {"variables", "dns-cutover:validate"}
    assert set(JOB) <= {"stage", "image", "rules", "script", "artifacts"}
    assert all(isinstance(line, str) for line in JOB["script"])
    assert JOB["artifacts"]["when"] == "always"
    assert JOB["artifacts"]["reports"] == {"junit": "dns-cutover.xml"}
    assert all(set(rule) <= {"if", "changes"} for rule in JOB["rules"])


def job(runner: Runner, **more: str) -> subprocess.CompletedProcess[str]:
    """The job's script in one shell, as a GitLab runner has it, but for the installation."""
    lines = [line for line in JOB["script"] if "-m venv" not in line and "-m pip" not in line]
    assert len(lines) == len(JOB["script"]) - 2
    script = runner.temp / "job.sh"
    script.write_text("\n".join(lines).replace("/tmp/dns-cutover", runner.environ["DNS_CUTOVER_HOME"]))
    environ = runner.environ | {k: str(v) for k, v in PIPELINE["variables"].items()} | more
    argv = ["bash", "-eo", "pipefail", str(script)]
    return subprocess.run(argv, env=environ, cwd=runner.work, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_gitlab_job_ends_as_validate_does_and_keeps_the_report(runner: Runner, code: int) -> None:
    """With the arguments of the variables."""
    done = job(runner, STUB_CODE=str(code), DNS_CUTOVER_ARGS="--offline --strict")
    assert done.returncode == code, done.stderr
    assert (runner.work / "dns-cutover.xml").read_text() == ("<x/>\n" if code != 1 else "")
    options = ["validate", "--offline", "--strict", "--format"]
    assert runner.calls == [[*options, form, "--", "plans/a.yaml"] for form in ("junit", "markdown")]


def test_the_note_on_a_merge_request_is_kept_up_to_date(runner: Runner) -> None:
    """Only with a token, and only our own."""
    fake = FakeGitLab()
    fake.say(99, "<!-- dns-cutover validate -->\nnot yours")
    with serving(fake) as url:
        environ = {"CI_API_V4_URL": url, "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7"}
        assert job(runner, **environ).returncode == 0
        assert len(fake.notes) == 1
        for _ in range(2):
            done = job(runner, **environ, DNS_CUTOVER_NOTE_TOKEN=fake.token)
            assert done.returncode == 0, done.stderr
    assert fake.broken == []
    assert [n["body"] for n in fake.notes[1:]] == ["<!-- dns-cutover validate -->\n# Report\n"]


@pytest.mark.parametrize("trouble", ["forbidden", "redirect", "down", "odd"])
def test_a_note_that_cannot_be_written_fails_nothing(runner: Runner, trouble: str) -> None:
    """The verdict is validate's."""
    fake = FakeGitLab(trouble=trouble)
    with serving(fake) as url:
        environ = {"CI_API_V4_URL": url, "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7"}
        done = job(runner, **environ, DNS_CUTOVER_NOTE_TOKEN=fake.token, STUB_CODE="3")
    assert done.returncode == 3
    assert "the note was not written" in done.stdout
    assert fake.token not in done.stdout + done.stderr
    assert fake.elsewhere == []


# pre-commit

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def test_the_hook_takes_plans_and_nothing_else() -> None:
    """Keys of pre-commit's manifest; the schema beside the plans is no plan."""
    (hook,) = HOOKS
    assert set(hook) == {"id", "name", "description", "entry", "language", "files", "require_serial"}
    pattern = re.compile(hook["files"])
    examples = [f"plans/{p.name}" for p in (ROOT / "plans").iterdir() if p.is_file()]
    assert sorted(p for p in examples if pattern.search(p)) == sorted(p for p in examples if p.endswith(".yaml"))
    assert pattern.search("plans/2026/move.yml")
    assert not pattern.search("deploy/plans/x.yaml")


def test_the_hook_passes_and_fails_as_it_should(tmp_path: Path) -> None:
    """Run as pre-commit runs it: the entry, split as a shell would, and the files."""
    (hook,) = HOOKS
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "good.yaml").write_text(PLAN)
    (tmp_path / "plans" / "bad.yaml").write_text(PLAN.replace("type: A", "type: NOPE"))
    command, *arguments = hook["entry"].split()
    assert command == "dns-cutover"
    for files, code in ((["plans/good.yaml"], 0), (["plans/good.yaml", "plans/bad.yaml"], 3)):
        argv = [sys.executable, "-m", "dns_cutover", *arguments, *files]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    assert "plans/bad.yaml:" in done.stderr
