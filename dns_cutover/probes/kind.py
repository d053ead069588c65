"""What one kind of probe is, and how its options are read."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dns_cutover.errors import UsageError
from dns_cutover.probes.interface import ProbeSpec, Verdict


class Outcome(NamedTuple):
    """A verdict and what was seen. `detail` may hold hostile text of any length: the prober escapes and cuts it."""

    verdict: Verdict
    detail: str


class Kind(Protocol):
    """One file per kind implements this."""

    def check(self, spec: ProbeSpec) -> None:
        """Whether the options make sense; does no I/O. Raises UsageError."""
        ...

    async def probe(self, spec: ProbeSpec) -> Outcome:
        """Ask once. The caller ends it by cancellation after `spec.timeout` seconds.

        Raises UsageError, and whatever `network.judge` knows.
        """
        ...


class Options(BaseModel):
    """The base of every kind's options. A runbook is a file that anybody may have edited: nothing is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


_O = TypeVar("_O", bound=Options)


def read_options(model: type[_O], spec: ProbeSpec) -> _O:
    """The spec's options as `model`. Raises UsageError, which names the option and repeats no value."""
    try:
        return model.model_validate(dict(spec.options))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"probe {spec.name}: the option {where} of a {spec.type} probe is not valid",
            f"{said[:1].upper()}{said[1:]}.",
            ("correct the plan, then preview it again",),
        ) from None
