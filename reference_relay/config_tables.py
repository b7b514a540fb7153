"""The tables of a configuration file, with what each key expects.

Checks every value by itself; what several tables must agree on is `config`'s work.
A validator says what it expected in words for people.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
)

from reference_relay.delivery.settings import TLSMode
from reference_relay.mail.address import domain_key
from reference_relay.queue.room import RoomLimits
from reference_relay.queue.settings import QueueSettings
from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import EnforcementMode
from reference_relay.service.endpoints import REGION_ENDPOINTS, EndpointType
from reference_relay.service.model import Standing
from reference_relay.service.passwords import CostProfile
from reference_relay.submission.settings import Limits, Rates

# RFC 1123 §2.1, without a final dot.
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
# S-20
USERS_PER_CONFIGURATION = 5
# RFC 4616 §2
USERNAME_OCTETS = 255
# Ours: beyond it the supervisor would be what limits; the queue IDs leave room for more.
WORKERS = 64
LOOPS = ("asyncio", "uvloop")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a validator may have to know of the file it reads.

    Attributes:
        folder: Paths in the file are relative to it.
        profile: As written in the file, right or wrong.
    """

    folder: Path
    profile: object

    @property
    def region_endpoints(self) -> Mapping[str, str]:
        """The endpoint table of the profile; empty when there is no such profile."""
        return REGION_ENDPOINTS.get(str(self.profile), {})


def _reading(where: ValidationInfo) -> Reading:
    reading = where.context
    assert isinstance(reading, Reading)  # noqa: S101 - load_config gives it
    return reading


def _host(text: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise ValueError("expected a host name like relay.example.net")
    return text


def _domain(text: str) -> str:
    try:
        key = domain_key(text)
    except ValueError:
        key = ""
    if not _DOMAIN.fullmatch(key):
        raise ValueError("expected a domain name like example.com")
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("expected an IP address like 127.0.0.1 or ::1") from None


def _next_hop(text: str) -> str:
    """Return a host name, or the literal of an address (RFC 5321 §4.1.3), however it is written."""
    bare = re.sub(r"(?i)\A\[(?:IPv6:)?(.*)\]\Z", r"\1", text)
    try:
        address = ip_address(bare)
    except ValueError:
        if _DOMAIN.fullmatch(text) and not text.rpartition(".")[2].isdigit():
            return text
        raise ValueError(
            "expected a host name like mail.example.net or an address like 192.0.2.1"
        ) from None
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _addresses_of_zone(value: Any) -> AddressSet:
    return AddressSet.parse(str(value))


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"expected a subnet like 127.0.0.0/8: {error}") from None


def _name_server(value: Any) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?", str(value))
    address = match and (match[1] or match[2])
    port = int(match[3] or 53) if match else 0
    try:
        ip_address(address or "")
    except ValueError:
        port = 0
    if not address or not 1 <= port <= 65535:
        raise ValueError("expected an address and a port like 127.0.0.1:53 or [::1]:53")
    return address, port


def _instance_region(region: str, where: ValidationInfo) -> str:
    table = _reading(where).region_endpoints
    if table and region not in table:
        raise ValueError(f"expected a region of the profile: {', '.join(table)}")
    return region


def _own_region(region: str, where: ValidationInfo) -> str:
    table = _reading(where).region_endpoints
    if table and region not in table.values():
        known = ", ".join(dict.fromkeys(table.values()))
        raise ValueError(f"expected a region that has an endpoint: {known}")
    return region


def _path(value: Any, where: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected a path, as text")
    return _reading(where).folder / value


def _file(value: Any, where: ValidationInfo) -> Path:
    path = _path(value, where)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"expected a readable file: {path}: {reason}") from None


def _password_hash(text: str) -> str:
    CostProfile.of(text)
    return text


