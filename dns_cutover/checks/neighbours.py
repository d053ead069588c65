"""DC9xx: other tools that keep the same records, and would take the move back or fail by it."""

from __future__ import annotations

from collections.abc import Iterator

from dns_cutover.checks.addresses import at_last, name_moves
from dns_cutover.checks.interface import Example, Located, Spot, Subject, check
from dns_cutover.checks.marks import ADDRESSES, challenge_name, octodns_mark, octodns_meta, registry_marks, text_of
from dns_cutover.checks.world import OwnedRecords
from dns_cutover.records import RRset, RRsetKey

_SHOWN = 100  # characters of another's text
_ACM = ".acm-validations.aws."


def _stage(*changes: str) -> str:
    return "stages:\n  - name: switch\n    changes:\n" + "".join(f"      - {c}\n" for c in changes)


_A = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')
_ZONE = "www 3600 IN A 192.0.2.10\n"
_HERITAGE = '"heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/web"'


@check(
    "DC901",
    "error",
    "external-dns keeps the record",
    why="Its next run, by default within a minute, would put the old record back.",
    hint="change it at its source in Kubernetes, or take the name out of external-dns before the move",
    source="external-dns, The TXT registry",
    needs="live",
    fires=Example(_A, zone=_ZONE + f"a-www 300 IN TXT {_HERITAGE}\n"),
    silent=Example(_A, zone=_ZONE + f"a-api 300 IN TXT {_HERITAGE}\n"),
)
def external_dns(subject: Subject) -> Iterator[Spot]:
    """external-dns makes DNS follow Kubernetes, and writes a TXT record beside each record that it keeps, with its own
    id and the resource that the record comes from. Whatever is changed by hand, it changes back at its interval (one
    minute by default): in the middle of the run, and after every repair. Looked at are the names without a prefix
    and with the usual ones; encrypted registry records cannot be read, and another prefix is not found.
    """
    assert subject.live is not None
    marks = registry_marks(subject.live.marks)
    for change in subject.changes:
        key = change.key
        if (key.zone, key.owner) not in marks:
            continue
        view = subject.live.names.get((key.zone, key.owner))
        if view is not None and (view.wildcard or not view.exists):
            continue  # nothing of its own is there that could be kept; a wildcard's own mark is another name's
        for mark in marks[key.zone, key.owner]:
            if _means(mark.rdtype, key.rdtype):
                where = mark.key.label(subject.names[key.zone])
                source = f" from {_short(mark.resource)}" if mark.resource else ""
                owner = f" (owner {_short(mark.owner_id)})" if mark.owner_id else ""
                message = f"external-dns{owner} keeps {change.label}{source}, as {where} says"
                hint = f"change {_short(mark.resource)} instead" if mark.resource else ""
                hint = (
                    f"{hint}, or take the name out of external-dns and delete {where} before the move" if hint else ""
                )
                yield change.spot(message, hint)
                break


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _means(marked: str, changed: str) -> bool:
    """Whether the mark of one type is about another type's change at the name."""
    if not marked:
        return changed in ("A", "CNAME")
    return marked == changed or {marked, changed} <= {"A", "CNAME"}


@check(
    "DC902",
    "warning",
    "octoDNS keeps the record",
    why="Its next run would put the old record back, or delete the new one.",
    hint="change its zone file in the same pull request; after the run dns-cutover export prints it",
    source="octoDNS, OwnershipProcessor and MetaProcessor",
    needs="live",
    fires=Example(_A, zone=_ZONE + '_owner.a.www 60 IN TXT "*octodns*"\n'),
    silent=Example(_A, zone=_ZONE + '_owner.a.api 60 IN TXT "*octodns*"\n'),
)
def octodns(subject: Subject) -> Iterator[Spot]:
    """octoDNS makes a zone equal to its zone file, and by default deletes what the file does not have. It can mark each
    record that it keeps, or say in one record per zone when it wrote last. It runs when somebody runs it, as a rule
    after a merge: any merge during the run takes the move back.
    """
    assert subject.live is not None
    told: set[str] = set()
    for change in subject.changes:
        zone = subject.names[change.key.zone]
        if (mark := octodns_mark(subject.live.marks, change.key, zone)) is not None:
            yield change.spot(f"octoDNS keeps {change.label}, as {mark.label(zone)} says")
            told.add(change.key.zone)
    for ref, zone in subject.names.items():
        meta = octodns_meta(subject.live.marks, ref, zone)
        if meta is not None and ref not in told and any(c.key.zone == ref for c in subject.changes):
            said = _short(", ".join(subject.live.marks[meta].values))
            message = f"octoDNS writes the zone {zone.rstrip('.')}, as {meta.label(zone)} says: {said}"
            yield Spot(subject.zone_path(ref, "zone"), message)


