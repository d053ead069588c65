"""What mail vendors have their customers publish. Account-specific parts are questions. Pure.

From the vendors' own set-up pages; a vendor may change them, and its page for the account is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from dns_cutover.plan.starting import Answers, Question

Published: TypeAlias = tuple[str, str, str]
"""Owner name as in the plan, type, value as in the plan."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor. `publish` gives its records from the answers and the domain (without final dot), `mx` its hosts if it
    takes mail for the domain. `include`: what the domain's own SPF record must include, empty where the vendor sends
    with an envelope domain of its own. `targets`: how values of its records end, by which they are recognised; `names`:
    where they stand. `selectors` are those whose names are known beforehand.
    """

    name: str
    title: str
    ask: tuple[Question, ...]
    publish: Callable[[Answers, str], tuple[Published, ...]]
    targets: tuple[str, ...]
    names: tuple[str, ...]
    include: str = ""
    mx: Callable[[Answers, str], tuple[str, ...]] | None = None
    selectors: Callable[[Answers], tuple[str, ...]] = lambda _: ()


def _word(name: str, asks: str, example: str, default: str = "") -> Question:
    return Question(name, asks, example, default=(default,) if default else ())


def _sendgrid(a: Answers, _: str) -> tuple[Published, ...]:
    user, em = a["sendgrid_user"][0], a["sendgrid_subdomain"][0]
    return (
        (em, "CNAME", f"{user}.wl.sendgrid.net."),
        ("s1._domainkey", "CNAME", f"s1.domainkey.{user}.wl.sendgrid.net."),
        ("s2._domainkey", "CNAME", f"s2.domainkey.{user}.wl.sendgrid.net."),
    )


def _mailgun(a: Answers, _: str) -> tuple[Published, ...]:
    sub, account, region = a["mailgun_subdomain"][0], a["mailgun_id"][0], a["mailgun_region"][0]
    eu = ".eu" if region == "eu" else ""
    return (
        (sub, "TXT", "v=spf1 include:mailgun.org ~all"),
        (sub, "MX", f"10 mxa{eu}.mailgun.org."),
        (sub, "MX", f"10 mxb{eu}.mailgun.org."),
        (f"pdk1._domainkey.{sub}", "CNAME", f"pdk1._domainkey.{account}.dkim1.{region}.mgsend.org."),
        (f"pdk2._domainkey.{sub}", "CNAME", f"pdk2._domainkey.{account}.dkim1.{region}.mgsend.org."),
    )


def _ses(a: Answers, _: str) -> tuple[Published, ...]:
    sub, region = a["ses_subdomain"][0], a["ses_region"][0]
    tokens = [a[f"ses_token{n}"][0] for n in (1, 2, 3)]
    return (
        *((f"{t}._domainkey", "CNAME", f"{t}.dkim.amazonses.com.") for t in tokens),
        (sub, "MX", f"10 feedback-smtp.{region}.amazonses.com."),
        (sub, "TXT", "v=spf1 include:amazonses.com ~all"),
    )


def _postmark(a: Answers, _: str) -> tuple[Published, ...]:
    return (
        (f"{a['postmark_selector'][0]}._domainkey", "TXT", a["postmark_key"][0]),
        ("pm-bounces", "CNAME", "pm.mtasv.net."),
    )


def _google(a: Answers, _: str) -> tuple[Published, ...]:
    return ((f"{a['google_selector'][0]}._domainkey", "TXT", a["google_key"][0]),)


def _microsoft(a: Answers, _: str) -> tuple[Published, ...]:
    return (
        ("selector1._domainkey", "CNAME", _dotted(a["microsoft_selector1"][0])),
        ("selector2._domainkey", "CNAME", _dotted(a["microsoft_selector2"][0])),
        ("autodiscover", "CNAME", "autodiscover.outlook.com."),
    )


def _fastmail(_: Answers, domain: str) -> tuple[Published, ...]:
    return tuple((f"fm{n}._domainkey", "CNAME", f"fm{n}.{domain}.dkim.fmhosted.com.") for n in (1, 2, 3))


def _proton(a: Answers, _: str) -> tuple[Published, ...]:
    account = a["proton_id"][0]
    names = ("protonmail", "protonmail2", "protonmail3")
    return tuple((f"{n}._domainkey", "CNAME", f"{n}.domainkey.{account}.domains.proton.ch.") for n in names)


def _dotted(host: str) -> str:
    return f"{host.rstrip('.')}."


def _domainkeys(*selectors: str) -> tuple[str, ...]:
    return tuple(f"{s}._domainkey" for s in selectors)


VENDORS = (
    Vendor(
        "sendgrid",
        "Twilio SendGrid",
        (
            _word("sendgrid_user", "the account in SendGrid's records, u and a number", "u1234567"),
            _word("sendgrid_subdomain", "the subdomain of its first CNAME, em and a number", "em1234"),
        ),
        _sendgrid,
        (".sendgrid.net.",),
        _domainkeys("s1", "s2"),
        selectors=lambda _: ("s1", "s2"),
    ),
    Vendor(
        "mailgun",
        "Mailgun",
        (
            _word("mailgun_id", "the account in Mailgun's DKIM records", "a1b2c3"),
            _word("mailgun_subdomain", "the sending subdomain", "mg", "mg"),
            _word("mailgun_region", "the region, us or eu", "us", "us"),
        ),
        _mailgun,
        (".mgsend.org.", ".mailgun.org."),
        ("mg", *_domainkeys("pdk1", "pdk2"), "pdk1._domainkey.mg", "pdk2._domainkey.mg"),
    ),
    Vendor(
        "ses",
        "Amazon SES",
        (
            *(_word(f"ses_token{n}", f"DKIM token {n} of 3, as the console shows it", f"token{n}") for n in (1, 2, 3)),
            _word("ses_region", "the AWS region", "eu-central-1"),
            _word("ses_subdomain", "the MAIL FROM subdomain", "bounce", "bounce"),
        ),
        _ses,
        (".amazonses.com.",),
        ("bounce",),
        selectors=lambda a: tuple(a[f"ses_token{n}"][0] for n in (1, 2, 3)),
    ),
    Vendor(
        "postmark",
        "Postmark",
        (
            _word("postmark_selector", "the DKIM selector that Postmark shows", "20260310000000pm"),
            _word("postmark_key", "its value", "k=rsa;p=MIGf…"),
        ),
        _postmark,
        (".mtasv.net.",),
        ("pm-bounces",),
        selectors=lambda a: (a["postmark_selector"][0],),
    ),
    Vendor(
        "google",
        "Google Workspace",
        (
            _word("google_selector", "the DKIM selector", "google", "google"),
            _word("google_key", "its value, as the admin console shows it", "v=DKIM1; k=rsa; p=MIIB…"),
        ),
        _google,
        (".google.com.", ".googlemail.com."),
        _domainkeys("google"),
        "_spf.google.com",
        lambda _a, _d: ("1 smtp.google.com.",),
        lambda a: (a["google_selector"][0],),
    ),
    Vendor(
        "microsoft365",
        "Microsoft 365",
        (
            _word("microsoft_selector1", "what selector1._domainkey points to", "selector1-….onmicrosoft.com"),
            _word("microsoft_selector2", "what selector2._domainkey points to", "selector2-….onmicrosoft.com"),
            # Newer tenants have a host that cannot be guessed from the domain.
            _word("microsoft_mx", "the MX host that the admin center shows", "example-com.mail.protection.outlook.com"),
        ),
        _microsoft,
        (".onmicrosoft.com.", ".outlook.com."),
        ("autodiscover", *_domainkeys("selector1", "selector2")),
        "spf.protection.outlook.com",
        lambda a, _: (f"0 {_dotted(a['microsoft_mx'][0])}",),
        lambda _: ("selector1", "selector2"),
    ),
    Vendor(
        "fastmail",
        "Fastmail",
        (),
        _fastmail,
        (".fmhosted.com.", ".messagingengine.com."),
        _domainkeys("fm1", "fm2", "fm3"),
        "spf.messagingengine.com",
        lambda _a, _d: ("10 in1-smtp.messagingengine.com.", "20 in2-smtp.messagingengine.com."),
        lambda _: ("fm1", "fm2", "fm3"),
    ),
    Vendor(
        "proton",
        "Proton Mail",
        (_word("proton_id", "the account in Proton's DKIM records", "dabc1234"),),
        _proton,
        (".proton.ch.", ".protonmail.ch."),
        _domainkeys("protonmail", "protonmail2", "protonmail3"),
        "_spf.protonmail.ch",
        lambda _a, _d: ("10 mail.protonmail.ch.", "20 mailsec.protonmail.ch."),
        lambda _: ("protonmail", "protonmail2", "protonmail3"),
    ),
)
ALL_NAMES = tuple(dict.fromkeys(name for v in VENDORS for name in v.names))


def vendor_named(name: str) -> Vendor:
    """The vendor of that name. Raises KeyError."""
    return {v.name: v for v in VENDORS}[name]
