"""TLS towards hosts, with real handshakes."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from reference_relay.delivery.settings import Smarthost, TLSMode
from reference_relay.delivery.tests.tls_host import TLSHost, certificate
from reference_relay.delivery.tests.world import SETTINGS, world


def attempt(
    tmp_path: Path,
    host: TLSHost,
    mode: TLSMode,
    *,
    authorities: str = "",
    login: tuple[str, str] | None = None,
) -> tuple[str, str]:
    """Send one message; return the recipient's state and its text."""

    async def run() -> tuple[str, str]:
        async with host.serving() as port:
            settings = dataclasses.replace(SETTINGS, tls_mode=mode, tls_authorities=authorities)
            if login is not None:
                smarthost = Smarthost("[127.0.0.1]", port, *login)
                settings = dataclasses.replace(settings, smarthost=smarthost, reachable_networks=())
            async with world(tmp_path / "queue", port, settings=settings) as scene:
                queue_id = await scene.send(
                    "x@d.example", "y@other.example" if login else "y@d.example"
                )
                async with asyncio.timeout(10):
                    while True:
                        status = scene.queue.status(queue_id)
                        assert status is not None
                        last = status.recipients[0].history[-1]
                        if last.state.value != "submitted":
                            return last.state.value, last.text
                        await asyncio.sleep(0.005)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", [TLSMode.MAY, TLSMode.ENCRYPT])
def test_mail_goes_inside_tls_where_it_is_offered(tmp_path: Path, mode: TLSMode) -> None:
    """With any certificate the transaction is inside TLS, and nothing of it is in clear."""
    context, _ = certificate(tmp_path, "mx.example")
    host = TLSHost(context)
    assert attempt(tmp_path, host, mode)[0] == "delivered"
    assert host.outside == ["EHLO relay.example.net", "STARTTLS"]
    assert host.inside[0] == "EHLO relay.example.net"
    assert "MAIL FROM:<a@example.com>" in host.inside


def test_without_tls_nothing_is_asked_for(tmp_path: Path) -> None:
    """Switched off, an offer is passed over."""
    host = TLSHost(certificate(tmp_path, "mx.example")[0])
    assert attempt(tmp_path, host, TLSMode.NONE)[0] == "delivered"
    assert "STARTTLS" not in host.outside


@pytest.mark.parametrize(
    ("mode", "state"), [(TLSMode.MAY, "delivered"), (TLSMode.ENCRYPT, "deferred")]
)
@pytest.mark.parametrize("trouble", ["not offered", "refused", "no handshake"])
def test_where_tls_does_not_come_about(
    tmp_path: Path, trouble: str, mode: TLSMode, state: str
) -> None:
    """Where it is welcome the mail goes in clear, on a new connection if need be; else it waits."""
    host = TLSHost(certificate(tmp_path, "mx.example")[0])
    if trouble == "not offered":
        host.offer = ()
    elif trouble == "refused":
        host.go_on = b"454 not now\r\n"
    else:
        host.speaks_tls = False
    found, text = attempt(tmp_path, host, mode)
    assert found == state
    assert ("MAIL FROM:<a@example.com>" in host.outside) == (state == "delivered")
    assert state == "delivered" or "TLS" in text


def test_injected_replies_are_thrown_away(tmp_path: Path) -> None:
    """What was sent in clear behind the 220 neither answers EHLO nor offers anything."""
    context, _ = certificate(tmp_path, "mx.example")
    host = TLSHost(context, go_on=b"220 go on\r\n250-mx\r\n250 DSN\r\n")
    assert attempt(tmp_path, host, TLSMode.ENCRYPT)[0] == "delivered"
    assert host.inside[0] == "EHLO relay.example.net"


@pytest.mark.parametrize(
    ("name", "is_trusted", "state"),
    [
        ("mx.example", True, "delivered"),
        ("other.example", True, "deferred"),
        ("mx.example", False, "deferred"),
    ],
)
def test_certificates_are_verified_where_asked(
    tmp_path: Path, name: str, is_trusted: bool, state: str
) -> None:
    """The name must be the host's and the issuer one of ours; otherwise mail waits."""
    context, pem = certificate(tmp_path, name)
    other = tmp_path / "other"
    other.mkdir()
    trusted = pem if is_trusted else certificate(other, "ca.example")[1]
    host = TLSHost(context)
    found, text = attempt(tmp_path, host, TLSMode.VERIFY, authorities=trusted)
    assert found == state
    if state == "deferred":
        assert "TLS handshake failed" in text
        assert host.inside == []


def test_a_smarthost_gets_everything(tmp_path: Path) -> None:
    """All recipients go to it in one transaction, wherever it is, after signing in inside TLS."""
    host = TLSHost(certificate(tmp_path, "mx.example")[0])
    assert attempt(tmp_path, host, TLSMode.ENCRYPT, login=("user", "secret"))[0] == "delivered"
    assert host.inside[1].startswith("AUTH PLAIN ")
    assert [line for line in host.inside if line.startswith("RCPT")] == [
        "RCPT TO:<x@d.example>",
        "RCPT TO:<y@other.example>",
    ]
    assert not any(line.startswith("AUTH") for line in host.outside)
