"""Rules about e-mail on real servers: what SPF includes and where a DKIM alias leads is read at its own authority."""

from __future__ import annotations

from .harness.hierarchy import NS1, NS2, Hierarchy
from .harness.zones import Zone
from .test_checks import found_from, message, on, plan, validate


def records(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def vendor(world: Hierarchy, spf: str) -> Zone:
    """Another organisation's zone, with an SPF record and a key."""
    key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    text = records(
        f'spf 300 IN TXT "{spf}"', f'k1 300 IN TXT "v=DKIM1; k=ed25519; p={key}"', "out 300 IN A 198.51.100.9"
    )
    return on(world, {world.bind: NS1}, {world.bind: text})


async def test_spf_and_a_key_of_another_organisation(world: Hierarchy) -> None:
    """The planned record is judged with what it includes; the new sender passes, the old one does not any more."""
    new = vendor(world, "v=spf1 ip4:198.51.100.0/28 -all")
    own = on(
        world,
        {world.bind: NS1, world.knot: NS2},
        {s: records('@ 300 IN TXT "v=spf1 ip4:192.0.2.7 -all"') for s in (world.bind, world.knot)},
    )
    old = "v=spf1 ip4:192.0.2.7 -all"
    spf = f'{{name: "@", type: TXT, remove: ["{old}"], add: ["v=spf1 include:spf.{new.origin} -all"]}}'
    key = f"{{name: nm1._domainkey, type: CNAME, from: absent, to: k1.{new.origin}}}"
    missing = f"{{name: nm2._domainkey, type: CNAME, from: absent, to: k2.{new.origin}}}"
    senders = 'mail: {senders: ["192.0.2.7", {address: 198.51.100.9, after: switch}]}\n'
    got = await validate(plan(own, found_from(world), spf, key, missing, more=senders))
    told = {f.id for f in got.findings if f.id.startswith("DC5")}
    assert {"DC507", "DC510"} <= told
    assert message(got, "DC507").startswith(
        f"after this stage mail of {own.origin.rstrip('.')} from 192.0.2.7 gets SPF fail"
    )
    assert message(got, "DC510") == f"after this stage nm2._domainkey.{own.origin.rstrip('.')}: there is no key"
    assert got.live is not None
    assert (f"spf.{new.origin}", "TXT") in got.live.mail
