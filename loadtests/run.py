"""One load run from beginning to end: the world, a trial message, the generator, the arrivals."""

from __future__ import annotations

from pathlib import Path

from fixtures.profile import Profile
from fixtures.world import open_target
from loadtests.progress import Progress
from loadtests.result import Result
from loadtests.site import NotReady, Site
from loadtests.trial import Load, conduct, try_one_message


def run(load: Load, profile: Profile, progress: Progress, folder: Path | None = None) -> Result:
    """Load the relay of this profile and wait for its deliveries.

    Args:
        load: What is sent.
        profile: The relay.
        progress: Told how far it is.
        folder: Keeps the raw files; None forgets them.

    Raises:
        NotReady: Size, credentials or target do not work.
        ProfileError: The profile names something that is not there.
        RelayNotReady: The embedded relay did not come up.
        GeneratorFailed: Locust broke down.
        NoRoom: The results could not be written.
    """
    limit = profile.claims.message_octets
    if limit is not None and load.octets > limit:
        raise NotReady(f"--size {load.octets}: the target takes at most {limit} octets")
    progress.stage("starting the target")
    with open_target(profile) as target:
        site = Site.of(target)
        try_one_message(site, load.octets)
        progress.stage(f"{load.users} users send for {load.sending_seconds:g} s")
        outcome = conduct(site, load, folder=folder, say=progress.detail)
        return Result(_title(load, site), outcome)


def _title(load: Load, site: Site) -> str:
    arrivals = load.schedule.text if load.schedule else "closed loop"
    return (
        f"{site.name}: {', '.join(load.scenarios)}, {load.users} users, {arrivals}, "
        f"{load.sending_seconds:g} s, {load.octets:,} octets"
    )
