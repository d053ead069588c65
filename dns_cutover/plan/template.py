"""A first plan as text, from what is live and what was answered. Every value goes through a YAML emitter. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from dns_cutover.plan.entries import Entry, Template, span
from dns_cutover.plan.mail_vendors import VENDORS
from dns_cutover.plan.starting import Answers, Found, Question, Record, Unfit
from dns_cutover.plan.template_kinds import TEMPLATES
from dns_cutover.plan.yamlscalar import yaml_comment, yaml_value, yaml_values

__all__ = ["TEMPLATES", "Source", "Template", "default_file", "questions", "render", "template_named"]

_FOLDER = Path(__file__).parent / "templates"
_LOWER_TO = 60


@dataclass(frozen=True, slots=True)
class Source:
    """Where the data came from: `at` is a UTC time for people; servers and resolvers are those of the command line.

    `schema` is the schema's path as the plan's editor will see it, empty where it is not beside the plan.
    """

    at: str
    authoritative: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    schema: str = ""


def template_named(text: str) -> Template:
    """The template of that name, or of that beginning where only one has it. Raises Unfit."""
    exact = [t for t in TEMPLATES if t.name == text]
    found = exact or [t for t in TEMPLATES if t.name.startswith(text)]
    hint = "the templates: " + ", ".join(t.name for t in TEMPLATES)
    if text in ("mail", "email", "e-mail"):  # whoever says so means the whole, and not a name that begins with it
        found = []
        hint = f"a vendor's name: {', '.join(v.name for v in VENDORS)}; any other host that takes mail: --template mx"
    if len(found) == 1:
        return found[0]
    raise Unfit(f"{text!r} is no template" if not found else f"{text!r} is the beginning of several templates", hint)


def questions(template: Template, found: Found, records: Sequence[Record]) -> tuple[Question, ...]:
    """Everything that a person can answer, the template's own questions first. Raises Unfit."""
    return (
        *template.ask(found, records),
        Question(
            "server",
            "the primary that takes updates, host or address",
            "192.0.2.53",
            "server",
            default=(found.primary,) if found.primary else (),
        ),
        Question("key", "the name of the TSIG key, as the server knows it", "cutover", "key"),
        Question("algorithm", "the key's algorithm", "hmac-sha256", default=("hmac-sha256",), prompt=False),
        Question(
            "secret_env", "the variable that holds its secret", "CUTOVER_TSIG", default=("CUTOVER_TSIG",), prompt=False
        ),
        Question("name", "the plan's name", "move", default=(_identifier(found.zone, template.name),), prompt=False),
    )


def _identifier(zone: str, template: str) -> str:
    """A plan's name: what an identifier may have, at most 63 characters."""
    kept = re.sub(r"[^A-Za-z0-9.-]+", "-", zone.rstrip(".")).strip(".-") or "root"
    return f"{kept[: 62 - len(template)].rstrip('.-')}-{template}"


def default_file(found_zone: str, template: Template) -> str:
    """The plan's file name, where nobody named one."""
    return f"{_identifier(found_zone, template.name)}.yaml"


def render(
    template: Template,
    found: Found,
    records: Sequence[Record],
    answers: Answers,
    source: Source,
) -> str:
    """The plan's text. Raises Unfit where what is live does not fit."""
    filled = template.fill(found, records, answers)
    stages: tuple[Entry, ...] = (*filled.get("canary", ()), *filled["changes"])
    ttls = [r.ttl for o, t in _touched(found, stages) if (r := found.rrsets.get((o, t))) is not None]
    highest = max(ttls, default=0)
    context: dict[str, Any] = {
        **filled,
        "plan_name": answers["name"][0],
        "zone": found.zone.rstrip(".") or ".",
        "serial": found.serial,
        "servers": found.servers,
        "server": answers["server"][0],
        "guessed": answers["server"][0] == found.primary,
        "key": answers["key"][0],
        "algorithm": answers["algorithm"][0],
        "secret_env": answers["secret_env"][0],
        "highest": span(highest) if highest else None,
        "lower_to": min(_LOWER_TO, highest) if highest else _LOWER_TO,
        "lowers": highest > _LOWER_TO,
        "allow": _allow(filled),
        "unchanged": _unchanged(found, stages),
        "at": source.at,
        "authoritative": source.authoritative,
        "bootstrap": source.bootstrap,
        "schema": source.schema,
    }
    return _environment().get_template(f"{template.file or template.name}.yaml.j2").render(context)


def _touched(found: Found, changes: Sequence[Entry]) -> list[Record]:
    from dns_cutover.records import absolute_name

    return [(absolute_name(n, found.zone), e.rdtype) for e in changes for n in e.names]


def _allow(filled: Mapping[str, Any]) -> tuple[str, ...]:
    """Deliberate acts that the plan needs to name."""
    stages = [filled.get(k, ()) for k in ("canary", "changes", "tidy")]
    out = set()
    for changes in stages:
        come = {n for e in changes if e.after not in (None, "absent") for n in e.names}
        for e in changes:
            if any(n.startswith("*.") or n == "*" for n in e.names):
                out.add("wildcard")
            if e.after == "absent" and not set(e.names) <= come:
                out.add("delete")
            if e.after == "absent" and e.rdtype == "MX":
                out.add("last_mx")
    return tuple(sorted(out))


def _unchanged(found: Found, changes: Sequence[Entry]) -> tuple[str, ...]:
    """What stands at the apex and must not move along."""
    touched = set(_touched(found, changes))
    return tuple(f"@/{t}" for t in ("MX", "TXT") if (found.zone, t) in found.rrsets and (found.zone, t) not in touched)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        finalize=yaml_value,  # whatever a template says: nothing gets into the text but as one YAML value
        autoescape=False,  # noqa: S701 - the text is YAML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["comment"] = yaml_comment
    environment.filters["values"] = yaml_values
    return environment
