"""The plan file's JSON Schema (draft 2020-12), generated from the models; field docs become descriptions."""

from __future__ import annotations

import json
from typing import Any

from dns_cutover.plan.models import Plan
from dns_cutover.plan.types import as_written


def plan_schema() -> dict[str, Any]:
    """The schema as JSON data."""
    schema = Plan.model_json_schema(by_alias=True, mode="validation")
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            _tidy(name, field)
    schema["anyOf"] = [{"required": ["zone", "provider"]}, {"required": ["zones"]}]
    schema["$defs"]["ChangeConfig"]["oneOf"] = [{"required": ["name"]}, {"required": ["names"]}]
    schema["$defs"]["SecretRef"]["oneOf"] = [{"required": ["env"]}, {"required": ["file"]}]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:dns-cutover:plan:1",
        "title": "dns-cutover migration plan",
    }
    return {**head, **{k: v for k, v in schema.items() if k not in head}}


def _tidy(name: str, field: dict[str, Any]) -> None:
    """Defaults as one writes them in a plan; no titles that only repeat the key."""
    field.pop("title", None)
    default = field.get("default")
    if isinstance(default, float):
        field["default"] = f"{default:.0%}" if name == "resolvers" else as_written(default)
    elif isinstance(default, list) and any(isinstance(d, float) for d in default):
        field["default"] = [as_written(d) for d in default]
    elif isinstance(default, dict) or default is None:
        field.pop("default", None)


def schema_text() -> str:
    """The schema as it is published in plans/plan.schema.json."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"
