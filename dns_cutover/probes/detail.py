"""What a probe saw, as text that can do no harm in a journal or on a terminal. Pure."""

from __future__ import annotations

MAX_DETAIL = 200  # characters


def shown(text: str) -> str:
    """One line of at most MAX_DETAIL characters. Whatever does not print (controls, line ends, bidirectional and
    zero-width characters, surrogates) becomes a visible escape, and an escape is never cut in two."""
    pieces: list[str] = []
    room = MAX_DETAIL
    for char in text[: MAX_DETAIL + 1]:
        piece = char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        pieces.append(piece)
        room -= len(piece)
    if room >= 0 and len(text) <= MAX_DETAIL:
        return "".join(pieces)
    while room < 1:  # one for the ellipsis
        room += len(pieces.pop())
    return "".join(pieces) + "…"
