"""DC126-DC130: names that are hardly what their author sees, or means."""

from __future__ import annotations

import re
import stringprep
import unicodedata
from collections.abc import Iterator

from dns_cutover.checks.interface import Example, Spot, Subject, check
from dns_cutover.checks.moves import target_word
from dns_cutover.plan.models import DnsProbe, SmtpProbe, TcpProbe
from dns_cutover.plan.places import Path
from dns_cutover.records import InvalidName, absolute_name, relative_name

_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1
# Letters that IDNA 2003 maps away and IDNA 2008 keeps (UTS #46 calls them deviations).
_DEVIATIONS = {"\u00df": "ss", "\u03c2": "\u03c3", "\u200c": "", "\u200d": ""}
_LIKE_LATIN = frozenset("аеіјорсуһѕхԁԛԝӏ")  # Cyrillic letters
_EAST_ASIAN = (
    frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "HANGUL"}),
    frozenset({"CJK", "BOPOMOFO"}),
)
# Owner names as people write them: one "@", or labels of letters, digits, hyphens and underscores.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
_ORDINARY = re.compile(rf"@|(?:\*|{_LABEL})(?:\.{_LABEL})*\.?|\*\.")
# What a TXT value of a kind begins with, and the labels that its owner begins with or contains.
_KEPT_AT = (
    ("v=dkim1", "_domainkey"),
    ("v=dmarc1", "_dmarc"),
    ("v=stsv1", "_mta-sts"),
    ("v=tlsrptv1", "_smtp._tls"),
)


def _stage(change: str) -> str:
    return f"stages:\n  - name: switch\n    changes:\n      - {change}\n"


_REPLACE = _stage('{name: www, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')


