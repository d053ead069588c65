"""What checks learn outside DNS, where an option asks for it: certificates of new targets, and other tools' files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dns_cutover.errors import Unavailable

if TYPE_CHECKING:
    from dns_cutover.checks.interface import Subject
    from dns_cutover.checks.world import Certificate, OwnedRecords

MAX_OWNER_FILE = 64 * 1024 * 1024  # bytes; states of large organisations have tens of megabytes


async def certificates(subject: Subject) -> tuple[Certificate, ...]:
    """What the new addresses of the plan's changes show by TLS, and the old ones of names whose new side shows nothing.

    Connects to addresses that the plan names, or that live DNS gives for its targets. Never raises for the network.
    """
    from dns_cutover.checks.addresses import new_endpoints, old_endpoints
    from dns_cutover.checks.world import Certificate
    from dns_cutover.probes.certificate import read_certificates

    found = await read_certificates([end.place for end in new_endpoints(subject)])
    silent = dict.fromkeys(c.host for c in found if not c.names)
    found += await read_certificates(old_endpoints(subject, silent))
    return tuple(Certificate(c.host, c.address, c.port, c.names, c.not_after, c.issuer, c.problem) for c in found)


def owned_records(files: Iterable[Path], zones: Iterable[str]) -> tuple[OwnedRecords, ...]:
    """What other tools' files say they keep. Raises Unavailable, BadOwnerFile."""
    from dns_cutover.checks.owned import read_owner_file

    names = tuple(zones)
    return tuple(read_owner_file(_read(path), str(path), names) for path in files)


def _read(path: Path) -> bytes:
    hints = ("give a Terraform state (terraform show -json > state.json), or a zone file of octoDNS",)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_OWNER_FILE + 1)  # a device or a pipe may have no end
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise Unavailable(f"{path} cannot be read", f"{reason}.", hints) from None
    if len(raw) > MAX_OWNER_FILE:
        raise Unavailable(f"{path} cannot be read", f"It has more than {MAX_OWNER_FILE // 1024 // 1024} MiB.", hints)
    return raw
