"""The configuration file: what it means, and every way in which it can be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reference_relay.config import Config, ConfigError, load_config
from reference_relay.delivery.route import address_of_literal
from reference_relay.service.model import Endpoint, EndpointType
from reference_relay.service.passwords import CostProfile

HASH = CostProfile(time_cost=1, memory_kibibytes=64).hash(b"pw")

VALID = f"""
profile = "seed-2025"
hostname = "relay.example.net"
state_directory = "state"

[[endpoint]]
region = "us-south"
type = "public"
host = "smtp.us-south.example"
addresses = ["127.0.1.1", "::1"]
port = 0
certificate_file = "certificate.pem"
key_file = "key.pem"
outgoing_addresses = ["127.0.4.1", "127.0.4.2"]

[[endpoint]]
region = "us-south"
type = "private"
host = "private.smtp.us-south.example"
addresses = ["127.0.1.2"]
certificate_file = "certificate.pem"
key_file = "key.pem"

[[zone]]
id = "laptop"
addresses = ["127.0.0.1", "127.0.0.5-127.0.0.9", "127.0.10.8/29", "::1"]
excluded = ["127.0.0.7"]

[[zone]]
id = "vpc"
addresses = ["10.0.0.0/8"]

[[instance]]
id = "instance-a"
region = "eu-gb"

  [[instance.rule]]
  zones = ["laptop"]
  endpoint_types = ["public"]
  enforcement_mode = "enabled"
  api_types = ["smtp-configuration"]

    [[instance.rule.context]]
    zones = ["vpc"]
    endpoint_types = ["private"]

  [[instance.configuration]]
  id = "configuration-a"
  domain = "Example.COM"
  dkim_selector = "selector"
  dkim_key_file = "dkim.pem"
  verification = {{ spf = "VERIFIED", dkim = "FAILED" }}

    [[instance.configuration.user]]
    username = "first"
    password_hash = "{HASH}"

[delivery]
name_servers = ["127.0.0.1:5300", "[::1]:53"]
port = 2500
reachable_networks = ["127.0.0.0/8"]

[management]
token_environment = "RELAY_TOKEN"

[log]
level = "debug"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that VALID names."""
    for name in ("certificate.pem", "key.pem", "dkim.pem"):
        (tmp_path / name).write_text("x")
    return tmp_path


def load(folder: Path, text: str = VALID) -> Config:
    source = folder / "relay.toml"
    source.write_text(text, encoding="utf-8")
    return load_config(source)


def problems(folder: Path, text: str) -> list[str]:
    """Return the problems without the file's name, after seeing that each begins with it."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    start = f"{folder / 'relay.toml'}: "
    assert all(one.startswith(start) for one in caught.value.problems)
    return [one.removeprefix(start) for one in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new, 1)


def test_a_valid_file_becomes_the_relays_own_values(folder: Path) -> None:
    """Paths are relative to the file, and every table arrives where it is used."""
    config = load(folder)
    assert config.state_directory == folder / "state"
    first, second = config.endpoints
    assert first.endpoint == Endpoint(
        "us-south", EndpointType.PUBLIC, "smtp.us-south.example", ("127.0.4.1", "127.0.4.2")
    )
    assert (first.addresses, first.port) == (("127.0.1.1", "::1"), 0)
    assert second.port == 587
    assert config.delivery.name_servers == (("127.0.0.1", 5300), ("::1", 53))
    assert config.management is not None
    assert config.management.token_environment == "RELAY_TOKEN"
    assert config.log_level == "debug"
    account = config.directory.account("first")
    assert account is not None
    assert account.configuration.dkim_key_file == folder / "dkim.pem"
    assert account.configuration.verification.missing == ("DKIM", "approval")


@pytest.mark.parametrize(
    ("number", "admitted", "denied"),
    [
        (0, ["127.0.0.1", "127.0.0.9", "127.0.10.15", "::1"], ["127.0.0.7", "10.0.0.1"]),
        (1, ["10.0.0.1"], ["127.0.0.1", "::1"]),
    ],
)
def test_rules_and_contexts_reach_the_directory(
    folder: Path, number: int, admitted: list[str], denied: list[str]
) -> None:
    """A rule's own zones and its further contexts are alternatives, each for its endpoints."""
    config = load(folder)
    endpoint = config.endpoints[number].endpoint
    admits = config.directory.admits_connection
    assert [one for one in admitted + denied if admits(endpoint, one, 0.0)] == admitted


