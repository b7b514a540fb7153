"""The composition root: builds every room, starts them in order and stops them in reverse.

Clock, randomness and ids enter the relay here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from reference_relay.config import Config, ConfigError, EndpointSettings, ManagementSettings
from reference_relay.delivery.agent import Agent
from reference_relay.dkim.signer import Signer
from reference_relay.queue.discard import Discard
from reference_relay.queue.queue import Queue, QueueError
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.service.directory import Directory
from reference_relay.service.passwords import PasswordVerifier
from reference_relay.smtp import replies
from reference_relay.submission.context import CommitsMail, SubmissionContext
from reference_relay.submission.listener import Listener
from reference_relay.submission.tls_layer import server_context

_log = logging.getLogger(__name__)

# One worker, one shard; a supervisor numbers its workers.
_SHARD = 0


@dataclass(frozen=True, slots=True)
class BoundEndpoint:
    """Where an endpoint really listens."""

    region: str
    type: str
    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class BoundManagement:
    """Where the management API really listens."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What a started relay has to tell.

    Attributes:
        endpoints: One entry for each address of each endpoint.
        management: None when it is off.
        new_token: A management token that was made for this run, to be shown once.
    """

    endpoints: tuple[BoundEndpoint, ...]
    management: BoundManagement | None
    new_token: str | None


class Relay:
    """A whole relay inside the running event loop.

    Args:
        config: What to build.
        now: The one clock, seconds since the epoch (D-25).
    """

    def __init__(self, config: Config, now: Callable[[], float] = time.time) -> None:
        self._config = config
        self._now = now
        self._directory = config.directory
        self._running = AsyncExitStack()
        self._listeners: list[Listener] = []
        self._delivering: asyncio.Task[None] | None = None

    async def start(self) -> Ready:
        """Start every room, the doors last.

        Raises:
            ConfigError: Something is not as the configuration says; nothing is left running.
        """
        try:
            return await self._start()
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        """Close the doors, let open answers be given, and put everything away."""
        await self._running.aclose()

    async def delivery_ended(self) -> None:
        """Wait for the end of the delivery agent, which is due at `stop` only.

        Raises:
            Exception: Whatever the agent broke with.
        """
        if self._delivering is None:
            # Held: there is none whose end could be met.
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.shield(self._delivering)

    async def _start(self) -> Ready:
        config = self._config
        tls_contexts = [
            _tls_context(config, number, endpoint)
            for number, endpoint in enumerate(config.endpoints)
        ]
        signers = _Signers(config)
        token, is_new = _token(config)
        queue = await self._start_queue()
        if config.delivery.is_held:
            _log.warning("event=delivery_held: accepted mail stays in the queue")
        else:
            self._start_delivery(queue, signers)
        passwords = PasswordVerifier(
            user.password_hash
            for configuration in self._directory.configurations
            for user in configuration.users
        )
        self._running.callback(passwords.close)
        management = None
        if config.management is not None:
            management = await self._start_management(config.management, queue, token)
        context = SubmissionContext(
            hostname=config.hostname,
            directory=self._current_directory,
            queue=_accepting(config, queue),
            passwords=passwords,
            next_queue_id=QueueIdSource(self._now, _SHARD, queue.last_queue_id).next,
            now=self._now,
            wording=replies.BOOKS[config.profile],
            limits=config.limits,
            switches=config.switches,
        )
        endpoints: list[BoundEndpoint] = []
        self._running.push_async_callback(self._close_doors)
        for number, tls_context in enumerate(tls_contexts):
            endpoints += await self._start_endpoint(number, tls_context, context)
        return Ready(tuple(endpoints), management, token if is_new else None)

    def _current_directory(self) -> Directory:
        return self._directory

    async def _start_queue(self) -> Queue:
        folder = self._config.state_directory / f"shard-{_SHARD}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            queue = Queue.open(folder, self._now)
        except (OSError, QueueError) as error:
            reason = f"expected a folder for the queue: {folder}: {_reason(error)}"
            raise _refusal(self._config, "state_directory", reason) from None
        queue.start(asyncio.get_running_loop())
        self._running.push_async_callback(queue.stop)
        return queue

    def _start_delivery(self, queue: Queue, signers: _Signers) -> None:
        config = self._config
        outgoing = {one.endpoint.key: one.endpoint.outgoing_addresses for one in config.endpoints}

        def outgoing_addresses(endpoint_key: str) -> Sequence[str]:
            return outgoing.get(endpoint_key, ())

        agent = Agent(
            queue,
            config.delivery,
            signer_for=signers,
            outgoing_addresses=outgoing_addresses,
            now=self._now,
            hostname=config.hostname,
        )
        self._delivering = asyncio.create_task(agent.run(), name="delivery")
        self._running.push_async_callback(agent.stop)

    async def _start_management(
        self, settings: ManagementSettings, queue: Queue, token: str
    ) -> BoundManagement:
        # Only a relay with [management] pays for loading the HTTP stack.
        from reference_relay.management.app import ManagementContext
        from reference_relay.management.server import ManagementServer

        context = ManagementContext(queue, self._current_directory, lambda: str(uuid.uuid4()))
        server = ManagementServer(context, token)
        try:
            port = await server.start(settings.address, settings.port)
        except OSError as error:
            where = f"{settings.address} port {settings.port}"
            raise _refusal(self._config, "management.port", _not_free(where, error)) from None
        self._running.push_async_callback(server.stop)
        return BoundManagement(settings.address, port)

    async def _start_endpoint(
        self, number: int, tls_context: ssl.SSLContext, context: SubmissionContext
    ) -> list[BoundEndpoint]:
        settings = self._config.endpoints[number]
        endpoint = settings.endpoint
        listener = Listener(endpoint, tls_context, context)
        self._listeners.append(listener)
        bound: list[BoundEndpoint] = []
        for address in settings.addresses:
            # An endpoint has one port on all of its addresses, the kernel's choice too.
            wanted = settings.port or (bound[0].port if bound else 0)
            try:
                port = await listener.start(address, wanted)
            except OSError as error:
                where = f"{address} port {wanted}"
                key = f"endpoint[{number}].port"
                raise _refusal(self._config, key, _not_free(where, error)) from None
            bound.append(
                BoundEndpoint(endpoint.region, endpoint.type.value, endpoint.host, address, port)
            )
        return bound

    async def _close_doors(self) -> None:
        # All at once: each may wait for the answers that its clients are owed.
        await asyncio.gather(*(listener.stop() for listener in self._listeners))


class _Signers:
    """The DKIM signer of each configuration, its key parsed once (D-17)."""

    def __init__(self, config: Config) -> None:
        problems: list[str] = []
        self._signers: dict[str, Signer] = {}
        for configuration in config.directory.configurations:
            if configuration.dkim_key_file is None:
                continue
            try:
                self._signers[configuration.id] = Signer(
                    configuration.domain,
                    configuration.dkim_selector,
                    configuration.dkim_key_file.read_bytes(),
                )
            except (OSError, ValueError, TypeError):
                problems.append(
                    f"{config.source}: dkim_key_file of configuration {configuration.id}: "
                    f"expected an RSA private key in PEM: {configuration.dkim_key_file}"
                )
        if problems:
            raise ConfigError(problems)

    def __call__(self, configuration_id: str) -> Signer | None:
        return self._signers.get(configuration_id)


def _accepting(config: Config, queue: Queue) -> CommitsMail:
    if not config.discards_mail:
        return queue
    _log.warning("event=discarding: [queue] discard is set, a 250 promises nothing")
    return Discard()


def _tls_context(config: Config, number: int, settings: EndpointSettings) -> ssl.SSLContext:
    try:
        return server_context(str(settings.certificate_file), str(settings.key_file))
    except (OSError, ValueError) as error:
        files = f"{settings.certificate_file} with {settings.key_file}"
        reason = f"expected a PEM certificate and its private key: {files}: {_reason(error)}"
        raise _refusal(config, f"endpoint[{number}].certificate_file", reason) from None


def _token(config: Config) -> tuple[str, bool]:
    """Take the token from the environment, or make one (D-26)."""
    variable = config.management and config.management.token_environment
    if not variable:
        return secrets.token_urlsafe(32), config.management is not None
    token = os.environ.get(variable, "")
    if not token:
        reason = f"expected a token in the environment variable {variable}, it is not set"
        raise _refusal(config, "management.token_environment", reason)
    return token, False


def _refusal(config: Config, key: str, reason: str) -> ConfigError:
    return ConfigError([f"{config.source}: {key}: {reason}"])


def _not_free(where: str, error: OSError) -> str:
    return f"expected an address and port that are free: {where}: {_reason(error)}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not usable"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
