"""An image is what a dictionary of everything would be, at every stage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.checks.history import History
from dns_cutover.records import RRsetKey

KEYS = tuple(RRsetKey("default", f"{name}.example.test.", "A") for name in "abc")
ACTS = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(KEYS), st.sampled_from([("192.0.2.1",), ("192.0.2.2",), None, "unknown"])
    )
)


@given(ACTS)
def test_an_image_is_the_dictionary_of_its_stage(
    acts: list[tuple[int, RRsetKey, tuple[str, ...] | str | None]],
) -> None:
    history, plain = History(), {}
    by_stage = sorted(acts, key=lambda act: act[0])
    for n, key, values in by_stage:
        history.put(n, key, values)
    for n in range(11):
        for at, key, values in by_stage:
            if at == n:
                plain[key] = values
        known = {key: values for key, values in plain.items() if values != "unknown"}
        image = history.at(n)
        assert dict(image) == known
        assert len(image) == len(known)
        assert all(image.get(key, "unknown") == known.get(key, "unknown") for key in KEYS)