def test_defaults_and_switches(folder: Path) -> None:
    """Absent tables leave the defaults; a switch that is set arrives."""
    plain = load(folder)
    assert plain.switches.allows_lf_sessions
    assert plain.limits.recipients == 100
    text = changed(
        "[delivery]",
        '[switches]\nline_discipline = "crlf-only"\ncalendar = true\nother_text = false\n'
        "[limits]\nrecipients = 7\nidle_seconds = 2\n[delivery]",
    )
    config = load(folder, text)
    assert not config.switches.allows_lf_sessions
    assert config.switches.calendar
    assert not config.switches.inline_images
    assert not config.switches.other_text
    assert config.switches.enclosed_messages
    assert (config.limits.recipients, config.limits.idle_seconds) == (7, 2)


def test_workers_rates_and_implicit_tls(folder: Path) -> None:
    """One process and no rates unless asked for; "auto" is the cores that may be used."""
    plain = load(folder)
    assert (plain.workers.count, plain.workers.loop) == (1, "asyncio")
    assert plain.rates.messages_per_user is None
    assert plain.endpoints[0].implicit_tls_ports == ()
    text = changed("port = 0", "port = 0\nimplicit_tls_ports = [465, 0]") + (
        '[workers]\ncount = "auto"\n[rates]\nwindow_seconds = 3600\nmessages_per_user = 5\n'
    )
    config = load(folder, text)
    assert config.workers.count == len(os.sched_getaffinity(0))
    assert (config.rates.window_seconds, config.rates.messages_per_user) == (3600, 5)
    assert config.endpoints[0].implicit_tls_ports == (465, 0)


def test_both_kinds_of_port_are_one_namespace(folder: Path) -> None:
    """A port cannot be for STARTTLS and for implicit TLS at the same address."""
    text = changed("port = 0", "port = 2525\nimplicit_tls_ports = [2525]")
    assert problems(folder, text) == [
        "endpoint[0].implicit_tls_ports: expected each socket once, "
        "'127.0.1.1 2525' is also at endpoint[0].port",
        "endpoint[0].implicit_tls_ports: expected each socket once, "
        "'::1 2525' is also at endpoint[0].port",
    ]


