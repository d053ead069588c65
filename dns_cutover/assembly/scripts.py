"""Which tool's words each provider's messages can be written in: the way out when this tool cannot run.

A provider that comes new has its line in `_BY_PROVIDER`, and nothing else here changes. Nothing is asked, and no secret
is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dns_cutover.providers.interface import Scripts
    from dns_cutover.runbook.model import Runbook


def scripts_for(book: Runbook, form: str = "") -> dict[str, Scripts]:
    """By zone reference; a zone is missing where nothing is known for its provider, or not in the words of `form`."""
    out = {}
    for zone in book.zones:
        make = _BY_PROVIDER.get(str(zone.provider.get("type", "")))
        scripts = make(zone.name, zone.provider) if make is not None else None
        if scripts is not None and form in ("", scripts.form):
            out[zone.ref] = scripts
    return out


def _rfc2136(zone: str, config: Mapping[str, Any]) -> Scripts:
    from dns_cutover.providers.interface import lock_owner
    from dns_cutover.providers.rfc2136.nsupdate import NsupdateScripts

    key = config.get("key")
    name, algorithm = (str(key.get(k, "")) if isinstance(key, Mapping) else "" for k in ("name", "algorithm"))
    return NsupdateScripts(zone, str(config.get("server", "")), name, algorithm, lock_owner(zone, config.get("lock")))


def _route53(zone: str, config: Mapping[str, Any]) -> Scripts:
    from dns_cutover.providers.route53.awscli import AwsScripts

    return AwsScripts(zone, config)


_BY_PROVIDER: Mapping[str, Callable[[str, Mapping[str, Any]], Scripts]] = {"rfc2136": _rfc2136, "route53": _route53}
"""Provider type -> how its zones' messages are written."""
