"""Whom a probe trusts when a service shows its certificate."""

from __future__ import annotations

import os
import ssl
import stat

from dns_cutover.probes.resolve import CannotTell

MAX_CA_FILE = 4 * 1024 * 1024  # bytes


def trusting(verify: bool | str) -> ssl.SSLContext:
    """A client's context with the system's authorities (true), with those of a PEM file only, or with none (false).

    Raises CannotTell: authorities that cannot be read are a credential that is missing here.
    """
    if isinstance(verify, str):
        try:
            return ssl.create_default_context(cadata=_read_pem(verify))
        except ssl.SSLError:
            raise CannotTell(f"{verify} holds no certificates that can be read") from None
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read_pem(path: str) -> str:
    # The path comes from a plan: no device or pipe is opened that would block or never end.
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_CA_FILE:
            raise CannotTell(f"{path} is no file of certificates")
        with open(path, "rb") as file:
            text = file.read(MAX_CA_FILE).decode("ascii", "replace")
    except (OSError, ValueError) as exc:
        raise CannotTell(f"{path}: {getattr(exc, 'strerror', None) or 'no file'}") from None
    if "-----BEGIN" not in text:
        # Empty data would mean the system's authorities to ssl.
        raise CannotTell(f"{path} holds no certificates")
    return text
