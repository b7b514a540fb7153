"""What a configuration comes to once its files are read: certificates, keys, the directory."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reference_relay.config import Config, ConfigError, EndpointSettings
from reference_relay.dkim.signer import Signer
from reference_relay.refusal import reason_of, refusal
from reference_relay.service.directory import Directory
from reference_relay.service.model import Configuration
from reference_relay.submission.tls_layer import server_context

# What a signer is made of.
_Key = tuple[str, str, Path | None, str | None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a running relay can change to in one step.

    Attributes:
        config: Where it came from.
        directory: Who may send, and from where.
        tls_contexts: For each endpoint of the configuration.
        signers: By configuration id, keys parsed once (D-17).
    """

    config: Config
    directory: Directory
    tls_contexts: tuple[ssl.SSLContext, ...]
    signers: Mapping[str, Signer]

    def with_directory(self, directory: Directory) -> Prepared:
        """Return the same with another directory; keys it shares with this one stay parsed.

        Raises:
            ConfigError: A DKIM key cannot be used.
        """
        known = {
            _key(one): self.signers[one.id]
            for one in self.directory.configurations
            if one.id in self.signers
        }
        signers = _signers(self.config, directory, known)
        return replace(self, directory=directory, signers=signers)

    @property
    def credentials(self) -> frozenset[tuple[str, str]]:
        """Each user name with its password hash."""
        return frozenset(
            (user.username, user.password_hash)
            for configuration in self.directory.configurations
            for user in configuration.users
        )


def prepare(config: Config) -> Prepared:
    """Read the files that a configuration names.

    Raises:
        ConfigError: One of them cannot be used.
    """
    tls_contexts = tuple(
        _tls_context(config, number, endpoint) for number, endpoint in enumerate(config.endpoints)
    )
    signers = _signers(config, config.directory, {})
    return Prepared(config, config.directory, tls_contexts, signers)


def _key(configuration: Configuration) -> _Key:
    own = (configuration.dkim_key_file, configuration.dkim_private_key)
    return (configuration.domain, configuration.dkim_selector, *own)


def _signers(
    config: Config, directory: Directory, known: Mapping[_Key, Signer]
) -> dict[str, Signer]:
    problems: list[str] = []
    signers: dict[str, Signer] = {}
    for one in directory.configurations:
        if one.dkim_key_file is None and one.dkim_private_key is None:
            continue
        signer = known.get(_key(one))
        if signer is None:
            try:
                signer = Signer(one.domain, one.dkim_selector, _pem(one))
            except (OSError, ValueError, TypeError):
                problems.append(
                    f"{config.source}: dkim_key_file of configuration {one.id}: "
                    f"expected an RSA or Ed25519 private key in PEM: {one.dkim_key_file}"
                )
                continue
        signers[one.id] = signer
    if problems:
        raise ConfigError(problems)
    return signers


def _pem(configuration: Configuration) -> bytes:
    if configuration.dkim_key_file is not None:
        return configuration.dkim_key_file.read_bytes()
    return (configuration.dkim_private_key or "").encode()


def _tls_context(config: Config, number: int, settings: EndpointSettings) -> ssl.SSLContext:
    try:
        return server_context(str(settings.certificate_file), str(settings.key_file))
    except (OSError, ValueError) as error:
        files = f"{settings.certificate_file} with {settings.key_file}"
        reason = f"expected a PEM certificate and its private key: {files}: {reason_of(error)}"
        raise refusal(config, f"endpoint[{number}].certificate_file", reason) from None