def test_uvloop_that_is_not_installed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, and the message says so."""
    monkeypatch.setattr("reference_relay.config_tables.find_spec", lambda name: None)
    text = changed("[log]", '[workers]\nloop = "uvloop"\n[log]')
    assert problems(folder, text) == ["workers.loop: expected the extra uvloop to be installed"]


def test_the_vendor_profile_takes_fifty_recipients(folder: Path) -> None:
    """The later profile's own limit holds unless the file says otherwise."""
    vendor = changed("seed-2025", "vendor-2026")
    assert load(folder, vendor).limits.recipients == 50
    assert load(folder, vendor + "[limits]\nrecipients = 60\n").limits.recipients == 60
    assert load(folder, vendor + "[limits]\nerrors = 60\n").limits.recipients == 50


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("port = 0", "prot = 0", "endpoint[0].prot: unknown key, did you mean 'port'; expected"),
        ("port = 0", 'port = "0"', "endpoint[0].port: expected a whole number, found \"0\""),
        ("port = 0", "port = true", "endpoint[0].port: expected a whole number, found true"),
        ("port = 0", "port = 70000", "endpoint[0].port: expected a number up to 65535"),
        ("port = 0", "port = 1979-05-27", "endpoint[0].port: expected a whole number"),
        ('hostname = "relay.example.net"', "", "hostname: expected this key, it is missing"),
        ("relay.example.net", "relay example", "hostname: expected a host name"),
        ("seed-2025", "seed-1999", "profile: expected one of seed-2025, vendor-2026"),
        ("key.pem", "absent.pem", "endpoint[0].key_file: expected a readable file: "),
        ("dkim.pem", ".", "instance[0].configuration[0].dkim_key_file: expected a readable file"),
        ('"127.0.1.1", ', '"127.0.1", ', "endpoint[0].addresses[0]: expected an IP address"),
        ('addresses = ["127.0.1.2"]', "addresses = []", "endpoint[1].addresses: expected at least"),
        ("10.0.0.0/8", "10.0.0.0/33", "zone[1].addresses[0]: expected a subnet like"),
        ("10.0.0.0/8", "10.0.0.1/8", "zone[1].addresses[0]: expected a subnet like"),
        ('"127.0.0.7"', '"local"', "zone[0].excluded[0]: 'local': expected an address"),
        ('"10.0.0.0/8"', "10", "zone[1].addresses[0]: '10': expected an address"),
        ("eu-gb", "eu-xx", "instance[0].region: expected a region of the profile: us-south, c"),
        ("eu-gb", "EU-GB", "instance[0].region: expected a region of the profile"),
        ('"us-south"', '"ca-tor"', "endpoint[0].region: expected a region that has an endpoint"),
        ('"public"\nhost', '"open"\nhost', "endpoint[0].type: expected 'public' or 'private'"),
        ('["laptop"]', '["latpop"]', "instance[0].rule[0].zones: expected the id of a [[zone]]"),
        ('"enabled"', '"on"', "instance[0].rule[0].enforcement_mode: expected 'enabled'"),
        ('"smtp-configuration"', '"smtp"', "instance[0].rule[0].api_types[0]: "),
        ("Example.COM", "exa mple", "instance[0].configuration[0].domain: expected a domain name"),
        ('spf = "VERIFIED"', 'spf = "verified"', "instance[0].configuration[0].verification.spf"),
        ('spf = "V', 'sfp = "V', "instance[0].configuration[0].verification.sfp: unknown key, did"),
        ('"first"', '""', "instance[0].configuration[0].user[0].username: expected 1 to 255"),
        ("127.0.0.1:5300", "localhost:53", "delivery.name_servers[0]: expected an address and"),
        ("127.0.0.1:5300", "127.0.0.1:0", "delivery.name_servers[0]: expected an address and"),
        ("127.0.0.0/8", "127.0.0.1/8", "delivery.reachable_networks[0]: expected a subnet"),
        ("RELAY_TOKEN", "RELAY TOKEN", "management.token_environment: expected the name of"),
        ('level = "debug"', 'level = "loud"', "log.level: expected 'debug', 'info'"),
        ("[log]", "[limits]\nerrors = 0\n[log]", "limits: expected numbers above zero for errors"),
        ("[log]", "[limits]\nidle_seconds = nan\n[log]", "limits"),
        ("[log]", "[limits]\neror = 1\n[log]", "limits.eror: unknown key, did you mean 'errors'"),
        ("[log]", "[switches]\nstrict_path = true\n[log]", "switches.strict_path: unknown key"),
        ("[log]", "[switches]\nstrict_paths = 1\n[log]", "switches.strict_paths: expected true"),
        ("[log]", "[rates]\nmessages_per_user = 0\n[log]", "rates: expected numbers above zero"),
        ("[log]", '[rates]\nmessages_per_user = "5"\n[log]', "rates.messages_per_user: expected"),
        ("[log]", "[rates]\nmesages = 1\n[log]", "rates.mesages: unknown key"),
        ("[log]", "[workers]\ncount = 0\n[log]", "workers.count: expected a number from 1"),
        ("[log]", "[workers]\ncount = 65\n[log]", "workers.count: expected a number from 1"),
        ("[log]", "[workers]\ncount = true\n[log]", "workers.count: expected a number from 1"),
        ("[log]", '[workers]\ncount = "many"\n[log]', "workers.count: expected a number"),
        ("[log]", '[workers]\nloop = "trio"\n[log]', "workers.loop: expected one of asyncio"),
        (
            "port = 0",
            'port = 0\nproxy_trusted = ["balancer.example"]',
            "endpoint[0].proxy_trusted[0]: 'balancer.example': expected an address",
        ),
        ("port = 0", 'port = 0\nproxy_trusted = "127.0.0.1"', "endpoint[0].proxy_trusted: exp"),
        ("port = 0", "port = 0\nimplicit_tls_ports = 465", "endpoint[0].implicit_tls_ports: exp"),
        ("port = 0", "port = 0\nimplicit_tls_ports = [-1]", "endpoint[0].implicit_tls_ports[0]"),
        ("[log]", "[log", "expected TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_key_and_expectation(
    folder: Path, old: str, new: str, problem: str
) -> None:
    """One problem, one line: the file, the key, and what was expected there."""
    found = problems(folder, changed(old, new))
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_all_problems_are_told_at_once(folder: Path) -> None:
    """Nobody has to correct a file one error at a time."""
    text = (
        changed("10.0.0.0/8", "10.0.0.0/99").replace("eu-gb", "xx").replace("port = 0", "prt = 0")
    )
    keys = [one.partition(": ")[0] for one in problems(folder, text)]
    assert sorted(keys) == ["endpoint[0].prt", "instance[0].region", "zone[1].addresses[0]"]


SECOND_USER = f"""
    [[instance.configuration.user]]
    username = "%s"
    password_hash = "{HASH}"
"""

