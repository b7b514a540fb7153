"""Opening the service's store beside whatever kind of relay there is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from reference_relay.config import Config
from reference_relay.refusal import reason_of, refusal
from reference_relay.service.verification import StoreUnavailable

if TYPE_CHECKING:
    from reference_relay.service.directory import Directory
    from reference_relay.service.service import Service

_FILE = "service.sqlite"


async def open_service(config: Config, now: Callable[[], float]) -> Service | None:
    """Open the store of a relay with [management]; nobody could change that of another.

    Raises:
        ConfigError: It cannot be used.
    """
    if config.management is None:
        return None
    # Only a relay with [management] pays for loading the database's library.
    from reference_relay.service.service import Service
    from reference_relay.service.store import Store, StoreUnusable, sqlite_url

    key, url = _named_url(config)
    try:
        if url is None:
            config.state_directory.mkdir(parents=True, exist_ok=True)
            url = sqlite_url(config.state_directory.resolve() / _FILE)
        store = await asyncio.to_thread(Store, url)
    except (OSError, StoreUnusable, StoreUnavailable) as error:
        reason = f"expected a database for the service: {reason_of(error)}"
        raise refusal(config, key, reason) from None
    return Service(store, config.profile, now)


async def seeded(service: Service, config: Config) -> Directory:
    """Apply what the configuration file says of the service; return what holds then.

    Raises:
        ConfigError: The store does not answer.
    """
    try:
        return await service.seed(config.directory)
    except StoreUnavailable as error:
        reason = f"expected a database for the service: {error}"
        raise refusal(config, "store", reason) from None


def _named_url(config: Config) -> tuple[str, str | None]:
    variable = config.store.url_environment
    if variable is None:
        return ("store.url" if config.store.url else "state_directory"), config.store.url
    url = os.environ.get(variable)
    if not url:
        reason = f"expected a URL in the environment variable {variable}, it is not set"
        raise refusal(config, "store.url_environment", reason)
    return "store.url_environment", url
