"""Why a relay cannot start or reload as it is configured: file, key, what was expected."""

from __future__ import annotations

import os
import ssl

from reference_relay.config import Config, ConfigError


def refusal(config: Config, key: str, reason: str) -> ConfigError:
    """Make the error that names one key."""
    return ConfigError([f"{config.source}: {key}: {reason}"])


def not_free(where: str, error: OSError) -> str:
    """Say that an address and port cannot be had."""
    return f"expected an address and port that are free: {where}: {reason_of(error)}"


def reason_of(error: Exception) -> str:
    """Put an error of the system into words."""
    if isinstance(error, ssl.SSLError):
        return error.reason or "not usable"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error)
