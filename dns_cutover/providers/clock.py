"""What a server's time stamp says about our clock."""

from __future__ import annotations


def clock_offset(server_time: float | None, started: float, ended: float) -> float | None:
    """The server's clock minus ours in seconds, None if it does not tell.

    Stamps (of TSIG, of HTTP) have whole seconds, and were made at some time between `started` and `ended`: only more
    than that is a difference. Of what is possible the earliest counts, since a wait must not end too soon.
    """
    if server_time is None:
        return None
    return 0.0 if started - 1 < server_time <= ended else server_time - ended
