"""What a changed configuration file changes, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_relay.config import Config, ConfigError, load_config
from reference_relay.demo_world import make_world, write_config
from reference_relay.reload import effective

WORLD = make_world()
SECOND_ENDPOINT = """
[[endpoint]]
region = "us-south"
type = "private"
host = "private.example"
addresses = ["127.0.0.1"]
port = 0
certificate_file = "certificate.pem"
key_file = "key.pem"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_config(tmp_path, WORLD, port=0, name_server_port=9, mailbox_port=9)


def changed(source: Path, *changes: tuple[str, str]) -> Config:
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    source.write_text(text)
    return load_config(source)


def test_what_may_change_changes(source: Path) -> None:
    """Limits, rates, switches, zones, users, log level, names of endpoints."""
    running = load_config(source)
    wanted = changed(
        source,
        ("[management]", "[limits]\nrecipients = 7\n[rates]\nmessages_per_user = 3\n[management]"),
        ("[management]", '[switches]\nstrict_paths = true\n[log]\nlevel = "debug"\n[management]'),
        ('addresses = ["127.0.0.0/8"]', 'addresses = ["192.0.2.1"]'),
        ('verification = { spf = "VERIFIED"', 'verification = { spf = "FAILED"'),
    )
    config, ignored = effective(running, wanted)
    assert ignored == ()
    assert config.limits.recipients == 7
    assert config.rates.messages_per_user == 3
    assert config.switches.strict_paths
    assert config.log_level == "debug"
    endpoint = config.endpoints[0].endpoint
    assert not config.directory.admits_connection(endpoint, "127.0.0.1", 0.0)
    assert config.directory.admits_connection(endpoint, "192.0.2.1", 0.0)
    assert config.directory.configurations[0].verification.missing == ("SPF",)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("port = 0", "port = 2525", "endpoint us-south/public: port"),
        (
            'addresses = ["127.0.0.1"]\nport',
            'addresses = ["127.0.0.2"]\nport',
            "endpoint us-south/public: addresses",
        ),
        (
            "certificate_file",
            "implicit_tls_ports = [4650]\ncertificate_file",
            "endpoint us-south/public: implicit_tls_ports",
        ),
        ("[management]", SECOND_ENDPOINT + "[management]", "endpoint us-south/private"),
        ("[management]\n", "", "management"),
        ("[management]", "[workers]\ncount = 2\n[management]", "workers"),
        ('state_directory = "state"', 'state_directory = "elsewhere"', "state_directory"),
        ('profile = "seed-2025"', 'profile = "vendor-2026"', "profile"),
        ('name_servers = ["127.0.0.1:9"]', 'name_servers = ["127.0.0.1:8"]', "delivery"),
    ],
)
def test_what_needs_a_restart_is_named_and_stays(
    source: Path, old: str, new: str, key: str
) -> None:
    """The rest of the file is taken over all the same."""
    running = load_config(source)
    with_limit = "[delivery]\n", "[limits]\nrecipients = 7\n[delivery]\n"
    config, ignored = effective(running, changed(source, (old, new), with_limit))
    assert ignored == (key,)
    assert config.limits.recipients == 7
    for attribute in ("profile", "state_directory", "delivery", "management", "workers"):
        assert getattr(config, attribute) == getattr(running, attribute)
    assert [one.addresses for one in config.endpoints] == [("127.0.0.1",)]
    assert [(one.port, one.implicit_tls_ports) for one in config.endpoints] == [(0, ())]


def test_an_endpoint_that_was_taken_out_is_still_served(source: Path) -> None:
    """It ends with a restart; its certificate is still read from its file."""
    running = changed(source, ("[management]", SECOND_ENDPOINT + "[management]"))
    wanted = changed(source, (SECOND_ENDPOINT, ""))
    config, ignored = effective(running, wanted)
    assert ignored == ("endpoint us-south/private",)
    assert [one.endpoint.key for one in config.endpoints] == ["us-south/public", "us-south/private"]


def test_what_was_written_out_as_it_is_anyway_is_no_change(source: Path) -> None:
    """A default that is spelled out is not reported."""
    running = load_config(source)
    wanted = changed(source, ("[management]", "[workers]\ncount = 1\n[management]"))
    assert effective(running, wanted)[1] == ()


def test_what_does_not_go_together_is_refused(source: Path) -> None:
    """A region of another profile cannot come in without the profile."""
    running = load_config(source)
    text = source.read_text().replace('profile = "seed-2025"', 'profile = "vendor-2026"')
    before, _, after = text.partition("[[instance]]")
    source.write_text(before + "[[instance]]" + after.replace('"us-south"', '"in-mum"', 1))
    wanted = load_config(source)
    with pytest.raises(ConfigError, match="expected a region of the profile"):
        effective(running, wanted)