def _names(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Every name that is not in plain ASCII, or is an A-label, owner or host, with its place."""
    for w in subject.written:
        c = w.change
        new = (*(c.to if isinstance(c.to, tuple) else ()), *c.add)
        if _plain(" ".join((c.name or "", *c.names, *new))):
            continue
        hosts = ((path, word) for path, text in w.values() if (word := target_word(w.rdtype, text)))
        yield from ((path, name) for path, name in (*w.names(), *hosts) if not _plain(name))
    for n, stage in enumerate(subject.loaded.plan.stages):
        for m, text in enumerate(stage.unchanged):
            if not _plain(text):
                yield ("stages", n, "unchanged", m), text.rpartition("/")[0]
        for m, probe in enumerate(stage.probes):
            path: Path = ("stages", n, "probes", m)
            # A target is not looked at by the loader.
            if isinstance(probe, TcpProbe | SmtpProbe) and not _plain(probe.target) and _is_name(probe.target):
                yield (*path, "target"), probe.target
            elif isinstance(probe, DnsProbe) and not _plain(probe.question):
                yield (*path, "question"), probe.question


def _plain(text: str) -> bool:
    return text.isascii() and "xn--" not in text.lower()


def _is_name(text: str) -> bool:
    try:
        absolute_name(text)
    except InvalidName:
        return False
    return True


def _unicode(subject: Subject) -> Iterator[tuple[Path, str]]:
    yield from ((path, name) for path, name in _names(subject) if not name.isascii())


@check(
    "DC126",
    "info",
    "a name is given as Unicode",
    why="What is published is the A-label, and that is what others must be told.",
    hint="write the A-label itself, if others are to see the same",
    source="RFC 5890 section 2.3.2.1",
    fires=Example(_stage('{name: bücher, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
    silent=Example(_stage('{name: xn--bcher-kva, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
)
def given_as_unicode(subject: Subject) -> Iterator[Spot]:
    """DNS has no Unicode: a name written so is converted to its A-label, which begins with xn--. Logs, other tools and
    the vendor's support will show that one, so it is said here which one it is.
    """
    for path, name in _unicode(subject):
        made = absolute_name(name).removesuffix(".")
        yield Spot(path, f"{name} is published as {made}", f"to write what is published: {made}")
    for ref, zone in subject.names.items():
        given = subject.loaded.document.value(("zones", ref, "zone")) or subject.loaded.document.value(("zone",))
        if "xn--" in zone and "xn--" not in str(given).lower():
            path = subject.zone_path(ref, "zone")
            yield Spot(path, f"the zone is {zone.removesuffix('.')} in DNS", f"to write it so: {zone[:-1]}")


@check(
    "DC127",
    "warning",
    "a name is not what it looks like",
    why="A name that looks like another one is published where nobody looks for it.",
    hint="type the name anew, in letters of one script",
    source="UTS #39 sections 4 and 5",
    fires=Example(
        _stage('{name: "\\u0430pi", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}'),
        note="The first letter is Cyrillic.",
    ),
    silent=Example(_stage('{name: пример, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
)
def look_alike(subject: Subject) -> Iterator[Spot]:
    """A Cyrillic а in a Latin word, an invisible space that came along with a copied name, a letter of full width: the
    eye of a reviewer cannot see them, DNS can. Letters of several scripts in one label, or a label that only looks
    Latin, are hardly ever meant.
    """
    for path, name in _names(subject):
        for label in _DOTS.split(name):
            shown = _decoded(label)
            if what := _suspicion(shown):
                also = f" ({shown})" if shown != label else ""
                yield Spot(path, f"{label}{also} {what}")


def _decoded(label: str) -> str:
    """The Unicode of an A-label; other labels as they are, and those that decode to nothing."""
    if not label.lower().startswith("xn--"):
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        decoded.encode()  # a lone surrogate is no text
    except UnicodeError:
        return label
    return decoded


def _suspicion(label: str) -> str:
    """What is wrong with a label in Unicode; empty if nothing is."""
    if label.isascii():
        return ""
    if hidden := sorted({f"U+{ord(c):04X}" for c in label if c not in _DEVIATIONS and stringprep.in_table_b1(c)}):
        return f"has characters that nobody sees: {', '.join(hidden)}"
    plain = unicodedata.normalize("NFKC", label)
    if plain.isascii():
        return f"is not in plain letters; it becomes {plain.lower()}"
    letters = [c for c in plain if c.isalpha()]
    scripts = {re.split("[ -]", unicodedata.name(c, "UNKNOWN"))[0] for c in letters}
    others = scripts - {"LATIN"}
    mixed = len(others) > 1 and not any(others <= group for group in _EAST_ASIAN)
    if mixed or ("LATIN" in scripts and others & {"CYRILLIC", "GREEK"}):
        return f"mixes scripts: {', '.join(sorted(s.capitalize() for s in scripts))}"
    if scripts == {"CYRILLIC"} and _LIKE_LATIN.issuperset(c.lower() for c in letters):
        return "looks Latin and is Cyrillic"
    return ""


@check(
    "DC128",
    "warning",
    "a name that browsers convert otherwise",
    why="Browsers ask for the name of the newer standard; what is published here is that of the older one.",
    hint="write the A-label that is meant",
    source="RFC 5894 section 7.2",
    fires=Example(_stage('{name: straße, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
    silent=Example(_stage('{name: xn--strae-oqa, type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
)
def converted_otherwise(subject: Subject) -> Iterator[Spot]:
    """Four characters (sharp s, final sigma, and the two joiners) were mapped away by the first IDNA standard and are
    letters of their own in the second one. They give two names, that may even belong to two people. Only an A-label
    says which is meant.
    """
    for path, name in _unicode(subject):
        for label in _DOTS.split(name):
            if not _DEVIATIONS.keys() & set(label):
                continue
            newer = "xn--" + unicodedata.normalize("NFC", label.lower()).encode("punycode").decode("ascii")
            older = absolute_name(label).removesuffix(".")
            yield Spot(path, f"{label} becomes {older} here, and {newer} in browsers", f"write {newer} or {older}")


@check(
    "DC129",
    "warning",
    "a name has characters that host names do not have",
    why="DNS takes nearly every character, so no server objects, and nobody ever asks for the name.",
    hint="write letters, digits, hyphens and underscores",
    source="RFC 1123 section 2.1",
    fires=Example(_stage('{name: "www ", type: A, from: ["192.0.2.10"], to: ["192.0.2.20"]}')),
    silent=Example(_REPLACE),
)
def odd_characters(subject: Subject) -> Iterator[Spot]:
    """A space at the end, two names in one text, a whole URL, the type behind a slash, a star inside a name: to DNS all
    of them are names, and a change of them succeeds without any effect that users notice.
    """
    for w in subject.written:
        for path, name in w.names():
            if _ORDINARY.fullmatch(name) or not name.isascii():
                continue
            reverse = subject.names[w.refs[0]].endswith((".in-addr.arpa.", ".ip6.arpa."))
            if reverse and _ORDINARY.fullmatch(name.replace("/", "-")):
                continue  # RFC 2317 names delegations of parts of a network so
            message, hint = _oddity(name, w.rdtype)
            yield Spot(path, message, hint)


def _oddity(name: str, rdtype: str) -> tuple[str, str]:
    """What is odd about an ASCII name, and what is probably meant."""
    if name != name.strip():
        return f"{name!r} begins or ends with a space", f"write {name.strip()}"
    if "://" in name:
        host = name.partition("://")[2].partition("/")[0]
        return f"{name[:100]!r} is a URL", f"write the name alone: {host}."
    if re.search(r"[\s,;]", name):
        several = ", ".join(w for w in re.split(r"[\s,;]+", name) if w)
        return f"{name[:100]!r} is taken for one name", f"write names: [{several}]"
    if name.upper().endswith(f"/{rdtype}"):
        bare = name[: -len(rdtype) - 1]
        return f"{name!r} has the type in its name", f"write name: {bare}, type: {rdtype}"
    if "*" in name:
        hint = "a wildcard is a first label * alone, such as *.apps (RFC 4592 section 2.1.1)"
        return f"the star in {name!r} stands for itself only", hint
    return f"{name[:100]!r} is no host name", "write letters, digits, hyphens and underscores"


@check(
    "DC130",
    "warning",
    "an underscore label is missing or doubled",
    why="Whoever looks for the record asks at one name only, and finds nothing there.",
    hint="write the name with its underscore labels, such as s1._domainkey",
    source="RFC 8552",
    fires=Example(_stage("{name: s1.domainkey, type: CNAME, from: absent, to: [s1.dkim.newmail.test.]}")),
    silent=Example(_stage("{name: s1._domainkey, type: CNAME, from: absent, to: [s1.dkim.newmail.test.]}")),
)
def underscores(subject: Subject) -> Iterator[Spot]:
    """Keys, policies and proofs are kept at names with fixed labels, such as _domainkey, _dmarc or _25._tcp. Vendors
    show these names in part or in whole, so that a label gets lost or stands twice; the record is then published where
    no mail server looks.
    """
    for w in subject.written:
        if w.change.to == "absent":
            continue
        texts = [text.strip('"').lower() for _, text in w.values()] if w.rdtype == "TXT" else []
        needed = next((labels for start, labels in _KEPT_AT if any(t.startswith(start) for t in texts)), "")
        service = w.rdtype in ("SRV", "TLSA") and any(True for _ in w.values())
        for path, name in w.names():
            if not (needed or service or "_" in name or w.rdtype in ("TXT", "CNAME")):
                continue
            zone = subject.names[w.refs[0]]
            owner = relative_name(absolute_name(name, zone), zone)
            if spot := _underscore_trouble(owner.split("."), w.rdtype, needed):
                yield Spot(path, f"{name} {w.rdtype}: {spot[0]}", spot[1])


def _underscore_trouble(labels: list[str], rdtype: str, needed: str) -> tuple[str, str] | None:
    marked = [label for label in labels if label.startswith("_")]
    if twice := next((label for label in marked if marked.count(label) > 1), ""):
        return f"the label {twice} stands twice", f"leave one {twice} out"
    if rdtype in ("TXT", "CNAME"):
        bare = "domainkey" if "domainkey" in labels else "acme-challenge" if labels[0] == "acme-challenge" else ""
        if bare and f"_{bare}" not in labels:
            return f"the label {bare} has no underscore", f"write _{bare}"
    if needed and f".{needed}." not in f".{'.'.join(labels)}.":
        return f"its text belongs to a name with {needed}", f"write {needed} into the name"
    if rdtype in ("SRV", "TLSA") and not all(label == "*" or label[:1] == "_" for label in labels[:2]):
        example = "_sip._tcp" if rdtype == "SRV" else "_25._tcp.mx"
        source = "RFC 2782" if rdtype == "SRV" else "RFC 6698 section 3"
        return "its first two labels have no underscore", f"write it as {example} ({source})"
    return None


CHECKS = (given_as_unicode, look_alike, converted_otherwise, odd_characters, underscores)