SECOND_INSTANCE = """
[[instance]]
id = "%s"
region = "us-south"
  [[instance.configuration]]
  id = "%s"
  domain = "other.example"
  dkim_selector = "selector"
"""


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        (
            SECOND_USER % "first",
            "instance[0].configuration[0].user[1].username: expected each user name once, "
            "'first' is also at instance[0].configuration[0].user[0].username",
        ),
        (SECOND_INSTANCE % ("instance-a", "b"), "instance[1].id: expected each instance once"),
        (
            SECOND_INSTANCE % ("b", "configuration-a"),
            "instance[1].configuration[0].id: expected each configuration once",
        ),
        (
            SECOND_INSTANCE % ("b", "c") + SECOND_USER % "first",
            "instance[1].configuration[0].user[0].username: expected each user name once",
        ),
        (
            '  [[instance.configuration]]\n  id = "b"\n  domain = "example.com"\n'
            '  dkim_selector = "s"\n',
            "instance[0].configuration[1].domain: expected each domain once",
        ),
        ('[[zone]]\nid = "vpc"\naddresses = []\n', "zone[2].id: expected each zone once, 'vpc'"),
        ('  [[instance.rule]]\n', "instance[0].rule[1].zones: expected at least one zone"),
    ],
)  # fmt: skip
def test_what_must_be_unique_is(folder: Path, added: str, problem: str) -> None:
    """User names, ids and domains exist once; the line names both places."""
    found = problems(folder, changed("\n[delivery]", f"{added}\n[delivery]"))
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_two_endpoints_do_not_share_a_socket_or_a_key(folder: Path) -> None:
    """The same region and type twice, or one address and port twice, is an error."""
    twice = changed('type = "private"', 'type = "public"')
    assert problems(folder, twice)[0].startswith("endpoint[1].type: expected each endpoint once")
    same = changed("port = 0", "port = 587").replace('"127.0.1.2"', '"127.0.1.1"')
    assert problems(folder, same)[0].startswith("endpoint[1].port: expected each socket once")


def test_a_sixth_user_is_refused(folder: Path) -> None:
    """A configuration has five users at most (S-20)."""
    five = "".join(SECOND_USER % f"user{n}" for n in range(4))
    assert load(folder, changed("\n[delivery]", f"{five}\n[delivery]")).directory.account("user3")
    six = five + SECOND_USER % "user5"
    found = problems(folder, changed("\n[delivery]", f"{six}\n[delivery]"))
    assert found[0].startswith("instance[0].configuration[0].user: expected at most 5 of them")


def test_a_password_hash_is_never_shown(folder: Path) -> None:
    """A hash of the wrong kind, or no text at all, is refused without repeating it."""
    for value in ('"$2b$12$secretsecret"', '"secret"', "['secret']", "4711"):
        found = problems(folder, changed(f'"{HASH}"', value))
        assert found[0].startswith("instance[0].configuration[0].user[0].password_hash: expected")
        assert "secret" not in found[0]
        assert "4711" not in found[0]
    assert HASH not in repr(load(folder).directory.instances)


def test_an_absent_or_unreadable_file(folder: Path) -> None:
    """The file itself missing, a folder, or no UTF-8 is one plain problem."""
    for source in (folder / "absent.toml", folder):
        with pytest.raises(ConfigError, match="expected a readable file"):
            load_config(source)
    binary = folder / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="expected a TOML file in UTF-8"):
        load_config(binary)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("127.0.0.1", "[127.0.0.1]"),
        ("[127.0.0.1]", "[127.0.0.1]"),
        ("::1", "[IPv6:::1]"),
        ("[::1]", "[IPv6:::1]"),
        ("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
        ("mail.example.net", "mail.example.net"),
        ("localhost", "localhost"),
    ],
)
def test_a_smarthost_is_a_name_or_an_address(folder: Path, written: str, taken: str) -> None:
    """An address needs no brackets: mail to a name that can never resolve would wait for days."""
    config = load(folder, changed("[delivery]", f'[delivery]\nsmarthost = {{host="{written}"}}'))
    assert config.delivery.smarthost is not None
    assert config.delivery.smarthost.host == taken
    assert taken[0] != "[" or address_of_literal(taken) is not None


@pytest.mark.parametrize("written", ["", "127.0.0", "127.0.0.256", "[a.example]", "a b", "x:25"])
def test_a_smarthost_that_cannot_be_is_refused(folder: Path, written: str) -> None:
    """Neither a name nor an address: the problem names the key and shows both forms."""
    text = changed("[delivery]", f'[delivery]\nsmarthost = {{host="{written}"}}')
    assert problems(folder, text) == [
        "delivery.smarthost.host: expected a host name like mail.example.net "
        "or an address like 192.0.2.1"
    ]


def test_trusted_balancers(folder: Path) -> None:
    """Nobody is a balancer unless the file says so; subnets and ranges are taken."""
    assert "127.0.0.1" not in load(folder).endpoints[0].proxy_trusted
    text = 'port = 0\nproxy_trusted = ["127.0.0.1/32", "10.0.0.1-10.0.0.9"]'
    trusted = load(folder, changed("port = 0", text)).endpoints[0].proxy_trusted
    assert "127.0.0.1" in trusted
    assert "10.0.0.9" in trusted
    assert "127.0.0.2" not in trusted
