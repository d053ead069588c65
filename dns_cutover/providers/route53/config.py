"""From what a plan says to a provider. boto3 is imported here, and nowhere before."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dns_cutover.errors import Unavailable, UsageError
from dns_cutover.providers.route53.pacing import Pace
from dns_cutover.providers.route53.provider import Route53Provider
from dns_cutover.providers.route53.refusal import Where
from dns_cutover.providers.route53.settling import USUALLY_INSYNC

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds
REGION = (
    "us-east-1"  # where Route 53's one endpoint for all regions signs (docs.aws.amazon.com/general/latest/gr/r53.html)
)


def from_config(
    zone_ref: str,
    zone: str,
    config: Mapping[str, Any],
    *,
    pace: Pace,
    now: Callable[[], float] = time.time,
) -> Route53Provider:
    """A provider for `zone` (absolute) as a plan's `provider` section says. Nothing is asked yet. `pace` is shared by
    all zones of one account.

    Raises Unavailable (no such profile), UsageError (a region or an address that does not exist).
    """
    from dns_cutover.providers.route53.transport import BotoTransport

    where = where_of(zone, config)
    bound = config.get("propagation_bound")
    return Route53Provider(
        zone_ref,
        zone,
        BotoTransport(client(config, "route53"), where),
        now,
        pace,
        where=where,
        unknown_after=USUALLY_INSYNC if bound is None else float(bound),
    )


def where_of(zone: str, config: Mapping[str, Any]) -> Where:
    """How people call the place."""
    role, profile = config.get("assume_role"), config.get("profile")
    who = f"the role {role['role_arn']}" if role else f"the AWS profile {profile}" if profile else "the AWS credentials"
    return Where(zone, config.get("zone_id") or "", config.get("private"), who)


def client(config: Mapping[str, Any], service: str) -> Any:
    """boto3's client for `service`, with the plan's profile, role, region and endpoint; it never retries by itself.

    Raises Unavailable, UsageError.
    """
    import boto3
    from botocore import exceptions as aws
    from botocore.config import Config

    # What it says by itself, with tracebacks, would go to the terminal; what matters of it is raised as well.
    log = logging.getLogger("botocore")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    settings = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra="dns-cutover",
    )
    try:
        session = boto3.Session(profile_name=config.get("profile"), region_name=config.get("region"))
        if role := config.get("assume_role"):
            session = _assumed(session, role)
        return session.client(
            service,
            region_name=session.region_name or REGION,
            endpoint_url=config.get("endpoint"),
            config=settings,
        )
    except aws.ProfileNotFound:
        raise Unavailable(
            f"there is no AWS profile {config.get('profile')}",
            "The plan names it under provider.profile.",
            ("aws configure list-profiles   which are there?",),
        ) from None
    except (aws.BotoCoreError, ValueError) as exc:
        raise UsageError("the AWS settings of the plan cannot be used", str(exc).partition("\n")[0]) from None


def _assumed(session: Any, role: Mapping[str, Any]) -> Any:
    """The same session as another role. Its credentials are fetched when they are first needed, and again before they
    expire: a run may take days.
    """
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    base = session._session  # boto3 has no public way to credentials that renew themselves
    extra = {"RoleSessionName": role.get("session_name") or "dns-cutover"}
    if role.get("external_id"):
        extra["ExternalId"] = role["external_id"]
    source = base.get_credentials()
    if source is None:
        raise Unavailable(
            f"there are no credentials to take the role {role['role_arn']} with",
            "They are looked for as the AWS command line does it.",
            ("aws sts get-caller-identity   whose are they?",),
        )
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(base.create_client, region_name=session.region_name or REGION),
        source_credentials=source,
        role_arn=role["role_arn"],
        extra_args=extra,
    )
    assumed = botocore.session.Session(profile=base.profile)
    assumed._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.Session(botocore_session=assumed, region_name=session.region_name)
