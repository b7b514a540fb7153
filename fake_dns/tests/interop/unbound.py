"""Unbound as the resolver in front: one daemon on loopback, on a port of the kernel's choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_dns.tests.interop.tools import free_port, listens, running, tool

_CONFIGURATION = """
server:
    interface: 127.0.0.1
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    do-daemonize: no
    chroot: ""
    username: ""
    directory: "{directory}"
    pidfile: ""
    use-syslog: no
    num-threads: 1
    verbosity: 1
    module-config: "iterator"
    # 0x20: every question goes out in a case of its own, which has to come back.
    use-caps-for-id: yes
    {server}
remote-control:
    control-enable: no
{zones}
"""


@contextmanager
def unbound(directory: Path, zones: str, server: str = "") -> Iterator[int]:
    """Run unbound; its port.

    Args:
        directory: Where its files go.
        zones: The stub-zone or forward-zone clauses.
        server: More lines of the server clause.
    """
    port = free_port()
    path = directory / "unbound.conf"
    path.write_text(
        _CONFIGURATION.format(port=port, directory=directory, zones=zones, server=server)
    )
    with running([tool("unbound"), "-d", "-c", str(path)], directory, lambda: listens(port)):
        yield port


def stub_zone(name: str, *ports: int) -> str:
    """A zone that unbound asks these ports for."""
    addresses = "".join(f"    stub-addr: 127.0.0.1@{port}\n" for port in ports)
    return f"stub-zone:\n    name: {name}\n{addresses}"


def forward_over_tls(name: str, port: int, certificate_name: str) -> str:
    """A zone that unbound asks for over TLS."""
    return (
        f"forward-zone:\n    name: {name}\n    forward-tls-upstream: yes\n"
        f"    forward-addr: 127.0.0.1@{port}#{certificate_name}\n"
    )
