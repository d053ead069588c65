"""How `check` shows the spread of an answer: a block that fits a terminal, a table of all, a line for a log. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from rich.text import Text

from dns_cutover.lookup.interface import Evidence, ResolverRow
from dns_cutover.lookup.views import BEHIND, Spread
from dns_cutover.report.words import clock, duration, mark, offset, plural, safe, utc

LABEL = 14
# Worst first: evidence, mark, style, words, and what it means.
_GROUPS = (
    (Evidence.VIOLATOR, "failed", "red", "old, past its life", ""),
    (Evidence.BOGUS, "failed", "red", "bogus (DNSSEC)", "fails where validated"),
    (Evidence.STALE, "mind", "yellow", "old, stale", "serve-stale"),
    (Evidence.ERROR, "error", "red", "error: no answer", "counts on neither side"),
    (Evidence.PENDING, "old", "yellow", "old, pending", "within its life"),
    (Evidence.COLD, "later", "", "new, cold", "fetched by us: no proof"),
    (Evidence.WARM, "warm", "green", "new, warm", "fetched by others"),
    (Evidence.WITNESSED, "proved", "green", "new, witnessed", "old before, new now"),
)
_ORDER = {evidence: n for n, (evidence, *_) in enumerate(_GROUPS)}
_MARKS = {evidence: (name, style) for evidence, name, style, *_ in _GROUPS}
_HEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class CheckView:
    """Everything that one drawing needs. `began`, `now`, `next_due` in seconds UTC."""

    spread: Spread
    began: float
    now: float
    next_due: float
    zone: tzinfo
    width: int
    height: int
    ascii_only: bool
    problems: tuple[str, ...] = ()


def verdict(s: Spread) -> tuple[str, str, str]:
    """(the word for the state, its style, why) of one RRset."""
    behind = len(s.behind)
    caches = len([r for r in s.rows if r.evidence is not Evidence.ERROR])
    if s.contradicted:
        return "CONTRADICTED", "red", f"the servers agree on {_answer(s)}, which is not what is expected"
    if s.converged:
        return "CONVERGED", "green", f"every server and {plural(caches, 'cache')} asked answer alike"
    if not s.servers:
        return "CONVERGING", "cyan", "not asked yet"
    if bad := [v for v in s.servers if v.problem]:
        return "CONVERGING", "yellow", f"{bad[0].server.name} {bad[0].problem}"
    if not s.agreed:
        return "CONVERGING", "cyan", "the servers do not agree yet; resolvers are asked when they do"
    if s.served is None and not s.sought.absent:
        return "CONVERGING", "yellow", "no server has it; no resolver is asked for what does not exist"
    if not behind:
        return "CONVERGING", "cyan", "all agree; the servers are looked at once more"
    return "CONVERGING", "cyan", f"{behind} of {caches} caches answer otherwise than the servers"


def check_block(v: CheckView) -> list[Text]:
    """Fitted to the height: the head is never cut, worst rows come first, and what is cut is said."""
    parts = [*_head(v), Text(), _servers_line(v), *_resolver_groups(v)]
    if curve := _curve(v):
        parts.append(curve)
    old = _old_rows(v)
    room = v.height - len(parts) - 1
    if old and room > 2:
        parts += [Text(), *old[: room - 1]]
        if len(old) > room - 1:
            parts[-1] = Text(f"  + {len(old) - room + 2} more, dying sooner", style="dim")
    parts = parts[: v.height]
    for line in parts:
        if v.ascii_only:
            line.plain = line.plain.replace("·", "-")
        line.truncate(v.width, overflow="crop")
    return parts


def _head(v: CheckView) -> list[Text]:
    s = v.spread
    word, style, why = verdict(s)
    left = f"{safe(s.sought.key.owner)} {s.sought.key.rdtype}"
    when = f"{clock(v.now, v.now, v.zone)} {offset(v.now, v.zone)}"
    again = f" · again in {duration(max(0.0, v.next_due - v.now))}" if v.next_due != float("inf") else ""
    right = when + ("" if s.converged else again)
    title = Text.assemble((left, "bold"), " " * max(2, v.width - len(left) - len(right)), (right, "dim"))
    return [title, _labelled(word, safe(why), f"bold {style}"), *_until(v)]


def _until(v: CheckView) -> list[Text]:
    s = v.spread
    if s.converged or s.contradicted:
        return []
    etas = [r.eta for r in s.rows if r.eta is not None and r.eta > v.now]
    end = s.dead_at if s.dead_at is not None else max(etas, default=None)
    if end is None or not s.behind:
        return [_labelled("until", "no bound")]
    left = max(0.0, end - v.now)
    size = max(10, min(48, v.width - LABEL - 28))
    filled = min(size, round(size * left / max(left, end - v.began, 1.0)))
    line = Text.assemble(
        (clock(end, v.now, v.zone), "bold"),
        "  ",
        (mark("track", ascii_only=v.ascii_only) * (size - filled), "dim"),
        (mark("left", ascii_only=v.ascii_only) * filled, "cyan"),
        f"  {duration(left)} left",
    )
    note = (
        "the old TTL was seen: a copy may live so long"
        if s.dead_at is not None
        else "the largest TTL seen; without a plan this is no bound"
    )
    return [_labelled("until", line), _labelled("", Text(note, "dim"))]


def _servers_line(v: CheckView) -> Text:
    s = v.spread
    good = [x for x in s.servers if not x.problem]
    if not s.agreed or s.contradicted:
        said = Counter(_values(x.rrsets.get(s.key)) for x in good)
        text = "; ".join(f"{n} answer {values}" for values, n in said.most_common()) or "no usable answer"
        body = Text.assemble((mark("mind", ascii_only=v.ascii_only), "yellow"), f" {len(good)}/{len(s.servers)} ", text)
        return _labelled("servers", body)
    ttl = f" · TTL {s.served.ttl}" if s.served is not None else ""
    serials = sorted({x.serial for x in s.servers if x.serial is not None})
    serial = f" · serial {'/'.join(map(str, serials))}" if serials else ""
    body = Text.assemble(
        (mark("proved", ascii_only=v.ascii_only), "green"),
        f" {len(good)}/{len(s.servers)} answer {_answer(s)}{ttl}{serial}",
    )
    return _labelled("servers", body)


def _resolver_groups(v: CheckView) -> list[Text]:
    s = v.spread
    if not s.rows:
        return [
            _labelled(
                "resolvers", Text(f"{mark('later', ascii_only=v.ascii_only)} not asked before every server has it")
            )
        ]
    counts = Counter(r.evidence for r in s.rows)
    counted = len(s.rows) - counts[Evidence.ERROR]
    lines = [_labelled("resolvers", f"{counted - len(s.behind)}/{counted} new")]
    room = max(4, v.width - 54)
    for evidence, name, style, text, note in _GROUPS:
        if n := counts[evidence]:
            cut = " (bar is cut)" if n > room else ""
            lines.append(
                Text.assemble(
                    ("  " + mark(name, ascii_only=v.ascii_only), style),
                    f" {text:<20}{n:>4}  ",
                    (mark("one", ascii_only=v.ascii_only) * min(n, room), style),
                    (f"  {note}{cut}", "dim"),
                )
            )
    return lines


def _curve(v: CheckView) -> Text | None:
    """The share of caches with the new version over the time of watching; one step for each column."""
    points = v.spread.points
    if len(points) < 2:
        return None
    size = max(10, min(40, v.width - LABEL - 26))
    span = max(v.now - points[0][0], 1.0)
    text, at = "", 0
    for column in range(size):
        moment = points[0][0] + span * (column + 1) / size
        while at + 1 < len(points) and points[at + 1][0] <= moment:
            at += 1
        _, new, counted = points[at]
        share = new / counted if counted else 0.0
        text += str(min(9, int(10 * share))) if v.ascii_only else _HEIGHTS[min(7, int(8 * share))]
    _, new, counted = points[-1]
    return _labelled("curve", Text.assemble((text, "green"), (f"  {new}/{counted} after {duration(span)}", "dim")))


def _old_rows(v: CheckView) -> list[Text]:
    old = sorted((r for r in v.spread.rows if r.evidence in BEHIND), key=lambda r: (_ORDER[r.evidence], -(r.eta or 0)))
    if not old:
        return []
    longest = max([1.0, *((r.eta or 0.0) - v.now for r in old)])
    lines = [_labelled("old answer", Text("time to live · longest first", style="dim"))]
    for r in old:
        name, style = _MARKS[r.evidence]
        who = f"{r.resolver.name} {r.resolver}" if r.resolver.name != str(r.resolver) else r.resolver.name
        who = f"{who} {r.nsid}".strip()
        said = _texts(r.answer)
        if r.eta is None:
            rest = Text(f"{said} · TTL {r.ttl} · {safe(r.detail)}", "dim")
        else:
            left = max(0.0, r.eta - v.now)
            bar = mark("left", ascii_only=v.ascii_only) * max(1, round(16 * left / longest))
            rest = Text.assemble(f"{duration(left):>7} ", (bar, "yellow"), (f"  {said}", "dim"))
        lines.append(
            Text.assemble(("  " + mark(name, ascii_only=v.ascii_only), style), f" {safe(who)[:30]:<30} ", rest)
        )
    return lines


def check_table(v: CheckView) -> list[str]:
    """Every server and every cache, one line each, in words."""
    s = v.spread
    word, _, why = verdict(s)
    lines = [f"{word:<{LABEL}}{safe(s.sought.key.owner)} {s.sought.key.rdtype}: {safe(why)}"]
    if s.key != s.sought.key:
        lines.append(f"{'':<{LABEL}}the name is an alias there: its CNAME is what is looked at")
    for n, x in enumerate(s.servers):
        rrset = x.rrsets.get(s.key)
        said = safe(x.problem) or (f"{_values(rrset)} · TTL {rrset.ttl}" if rrset is not None else "absent")
        label = "servers" if n == 0 else ""
        lines.append(f"{label:<{LABEL}}{safe(x.server.name)} {x.server}  {said} · serial {x.serial}")
    rows = sorted(s.rows, key=lambda r: (_ORDER[r.evidence], -(r.eta or 0.0), r.resolver))
    for n, r in enumerate(rows):
        lines.append(f"{'resolvers' if n == 0 else '':<{LABEL}}{_row(v, r)}")
    if not rows:
        lines.append(f"{'resolvers':<{LABEL}}not asked before every server has it")
    lines += [f"{'':<{LABEL}}{safe(p)}" for p in v.problems]
    if (bound := share_sentence(s)) is not None:
        lines.append(f"{'':<{LABEL}}{bound}")
    return lines


def _row(v: CheckView, r: ResolverRow) -> str:
    said = _texts(r.answer) if r.evidence not in (Evidence.ERROR, Evidence.BOGUS) else ""
    ttl = f" · TTL {r.ttl}" if r.ttl is not None else ""
    eta = f" · until {utc(r.eta)}" if r.eta is not None else ""
    bound = ", no bound" if r.eta is not None and v.spread.dead_at is None else ""
    keeps = v.spread.minimum(r)
    clamp = f" · keeps it at least {keeps} s, its TTL is lower" if keeps is not None else ""
    who = r.resolver.name if r.resolver.name == str(r.resolver) else f"{r.resolver.name} {r.resolver}"
    nsid = f" {r.nsid}" if r.nsid else ""
    return f"{r.evidence.value:<10}{safe(who + nsid)}  {said}{ttl}{eta}{bound}{clamp} · {safe(r.detail)}"


def share_sentence(s: Spread) -> str | None:
    """What no old answer among so many caches proves; None where it proves nothing."""
    if (bound := old_share(s)) is None:
        return None
    return f"at most {bound:.0%} of caches can still be old (95 % confidence)"


def old_share(s: Spread) -> float | None:
    """The greatest share of old answers among the caches sampled, 3/n: what our question filled proves nothing."""
    samples = sum(r.evidence in (Evidence.WARM, Evidence.WITNESSED) for r in s.rows)
    if any(r.evidence in (Evidence.PENDING, Evidence.STALE, Evidence.VIOLATOR) for r in s.rows) or not samples:
        return None
    return min(1.0, 3 / samples)


def check_line(v: CheckView) -> str:
    """One line of a log."""
    s = v.spread
    word, _, why = verdict(s)
    good = sum(not x.problem for x in s.servers)
    counts = Counter(r.evidence.value for r in s.rows)
    seen = " ".join(f"{e.value} {counts[e.value]}" for e in Evidence if counts[e.value]) or "not asked"
    etas = [r.eta for r in s.rows if r.eta is not None]
    until = f", until {utc(max(etas))}" if etas else ""
    name = f"{safe(s.sought.key.owner)} {s.sought.key.rdtype}"
    return f"{utc(v.now)} {word} {name}: servers {good}/{len(s.servers)}, resolvers {seen}{until}: {safe(why)}"


def closing_lines(v: CheckView) -> list[str]:
    """What stays on the screen when it has converged."""
    s = v.spread
    name = f"{safe(s.sought.key.owner)} {s.sought.key.rdtype}"
    caches = len([r for r in s.rows if r.evidence is not Evidence.ERROR])
    tick = mark("proved", ascii_only=v.ascii_only)
    lines = [
        f"{tick} {name} has converged at {clock(v.now, v.now, v.zone)}, after {duration(v.now - v.began)} of watching",
        f"  {len(s.servers)}/{len(s.servers)} servers and {caches}/{caches} caches answer {_answer(s)}",
    ]
    if (bound := share_sentence(s)) is not None:
        lines.append(f"  0 old answers: {bound}")
    return lines


def many_lines(spreads: Sequence[Spread]) -> list[str]:
    """One line for each name, those that need looking at first."""
    ranked = sorted(spreads, key=lambda s: (s.converged, not s.contradicted, s.sought.key.place))
    out = []
    for s in ranked:
        word, _, why = verdict(s)
        out.append(f"{word:<{LABEL}}{safe(s.sought.key.owner)} {s.sought.key.rdtype}: {safe(why)}")
    done = sum(s.converged for s in spreads)
    return [*out, f"{done}/{len(spreads)} have converged"]


def _answer(s: Spread) -> str:
    return _values(s.served) if s.agreed else "nothing common"


def _values(rrset: object) -> str:
    return _texts(getattr(rrset, "values", None))


def _texts(values: Sequence[str] | None) -> str:
    if not values:
        return "absent"
    return safe(", ".join(values))


def _labelled(label: str, body: Text | str, style: str = "dim") -> Text:
    return Text.assemble((f"{label:<{LABEL}}", style), body)
