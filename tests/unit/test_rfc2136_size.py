"""The size of an UPDATE that is only counted is the size that it is rendered to."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dns_cutover.providers.rfc2136 import size
from dns_cutover.providers.rfc2136.wire import build_update
from dns_cutover.records import Change, RRset, RRsetKey, quote_text

NAMES = st.lists(st.sampled_from(["a", "b", "www", "mail-1", "x" * 63, "api"]), min_size=0, max_size=3).map(
    lambda labels: ".".join([*labels, "example", "test", ""])
)
VALUES = {
    "A": st.sampled_from(["192.0.2.1", "192.0.2.2", "203.0.113.255"]),
    "AAAA": st.sampled_from(["2001:db8::1", "::1"]),
    "TXT": st.text('ab ;\\"', max_size=300).map(quote_text),
    "CNAME": NAMES,
    "PTR": NAMES,
    "MX": NAMES.map(lambda name: f"10 {name}"),
    "SRV": NAMES.map(lambda name: f"1 2 443 {name}"),
}


@st.composite
def changes(draw: st.DrawFn) -> Change:
    rdtype = draw(st.sampled_from(sorted(VALUES)))
    sets = st.lists(VALUES[rdtype], min_size=1, max_size=1 if rdtype == "CNAME" else 3, unique=True).map(
        lambda values: RRset(300, tuple(sorted(values)))
    )
    before = draw(st.none() | sets)
    return Change(RRsetKey("default", draw(NAMES), rdtype), before, draw(sets if before is None else st.none() | sets))


def rendered(owners: list[tuple[Change, ...]]) -> int:
    spec = size._spec([c for own in owners for c in own])
    return len(build_update(".", spec).to_wire())


@settings(deadline=None, max_examples=60)
@given(st.lists(changes(), min_size=1, max_size=20), st.sampled_from([0, 1, 40, 300]))
def test_the_counted_size_is_the_rendered_one_or_says_that_it_is_not_sure(given: list[Change], padding: int) -> None:
    many = [
        Change(RRsetKey("default", f"n{n}.pad.test.", "TXT"), RRset(60, (f'"{"y" * 40}"',)), RRset(60, ('"z"',)))
        for n in range(padding)
    ]
    owners = size._by_owner(tuple({c.key: c for c in (*many, *given)}.values()))
    message = size._Growing()
    for own in owners:
        message.add(own)
    true = rendered(owners)
    if message.exact:
        assert message.size == true
    else:
        assert message.size >= true


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.sampled_from(["A", "CNAME", "MX", "TXT"]))
@example(7, "CNAME")
def test_large_messages_are_counted_exactly_whatever_their_data(length: int, rdtype: str) -> None:
    def value(n: int, side: str) -> str:
        target = f"{'t' * length}{n}.{side}.test."
        return {"A": f"192.0.2.{n % 256}", "CNAME": target, "MX": f"10 {target}", "TXT": quote_text(target)}[rdtype]

    owners = [
        (
            Change(
                RRsetKey("default", f"{'h' * length}{n}.example.test.", rdtype),
                RRset(300, (value(n, "old"),)),
                RRset(60, (value(n, "new"),)),
            ),
        )
        for n in range(1500)
    ]
    message, count = size._Growing(), 0
    while message.size < 60_000 and count < len(owners):
        message.add(owners[count])
        count += 1
    assert message.exact
    assert message.size == rendered(owners[:count])
