"""`python -m conformance.differential --target A --target B`: one corpus, several relays.

A target is `reference` (the relay that comes with the project), a peer by its name (postfix, exim,
aiosmtpd, smtp-server; started on loopback), or a profile. Without any, the reference relay and
all peers that can be had are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from conformance.differential import page
from conformance.differential.corpus import CASES
from conformance.differential.play import play
from conformance.differential.reading import Comparison, Seen
from conformance.outcome import redacted
from conformance.peers import PEERS, started
from conformance.verdict import ExitCode
from fixtures.peers.programs import Missing
from fixtures.profile import DEFAULT_PROFILE, ProfileError, load_profile
from fixtures.relay_process import RelayNotReady
from fixtures.target import Target
from fixtures.transcript import SECRETS
from fixtures.world import open_target

_REFERENCE = "reference"
_EXIT_CODES = """\
exit codes:
  0  compared, and nowhere a second message gets through
  1  somewhere one does
  2  usage: a profile that is wrong
  3  fewer than two relays could be asked
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit codes are those of its help."""
    options = _parser().parse_args(arguments)
    targets = list(dict.fromkeys(options.target)) or [_REFERENCE, *PEERS]
    options.cache.mkdir(parents=True, exist_ok=True)
    try:
        comparison = _asked(targets, options.cache.resolve())
    except ProfileError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    _write(comparison, options.out, options.write)
    smuggled = list(comparison.smuggled())
    for one in smuggled:
        sys.stdout.write(f"{one.first} sends on what {one.second} takes for two: {one.case}\n")
    disagreements = list(comparison.disagreements())
    sys.stdout.write(
        f"{len(comparison.relays)} relays disagree on {len(disagreements)} of {len(CASES)} cases; "
        f"{len(smuggled)} pairs let a second message through\n{options.out}/differential.md\n"
    )
    if smuggled:
        return ExitCode.NOT_CONFORMANT
    return ExitCode.INCONCLUSIVE if len(comparison.relays) < 2 else ExitCode.CONFORMANT


def _asked(names: Sequence[str], cache: Path) -> Comparison:
    """Ask one relay after the other, and say how it went.

    Raises:
        ProfileError: A profile is wrong.
    """
    relays: dict[str, str] = {}
    seen: dict[str, Mapping[str, Seen]] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            with _opened(name, cache) as (target, version):
                key = name if name in PEERS or name == _REFERENCE else target.name
                outcome = play(target, CASES)
        except (Missing, RelayNotReady) as error:
            missing[name] = str(error)
            continue
        if all(one.trouble for one in outcome.values()):
            missing[key] = outcome[CASES[0].name].trouble
            continue
        relays[key], seen[key] = version, outcome
        answered = sum(not one.trouble for one in outcome.values())
        sys.stdout.write(f"{key}: {version}: {answered} of {len(CASES)} cases seen\n")
    for name, why in missing.items():
        sys.stdout.write(f"{name}: not asked: {why}\n")
    return Comparison(relays, CASES, seen, missing)


@contextlib.contextmanager
def _opened(name: str, cache: Path) -> Iterator[tuple[Target, str]]:
    """Give a relay and what it is.

    Raises:
        Missing: It is a peer that cannot be had here.
        ProfileError: It is a profile that is wrong.
        RelayNotReady: The reference relay does not come up.
    """
    if name not in PEERS:
        profile = load_profile(DEFAULT_PROFILE if name == _REFERENCE else name)
        with open_target(profile) as target:
            yield target, profile.title or profile.name
        return
    version = PEERS[name].prepare(cache)
    with started(PEERS[name], cache) as (file, variables):
        before = dict(os.environ)
        # The profile names the variables of its credentials, the same for every peer.
        os.environ.update(variables)
        try:
            with open_target(load_profile(file)) as target:
                yield target, version
        finally:
            os.environ.clear()
            os.environ.update(before)


def _write(comparison: Comparison, folder: Path, also: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = redacted(page.markdown(comparison), SECRETS)
    (folder / "differential.md").write_text(text, encoding="utf-8")
    document = redacted(page.document(comparison), SECRETS)
    (folder / "differential.json").write_text(document, encoding="utf-8")
    if also is not None:
        also.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.differential",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", action="append", default=[], metavar="RELAY")
    parser.add_argument("--out", type=Path, default=Path("reports/differential"), metavar="DIR")
    parser.add_argument("--cache", type=Path, default=Path(".cache/peers"), metavar="DIR")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
