"""`reference-relay demo`: a relay, its DNS and a mailbox, and what to type to see them work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from reference_relay.config import ConfigError, load_config
from reference_relay.demo_mailbox import Arrival, DemoMailbox
from reference_relay.demo_world import (
    ADDRESS,
    HOST,
    MAILBOX_DOMAIN,
    MAILBOX_HOST,
    RECIPIENT,
    SENDER,
    SENDER_DOMAIN,
    Credentials,
    World,
    make_world,
    write_config,
    write_zones,
)
from reference_relay.lifetime import stop_event, until_stopped
from reference_relay.relay import Ready, Relay

# The interpreter starts in well under a second; this is for a laptop with other worries.
_START_SECONDS = 20
_STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Scene:
    """What was set up around the relay."""

    world: World
    source: Path
    mail_folder: Path
    name_server_port: int


async def run_demo(port: int) -> int:
    """Run everything until SIGINT or SIGTERM, then leave nothing behind.

    Args:
        port: Where the relay listens; 0 takes a free one.

    Returns:
        The exit status.

    Raises:
        ConfigError: A part did not start.
    """
    stopping = stop_event()
    async with AsyncExitStack() as running:
        temporary = tempfile.TemporaryDirectory(prefix="reference-relay-demo-")
        folder = Path(running.enter_context(temporary))
        world = make_world()
        name_server_port = await running.enter_async_context(
            _name_server(write_zones(folder, world))
        )
        mail_folder = folder / "mailbox"
        mail_folder.mkdir()
        mailbox = DemoMailbox(mail_folder, MAILBOX_HOST, _report)
        mailbox_port = await mailbox.start(ADDRESS)
        running.push_async_callback(mailbox.stop)
        source = write_config(
            folder,
            world,
            port=port,
            name_server_port=name_server_port,
            mailbox_port=mailbox_port,
        )
        scene = _Scene(world, source, mail_folder, name_server_port)
        relay = Relay(load_config(source))
        ready = await relay.start()
        running.push_async_callback(relay.stop)
        _say(_introduction(scene, ready))
        status = await until_stopped(relay, stopping)
        _say("\nStopping; the mailbox and all keys go too.")
    return status


@contextlib.asynccontextmanager
async def _name_server(zones: Sequence[Path]) -> AsyncIterator[int]:
    """Run the fake DNS as a program of its own and give its port."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fake_dns",
        "serve",
        *map(str, zones),
        stdout=subprocess.PIPE,
        # Ctrl-C is ours alone: the name server is stopped when nothing asks it any more.
        start_new_session=True,
    )
    try:
        yield await _ready_port(child)
    finally:
        await _stop(child)


async def _ready_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None  # noqa: S101 - it was asked for
    try:
        line = await asyncio.wait_for(child.stdout.readline(), _START_SECONDS)
        return int(json.loads(line)["port"])
    except (TimeoutError, ValueError, KeyError):
        raise ConfigError(["demo: expected the fake DNS to start, it did not"]) from None


async def _stop(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), _STOP_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()


def _report(arrival: Arrival) -> None:
    recipients = ", ".join(str(one.mailbox) for one in arrival.envelope.recipients)
    _say(f"  arrived  {arrival.queue_id}  for {recipients}  {arrival.subject!a}  {arrival.path}")


def _introduction(scene: _Scene, ready: Ready) -> str:
    port = ready.endpoints[0].port
    first, second = scene.world.users
    parts = [
        "The reference relay, with a DNS and a mailbox of its own. No mail leaves this machine.",
        f"Ctrl-C stops all of it and removes {scene.source.parent}.",
        "",
        f"  submission  {ADDRESS} port {port}, as {HOST}",
        f"  senders     anybody @{SENDER_DOMAIN}",
        f"  recipients  anybody @{MAILBOX_DOMAIN}; the DNS here knows no other mail domain",
        f"  DNS         {ADDRESS} port {scene.name_server_port}",
        f"  settings    {scene.source}",
        "",
        *_credentials("user 1", first),
        *_credentials("user 2", second),
        "By hand, line by line (s_client keeps lines that begin with a capital R or Q to itself):",
        "",
        *(f"  {line}" for line in _typed_session(first, port)),
        "",
        "In one go, with swaks:",
        "",
        f"  {_swaks(second, port)}",
        "",
    ]
    if ready.management is not None and ready.new_token is not None:
        address = f"http://{ready.management.address}:{ready.management.port}"
        parts += [
            "What became of a message, by the queue ID in the final reply:",
            "",
            f"  curl -H 'Authorization: Bearer {ready.new_token}' \\",
            f"    {address}/lab/v1/messages/QUEUE-ID",
            "",
        ]
    parts.append(f"Delivered mail is reported here and kept in {scene.mail_folder}:")
    return "\n".join(parts)


def _credentials(title: str, user: Credentials) -> list[str]:
    return [
        f"  {title}      {user.username}   in base64 {_base64(user.username)}",
        f"  password    {user.password}   in base64 {_base64(user.password)}",
        "",
    ]


def _typed_session(user: Credentials, port: int) -> list[str]:
    """List the session of the vendor's documentation (S-27), as it is typed."""
    return [
        f"openssl s_client -starttls smtp -connect {ADDRESS}:{port}",
        "auth login",
        _base64(user.username),
        _base64(user.password),
        f"mail from: {SENDER}",
        f"rcpt to: {RECIPIENT}",
        "data",
        f"from: Mailer <{SENDER}>",
        f"to: Recipient <{RECIPIENT}>",
        "Subject: Typed by hand",
        "Hello from the reference relay.",
        ".",
        "quit",
    ]


def _swaks(user: Credentials, port: int) -> str:
    words = [
        *("swaks", "--server", ADDRESS, "--port", str(port), "--tls"),
        *("--auth", "PLAIN", "--auth-user", user.username, "--auth-password", user.password),
        *("--from", SENDER, "--to", RECIPIENT, "--header", "Subject: Sent by swaks"),
    ]
    return shlex.join(words)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _say(text: str) -> None:
    # A reader that went away, like `head`, does not stop the demo.
    with contextlib.suppress(OSError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
