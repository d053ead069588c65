"""What stands before ministack: the rules of AWS that it lacks, faults, and a bridge to real name servers.

The rules are `route53_rules`, each with its page. A batch that is accepted is written to the zone's real primary as
well, by an UPDATE, and GetChange says INSYNC when the secondary has it.
"""

from __future__ import annotations

import contextlib
import enum
import http.client
import http.server
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit
from xml.etree import ElementTree

import boto3
import dns.update
from botocore.config import Config

from dns_cutover.providers.route53.batch import to_rrset
from dns_cutover.providers.route53.message import BatchChange, Failure, RecordSet
from dns_cutover.providers.route53.spelling import from_api_name
from dns_cutover.providers.route53.transport import record_set, resource

from . import client
from .hierarchy import Hierarchy
from .ministack import PORT as BEHIND
from .network import HarnessError
from .route53_rules import Key, apply_batch, key_of, normal
from .zones import Zone

PORT = 8053
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
KEY_ID, SECRET = "AKIATESTONLYTESTONLY", "test/only+nothing/is/guarded/by/this0000"


class Treatment(enum.Enum):
    """What happens to a request."""

    PASS = "pass"
    THROTTLE = "throttle"
    DROP_REPLY = "drop reply"  # it takes effect, the sender never hears of it
    BLACK_HOLE = "black hole"  # it never takes effect, and the sender's connection is closed


@dataclass(slots=True)
class Passage:
    """One request: `batch` if it changes records; `code` is the error that it was answered with."""

    method: str
    path: str
    batch: tuple[BatchChange, ...] = ()
    treatment: Treatment = Treatment.PASS
    code: str = ""

    def creates(self, value: str) -> bool:
        """Whether it puts this value somewhere."""
        return any(c.action != "DELETE" and value in c.record.values for c in self.batch)


Choose = Callable[[Passage], Treatment]
Hook = Callable[[Passage], None]


@dataclass
class Front:
    """One front at one address. `choose` says what happens to a request, `arrived` and `answered` are told of it."""

    address: str
    behind: str
    choose: Choose = lambda passage: Treatment.PASS
    arrived: Hook = lambda passage: None
    answered: Hook = lambda passage: None
    passages: list[Passage] = field(default_factory=list)
    _mirrors: dict[str, tuple[Hierarchy, Zone]] = field(default_factory=dict)
    _serials: dict[str, tuple[str, int]] = field(default_factory=dict)  # change: zone id, serial
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)
    _batches: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{PORT}"

    def __enter__(self) -> Self:
        front = self

        class Handler(_Handler):
            owner = front

        self._server = http.server.ThreadingHTTPServer((self.address, PORT), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- for tests ----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Pass everything from now on."""
        self.choose, self.arrived, self.answered = (
            lambda passage: Treatment.PASS,
            lambda passage: None,
            lambda passage: None,
        )
        self.passages.clear()

    def client(self, url: str | None = None) -> Any:
        """boto3's client, as anybody else in the account would use it; made once, since that takes its time."""
        with self._making:
            if (url or self.url) not in self._clients:
                self._clients[url or self.url] = boto3.client(
                    "route53",
                    region_name="us-east-1",
                    endpoint_url=url or self.url,
                    aws_access_key_id=KEY_ID,
                    aws_secret_access_key=SECRET,
                    config=Config(retries={"total_max_attempts": 1}),
                )
            return self._clients[url or self.url]

    def create_zone(self, origin: str, *, private: bool = False) -> str:
        """A new hosted zone; its id."""
        more: dict[str, Any] = {"VPC": {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}} if private else {}
        made = self.client().create_hosted_zone(Name=origin, CallerReference=f"{origin}{time.monotonic_ns()}", **more)
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def mirror(self, zone_id: str, world: Hierarchy, zone: Zone) -> None:
        """Fill the hosted zone with what a published zone has, and keep the published one in step from now on."""
        for (owner, rdtype), (ttl, values) in client.contents(zone.parsed()).items():
            if not (owner == zone.origin and rdtype == "NS"):
                self.write(zone_id, RecordSet(owner, rdtype, ttl, tuple(sorted(values))))
        self._mirrors[zone_id] = (world, zone)

    def write(self, zone_id: str, *records: RecordSet) -> None:
        """Somebody else writes, by UPSERT."""
        changes = [{"Action": "UPSERT", "ResourceRecordSet": resource(r)} for r in records]
        self.client().change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})

    def sets(self, zone_id: str) -> dict[Key, RecordSet]:
        """What the hosted zone has, asked behind the front."""
        pages = self.client(f"http://{self.behind}:{BEHIND}").get_paginator("list_resource_record_sets")
        found = [record_set(r) for page in pages.paginate(HostedZoneId=zone_id) for r in page["ResourceRecordSets"]]
        return {key_of(normal(r)): normal(r) for r in found}

    # -- requests -----------------------------------------------------------------------------------------------

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """The reply to one request; None: none is sent."""
        parts = urlsplit(path).path.strip("/").split("/")
        writes = method == "POST" and parts[-1] == "rrset"
        passage = Passage(method, path, parse_batch(body) if writes else ())
        self.passages.append(passage)
        self.arrived(passage)
        passage.treatment = self.choose(passage)
        if passage.treatment is Treatment.BLACK_HOLE:
            return None
        if passage.treatment is Treatment.THROTTLE:
            status, reply = 400, error_xml("Throttling", ("Rate exceeded",))
        elif writes:
            status, reply = self._change(parts[2], passage, headers, body)
        else:
            status, reply = self._forward(method, path, headers, body)
            if parts[1] == "change" and status == 200:
                reply = self._on_its_way(parts[2], reply)
        passage.code = _code(reply) if status >= 400 else ""
        self.answered(passage)
        return None if passage.treatment is Treatment.DROP_REPLY else (status, reply)

    def _change(self, zone_id: str, passage: Passage, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        with self._batches:
            name = self.client(f"http://{self.behind}:{BEHIND}").get_hosted_zone(Id=zone_id)["HostedZone"]["Name"]
            judged = apply_batch(name, self.sets(zone_id), passage.batch)
            if isinstance(judged, Failure):
                return judged.status, error_xml(judged.code, judged.messages)
            status, reply = self._forward("POST", passage.path, headers, body)
            if status != 200:
                raise HarnessError(f"ministack refuses what the rules of AWS allow: {reply!r}")
            if zone_id in self._mirrors:
                self._bridge(zone_id, passage.batch, _change_id(reply))
            return status, reply

    def _bridge(self, zone_id: str, batch: tuple[BatchChange, ...], change: str) -> None:
        """Bring the real primary to what the hosted zone has, for the sets that a batch names."""
        world, zone = self._mirrors[zone_id]
        present = self.sets(zone_id)
        touched = {key_of(normal(c.record))[:2] for c in batch}

        def edit(message: dns.update.UpdateMessage) -> None:
            for name, rdtype in sorted(touched):
                message.delete(from_api_name(name), rdtype)
            for name, rdtype in sorted(touched):
                record = present.get((name, rdtype, ""))
                rrset = to_rrset(record) if record is not None else None
                if rrset is not None:
                    message.add(from_api_name(name), rrset.to_rdataset(rdtype))

        rcode = client.update(world.bind.address, zone.origin, edit)
        serial = client.serial(world.bind.address, zone.origin)
        if rcode != "NOERROR" or serial is None:
            raise HarnessError(f"the bridge to {zone.origin} is broken: {rcode}")
        self._serials[change] = zone_id, serial

    def _on_its_way(self, change: str, reply: bytes) -> bytes:
        """PENDING until the secondary has it, whatever ministack says."""
        zone_id, serial = self._serials.get(change, ("", 0))
        if not zone_id:
            return reply
        world, zone = self._mirrors[zone_id]
        there = client.serial(world.nsd.address, zone.origin)
        status = b"INSYNC" if there is not None and there >= serial else b"PENDING"
        other = b"PENDING" if status == b"INSYNC" else b"INSYNC"
        return reply.replace(b"<Status>" + other, b"<Status>" + status)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.behind, BEHIND, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()


class _Handler(http.server.BaseHTTPRequestHandler):
    """HTTP/1.1, one thread for each connection. The Date header is this machine's time, as AWS sends it."""

    protocol_version = "HTTP/1.1"
    owner: Front

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "host", "content-length")}
        reply = self.owner.handle(self.command, self.path, kept, body)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply[0])
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(reply[1])))
        self.end_headers()
        # Whoever asked may have been killed meanwhile.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(reply[1])

    do_GET = do_POST = do_DELETE = _any

    def log_message(self, *_: object) -> None:
        """Tests say what they want to know."""


