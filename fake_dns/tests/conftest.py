"""The fixture that the plugin ships, here without loading the plugin for the whole run."""

from fake_dns.pytest_plugin import fake_dns

__all__ = ["fake_dns"]