@check(
    "DC903",
    "warning",
    "a record that certificate renewals use changes",
    why="A renewal that fails shows weeks later, as an expired certificate.",
    hint="tell whoever renews, and renew once after the move to see that it works",
    source="RFC 8555 section 8.4",
    fires=Example(_stage("{name: _acme-challenge.www, type: CNAME, from: [a.old.test.], to: [a.new.test.]}")),
    silent=Example(_A),
)
def challenge_changes(subject: Subject) -> Iterator[Spot]:
    """Clients of ACME write their answers below _acme-challenge, or where a CNAME there leads; AWS Certificate Manager
    looks for its CNAME at every renewal. Changing such a TXT fights with the client, which changes it at any time;
    moving or deleting such a CNAME stops the renewals of whoever relied on it.
    """
    for change in subject.changes:
        p = change.planned
        if change.key.owner.startswith("_acme-challenge."):
            if change.key.rdtype in ("TXT", "CNAME", "NS"):
                yield change.spot(f"renewals by ACME write at {change.label}, or where it leads")
        elif change.key.rdtype == "CNAME":
            before = subject.before(change)
            gone = set(before if isinstance(before, tuple) else p.remove) - set(p.after or p.add)
            if any(v.endswith(_ACM) for v in gone):
                yield change.spot(f"AWS Certificate Manager renews by {change.label}")


@check(
    "DC904",
    "info",
    "renewals of the name are answered elsewhere",
    why="If the new side renews by itself, it must be able to answer there.",
    hint="see who may write at the target of the CNAME, and move the CNAME if the new side shall renew",
    source="RFC 8555 section 8.4",
    needs="live",
    fires=Example(_A, zone=_ZONE + "_acme-challenge.www 3600 IN CNAME www.acme.test.\n"),
    silent=Example(_A, zone=_ZONE),
)
def challenge_delegated(subject: Subject) -> Iterator[Spot]:
    """A CNAME at _acme-challenge hands the DNS challenge to another zone, often one of the old vendor. The move leaves
    it alone, so that the old side can go on renewing, and the new side cannot.
    """
    assert subject.live is not None
    touched = {c.key.owner for c in subject.changes}
    seen: set[tuple[str, str]] = set()
    for change in subject.changes:
        key = change.key
        at = RRsetKey(key.zone, challenge_name(key.owner), "CNAME")
        found = subject.live.marks.get(at)
        if found is None or at.owner in touched or key.rdtype not in ADDRESSES or (key.zone, key.owner) in seen:
            continue
        if name_moves(subject, key.zone, key.owner):
            seen.add((key.zone, key.owner))
            yield change.spot(f"renewals for {key.owner.rstrip('.')} are answered at {found.values[0].rstrip('.')}")


_STATE = OwnedRecords(
    "Terraform",
    "terraform.tfstate",
    {("www.example.test.", "A"): RRset(300, ("192.0.2.10",))},
    {("www.example.test.", "A"): "aws_route53_record.www"},
)


@check(
    "DC905",
    "warning",
    "another tool's file has the record",
    why="Its next run would put the old record back, or delete the new one.",
    hint="put the end state there once the run is done: dns-cutover export RUN",
    source="--owner-file",
    needs="owner-file",
    fires=Example(_A, note="The state says that Terraform keeps www A.", facts={"owned": (_STATE,)}),
    silent=Example(
        _stage('{name: api, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'),
        note="The state says that Terraform keeps www A.",
        facts={"owned": (_STATE,)},
    ),
)
def owned_by_file(subject: Subject) -> Iterator[Spot]:
    """With --owner-file a Terraform state or an octoDNS zone file is compared with the plan. What it keeps it puts back
    at its next run: values, and also the TTL, which a run lowers on purpose. The file that says already what the plan
    leads to is not told. Nothing but DNS records is read from a state, and values marked as sensitive are not shown.
    """
    for owned in subject.world.owned:
        for change in subject.changes:
            at = (change.key.owner, change.key.rdtype)
            if at in owned.rrsets:
                there = owned.rrsets[at]
                if there is None or not _is_the_end(subject, change, there):
                    yield _owned(change, owned, at, there)


def _is_the_end(subject: Subject, change: Located, there: RRset) -> bool:
    after = at_last(subject, change.key)
    if not isinstance(after, tuple):
        return False
    if change.key.rdtype in ("TXT", "SPF"):  # how a text is split is no difference to a reader
        return sorted(map(text_of, there.values)) == sorted(map(text_of, after))
    return there.values == after


def _owned(change: Located, owned: OwnedRecords, at: tuple[str, str], there: RRset | None) -> Spot:
    place = owned.places.get(at, "")
    what = f"put back {', '.join(map(_short, there.values[:3]))}" if there is not None else "put back what it has"
    run = "the next terraform apply" if owned.tool == "Terraform" else "the next octodns-sync --doit"
    where = f"{owned.file} ({place})" if place else owned.file
    message = f"{owned.tool} keeps {change.label} in {where}: {run} would {what}"
    form = "terraform" if owned.tool == "Terraform" else "octodns"
    hint = f"let nobody run it until the end, and then put there what dns-cutover export RUN --format {form} prints"
    return change.spot(message, hint)


CHECKS = (external_dns, octodns, challenge_changes, challenge_delegated, owned_by_file)
