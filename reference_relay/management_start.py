"""Starting the management API beside whatever kind of relay there is."""

from __future__ import annotations

import os
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_relay.config import Config
from reference_relay.refusal import not_free, refusal
from reference_relay.service.verification import VerifiesDomains

if TYPE_CHECKING:
    from reference_relay.management.app import Relay
    from reference_relay.management.server import ManagementServer
    from reference_relay.service.service import Service


@dataclass(frozen=True, slots=True)
class BoundManagement:
    """Where the management API really listens."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class StartedManagement:
    """A management API that answers.

    Attributes:
        bound: Where.
        server: To be stopped.
        new_token: A token that was made for this run, to be shown once (D-26).
    """

    bound: BoundManagement
    server: ManagementServer
    new_token: str | None


def management_token(config: Config) -> str | None:
    """Take the token from the environment; None means that one is to be made (D-26).

    Raises:
        ConfigError: It should be there and is not.
    """
    variable = config.management and config.management.token_environment
    if not variable:
        return None
    token = os.environ.get(variable, "")
    if not token:
        reason = f"expected a token in the environment variable {variable}, it is not set"
        raise refusal(config, "management.token_environment", reason)
    return token


async def start_management(
    config: Config,
    relay: Relay,
    service: Service | None,
    domains: VerifiesDomains,
    given_token: str | None,
) -> StartedManagement | None:
    """Start the management API; None if the configuration has none.

    Raises:
        ConfigError: Its address or port cannot be had.
    """
    settings = config.management
    if settings is None or service is None:
        return None
    # Only a relay with [management] pays for loading the HTTP stack.
    from reference_relay.management.app import ManagementContext
    from reference_relay.management.server import ManagementServer

    context = ManagementContext(
        relay, service, domains, lambda: str(uuid.uuid4()), settings.open_metrics
    )
    token = given_token or secrets.token_urlsafe(32)
    server = ManagementServer(context, token)
    try:
        port = await server.start(settings.address, settings.port)
    except OSError as error:
        where = f"{settings.address} port {settings.port}"
        raise refusal(config, "management.port", not_free(where, error)) from None
    bound = BoundManagement(settings.address, port)
    return StartedManagement(bound, server, None if given_token else token)
