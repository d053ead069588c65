"""What servers have in common that hold zones and take updates."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import dns.message
import dns.name

from . import client
from .daemon import Daemon
from .zones import Zone


class Authority(Daemon):
    """A server that holds zones. It needs at least one before it starts."""

    def __init__(self, directory: Path, address: str, zones: list[Zone]) -> None:
        super().__init__(directory, address)
        self.zones = list(zones)

    def ready_question(self) -> dns.message.QueryMessage:
        """The SOA of the zone that came last: the others are loaded by then, or as good as."""
        return dns.message.make_query(self.zones[-1].origin, "SOA")

    def add_zone(self, zone: Zone) -> None:
        """Serve one zone more, and return when it is served."""
        self.zones.append(zone)
        self.configure()
        if self.running:
            self.reload()
            client.wait_until(lambda: client.serial(self.address, zone.origin) is not None, f"{zone.origin} is served")

    @abstractmethod
    def reload(self) -> None:
        """Read the configuration again."""
