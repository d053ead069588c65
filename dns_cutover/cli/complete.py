"""What the shell offers while one types: nothing here asks DNS, and nothing may fail loudly."""

from __future__ import annotations


def templates(incomplete: str) -> list[tuple[str, str]]:
    """Templates of `init`, with what they are for."""
    from dns_cutover.plan.template_kinds import TEMPLATES

    return [(t.name, t.summary) for t in TEMPLATES if t.name.startswith(incomplete)]
