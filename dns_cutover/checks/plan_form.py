"""DC101-DC109, DC119-DC121: the form of the file, as the loader finds it."""

from __future__ import annotations

from dns_cutover.checks.interface import Example, loader_check

REPLACE = """
stages:
  - name: switch
    changes:
      - {name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}
"""
_GOOD = Example(REPLACE)
_YAML = "YAML 1.2.2"
_FORMAT = "the JSON Schema, dns-cutover schema"


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


CHECKS = (
    loader_check(
        "DC101",
        "error",
        """A plan is one YAML document in UTF-8. Where the file ends too early, or its indentation breaks, nothing
        in it can be trusted to mean what its author wrote, so nothing of it is used.""",
        why="Half a plan must not be taken for a whole one.",
        hint="mend the YAML at this place",
        source=f"{_YAML} section 6.1",
        fires=Example("version: 1\nname: example\nstages: [\n", whole=True),
        silent=_GOOD,
    ),
    loader_check(
        "DC102",
        "error",
        """YAML forbids a key twice in one mapping, and most readers take the last one without a word. In a plan the
        other one may be the one that was reviewed.""",
        why="One of the two would silently win.",
        hint="keep one of the two",
        source=f"{_YAML} section 3.2.1.3",
        fires=Example("name: one\nname: two\n" + REPLACE),
        silent=_GOOD,
    ),
    loader_check(
        "DC103",
        "error",
        """Plans are data that strangers send and people read. Tags that make objects, keys that are no text, and
        aliases that unfold to a hundred thousand values have no place in them.""",
        why="A plan is data, and what people read is what runs.",
        hint="write plain text, lists and mappings",
        source=f"{_YAML} section 6.9.1",
        fires=Example("summary: !file /etc/hosts\n" + REPLACE),
        silent=_GOOD,
    ),
    loader_check(
        "DC104",
        "error",
        """A key that the format does not know is a slip of the pen far more often than a comment. Ignored, a misspelt
        bake or window would leave the run without it.""",
        why="Ignoring it would leave out something that its author wanted.",
        hint="correct the key, or remove it",
        source=_FORMAT,
        fires=Example(REPLACE + "    bakes: 5m\n"),
        silent=Example(REPLACE + "    bake: 5m\n"),
    ),
    loader_check(
        "DC105",
        "error",
        """Some keys have no default, since a wrong guess would be worse than a question: the zone, what a change
        expects, where a window begins.""",
        why="There is no default that would be safe.",
        hint="add the key",
        source=_FORMAT,
        fires=Example(_stage('{name: www, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
        silent=_GOOD,
    ),
    loader_check(
        "DC106",
        "error",
        """Durations carry a unit, shares a per cent sign, times a quote, and addresses no host name. A bare number
        would be read as seconds by one person and as minutes by another.""",
        why="What can be read in two ways will be.",
        hint="write it as the format wants it",
        source=_FORMAT,
        fires=Example(REPLACE + "    bake: 5\n"),
        silent=Example(REPLACE + "    bake: 5m\n"),
    ),
    loader_check(
        "DC107",
        "error",
        """A variable is defined under variables, and --var gives another value to one that is. Nothing is read from
        the environment, so that the same file means the same for everybody.""",
        why="An empty text in its place would be published.",
        hint="define it under variables, or write $${ for the text ${",
        source="the plan format, variables",
        fires=Example(_stage('{name: www, type: A, from: ["192.0.2.10"], to: ["${green}"]}')),
        silent=Example(
            "variables: {green: 192.0.2.20}\n" + _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["${green}"]}'),
        ),
    ),
    loader_check(
        "DC108",
        "warning",
        """A variable that nothing refers to was meant for something: the value may still stand in the plan as a
        literal, and --var would then change nothing.""",
        why="Setting it has no effect.",
        hint="remove it, or use it",
        source="the plan format, variables",
        fires=Example("variables: {green: 192.0.2.20}\n" + REPLACE),
        silent=_GOOD,
    ),
    loader_check(
        "DC109",
        "error",
        """The version says which rules a plan was written for. A plan of another version could carry keys whose
        meaning has changed, so that reading it by guess is not safe.""",
        why="The same words may mean something else there.",
        hint="supported versions: 1",
        source="the plan format, version",
        fires=Example("version: 2\n" + REPLACE),
        silent=_GOOD,
    ),
    loader_check(
        "DC119",
        "error",
        """A plan is reviewed, kept in version control and shown by other tools. A key that stands in it is known to all
        who ever saw it, also after it was taken out.""",
        why="A plan is shown to everybody who reviews it, and kept in version control.",
        hint="write {env: NAME} or {file: PATH}, and change the secret: others may have read it",
        source="RFC 8945 section 8",
        fires=Example(
            "provider:\n  type: rfc2136\n  server: 192.0.2.53\n"
            "  key: {name: cutover, secret: bm90IGEgc2VjcmV0}\n" + REPLACE
        ),
        silent=_GOOD,
    ),
    loader_check(
        "DC120",
        "error",
        """A change says what it expects and what becomes of it: from and to, or remove and add, or a TTL alone. One
        half would leave the other to chance, and both at once could contradict each other.""",
        why="A change that does not say what it replaces could replace anything.",
        hint="give from and to, or add and remove, or ttl",
        source="the plan format, changes",
        fires=Example(_stage('{name: www, type: A, to: ["192.0.2.20"]}')),
        silent=_GOOD,
    ),
    loader_check(
        "DC121",
        "error",
        """An alias repeats the value at its anchor. Without the anchor, or inside the very value that it names, it
        stands for nothing.""",
        why="There is no value to put there.",
        hint="write the value out, or put its anchor before it",
        source=f"{_YAML} section 7.1",
        fires=Example("summary: *text\n" + REPLACE),
        silent=_GOOD,
    ),
)
