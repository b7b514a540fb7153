"""The small world of the demo: one verified configuration, its DNS, its certificate.

Everything is made afresh in a folder that lives as long as the demo does.
"""

from __future__ import annotations

import json
import secrets
import string
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reference_relay.dkim import keys
from reference_relay.service.endpoints import EndpointType, host_name
from reference_relay.service.passwords import hash_password

ADDRESS = "127.0.0.1"
REGION = "us-south"
HOST = host_name(REGION, EndpointType.PUBLIC)
# The two domains of the session in the vendor's documentation (S-27).
SENDER_DOMAIN = "example.com"
MAILBOX_DOMAIN = "test.com"
MAILBOX_HOST = f"mx.{MAILBOX_DOMAIN}"
SENDER = f"mailer@{SENDER_DOMAIN}"
RECIPIENT = f"recipient@{MAILBOX_DOMAIN}"

_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password; they are made to be shown."""

    username: str
    password: str

    @classmethod
    def generate(cls) -> Credentials:
        """Make a name of the service's form, 18 small letters or figures and two figures.

        The password has 124 bits and no capitals: in base64 it then begins with neither Q nor R,
        which a person's `openssl s_client` would take for a command of its own.
        """
        name = "".join(secrets.choice(_ALPHABET) for _ in range(18))
        password = "".join(secrets.choice(_ALPHABET) for _ in range(24))
        return cls(f"{name}{secrets.randbelow(100):02}", password)


@dataclass(frozen=True, slots=True)
class World:
    """What was made: two users of one configuration, and its DKIM name and key."""

    users: tuple[Credentials, Credentials]
    configuration_id: str
    dkim_key: bytes


def make_world() -> World:
    """Make the users and the key."""
    users = (Credentials.generate(), Credentials.generate())
    return World(users, str(uuid.uuid4()), keys.generate())


def write_certificate(folder: Path) -> None:
    """Write a self-signed certificate for the endpoint and its key, for one day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    names: list[x509.GeneralName] = [
        x509.DNSName(HOST),
        x509.DNSName(host_name(REGION, EndpointType.PRIVATE)),
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address(ADDRESS)),
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_zones(folder: Path, world: World) -> list[Path]:
    """Write the zones of sender, endpoint and mailbox, and return their paths."""
    dkim_name = f"{world.configuration_id}._domainkey"
    zones: dict[str, Mapping[str, Mapping[str, str]]] = {
        SENDER_DOMAIN: {
            "@": {"A": ADDRESS, "TXT": f"v=spf1 include:_spf.{HOST} ~all"},
            dkim_name: {"TXT": keys.record(world.dkim_key)},
        },
        HOST: {"@": {"A": ADDRESS}, "_spf": {"TXT": f"v=spf1 ip4:{ADDRESS} ~all"}},
        MAILBOX_DOMAIN: {"@": {"MX": f"10 {MAILBOX_HOST}."}, "mx": {"A": ADDRESS}},
    }
    paths: list[Path] = []
    for origin, records in zones.items():
        path = folder / f"{origin}.toml"
        path.write_text(_zone(origin, records), encoding="utf-8")
        paths.append(path)
    return paths


def write_config(
    folder: Path, world: World, *, port: int, name_server_port: int, mailbox_port: int
) -> Path:
    """Write the relay's configuration and the files it names, and return its path."""
    write_certificate(folder)
    (folder / "dkim.pem").write_bytes(world.dkim_key)
    users = "\n".join(
        f"    [[instance.configuration.user]]\n"
        f"    username = {_text(one.username)}\n"
        f"    password_hash = {_text(hash_password(one.password))}"
        for one in world.users
    )
    path = folder / "relay.toml"
    path.write_text(
        f"""\
profile = "seed-2025"
hostname = {_text(HOST)}
state_directory = "state"

[[endpoint]]
region = {_text(REGION)}
type = "public"
host = {_text(HOST)}
addresses = [{_text(ADDRESS)}]
port = {port}
certificate_file = "certificate.pem"
key_file = "key.pem"
outgoing_addresses = [{_text(ADDRESS)}]

[[zone]]
id = "loopback"
addresses = ["127.0.0.0/8"]

[[instance]]
id = {_text(str(uuid.uuid4()))}
region = {_text(REGION)}

  [[instance.rule]]
  zones = ["loopback"]
  endpoint_types = ["public"]
  api_types = ["smtp-configuration"]

  [[instance.configuration]]
  id = {_text(world.configuration_id)}
  domain = {_text(SENDER_DOMAIN)}
  dkim_selector = {_text(world.configuration_id)}
  dkim_key_file = "dkim.pem"
  verification = {{ spf = "VERIFIED", dkim = "VERIFIED", en_authorization = "VERIFIED" }}

{users}

[delivery]
name_servers = ["{ADDRESS}:{name_server_port}"]
port = {mailbox_port}
reachable_networks = ["127.0.0.0/8"]

[management]
""",
        encoding="utf-8",
    )
    return path


def _zone(origin: str, records: Mapping[str, Mapping[str, str]]) -> str:
    lines = [f"origin = {_text(origin)}", "[records]"]
    for owner, types in records.items():
        values = ", ".join(f"{type} = {_text(value)}" for type, value in types.items())
        lines.append(f"{_text(owner)} = {{ {values} }}")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    # A JSON string of plain characters is a TOML string.
    return json.dumps(value)
