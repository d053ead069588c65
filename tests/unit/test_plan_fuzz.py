"""Whatever a file holds: a plan, or findings within it. Never another exception, never a hang."""

import os
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dns_cutover.plan.expand import expand_changes, unchanged_keys
from dns_cutover.plan.loader import parse_plan
from dns_cutover.plan.probes import probe_spec
from tests.fuzz.everything import everything

PLANS = Path(__file__).parents[2] / "plans"
TEXTS = [p.read_text(encoding="utf-8") for p in sorted(PLANS.glob("*.yaml"))]
WORDS = ["null", "~", "[]", "{}", "5", "-1", "1e9", "true", "absent", "live", "''", '"${x}"', '"${"', "a..b", "*"]
WORDS += ["*a", "<<", "[[]]", "\\", '"\\u0000"', "'\\000'", "名", "@", ".", "default", "TYPE65535", "|", ">", "|2", "#"]
WORDS += ["%", "`", "'\"'", "'\"a'", "${newmail_id}", "${", "$${"]
WORDS += ["&a b", "!!int x", "{a: {b: c}}", "9" * 30, "x" * 300, "- - -", "? :", "\\# 4 c0000201"]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))  # `make fuzz` wants more
PATIENT = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])


def check(raw: bytes) -> None:
    report = everything(raw)
    assert len(report.findings) <= 200
    if all(f.severity != "error" for f in report.findings) or report.checks:
        loaded = parse_plan(raw, "fuzz.yaml", {})
        for stage in loaded.plan.stages:
            assert expand_changes(loaded.plan, stage)
            unchanged_keys(loaded.plan, stage)
            for probe in stage.probes:
                probe_spec(probe)
    for f in report.findings:
        if report.lines:
            assert f.column <= len(report.lines[f.line - 1]) + 1


@PATIENT
@given(st.binary(max_size=300))
def test_random_bytes(raw: bytes) -> None:
    """Mostly not even text."""
    check(raw)


@PATIENT
@given(st.text(alphabet="ab01:-[]{}#&*!|>'\"%@`,? \n\t~.$<\\=é", max_size=120))
@example("&a : *a")
@example("a: &a\n? *a\n: b")
@example("*a : b")
@example("{a, b: {c}}")
@example("? &x\n: *x")
def test_random_yaml(text: str) -> None:
    """All of YAML's own characters."""
    check(text.encode())


@PATIENT
@given(st.data())
def test_mutated_plans(data: st.DataObject) -> None:
    """Good plans with some words exchanged, cut out or doubled."""
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 20))
        word = data.draw(st.sampled_from(WORDS) | st.text(max_size=5))
        text = text[:start] + word + text[start + length :]
    check(text.encode("utf-8", "surrogatepass"))


@PATIENT
@given(st.data())
def test_exchanged_values(data: st.DataObject) -> None:
    """Good plans with whole values exchanged, so that the form around them stays right."""
    lines = data.draw(st.sampled_from(TEXTS)).split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        places = [n for n, line in enumerate(lines) if ": " in line]
        n = data.draw(st.sampled_from(places))
        parts = lines[n].split(": ")
        m = data.draw(st.integers(1, len(parts) - 1))
        value, comma, rest = parts[m].partition(",")
        word = data.draw(st.sampled_from(WORDS))
        tail = value[len(value.rstrip("]}")) :]
        parts[m] = word + tail + comma + rest
        lines[n] = ": ".join(parts)
    check("\n".join(lines).encode())


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from(
            ["version", "name", "zone", "zones", "provider", "lookup", "variables", "ttl", "stages", "safety"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["name", "changes", "type", "from", "to", "key", "secret", "ttl", "a", "probes", "in"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
    )
)
def test_data_of_any_shape(data: dict[str, object]) -> None:
    """Known keys with values of any form; JSON is YAML."""
    import json

    check(json.dumps(data).encode())
