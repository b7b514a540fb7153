"""What can be searched: the reference relay signed and unsigned, Postfix, Exim, any profile."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from fixtures.certificates import CertificateAuthority
from fixtures.peers.exim import Exim
from fixtures.peers.peer import ADDRESS, HOST, Ground, Login, Peer
from fixtures.peers.postfix import Postfix
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.sink import SinkMX
from fixtures.target import Target
from fixtures.world import World, open_target
from loadtests.benchmark import footprint
from loadtests.site import Site

_SINK_DOMAIN = "strict.sink.example"
_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Opened:
    """A started service.

    Attributes:
        site: For the generator.
        target: For the checks, None where there is no profile of it.
    """

    site: Site
    target: Target | None = None


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started meanwhile runs on this core only; None leaves it to the system."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def relay(
    core: int | None = None, *, signs: bool = True, command: str = "", workers: int = 1
) -> Iterator[Opened]:
    """The reference relay: durable, delivering to the sink.

    Args:
        core: Where it runs.
        signs: Whether with DKIM.
        command: Overrides the command that starts it.
        workers: How many processes serve.
    """
    settings = {"workers": {"count": workers}}
    profile = load_profile(DEFAULT_PROFILE)
    world = World(profile, command=command, signs=signs, settings=settings)
    with world:
        _move(world.relay.pid, core)
        target = world.target()
        site = Site.of(target)

        def restart() -> None:
            world.relay.restart(kill=True)
            _move(world.relay.pid, core)

        name = "reference relay, DKIM" if signs else "reference relay, no DKIM"
        traits = ("durable before 250, delivering", "RSA-2048 DKIM" if signs else "no DKIM")
        yield Opened(replace(site, name=name, restart=restart, traits=traits), target)


def _move(pid: int | None, core: int | None) -> None:
    if core is None or pid is None:
        return
    for one in footprint.members(pid):
        for task in Path(f"/proc/{one.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(task.name), {core})


@contextlib.contextmanager
def peer(one: Peer, cache: Path, core: int | None = None) -> Iterator[Opened]:
    """Somebody else's server, delivering to a sink of ours.

    Raises:
        Missing: It cannot be had here.
    """
    version = one.prepare(cache)
    login = Login("mailer", secrets.token_urlsafe(18), "example.com")
    authority = CertificateAuthority.create()
    with tempfile.TemporaryDirectory(prefix=f"load-{one.key}-") as name, SinkMX() as sink:
        folder = Path(name)
        folder.chmod(0o755)
        certificate, key = authority.issue([HOST]).write(folder, "mail")
        (folder / "ground").mkdir()
        address = next(iter(sink.addresses.values()))
        ground = Ground(
            folder=folder / "ground",
            cache=cache,
            certificate_file=certificate,
            key_file=key,
            logins=(login,),
            sinks={_SINK_DOMAIN: address},
            sink_port=sink.port,
        )
        with on_core(core):
            running = one.start(ground)
        try:
            yield Opened(
                Site(
                    name=version,
                    address=ADDRESS,
                    port=lambda: running.port,
                    host=HOST,
                    username=login.username,
                    password=login.password,
                    sender="mailer@example.com",
                    recipients=tuple(f"load{n}@{_SINK_DOMAIN}" for n in range(_RECIPIENTS)),
                    authorities=authority.root_pem.decode(),
                    sink=sink,
                    pid=lambda: running.pid,
                    traits=("its shipped defaults, delivering", "no DKIM"),
                )
            )
        finally:
            running.stop()


@contextlib.contextmanager
def profile(path: str, core: int | None = None) -> Iterator[Opened]:
    """The relay of a profile file.

    Raises:
        ProfileError, RelayNotReady, NotReady: As `open_target` and `Site.of`.
    """
    with open_target(load_profile(path)) as target:
        if target.relay is not None:
            _move(target.relay.pid, core)
        yield Opened(Site.of(target), target)


Open = Callable[[int | None], AbstractContextManager[Opened]]


def known(cache: Path) -> Mapping[str, Open]:
    """What can be named on the command line."""
    return {
        "relay": relay,
        "relay-no-dkim": lambda core: relay(core, signs=False),
        "postfix": lambda core: peer(Postfix(), cache, core),
        "exim": lambda core: peer(Exim(), cache, core),
    }


def opened(
    name: str, known: Mapping[str, Open], core: int | None
) -> AbstractContextManager[Opened]:
    """What was named on the command line, or the relay of a profile file."""
    ground = known.get(name)
    return profile(name, core) if ground is None else ground(core)
