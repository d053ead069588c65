"""Models of a stage's changes: whole-set, by value, or TTL only."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from dns_cutover.plan.types import Model, Name, Ttl, Values, one_or_many


class Expect(Model):
    """Answers that vary by design: one of four ways to say what else counts as new."""

    one_of: tuple[str, ...] = ()
    """Any of these values, as RDATA."""
    subset_of: tuple[str, ...] = ()
    """Only values of this set, as RDATA."""
    cidr: Values = ()
    """Only addresses within these networks."""
    ends_at: str = ""
    """The name at which the chain of aliases ends."""

    @field_validator("cidr")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise ValueError("a network is written as 192.0.2.0/24 or 2001:db8::/32, host bits zero") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> Expect:
        if sum(map(bool, (self.one_of, self.subset_of, self.cidr, self.ends_at))) != 1:
            raise ValueError("expect has exactly one of one_of, subset_of, cidr and ends_at")
        return self


def _values(value: Any) -> Any:
    if value is not None and not isinstance(value, str | list | tuple):
        raise ValueError('values are written as a list of texts, such as ["192.0.2.1"]')
    return value if value in ("absent", "live") else one_or_many(value)


_TEXT_OR_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
OldValues = Annotated[
    Literal["absent", "live"] | tuple[str, ...], BeforeValidator(_values), WithJsonSchema(_TEXT_OR_LIST)
]
NewValues = Annotated[Literal["absent"] | tuple[str, ...], BeforeValidator(_values), WithJsonSchema(_TEXT_OR_LIST)]


class ChangeConfig(Model):
    """One or more RRsets and what becomes of them: whole-set (from, to), by value (remove, add), or TTL only (ttl)."""

    in_: Values = Field((), alias="in")
    """Zone references; all zones by default."""
    name: Name | None = None
    """Owner name relative to the zone, @ for the zone itself."""
    names: tuple[Name, ...] = ()
    """Several owner names that change alike."""
    type: Name
    """RRset type, such as A, MX or TXT."""
    from_: OldValues | None = Field(None, alias="from")
    """What is expected before: RDATA, absent, or live (whatever is there at preview is pinned)."""
    to: NewValues | None = None
    """What is there afterwards: RDATA, or absent."""
    remove: Values = ()
    """Values to take out; others stay."""
    add: Values = ()
    """Values to put in; others stay."""
    ttl: Ttl | None = None
    """The final TTL."""
    expect: Expect | None = None
    """What else counts as new, where answers vary by design."""

    @model_validator(mode="after")
    def _shape(self) -> ChangeConfig:
        if (self.name is None) == (not self.names):
            raise ValueError("a change has either name or names")
        whole, by_value = self.from_ is not None or self.to is not None, bool(self.remove or self.add)
        if whole and by_value:
            raise ValueError("a change is either whole-set (from and to) or by value (add, remove), not both")
        if whole and (self.from_ is None or self.to is None):
            missing = "from" if self.from_ is None else "to"
            raise ValueError(f"a whole-set change says from and to; {missing} is missing")
        if not whole and not by_value and self.ttl is None:
            raise ValueError("a change says what becomes of the RRset: from and to, add or remove, or ttl")
        if self.from_ == () or self.to == ():
            raise ValueError("a change with an empty list of values: write absent")
        return self
