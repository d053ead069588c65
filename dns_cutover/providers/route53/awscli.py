"""Change batches as shell scripts for the AWS command line: the way out when this tool cannot run. Pure.

Nothing of a plan or of DNS stands in the script itself but in a here-document, as JSON in plain ASCII: no line of it
can end the document early, and the shell looks at none of it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dns_cutover.providers.interface import LOCK_LABEL, ChangeSet, Fence, Token
from dns_cutover.providers.route53.batch import build
from dns_cutover.providers.route53.message import BatchChange
from dns_cutover.providers.route53.spelling import to_api_name
from dns_cutover.records import Change

END = "END-OF-CHANGE-BATCH"


class AwsScripts:
    """Implements `providers.interface.Scripts` for one hosted zone; `config` is the plan's provider section."""

    form = "route53"
    suffix = "sh"

    def __init__(self, zone: str, config: Mapping[str, Any]) -> None:
        self.zone = zone
        self.zone_id = str(config.get("zone_id") or "")
        self.lock_owner = f"{LOCK_LABEL}.{zone}" if zone != "." else f"{LOCK_LABEL}."
        named = (("--profile", config.get("profile")), ("--endpoint-url", config.get("endpoint")))
        self._options = "".join(f" {option} {shlex.quote(str(value))}" for option, value in named if value)

    def message(self, notes: Sequence[str], changes: tuple[Change, ...]) -> str:
        """See the interface. A run that holds the zone is looked for first; the batch itself cannot ask for that."""
        batch = build(self.zone, self.lock_owner, ChangeSet(changes), None, {})
        lock = to_api_name(self.lock_owner)
        look = (
            f'held=$(aws route53 list-resource-record-sets{self._options} --hosted-zone-id "$zone" --output text'
            f" --start-record-name '{lock}' --start-record-type TXT --max-items 1"
            f" --query \"ResourceRecordSets[?Name=='{lock}'].ResourceRecords[0].Value\") || exit 1\n"
            'if [ -n "$held" ] && [ "$held" != None ]; then\n'
            '  echo "a run holds the zone: $held" >&2\n  exit 1\nfi\n'
        )
        return self._script(notes, look, batch)

    def unlock(self, notes: Sequence[str], held: Token) -> str:
        """See the interface."""
        return self._script(notes, "", build(self.zone, self.lock_owner, ChangeSet(()), Fence(held, None), {}))

    def pause(self) -> str:
        """See the interface."""
        return "# the shell stops reading here: what follows is sent later, once what it says holds\nexit 0\n"

    def command(self, file: str) -> str:
        """See the interface."""
        return f"sh {file}"

    def about(self) -> tuple[str, ...]:
        """See the interface."""
        return (
            "The AWS command line is needed, with credentials that may change the zone: aws sts get-caller-identity",
            *(() if self.zone_id else (f"ZONE_ID=Z... must be set: {self._find()}",)),
            "It prints the change's id when the batch was applied. InvalidChangeBatch says what differs (was not",
            "found, do not match the current values, already exists): nothing was written. Look at it first.",
            'Until "aws route53 get-change --id ID" says INSYNC some name servers have the old answer.',
        )

    def _find(self) -> str:
        name = to_api_name(self.zone).rstrip(".")
        return f"aws route53 list-hosted-zones-by-name{self._options} --dns-name {shlex.quote(name)}"

    def _script(self, notes: Sequence[str], look: str, batch: tuple[BatchChange, ...]) -> str:
        comments = "".join(f"# {note}".rstrip() + "\n" for note in (*notes, "", *self.about()[:2], ""))
        known = self.zone_id
        zone = f"zone=${{ZONE_ID:-{known}}}" if known else "zone=${ZONE_ID:?the id of the hosted zone}"
        send = f'aws route53 change-resource-record-sets{self._options} --hosted-zone-id "$zone"'
        document = json.dumps(change_batch(batch), indent=1)
        return f"{comments}{zone}\n{look}{send} --change-batch file:///dev/stdin <<'{END}'\n{document}\n{END}\n"


def change_batch(batch: tuple[BatchChange, ...]) -> dict[str, Any]:
    """The batch as `change-resource-record-sets --change-batch` reads it."""
    return {
        "Comment": "dns-cutover, by hand",
        "Changes": [
            {
                "Action": c.action,
                "ResourceRecordSet": {
                    "Name": c.record.name,
                    "Type": c.record.rdtype,
                    "TTL": c.record.ttl,
                    "ResourceRecords": [{"Value": v} for v in c.record.values],
                },
            }
            for c in batch
        ],
    }
