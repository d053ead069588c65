"""DC110-DC118, DC122-DC125: what a plan says must make sense on its own, as the loader finds it."""

from __future__ import annotations

from dns_cutover.checks.interface import Example, loader_check
from dns_cutover.checks.plan_form import REPLACE

_GOOD = Example(REPLACE)
_OLD, _NEW = 'from: ["192.0.2.10"]', 'to: ["192.0.2.20"]'


def _stage(*changes: str, rest: str = "") -> str:
    lines = "".join(f"      - {change}\n" for change in changes)
    return f"stages:\n  - name: switch\n    changes:\n{lines}{rest}"


def _window(times: str) -> str:
    return _stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}", rest=f"    window: {{{times}, timezone: UTC}}\n")


def _confirm(probe: str) -> str:
    rest = (
        f"    confirm: [{{id: up, who: Ops, says: Green is up., by: probe, probe: {probe}}}]\n"
        "    probes: [{type: tcp, name: green, target: green.example.test, port: 443}]\n"
    )
    return _stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}", rest=rest)


def _then(change: str) -> str:
    return f"{REPLACE}  - name: second\n    changes:\n      - {change}\n"


CHECKS = (
    loader_check(
        "DC110",
        "error",
        """A name has labels of 63 octets at most and 255 octets in all, and no empty label. Unicode is converted to
        IDNA, and a text that cannot be converted is no name.""",
        why="No server would take it.",
        hint="write a name relative to the zone, or @ for the zone itself",
        source="RFC 1035 section 2.3.4",
        fires=Example(_stage(f"{{name: a..b, type: A, {_OLD}, {_NEW}}}")),
        silent=_GOOD,
    ),
    loader_check(
        "DC111",
        "error",
        """A server takes only names at or below the zone's own name. A name outside belongs to another zone: another
        entry under zones, with its own provider.""",
        why="The server would refuse the whole message.",
        hint="a name without a final dot is relative to the zone",
        source="RFC 2136 section 3.4.1.3",
        fires=Example(_stage(f"{{name: www.example.net., type: A, {_OLD}, {_NEW}}}")),
        silent=_GOOD,
    ),
    loader_check(
        "DC112",
        "error",
        """Values are written as in zone files and are parsed while the plan is read, so that a slip in an address, a
        preference or a digest is found now. TXT is given as the text; a value that begins with a quote is taken as
        it is, in strings of 255 octets at most.""",
        why="The server would refuse it, or publish something else.",
        hint="write the data as in zone files",
        source="RFC 1035 section 5.1",
        fires=Example(_stage(f'{{name: www, type: A, {_OLD}, to: ["192.0.2.300"]}}')),
        silent=_GOOD,
    ),
    loader_check(
        "DC113",
        "error",
        """A stage is one moment, in which an RRset has one new value. Two changes of the same RRset in it would
        depend on the order in which a server happens to read them.""",
        why="Only one of the two could hold.",
        hint="put both into one change, or into two stages",
        source="RFC 2136 section 3.4.2",
        fires=Example(
            _stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}", f'{{name: WWW, type: A, {_OLD}, to: ["192.0.2.3"]}}'),
        ),
        silent=_GOOD,
    ),
    loader_check(
        "DC114",
        "error",
        """A name with a CNAME has no other data, and one CNAME only; so the apex, which has SOA and NS, can have none.
        Servers ignore or refuse the second of the two, and some do so without telling.""",
        why="Some servers answer NOERROR and change nothing.",
        hint="take the other data away in the same stage",
        source="RFC 1034 section 3.6.2",
        fires=Example(_stage('{name: "@", type: CNAME, from: absent, to: [cdn.example.net.]}')),
        silent=Example(
            "safety: {allow: [delete]}\n"
            + _stage(
                f"{{name: www, type: A, {_OLD}, to: absent}}",
                "{name: www, type: CNAME, from: absent, to: [cdn.example.net.]}",
            ),
        ),
    ),
    loader_check(
        "DC115",
        "error",
        """Each stage begins where the one before it ended. A later from that differs from an earlier to could never be
        met: the run would stop in the middle, with half of the plan published.""",
        why="The run would stop in the middle.",
        hint="write the earlier stage's to as this stage's from",
        source="RFC 2136 section 2.4",
        fires=Example(_then(f'{{name: www, type: A, {_OLD}, to: ["192.0.2.30"]}}')),
        silent=Example(_then('{name: www, type: A, from: ["192.0.2.20"], to: ["192.0.2.30"]}')),
    ),
    loader_check(
        "DC116",
        "error",
        """A change from a value to itself publishes nothing, while everything around it is waited for and proved. As a
        rule one of the two was copied and not corrected.""",
        why="One of the two is hardly what was meant.",
        hint="for a new TTL alone give only ttl",
        source="the plan format, changes",
        fires=Example(_stage(f'{{name: www, type: A, {_OLD}, to: ["192.0.2.10"]}}')),
        silent=Example(_stage("{name: www, type: A, ttl: 300}")),
    ),
    loader_check(
        "DC117",
        "error",
        """A change says with in which of the plan's zones it means, by the names under zones. A reference that is
        not there would leave one view of the name behind.""",
        why="The change would reach no zone.",
        hint="write one of the names under zones",
        source="the plan format, zones",
        fires=Example(_stage(f"{{in: [inside], name: www, type: A, {_OLD}, {_NEW}}}")),
        silent=Example(_stage(f"{{in: [default], name: www, type: A, {_OLD}, {_NEW}}}")),
    ),
    loader_check(
        "DC118",
        "error",
        """Stages, probes and confirmations are called by their names: on the command line, in the journal of a run and
        in its report. Two of one name could not be told apart there.""",
        why="A confirmation could be given for the wrong one.",
        hint="give each a name of its own",
        source="the plan format, stages",
        fires=Example(
            _stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}")
            + "  - name: switch\n    changes: [{name: api, type: A, ttl: 300}]\n",
        ),
        silent=_GOOD,
    ),
    loader_check(
        "DC122",
        "error",
        """A window says when a stage may start. One whose begin is its end, or that has no days, never opens, and the
        run would wait for ever.""",
        why="The run would wait for ever.",
        hint='write from and to as two times of day, such as "09:00" and "16:00"',
        source="the plan format, window",
        fires=Example(_window('from: "09:00", to: "09:00"')),
        silent=Example(_window('from: "09:00", to: "16:00"')),
    ),
    loader_check(
        "DC123",
        "error",
        """A confirmation by a probe is proved by one of the stage's own probes, under its name. Without that probe
        nobody would ever confirm it.""",
        why="Nobody would ever confirm it.",
        hint="name a probe of this stage",
        source="the plan format, confirm",
        fires=Example(_confirm("gren")),
        silent=Example(_confirm("green")),
    ),
    loader_check(
        "DC124",
        "warning",
        """As in zone files, a name without a final dot is relative to the zone, so that www.example.test in the zone
        example.test means www.example.test.example.test. That is the oldest mistake in zone files, and no server
        objects.""",
        why="Without the final dot the zone's name is added once more.",
        hint="add the final dot, or leave the zone's name out",
        source="RFC 1035 section 5.1",
        fires=Example(_stage('{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.new.test]}')),
        silent=Example(_stage('{name: "@", type: MX, from: [10 mx.old.test.], to: [10 mx.new.test.]}')),
    ),
    loader_check(
        "DC125",
        "error",
        """What stands under unchanged is asserted before and after its stage. An RRset that the same stage changes
        would fail that assertion every time.""",
        why="The stage would fail by its own success.",
        hint="remove it from unchanged",
        source="the plan format, unchanged",
        fires=Example(_stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}", rest="    unchanged: [www/A]\n")),
        silent=Example(_stage(f"{{name: www, type: A, {_OLD}, {_NEW}}}", rest="    unchanged: [www/AAAA]\n")),
    ),
)