def _username(text: str) -> str:
    if "\0" in text or not 1 <= len(text.encode()) <= USERNAME_OCTETS:
        raise ValueError(f"expected 1 to {USERNAME_OCTETS} octets of UTF-8 without NUL")
    return text


def _profile(text: str) -> str:
    if text not in REGION_ENDPOINTS:
        raise ValueError(f"expected one of {', '.join(REGION_ENDPOINTS)}")
    return text


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("expected the name of an environment variable")
    return name


Numbers = TypeVar("Numbers", Limits, Rates)


def _above_zero(numbers: Numbers) -> Numbers:
    found = {field.name: getattr(numbers, field.name) for field in fields(numbers)}
    wrong = [name for name, value in found.items() if value is not None and not 0 < value < inf]
    if wrong:
        raise ValueError(f"expected numbers above zero for {', '.join(wrong)}")
    return numbers


def _worker_count(value: Any) -> int:
    # The cores this process may use, which in a container are fewer than the machine has.
    count = min(len(os.sched_getaffinity(0)), WORKERS) if value == "auto" else value
    if type(count) is not int or not 1 <= count <= WORKERS:
        raise ValueError(f'expected a number from 1 to {WORKERS}, or "auto" for the cores')
    return count


def _loop(name: str) -> str:
    if name not in LOOPS:
        raise ValueError(f"expected one of {', '.join(LOOPS)}")
    if name == "uvloop" and find_spec(name) is None:
        raise ValueError("expected the extra uvloop to be installed")
    return name


HostName = Annotated[str, AfterValidator(_host)]
Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Port = Annotated[int, Field(ge=0, le=65535)]
Folder = Annotated[Path, PlainValidator(_path)]
ReadableFile = Annotated[Path, PlainValidator(_file)]


class Table(BaseModel):
    """A table that refuses keys it does not know and converts no types."""

    # The standard dataclasses inside (Limits, Standing) inherit this.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SwitchesTable(Table):
    """The table [switches]: where the texts leave a choice (D-4, D-5, D-11, D-12, D-13)."""

    line_discipline: Literal["per-session", "crlf-only"] = "per-session"
    strict_paths: bool = False
    close_denied: bool = False
    subdomains: bool = False
    calendar: bool = False
    inline_images: bool = False
    other_text: bool = True
    enclosed_messages: bool = True


class EndpointTable(Table):
    """The table [[endpoint]]."""

    region: Annotated[str, AfterValidator(_own_region)]
    type: EndpointType
    host: HostName
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    # S-16
    port: Port = 587
    # RFC 8314 §3.3; the vendor's pages of 2026 offer 465.
    implicit_tls_ports: tuple[Port, ...] = ()
    certificate_file: ReadableFile
    key_file: ReadableFile
    outgoing_addresses: tuple[Address, ...] = ()
    # Balancers that begin with a PROXY header; everybody else's octets are SMTP.
    proxy_trusted: tuple[Annotated[AddressSet, PlainValidator(_addresses_of_zone)], ...] = ()


class ZoneTable(Table):
    """The table [[zone]]."""

    id: Name
    addresses: tuple[Annotated[AddressSet, PlainValidator(_addresses_of_zone)], ...]
    excluded: tuple[Annotated[AddressSet, PlainValidator(_addresses_of_zone)], ...] = ()


class ContextTable(Table):
    """The table [[instance.rule.context]]."""

    zones: Annotated[tuple[Name, ...], Field(min_length=1)]
    endpoint_types: frozenset[EndpointType] = frozenset()


class RuleTable(Table):
    """[[instance.rule]]; its own zones and endpoint types are one context, the usual case."""

    zones: tuple[Name, ...] = ()
    endpoint_types: frozenset[EndpointType] = frozenset()
    context: tuple[ContextTable, ...] = ()
    enforcement_mode: EnforcementMode = EnforcementMode.ENABLED
    api_types: frozenset[Literal["smtp-configuration", "control-plane"]] | None = None


