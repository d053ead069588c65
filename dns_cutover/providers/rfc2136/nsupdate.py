"""Messages in the language of BIND's nsupdate(1), with the prerequisites that the provider's own messages have. Pure.

Its traps: a line is a command, and its words are parted by blanks, so that names must have theirs escaped; of a message
that was refused it says so and goes on with the next one; a record that its own name check dislikes is left out of the
message, and the rest of it is sent all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dns_cutover.address import split_address
from dns_cutover.providers.interface import LOCK_LABEL, Token
from dns_cutover.providers.rfc2136.update import EditOp, Prereq, operations, prerequisites
from dns_cutover.records import Change, quote_text
from dns_cutover.records.rdata import parse_rdata

LONGEST = 100_000  # characters of RDATA in one line: nsupdate reads lines of 128 KiB, and cuts longer ones
_HOST = re.compile(r"[0-9A-Za-z.:_%-]+")
_PLAIN = re.compile(r"[^0-9A-Za-z._-]")  # what is no part of a key's name or an algorithm as people write them


class NsupdateScripts:
    """Implements `providers.interface.Scripts` for one zone. `server`: "host", "host:port", "[v6]:port"."""

    form = "nsupdate"
    suffix = "nsupdate"

    def __init__(self, zone: str, server: str, key_name: str, algorithm: str, lock_owner: str = "") -> None:
        self.zone = zone
        self.server = server
        self.key_name = key_name
        self.algorithm = algorithm
        self.lock_owner = lock_owner or (f"{LOCK_LABEL}.{zone}" if zone != "." else f"{LOCK_LABEL}.")

    def message(self, notes: Sequence[str], changes: tuple[Change, ...]) -> str:
        """See the interface. Values may be those of no server: nothing is looked at."""
        lines = [
            "; refused with YXRRSET: a run holds the zone, or what is to be created is there already",
            f"prereq nxrrset {self.lock_owner} TXT",
        ]
        lines += [line for p in prerequisites(changes) for line in _prereq(p)]
        lines += [line for e in operations(changes, self.zone) for line in _edit(e)]
        return self._script(notes, lines)

    def unlock(self, notes: Sequence[str], held: Token) -> str:
        """See the interface."""
        value = quote_text(held.text())
        lines = [f"prereq yxrrset {self.lock_owner} TXT {value}", f"update delete {self.lock_owner} TXT {value}"]
        return self._script(notes, lines)

    def pause(self) -> str:
        """See the interface."""
        return "; nsupdate stops reading here: what follows is sent later, once what it says holds\nquit\n"

    def command(self, file: str) -> str:
        """See the interface. TCP, as large messages need and PowerDNS wants; the key never on the command line."""
        return f"nsupdate -v -k KEYFILE {file}"

    def about(self) -> tuple[str, ...]:
        """See the interface."""
        name, algorithm = (_PLAIN.sub("?", text) for text in (self.key_name.rstrip(".") or ".", self.algorithm))
        return (
            "KEYFILE holds the key as BIND writes it, readable by you alone (chmod 600):",
            f'    key "{name}" {{ algorithm {algorithm}; secret "BASE64"; }};',
            'nsupdate prints nothing when the message was applied, and "update failed: CODE" when it was refused.',
            "NXRRSET, YXRRSET, NXDOMAIN, YXDOMAIN: something else is there than the message expects, or a run holds",
            "the zone (then 00-unlock, or wait for it). Nothing was written: look at what is there first.",
        )

    def _script(self, notes: Sequence[str], lines: Sequence[str]) -> str:
        comments = "".join(f"; {note}".rstrip() + "\n" for note in (*notes, "", *self.about()[:2], ""))
        return comments + "\n".join((*self._head(), *lines, "send")) + "\n"

    def _head(self) -> Iterator[str]:
        try:
            host, port = split_address(self.server)
        except ValueError:
            host, port = "", None
        if _HOST.fullmatch(host):
            yield f"server {host} {port or 53}"
        else:
            yield "; write the primary server's address here:   server ADDRESS PORT"
        yield f"zone {self.zone}"
        # Else a record at such a name as _sip would be left out, and what it replaces would go all the same.
        yield "check-names off"


def _prereq(p: Prereq) -> Iterator[str]:
    match p.kind:
        case "exists":
            for value in p.values:
                yield f"prereq yxrrset {p.owner} {p.rdtype} {_rdata(p.rdtype, value)}"
        case "absent":
            yield f"prereq nxrrset {p.owner} {p.rdtype}"
        case "unused":
            yield f"prereq nxdomain {p.owner}"


def _edit(e: EditOp) -> Iterator[str]:
    match e.kind:
        case "add":
            for value in e.values:
                yield f"update add {e.owner} {e.ttl} {e.rdtype} {_rdata(e.rdtype, value)}"
        case "delete":
            for value in e.values:
                yield f"update delete {e.owner} {e.rdtype} {_rdata(e.rdtype, value)}"
        case "clear":
            yield f"update delete {e.owner} {e.rdtype}"


def _rdata(rdtype: str, value: str) -> str:
    r"""The value as it is, or as octets where the line would be too long: `\# LENGTH HEX` (RFC 3597 section 5)."""
    if len(value) <= LONGEST:
        return value
    octets = parse_rdata(rdtype, value).to_wire() or b""
    return f"\\# {len(octets)} {octets.hex()}"
