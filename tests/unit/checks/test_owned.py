"""Other tools' files: a Terraform state in both its forms, and octoDNS's zone files."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_cutover.checks.owned import BadOwnerFile, read_owner_file
from dns_cutover.checks.world import OwnedRecords
from dns_cutover.records import RRset, quote_text

ZONES = ("example.test.",)
SECRET = "hunter2-very-secret"


def stored(kind: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One resource as a state file of version 4 has it."""
    resource = {k: more.pop(k) for k in ("module", "mode") if k in more}
    return {
        "mode": "managed",
        "type": kind,
        "name": "www",
        "provider": "p",
        **resource,
        "instances": [{"schema_version": 2, "attributes": attributes, **more}],
    }


def state(*resources: dict[str, Any]) -> bytes:
    head = {"version": 4, "terraform_version": "1.9.0", "serial": 3, "lineage": "x"}
    outputs = {"password": {"value": SECRET, "type": "string", "sensitive": True}}
    database = stored("aws_db_instance", {"password": SECRET, "address": "db.example.test"})
    return json.dumps({**head, "outputs": outputs, "resources": [*resources, database]}).encode()


def read(raw: bytes, file: str = "prod.tfstate") -> OwnedRecords:
    return read_owner_file(raw, file, ZONES)


def rrset(rdtype: str, *values: str, ttl: int = 300) -> RRset:
    return RRset.of(rdtype, ttl, *values)


R53 = {"fqdn": "www.example.test", "name": "www", "zone_id": "Z1", "ttl": 300, "alias": [], "set_identifier": ""}
DNS = {"zone": "example.test.", "name": "www", "ttl": 300}
AZ = {"zone_name": "example.test", "name": "www", "ttl": 300}


@pytest.mark.parametrize(
    ("kind", "attributes", "rdtype", "expected"),
    [
        ("aws_route53_record", {**R53, "type": "A", "records": ["192.0.2.1"]}, "A", rrset("A", "192.0.2.1")),
        ("aws_route53_record", {**R53, "type": "CNAME", "records": ["x.test"]}, "CNAME", rrset("CNAME", "x.test.")),
        (
            "aws_route53_record",
            {**R53, "type": "TXT", "records": ['v=spf1 \\"q\\" -all', "A" * 255 + '""B', "\\377"]},
            "TXT",
            rrset("TXT", quote_text('v=spf1 "q" -all'), quote_text("A" * 255 + "B"), quote_text(b"\xff")),
        ),
        ("aws_route53_record", {**R53, "type": "MX", "records": ["10 mx.test."]}, "MX", rrset("MX", "10 mx.test.")),
        ("aws_route53_record", {**R53, "type": "A", "alias": [{"name": "lb.aws.test"}], "records": None}, "A", None),
        ("aws_route53_record", {**R53, "type": "A", "set_identifier": "blue", "records": ["192.0.2.1"]}, "A", None),
        (
            "cloudflare_record",
            {"hostname": "www.example.test", "name": "www", "type": "A", "value": "192.0.2.1", "ttl": 300},
            "A",
            rrset("A", "192.0.2.1"),
        ),
        (
            "cloudflare_dns_record",
            {"name": "www.example.test", "type": "MX", "content": "mx.test", "priority": 10, "ttl": 300},
            "MX",
            rrset("MX", "10 mx.test."),
        ),
        (
            "cloudflare_record",
            {"hostname": "www.example.test", "type": "A", "value": "192.0.2.1", "proxied": True},
            "A",
            None,
        ),
        (
            "cloudflare_record",
            {"hostname": "www.example.test", "type": "SRV", "data": [{"port": 1}], "ttl": 300},
            "SRV",
            None,
        ),
        (
            "google_dns_record_set",
            {"name": "www.example.test.", "type": "TXT", "ttl": 300, "rrdatas": ['"v=spf1 -all"', "plain"]},
            "TXT",
            rrset("TXT", '"v=spf1 -all"', '"plain"'),
        ),
        (
            "digitalocean_record",
            {"domain": "example.test", "name": "www", "type": "CNAME", "value": "x.test.", "ttl": 300},
            "CNAME",
            rrset("CNAME", "x.test."),
        ),
        ("dns_a_record_set", {**DNS, "addresses": ["192.0.2.1"]}, "A", rrset("A", "192.0.2.1")),
        ("dns_aaaa_record_set", {**DNS, "addresses": ["2001:db8::1"]}, "AAAA", rrset("AAAA", "2001:db8::1")),
        ("dns_cname_record", {**DNS, "cname": "x.test."}, "CNAME", rrset("CNAME", "x.test.")),
        (
            "dns_mx_record_set",
            {**DNS, "mx": [{"preference": 10, "exchange": "mx.test."}]},
            "MX",
            rrset("MX", "10 mx.test."),
        ),
        ("dns_ns_record_set", {**DNS, "nameservers": ["ns.test."]}, "NS", rrset("NS", "ns.test.")),
        ("dns_ptr_record", {**DNS, "ptr": "x.test."}, "PTR", rrset("PTR", "x.test.")),
        (
            "dns_srv_record_set",
            {**DNS, "srv": [{"priority": 1, "weight": 2, "port": 3, "target": "x.test."}]},
            "SRV",
            rrset("SRV", "1 2 3 x.test."),
        ),
        ("dns_txt_record_set", {**DNS, "txt": ['a\\"b;c\\\\']}, "TXT", rrset("TXT", quote_text('a"b;c\\'))),
        ("azurerm_dns_a_record", {**AZ, "records": ["192.0.2.1"]}, "A", rrset("A", "192.0.2.1")),
        ("azurerm_dns_cname_record", {**AZ, "record": "x.test"}, "CNAME", rrset("CNAME", "x.test.")),
        ("azurerm_dns_txt_record", {**AZ, "record": [{"value": "a b"}]}, "TXT", rrset("TXT", '"a b"')),
        (
            "azurerm_dns_mx_record",
            {**AZ, "record": [{"preference": "10", "exchange": "mx.test."}]},
            "MX",
            rrset("MX", "10 mx.test."),
        ),
        ("azurerm_dns_a_record", {**AZ, "records": [], "target_resource_id": "/subscriptions/1"}, "A", None),
    ],
)
def test_resources(kind, attributes, rdtype, expected):
    """Each kind says owner, type, TTL and values in its own way; what varies or is not said is owned, but not known."""
    got = read(state(stored(kind, attributes)))
    assert got.tool == "Terraform"
    assert got.rrsets == {("www.example.test.", rdtype): expected}
    assert got.places == {("www.example.test.", rdtype): f"{kind}.www"}