class UserTable(Table):
    """The table [[instance.configuration.user]]."""

    username: Annotated[str, AfterValidator(_username)]
    password_hash: Annotated[str, AfterValidator(_password_hash), Field(repr=False)]


class ConfigurationTable(Table):
    """The table [[instance.configuration]]."""

    id: Name
    domain: Annotated[str, AfterValidator(_domain)]
    dkim_selector: HostName
    dkim_key_file: ReadableFile | None = None
    verification: Standing = Standing()
    user: Annotated[tuple[UserTable, ...], Field(max_length=USERS_PER_CONFIGURATION)] = ()


class InstanceTable(Table):
    """The table [[instance]]."""

    id: Name
    region: Annotated[str, AfterValidator(_instance_region)]
    rule: tuple[RuleTable, ...] = ()
    configuration: tuple[ConfigurationTable, ...] = ()


class SmarthostTable(Table):
    """The table [delivery.smarthost]: the one next hop of all mail."""

    host: Annotated[str, AfterValidator(_next_hop)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    username: str = ""
    password_file: ReadableFile | None = None


class DeliveryTable(Table):
    """The table [delivery]."""

    name_servers: Annotated[
        tuple[Annotated[tuple[str, int], PlainValidator(_name_server)], ...], Field(min_length=1)
    ]
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    reachable_networks: tuple[
        Annotated[IPv4Network | IPv6Network, PlainValidator(_network)], ...
    ] = ()
    tls: TLSMode = TLSMode.MAY
    tls_authorities_file: ReadableFile | None = None
    smarthost: SmarthostTable | None = None
    # Accepted mail stays queued until the relay runs without this.
    hold: bool = False


class QueueTable(Table):
    """The table [queue]."""

    # For benchmarks only: every message is accepted and forgotten, its 250 promises nothing.
    discard: bool = False
    # See `queue.room.RoomLimits`: beyond either of them mail is refused with 452 4.3.1.
    messages: Annotated[int, Field(ge=1)] = RoomLimits().messages
    reserve_octets: Annotated[int, Field(ge=0)] = RoomLimits().reserve_octets
    # How long the status of delivered mail can be looked up.
    retention_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = (
        QueueSettings().retention_seconds
    )


class ManagementTable(Table):
    """The table [management]."""

    address: Address = "127.0.0.1"
    port: Port = 0
    token_environment: Annotated[str, AfterValidator(_variable)] | None = None
    open_metrics: bool = False


class StoreTable(Table):
    """The table [store]: where the service is kept; by default in a file of its own."""

    url: Annotated[str | None, Field(min_length=1, repr=False)] = None
    # A URL may hold a password, which a file need not.
    url_environment: Annotated[str, AfterValidator(_variable)] | None = None


class WorkersTable(Table):
    """The table [workers]: how many processes serve, and on which event loop."""

    count: Annotated[int, PlainValidator(_worker_count)] = 1
    loop: Annotated[str, AfterValidator(_loop)] = "asyncio"


class LogTable(Table):
    """The table [log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class RelayTable(Table):
    """The whole file."""

    profile: Annotated[str, AfterValidator(_profile)]
    hostname: HostName
    state_directory: Folder
    # D-25: the system's own, or one that runs on with it and that the lab API moves.
    clock: Literal["system", "virtual"] = "system"
    switches: SwitchesTable = SwitchesTable()
    limits: Annotated[Limits, AfterValidator(_above_zero)] = Limits()
    rates: Annotated[Rates, AfterValidator(_above_zero)] = Rates()
    endpoint: Annotated[tuple[EndpointTable, ...], Field(min_length=1)]
    zone: tuple[ZoneTable, ...] = ()
    instance: tuple[InstanceTable, ...] = ()
    delivery: DeliveryTable
    queue: QueueTable = QueueTable()
    management: ManagementTable | None = None
    store: StoreTable = StoreTable()
    workers: WorkersTable = WorkersTable()
    log: LogTable = LogTable()
