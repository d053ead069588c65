"""The end state of a run in the words of other tools, to put there once the run is done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dns_cutover.records.zonetext import zone_text
from dns_cutover.runbook.end_state import EndState, ZoneEnd
from dns_cutover.runbook.export_octodns import octodns_text
from dns_cutover.runbook.export_terraform import terraform_text


def export_text(state: EndState, form: str) -> str:
    """The end state in one of `FORMATS`; ends with a newline. Raises KeyError."""
    return "\n".join(FORMATS[form](state, zone) for zone in state.zones)


def zone_file_text(state: EndState, zone: ZoneEnd) -> str:
    """Zone-file text (RFC 1035 section 5): the records that are there, and as comments what is not."""
    head = f"; {zone.info.name} {when(state)}\n"
    gone = "".join(f"; absent: {k.owner} {k.rdtype}\n" for k in zone.absent)
    return head + zone_text(zone.rrsets) + gone


def _octodns(state: EndState, zone: ZoneEnd) -> str:
    return octodns_text(zone, when(state))


def _terraform(state: EndState, zone: ZoneEnd) -> str:
    return terraform_text(zone, when(state))


def when(state: EndState) -> str:
    """Of what the text is, as one line for a comment."""
    what = f"stage {state.stage} of {state.plan}" if state.stage else state.plan
    what = "".join(c if c.isprintable() else " " for c in what)
    return f"after {what} was taken back" if state.back else f"after {what}"


FORMATS: Mapping[str, Callable[[EndState, ZoneEnd], str]] = {
    "terraform": _terraform,
    "octodns": _octodns,
    "zone": zone_file_text,
}
"""Format -> how one zone is written in it."""