def test_addresses_of_resources():
    """As terraform state list shows them."""
    a = {**R53, "type": "A", "records": ["192.0.2.1"]}
    b = {**R53, "type": "AAAA", "records": ["2001:db8::1"]}
    got = read(
        state(
            stored("aws_route53_record", a, module="module.dns", index_key=0),
            stored("aws_route53_record", b, index_key='we"b'),
            stored("aws_route53_record", {**a, "fqdn": "data.example.test"}, mode="data"),
            stored("aws_route53_record", {**a, "fqdn": "gone.example.test"}, deposed="0123"),
        )
    )
    assert got.places == {
        ("www.example.test.", "A"): "module.dns.aws_route53_record.www[0]",
        ("www.example.test.", "AAAA"): 'aws_route53_record.www["we\\"b"]',
    }


def test_one_resource_per_record():
    """Providers with a resource for each record: together they are the RRset."""
    records = [
        stored("cloudflare_record", {"hostname": "www.example.test", "type": "A", "value": v, "ttl": 300})
        for v in ("192.0.2.2", "192.0.2.1")
    ]
    assert read(state(*records)).rrsets == {("www.example.test.", "A"): rrset("A", "192.0.2.1", "192.0.2.2")}


def test_apex_and_wildcard():
    a = {**R53, "type": "A", "records": ["192.0.2.1"]}
    got = read(
        state(
            stored("dns_mx_record_set", {"zone": "example.test.", "mx": [{"preference": 1, "exchange": "m.test."}]}),
            stored("azurerm_dns_a_record", {**AZ, "name": "@", "records": ["192.0.2.1"]}),
            stored("aws_route53_record", {**a, "fqdn": "\\052.apps.example.test"}),
        )
    )
    assert set(got.rrsets) == {("example.test.", "MX"), ("example.test.", "A"), ("*.apps.example.test.", "A")}


def test_show_json():
    """`terraform show -json`: modules within modules, and plans too."""
    a = {**R53, "type": "A", "records": ["192.0.2.1"]}
    inner = {"address": "module.a.module.b.aws_route53_record.x", "mode": "managed", "type": "aws_route53_record"}
    module = {"resources": [], "child_modules": [{"child_modules": [{"resources": [{**inner, "values": a}]}]}]}
    for key in ("values", "planned_values"):
        got = read(json.dumps({"format_version": "1.0", key: {"root_module": module}}).encode())
        assert got.rrsets == {("www.example.test.", "A"): rrset("A", "192.0.2.1")}
        assert got.places == {("www.example.test.", "A"): inner["address"]}
    assert read(b'{"format_version": "1.0"}').rrsets == {}


def test_sensitive_values_are_not_kept():
    """In neither form; nor is anything of other resources, or of outputs."""
    txt = {**DNS, "txt": [SECRET]}
    path = [[{"type": "get_attr", "value": "txt"}]]
    first = read(state(stored("dns_txt_record_set", txt, sensitive_attributes=path)))
    resource = {"address": "x.y", "mode": "managed", "type": "dns_txt_record_set", "values": txt}
    shown = {"resources": [{**resource, "sensitive_values": {"txt": [True]}}]}
    second = read(json.dumps({"format_version": "1.0", "values": {"root_module": shown}}).encode())
    for got in (first, second):
        assert got.rrsets == {("www.example.test.", "TXT"): None}
        assert SECRET not in repr(got)


