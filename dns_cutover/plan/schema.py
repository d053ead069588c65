"""The plan file's JSON Schema (draft 2020-12), generated from the models."""

from __future__ import annotations

import json
from typing import Any

from dns_cutover.plan.models import Plan


def plan_schema() -> dict[str, Any]:
    """The schema as JSON data."""
    schema = Plan.model_json_schema(by_alias=True, mode="validation")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:dns-cutover:plan:1",
        "title": "dns-cutover migration plan",
    }
    return {**head, **{k: v for k, v in schema.items() if k not in head}}


def schema_text() -> str:
    """The schema as it is published in plans/plan.schema.json."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"
