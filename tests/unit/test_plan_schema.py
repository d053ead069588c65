"""The JSON Schema says what the loader does, and is published as it is."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dns_cutover.plan.finding import PlanInvalid
from dns_cutover.plan.loader import parse_plan
from dns_cutover.plan.schema import plan_schema, schema_text
from dns_cutover.plan.yamltext import parse_yaml

PLANS = Path(__file__).parents[2] / "plans"
SCHEMA = plan_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = sorted(PLANS.glob("*.yaml"))


def test_the_published_schema_is_up_to_date() -> None:
    """Write it anew with `dns-cutover schema > plans/plan.schema.json`."""
    assert (PLANS / "plan.schema.json").read_text(encoding="utf-8") == schema_text()


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(schema_text()) == SCHEMA


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_the_example_plans_are_valid_by_the_schema(path: Path) -> None:
    """So that editors do not mark them."""
    data = parse_yaml(path.read_bytes(), str(path)).data
    assert [e.message for e in VALIDATOR.iter_errors(data)] == []


def test_every_key_is_described() -> None:
    """Editors show the text where the key is written."""
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    missing = [
        (m["title"], k) for m in models for k, f in m["properties"].items() if not f.keys() & {"description", "$ref"}
    ]
    assert missing == []


def test_defaults_are_as_one_writes_them() -> None:
    """A default that the schema itself refuses would mislead."""
    for model in [SCHEMA, *SCHEMA["$defs"].values()]:
        for name, field in model["properties"].items():
            if "default" in field:
                check = {**field, "$defs": SCHEMA["$defs"]}
                assert jsonschema.Draft202012Validator(check).is_valid(field["default"]), (model["title"], name)
    assert SCHEMA["$defs"]["PropagationConfig"]["properties"]["deadline"]["default"] == "15m"
    assert SCHEMA["$defs"]["PropagationConfig"]["properties"]["resolvers"]["default"] == "95%"


@pytest.mark.parametrize(
    ("where", "value", "valid"),
    [
        (("ttl", "lower_to"), 60, True),
        (("ttl", "lower_to"), "60s", True),
        (("ttl", "lower_to"), "soon", False),
        (("ttl", "restore"), "5m", True),
        (("ttl", "restore"), "keep", True),
        (("ttl", "restore"), "never", False),
        (("ttl", "client_floor"), 60, False),
        (("ttl", "client_floor"), "1.5h", True),
        (("propagation", "resolvers"), "95%", True),
        (("propagation", "resolvers"), 0.95, False),
        (("rollback", "automatic"), False, True),
        (("rollback", "automatic"), "no", False),
        (("safety", "max_changes"), 0, False),
        (("safety", "allow"), ["apex_ns"], True),
        (("safety", "allow"), ["everything"], False),
        (("lookup", "authoritative"), "auto", True),
        (("lookup", "authoritative"), ["192.0.2.1:5353"], True),
        (("lookup", "resolvers"), [{"preset": "public"}], True),
        (("lookup", "resolvers"), [{"preset": "no"}], False),
        (("stages",), [], False),
        (("shift",), 1, False),
        (("version",), 2, False),
    ],
)
def test_schema_and_loader_agree(where: tuple[str, ...], value: Any, valid: bool) -> None:
    """What an editor accepts is what the loader accepts."""
    data: dict[str, Any] = {
        "version": 1,
        "name": "p",
        "zone": "example.test",
        "provider": {"type": "manual"},
        "stages": [{"name": "s", "changes": [{"name": "www", "type": "A", "ttl": 300}]}],
    }
    inner = data
    for part in where[:-1]:
        inner = inner.setdefault(part, {})
    inner[where[-1]] = value
    assert VALIDATOR.is_valid(data) is valid
    try:
        parse_plan(json.dumps(data).encode(), "p.yaml", {})
        loads = True
    except PlanInvalid:
        loads = False
    assert loads is valid


def test_no_object_takes_unknown_keys() -> None:
    """A misspelt key is marked while it is typed."""
    models = [SCHEMA, *SCHEMA["$defs"].values()]
    assert [m["title"] for m in models if m["type"] != "object" or m["additionalProperties"] is not False] == []


def _objects(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all mappings whose keys the schema names; `variables` and `headers` have free ones."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            if key not in ("variables", "headers"):
                yield from _objects(value, (*path, key))
    if isinstance(data, list):
        for n, value in enumerate(data):
            yield from _objects(value, (*path, n))


def _mistaken(path: Path, where: tuple[str | int, ...], change: Callable[[dict[str, Any]], None]) -> Any:
    data = parse_yaml(path.read_bytes(), str(path)).data
    inner = data
    for part in where:
        inner = inner[part]
    change(inner)
    return data


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_editor_marks_an_unknown_key_wherever_it_stands(path: Path) -> None:
    """In every mapping of every example."""
    data = parse_yaml(path.read_bytes(), str(path)).data
    for where in _objects(data):
        wrong = _mistaken(path, where, lambda inner: inner.update(unheard_of=1))
        assert not VALIDATOR.is_valid(wrong), where


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
@pytest.mark.parametrize(
    ("where", "key"),
    [
        ((), "version"),
        ((), "name"),
        ((), "provider"),
        ((), "stages"),
        (("provider",), "type"),
        (("provider",), "key"),
        (("provider", "key"), "secret"),
        (("stages", 0), "name"),
        (("stages", 0), "changes"),
        (("stages", 0, "changes", 0), "type"),
        (("stages", 0, "changes", 0), "name"),
    ],
)
def test_an_editor_marks_a_missing_key(path: Path, where: tuple[str | int, ...], key: str) -> None:
    """What the loader wants, the schema wants."""
    assert not VALIDATOR.is_valid(_mistaken(path, where, lambda inner: inner.pop(key)))


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        (("provider",), "type", "bind"),
        (("provider", "key"), "algorithm", "hmac-md5"),
        (("provider", "key"), "secret", "plaintext"),
        (("stages", 1), "commit", "now"),
        (("stages", 1, "probes", 0), "type", "ping"),
        (("stages", 1, "probes", 0), "role", "rollback"),
        (("stages", 1, "probes", 0), "on_inconclusive", "ignore"),
        (("stages", 1, "probes", 0), "interval", "10"),
    ],
)
def test_an_editor_marks_a_wrong_word(where: tuple[str | int, ...], key: str, value: str) -> None:
    """Words come from lists, which editors offer."""
    path = PLANS / "mail-to-newmail.yaml"
    assert not VALIDATOR.is_valid(_mistaken(path, where, lambda inner: inner.update({key: value})))


def test_editors_can_offer_words_and_explain_them() -> None:
    """Types of providers and probes are told apart by one word each."""
    words = {
        name: field["const"] if "const" in field else field.get("enum")
        for name, model in SCHEMA["$defs"].items()
        for key, field in model["properties"].items()
        if key == "type" and ("const" in field or "enum" in field)
    }
    assert {"rfc2136", "route53", "octodns", "manual", "tcp", "http", "dns", "command", "smtp"} <= set(words.values())
    assert SCHEMA["$defs"]["Stage"]["properties"]["commit"]["enum"] == ["before", "after", "never"]
