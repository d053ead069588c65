"""Any plan of the examples in any of their zones: checks never fail, and never speak of what they cannot know."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dns_cutover.checks.registry import all_checks
from tests.unit.checks.situation import findings

EXAMPLES = [e for c in all_checks() for e in (c.fires, c.silent)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EXAMPLES), st.sampled_from(EXAMPLES), st.booleans())
def test_every_plan_can_be_checked_in_every_zone(plan, zone, offline):  # type: ignore[no-untyped-def]
    """Whatever is there, or missing, or in the way: findings with a place, a sentence and a hint, no exception."""
    seen = findings(
        replace(plan, zone=zone.zone, secondary=zone.secondary, elsewhere=zone.elsewhere, facts=zone.facts),
        offline=offline,
    )
    for f in seen:
        assert f.line >= 1
        assert f.message
        assert f.hint