@pytest.mark.parametrize(
    ("raw", "what", "why"),
    [
        (b'{"a": ' + SECRET.encode(), "is no JSON", "line 1, column 7"),
        (b'{"version": 3, "lineage": "x", "modules": []}', "cannot be read", "version is 3"),
        (b"{}", "is no Terraform state", "neither"),
        (b'{"a":' * 100_000, "is no JSON", "RecursionError"),
        (b'{"version": ' + b"9" * 5000 + b"}", "is no JSON", "ValueError"),
        (b"a: [", "neither a Terraform state nor a zone file", "line 1"),
        (b"- a\n", "neither", "has names and their records"),
        (b"www: 12\n", "neither", "line 1, column 6: a record is a mapping"),
        (b"www:\n- type: A\n- ttl: 3\n", "neither", "line 3, column 3: a record without a type"),
        (b"www: {type: A}\nwww: {type: A}\n", "neither", "given twice"),
        (b"www: !include other.yaml\n", "neither", "!include is not allowed"),
        (b"\xff\xfe\x00", "neither", "line 1"),
    ],
)
def test_bad_files(raw, what, why):
    """One message that names the place, and quotes nothing."""
    with pytest.raises(BadOwnerFile) as caught:
        read(raw, "example.test.yaml")
    assert caught.value.exit_code == 3
    assert what in caught.value.what
    assert why in caught.value.why
    assert SECRET not in repr((caught.value.what, caught.value.why, caught.value.hints))


OCTO = r"""---
'':
  - type: MX
    values: [{exchange: mx1.test., preference: 10}, {value: mx2.test., priority: 20}]
  - type: TXT
    value: v=DKIM1\; p=a
  - type: ALIAS
    value: x.test.
www:
  ttl: 300
  type: A
  values:
    - 192.0.2.1
    - 192.0.2.2
'*.apps': {type: CNAME, value: x.test.}
geo:
  type: A
  value: 192.0.2.1
  dynamic: {pools: {}}
odd: {type: LOC, value: {altitude: 1}}
wrong: {type: A, value: 192.0.2.300}
"""


def test_octodns():
    got = read(OCTO.encode(), "config/example.test.yaml")
    assert got.tool == "octoDNS"
    assert got.rrsets == {
        ("example.test.", "MX"): rrset("MX", "10 mx1.test.", "20 mx2.test.", ttl=3600),
        ("example.test.", "TXT"): rrset("TXT", '"v=DKIM1; p=a"', ttl=3600),
        ("example.test.", "A"): None,
        ("example.test.", "AAAA"): None,
        ("www.example.test.", "A"): rrset("A", "192.0.2.1", "192.0.2.2"),
        ("*.apps.example.test.", "CNAME"): rrset("CNAME", "x.test.", ttl=3600),
        ("geo.example.test.", "A"): None,
        ("odd.example.test.", "LOC"): None,
        ("wrong.example.test.", "A"): None,
    }
    assert got.places["example.test.", "TXT"] == "line 5"
    assert got.places["www.example.test.", "A"] == "line 10"


@pytest.mark.parametrize(
    ("file", "zones", "owner"),
    [
        ("example.test.yaml", ZONES, "www.example.test."),
        ("x/example.test./www.yaml", ZONES, "www.example.test."),
        ("other.test.yaml", ZONES, "www.other.test."),
        ("x/other.test./www.yaml", ZONES, "www.other.test."),
        ("zone.yaml", ZONES, "www.example.test."),
    ],
)
def test_which_zone(file, zones, owner):
    """octoDNS names a file, or a folder of files, by its zone."""
    got = read_owner_file(b"www: {type: A, value: 192.0.2.1}\n", file, zones)
    assert set(got.rrsets) == {(owner, "A")}


def test_a_zone_in_doubt():
    with pytest.raises(BadOwnerFile, match="which zone"):
        read_owner_file(b"www: {type: A, value: 192.0.2.1}\n", "zone.yaml", ("a.test.", "b.test."))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["aws_route53_record", "cloudflare_record", "dns_mx_record_set", "azurerm_dns_txt_record"])
KEYS = st.sampled_from(
    ["fqdn", "name", "type", "records", "zone", "ttl", "mx", "record", "value", "zone_name", "alias"]
)


@given(KINDS, st.dictionaries(KEYS, JSON | st.sampled_from(["A", "TXT", "MX", "www"]), max_size=8), JSON)
def test_a_state_of_any_form(kind, attributes, more):
    """What a provider never wrote is passed over, without a fault."""
    read(state(stored(kind, attributes, sensitive_attributes=more)))


@given(
    st.dictionaries(
        st.text(max_size=6),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["A", "MX", "TXT", "HTTPS", "ALIAS"])},
            optional={"value": JSON, "values": JSON, "ttl": JSON, "geo": JSON},
        ),
        max_size=3,
    )
)
def test_a_zone_file_of_any_form(data):
    """JSON is YAML: whatever stands where values should be."""
    import contextlib

    with contextlib.suppress(BadOwnerFile):
        read_owner_file(b"---\n" + json.dumps(data).encode(), "example.test.yaml", ZONES)
