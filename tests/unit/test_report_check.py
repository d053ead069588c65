"""How `check` is shown: a block that fits, a table, lines for a log, JSON."""

from dataclasses import replace
from datetime import UTC

import pytest

from dns_cutover.lookup.interface import Endpoint, Evidence, ResolverRow, ServerView
from dns_cutover.lookup.views import Sought, Spread
from dns_cutover.records import RRset, RRsetKey
from dns_cutover.report.check import CheckView, check_block, check_line, check_table, closing_lines, many_lines, verdict
from dns_cutover.report.check_json import check_document

KEY = RRsetKey("z", "www.example.test.", "A")
NEW = RRset(60, ("198.51.100.80",))
NOW = 1_800_000_000.0
SERVERS = tuple(ServerView("z", Endpoint(f"ns{n}", f"192.0.2.{n}"), {KEY: NEW}, 7) for n in (1, 2))


def cache(number, evidence, **more):
    old = evidence in (Evidence.PENDING, Evidence.STALE, Evidence.VIOLATOR)
    values = ("192.0.2.80",) if old else NEW.values
    given = {"answer": values, "ttl": 30, "eta": NOW + 30 + number if evidence is Evidence.PENDING else None, **more}
    return ResolverRow(Endpoint(f"isp-{number}", f"203.0.113.{number}"), KEY, evidence, detail="so it is", **given)


ROWS = (
    *(cache(n, Evidence.PENDING) for n in range(40)),
    cache(50, Evidence.STALE),
    cache(51, Evidence.ERROR, answer=None, ttl=None),
    cache(52, Evidence.WARM),
    cache(53, Evidence.WITNESSED, nsid="res760"),
    cache(54, Evidence.COLD, ttl=300),
)
SPREAD = Spread(Sought(KEY), KEY, SERVERS, True, NEW, ROWS, False, False, None, ((NOW - 60, 0, 44), (NOW - 10, 3, 44)))
VIEW = CheckView(SPREAD, NOW - 60, NOW, NOW + 10, UTC, 80, 24, False)


def text(view):
    return [line.plain for line in check_block(view)]


@pytest.mark.parametrize("height", [12, 24, 60])
@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_block_fits_and_begins_with_the_state(height, width, ascii_only):
    lines = text(replace(VIEW, height=height, width=width, ascii_only=ascii_only))
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("CONVERGING    41 of 44 caches answer otherwise")
    if ascii_only:
        assert "".join(lines).isascii()


def test_the_block_has_groups_worst_first_a_curve_and_the_longest_living_old_answers():
    lines = text(VIEW)
    groups = [line.split()[1:3] for line in lines if line.startswith("  ") and "■" in line]
    assert groups == [
        ["old,", "stale"],
        ["error:", "no"],
        ["old,", "pending"],
        *[["new,", w] for w in ("cold", "warm", "witnessed")],
    ]
    assert any(line.startswith("resolvers     3/44 new") for line in lines)
    assert any(line.startswith("curve         ▁") and "3/44 after 1m 00s" in line for line in lines)
    old = lines[lines.index(next(line for line in lines if line.startswith("old answer"))) :]
    assert "isp-50" in old[1]
    assert "isp-39" in old[2]
    assert "more, dying sooner" in lines[-1]
    assert "no bound" in "".join(lines)


def test_a_bound_is_said_where_the_old_ttl_was_seen():
    lines = text(replace(VIEW, spread=replace(SPREAD, dead_at=NOW + 300)))
    assert lines[2].split()[1:2] == ["08:05:00"]
    assert "no bound" not in "".join(lines)


def test_the_table_has_every_server_and_every_cache():
    lines = check_table(VIEW)
    joined = "\n".join(lines)
    assert "ns1 192.0.2.1  198.51.100.80 · TTL 60 · serial 7" in joined
    assert "pending   isp-39 203.0.113.39  192.0.2.80 · TTL 30 · until 2027-01-15T08:01:09Z, no bound" in joined
    assert "witnessed isp-53 203.0.113.53 res760" in joined
    assert "keeps it at least 300 s, its TTL is lower" in joined
    assert sum("isp-" in line for line in lines) == len(ROWS)


def test_what_comes_from_outside_is_escaped():
    hostile = replace(ROWS[0], answer=('"\x1b[2J"',), detail="\x1b]0;x\x07", nsid="a\u202eb")
    spread = replace(SPREAD, rows=(hostile,), served=RRset(60, ('"\x1b[31m"',)))
    view = replace(VIEW, spread=spread)
    shown = "\n".join([*text(view), *check_table(view), check_line(view), *many_lines([spread])])
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize(
    ("change", "word", "why"),
    [
        ({"converged": True, "rows": ROWS[-3:]}, "CONVERGED", "every server and 3 caches asked answer alike"),
        ({"contradicted": True}, "CONTRADICTED", "the servers agree on 198.51.100.80, which is not what is expected"),
        ({"agreed": False}, "CONVERGING", "the servers do not agree yet; resolvers are asked when they do"),
        ({"served": None, "rows": ()}, "CONVERGING", "no server has it; no resolver is asked for what does not exist"),
        ({"servers": (replace(SERVERS[0], problem="no answer in 3 tries"),)}, "CONVERGING", "ns1 no answer in 3 tries"),
        ({"rows": ROWS[-3:]}, "CONVERGING", "all agree; the servers are looked at once more"),
    ],
)
def test_every_state_has_its_words(change, word, why):
    spread = replace(SPREAD, **change)
    got = verdict(spread)
    assert (got[0], got[2]) == (word, why)
    view = replace(VIEW, spread=spread)
    assert text(view)[1].startswith(f"{word:<14}{why[:60]}")
    assert why in check_line(view)
    assert why in check_table(view)[0]


def test_at_the_end_the_share_that_may_be_old_is_said():
    done = replace(SPREAD, converged=True, rows=tuple(cache(n, Evidence.WITNESSED) for n in range(50)))
    assert closing_lines(replace(VIEW, spread=done)) == [
        "✓ www.example.test. A has converged at 08:00:00, after 1m 00s of watching",
        "  2/2 servers and 50/50 caches answer 198.51.100.80",
        "  0 old answers: at most 6% of caches can still be old (95 % confidence)",
    ]


def test_json_has_what_the_contract_says_and_several_names_stand_beside_each_other():
    one = check_document([SPREAD], many=False)
    assert {"schema", "name", "type", "authoritative", "resolvers", "converged", "old_share_upper_bound"} <= set(one)
    assert {"name", "address", "evidence", "answer", "ttl", "eta"} <= set(one["resolvers"][0])
    assert one["resolvers"][-1]["minimum_ttl"] == 300
    both = check_document([SPREAD, replace(SPREAD, converged=True)], many=True)
    assert (both["converged"], [n["converged"] for n in both["names"]]) == (False, [False, True])
    assert many_lines([replace(SPREAD, converged=True), SPREAD])[0].startswith("CONVERGING")
