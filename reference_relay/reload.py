"""What a running relay can take over from a changed configuration file, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reference_relay.config import Config, config_of

# Bound, opened or handed to others at the start.
_FIXED = (
    *("profile", "hostname", "state_directory", "clock", "delivery", "management", "store"),
    "workers",
)
_FIXED_OF_ENDPOINT = ("addresses", "port", "implicit_tls_ports")


def effective(running: Config, wanted: Config) -> tuple[Config, tuple[str, ...]]:
    """Put together what holds after a reload.

    Args:
        running: What the relay runs with.
        wanted: What the file says now.

    Returns:
        The configuration to run with, and the keys whose change needs a restart.

    Raises:
        ConfigError: What may change and what may not do not go together.
    """
    document = dict(wanted.document)
    for key in _FIXED:
        _keep(key, running.document, document)
    tables = {_name(table): table for table in wanted.document["endpoint"]}
    document["endpoint"] = [
        _endpoint(table, tables.get(_name(table))) for table in running.document["endpoint"]
    ]
    config = config_of(running.source, document)
    return config, tuple(_ignored(config, wanted))


def _endpoint(running: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if wanted is None:
        return running
    table = dict(wanted)
    for key in _FIXED_OF_ENDPOINT:
        _keep(key, running, table)
    return table


def _keep(key: str, running: Mapping[str, Any], table: dict[str, Any]) -> None:
    table.pop(key, None)
    if key in running:
        table[key] = running[key]


def _name(table: Mapping[str, Any]) -> str:
    return f"{table['region']}/{table['type']}"


def _ignored(config: Config, wanted: Config) -> Iterator[str]:
    for key in _FIXED:
        if getattr(config, key) != getattr(wanted, key):
            yield key
    served = {one.endpoint.key: one for one in config.endpoints}
    asked = {one.endpoint.key: one for one in wanted.endpoints}
    for name in sorted(served.keys() ^ asked.keys()):
        yield f"endpoint {name}"
    for name in sorted(served.keys() & asked.keys()):
        for key in _FIXED_OF_ENDPOINT:
            if getattr(served[name], key) != getattr(asked[name], key):
                yield f"endpoint {name}: {key}"
