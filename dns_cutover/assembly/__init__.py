"""The one place where interfaces meet implementations: a plan or runbook in, wired parts out.

Backends are imported when they are named.
"""

from dns_cutover.assembly.beginning import Surveyed, check_beginning, survey
from dns_cutover.assembly.examining import Examined, Request, examine, examine_all
from dns_cutover.assembly.importing import Imported, import_runs
from dns_cutover.assembly.locks import ZoneLock, locks, plan_locks, take_away
from dns_cutover.assembly.looking import Live, look, look_again, partitions
from dns_cutover.assembly.notifying import senders, usable_senders
from dns_cutover.assembly.preflight import preflight
from dns_cutover.assembly.scripts import scripts_for
from dns_cutover.assembly.setting import LabOverrides, Setting
from dns_cutover.assembly.wiring import live_lookup, ports, provider, resolver_endpoints, target_resolve

__all__ = [
    "Examined",
    "Imported",
    "LabOverrides",
    "Live",
    "Request",
    "Setting",
    "Surveyed",
    "ZoneLock",
    "check_beginning",
    "examine",
    "examine_all",
    "import_runs",
    "live_lookup",
    "locks",
    "look",
    "look_again",
    "partitions",
    "plan_locks",
    "ports",
    "preflight",
    "provider",
    "resolver_endpoints",
    "scripts_for",
    "senders",
    "survey",
    "take_away",
    "target_resolve",
    "usable_senders",
]
