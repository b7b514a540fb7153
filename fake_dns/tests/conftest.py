"""The fixtures that the plugin ships, here without loading the plugin for the whole run."""

from fake_dns.pytest_plugin import dns_zone, fake_dns, fake_dns_server

__all__ = ["dns_zone", "fake_dns", "fake_dns_server"]
