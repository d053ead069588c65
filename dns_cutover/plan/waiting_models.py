"""What a stage waits for: confirmations, windows, the end of a freeze, as plans write them (DESIGN section 4)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from dns_cutover.plan.types import Duration, Identifier, Model, Name, Reason, Values

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = rf"^{_DATE}(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(Z|[-+][0-9]{{2}}:[0-9]{{2}})?)?$"
Moment = Annotated[str, WithJsonSchema({"type": "string", "pattern": _MOMENT})]


def known_zone(value: str) -> str:
    """A name of the IANA time zone database. Raises ValueError."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone: write a name such as Europe/Berlin or UTC") from None
    return value


class ConfirmItem(Model):
    """A fact that a named party must confirm before the stage."""

    id: Identifier
    """What it is called on the command line."""
    who: Name
    """Who confirms it."""
    says: Name
    """What they confirm."""
    by: Literal["person", "probe"] = "person"
    """A person confirms, or a probe of this stage proves it."""
    probe: Identifier | None = None
    """The probe that proves it."""
    undo: Name | None = None
    """What takes it back; going back past this waits for the opposite confirmation."""
    timeout: Duration | None = None
    """How long the run waits for it."""
    on_timeout: Literal["decline", "pause", "rollback"] = "decline"
    """What happens then: decline (taken back as if they had said no, exit 8), rollback (exit 6), or pause."""
    valid_for: Duration | None = None
    """For how long it counts; given earlier than that before the stage, it must be given again."""

    @model_validator(mode="after")
    def _proved(self) -> ConfirmItem:
        if (self.by == "probe") != (self.probe is not None):
            raise ValueError("a confirmation by a probe names the probe, and only such a one does")
        if self.by == "probe" and self.valid_for is not None:
            raise ValueError("a probe proves when it is asked: valid_for is for what people confirm")
        return self


class WindowConfig(Model):
    """When the stage may start."""

    days: Values = ("mon-sun",)
    """Days or ranges of days, such as mon-thu."""
    from_: Annotated[time, WithJsonSchema({"type": "string", "pattern": _CLOCK})] = Field(alias="from")
    """When it opens, such as "09:00"."""
    to: Annotated[time, WithJsonSchema({"type": "string", "pattern": _CLOCK})]
    """When it closes; the next day if that is earlier."""
    timezone: str
    """A name of the IANA time zone database, such as Europe/Berlin."""

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _clock(cls, value: Any) -> Any:
        if not isinstance(value, time) and not (isinstance(value, str) and re.fullmatch(_CLOCK, value)):
            raise ValueError('a time of day is written as "09:00"')
        return value

    @field_validator("days")
    @classmethod
    def _known_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not _iso_days(value):
            raise ValueError("a window that never opens: it has no days")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return known_zone(value)

    @model_validator(mode="after")
    def _opens(self) -> WindowConfig:
        if self.from_ == self.to:
            raise ValueError("a window that never opens: from and to are the same")
        return self

    @property
    def iso_days(self) -> tuple[int, ...]:
        """ISO weekdays, 1 is Monday."""
        return _iso_days(self.days)


def _iso_days(value: tuple[str, ...]) -> tuple[int, ...]:
    out: set[int] = set()
    for part in (p for text in value for p in text.split(",")):
        first, dash, last = part.strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError("days are written as mon, tue or mon-thu")
        a, b = DAYS.index(first), DAYS.index(last if dash else first)
        out.update(range(a + 1, b + 2) if a <= b else [*range(a + 1, 8), *range(1, b + 2)])
    return tuple(sorted(out))


class FreezeConfig(Model):
    """A time in which no stage starts and no TTL is lowered. A rollback is never frozen."""

    from_: Moment = Field(alias="from")
    """The first day such as "2026-12-20", or a time such as "2026-12-20T18:00" or "2026-12-20T18:00:00+01:00"."""
    to: Moment
    """The last day, which is frozen too, or the time at which it ends."""
    timezone: str | None = None
    """Where these days and times are: a name of the IANA time zone database."""
    because: Reason
    """Why; shown wherever the run waits for it."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return value if value is None else known_zone(value)

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(_MOMENT, value):
            raise ValueError('a day is written as "2026-12-20", a time as "2026-12-20T18:00:00+01:00"')
        datetime.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> FreezeConfig:
        bare = [text for text in (self.from_, self.to) if datetime.fromisoformat(text).tzinfo is None]
        if bare and self.timezone is None:
            raise ValueError("a day, or a time without an offset, needs a timezone such as Europe/Berlin")
        if not bare and self.timezone is not None:
            raise ValueError("from and to have offsets of their own, so that timezone means nothing: leave it out")
        if self.starts >= self.ends:
            raise ValueError("a freeze that ends before it begins")
        return self

    @property
    def starts(self) -> float:
        """Seconds UTC."""
        return self._at(self.from_, timedelta())

    @property
    def ends(self) -> float:
        """Seconds UTC; a day counts to its end."""
        return self._at(self.to, timedelta(days=1))

    def _at(self, text: str, beyond: timedelta) -> float:
        when = datetime.fromisoformat(text)
        if len(text) == len("2026-12-20"):
            when = datetime.combine(date.fromisoformat(text) + beyond, time())
        if when.tzinfo is None:
            when = when.replace(tzinfo=ZoneInfo(self.timezone or "UTC"))
        return when.timestamp()