def parse_batch(body: bytes) -> tuple[BatchChange, ...]:
    """The change batch of a request."""
    root = ElementTree.fromstring(body)
    out = []
    for change in root.iter(f"{{{NAMESPACE}}}Change"):
        found = _plain(change)["ResourceRecordSet"]
        values = found.get("ResourceRecords") or {}
        listed = values.get("ResourceRecord", []) if isinstance(values, dict) else []
        listed = listed if isinstance(listed, list) else [listed]
        rest = {k: v for k, v in found.items() if k not in ("Name", "Type", "TTL", "ResourceRecords", "SetIdentifier")}
        record = RecordSet(
            found["Name"],
            found["Type"],
            int(found["TTL"]) if "TTL" in found else None,
            tuple(v["Value"] for v in listed),
            found.get("SetIdentifier", ""),
            json.dumps(rest, sort_keys=True) if rest else "",
        )
        out.append(BatchChange(_plain(change)["Action"], record))
    return tuple(out)


def _plain(element: ElementTree.Element) -> Any:
    """XML as dictionaries; elements of one name as a list."""
    if not len(element):
        return element.text or ""
    out: dict[str, Any] = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], _plain(child)
        if name not in out:
            out[name] = value
        else:
            out[name] = [*(out[name] if isinstance(out[name], list) else [out[name]]), value]
    return out


def error_xml(code: str, messages: tuple[str, ...]) -> bytes:
    """An error as AWS sends it; for InvalidChangeBatch with one message for each change."""
    root = ElementTree.Element("ErrorResponse", xmlns=NAMESPACE)
    error = ElementTree.SubElement(root, "Error")
    ElementTree.SubElement(error, "Type").text = "Sender"
    ElementTree.SubElement(error, "Code").text = code
    ElementTree.SubElement(error, "Message").text = (
        f"[{', '.join(messages)}]" if code == "InvalidChangeBatch" else (messages[0] if messages else "")
    )
    ElementTree.SubElement(root, "RequestId").text = "00000000-0000-0000-0000-000000000000"
    return ElementTree.tostring(root)


def _code(reply: bytes) -> str:
    found = ElementTree.fromstring(reply).find(f".//{{{NAMESPACE}}}Code")
    return found.text or "" if found is not None else ""


def _change_id(reply: bytes) -> str:
    found = ElementTree.fromstring(reply).find(f".//{{{NAMESPACE}}}Id")
    return (found.text or "").rpartition("/")[2] if found is not None else ""
