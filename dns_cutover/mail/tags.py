"""Tag lists, `name=value; name=value`, as DKIM (RFC 6376 section 3.2), DMARC and TLS reporting write them."""

from __future__ import annotations


class InvalidTags(ValueError):
    """The text is no tag list; the message says which part is not."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags in order, blanks around names and values taken off. Raises InvalidTags."""
    out: dict[str, str] = {}
    parts = text.split(";")
    if parts and not parts[-1].strip():
        parts.pop()  # one semicolon may end it
    for part in parts:
        name, sign, value = part.partition("=")
        name = name.strip()
        if not sign or not name or not all(c.isalnum() or c in "_-" for c in name) or not name.isascii():
            raise InvalidTags(f"{part.strip() or 'an empty part'} is no tag")
        if name in out:
            raise InvalidTags(f"the tag {name} stands twice")
        out[name] = value.strip()
    return out
