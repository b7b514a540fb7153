"""`python -m loadtests.capacity plan`: what sessions and messages cost, and what a rate takes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console

from fixtures.peers.programs import Missing
from fixtures.profile import ProfileError
from fixtures.relay_process import RelayNotReady
from loadtests.__main__ import ExitCode
from loadtests.capacity import grounds, report, workers
from loadtests.capacity.planning import Costs, Plan, curve, plan
from loadtests.capacity.plot import Line, plot
from loadtests.capacity.scalability import REACH, Fit, NotFitted, Point, fit
from loadtests.capacity.workers import Scaling, cost
from loadtests.instrument import Calibration, calibrate
from loadtests.phase import Phase
from loadtests.progress import Progress
from loadtests.site import NotReady, Site
from loadtests.trial import GeneratorFailed, Load, NoRoom, conduct, try_one_message

# Those of which this can start as many workers as it likes.
_OURS = ("relay", "relay-no-dkim")
_USERS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was measured of one service.

    Attributes:
        points: Users, and messages a second in a closed loop.
        kept: CPU seconds a message in kept sessions.
        fresh: CPU seconds a message with a session each.
        phases: Medians in ms: of the session's phases and of the message's.
        calibration: Of the generator.
    """

    points: tuple[Point, ...]
    kept: float
    fresh: float
    phases: dict[str, float]
    calibration: Calibration


def measure(site: Site, seconds: float, octets: int, progress: Progress) -> Sweep:
    """Drive a service with ever more users, then with a session for each message."""
    try_one_message(site, octets)
    progress.stage("calibrating the generator")
    calibration = calibrate(Load(octets=octets), seconds)
    points = []
    widest = None
    for users in _USERS:
        progress.stage(f"{users} users")
        widest = conduct(site, Load(seconds=seconds, users=users, octets=octets))
        measured = widest.measurement
        points.append((float(users), measured.accepted / max(measured.elapsed_seconds, 1e-9)))
    assert widest is not None
    progress.stage("a session for each message")
    fresh = conduct(
        site,
        Load(seconds=seconds, users=8, octets=octets, scenarios=("NewSession",)),
    )
    phases = {
        phase.value: fresh.measurement.phases[phase].percentile(50) / 1000
        for phase in Phase
        if fresh.measurement.phases[phase].count
    }
    return Sweep(tuple(points), cost(widest), cost(fresh), phases, calibration)


def main(arguments: Sequence[str]) -> int:
    """Measure, fit, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.capacity plan", description=__doc__)
    parser.add_argument("--target", default="relay", metavar="NAME")
    parser.add_argument("--rate", type=float, default=1000.0, help="wanted messages a second")
    parser.add_argument("--messages-per-session", type=float, default=10.0, metavar="N")
    parser.add_argument("--workers", type=int, default=1, help="of each relay, a core each")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--size", type=int, default=4096, metavar="OCTETS")
    parser.add_argument("--out", type=Path, default=Path("reports/planning"), metavar="FOLDER")
    parser.add_argument("--cache", type=Path, default=Path(".cache/peers"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with Progress(console) as progress:
            known = grounds.known(options.cache.resolve())
            with grounds.opened(options.target, known, None) as opened:
                swept = measure(opened.site, options.seconds, options.size, progress)
                name = opened.site.name
            scaling = None
            if options.target in _OURS:
                signs = options.target == "relay"
                scaling = workers.measure(
                    signs=signs, seconds=options.seconds, octets=options.size, progress=progress
                )
        if not swept.kept:
            raise NotReady(f"{name}: its processes are not ours to see, so nothing can be costed")
        costs = Costs.of(swept.kept, swept.fresh)
        made = plan(
            options.rate,
            costs,
            options.messages_per_session,
            swept.calibration.usable_rate,
            workers=options.workers,
            law=scaling.fitted.law if scaling else None,
        )
        fitted = fit(swept.points)
        _write(options, name, swept, scaling, costs, made, fitted, arguments)
    except (NotReady, NotFitted, ProfileError, RelayNotReady, Missing) as error:
        sys.stderr.write(f"capacity: {error}\n")
        return ExitCode.USAGE
    except GeneratorFailed as error:
        sys.stderr.write(f"capacity: {error}\n")
        return ExitCode.HARNESS_FAULT
    except (NoRoom, OSError) as error:
        sys.stderr.write(f"capacity: {error}\n")
        return ExitCode.NO_ROOM
    console.print(
        f"{options.rate:g}/s at {options.messages_per_session:g} messages a session: "
        f"{made.relays} relays with {made.workers} worker{'s' * (made.workers > 1)} each, "
        f"{made.cores} cores, {made.generators} generator processes to prove it"
    )
    console.print(f"report: {options.out / 'planning.html'}")
    return ExitCode.GOOD


def _write(
    options: argparse.Namespace,
    name: str,
    swept: Sweep,
    scaling: Scaling | None,
    costs: Costs,
    made: Plan,
    fitted: Fit,
    arguments: Sequence[str],
) -> None:
    law = fitted.law
    reach = int(REACH * law.largest)
    measured = [(float(n), law.at(n)) for n in range(1, int(law.largest) + 1)]
    beyond = [(float(n), law.at(n)) for n in range(int(law.largest), reach + 1)]
    drawn = plot(
        "Users at a time and messages a second",
        [
            Line("measured", swept.points, is_dots=True),
            Line("fitted", measured),
            Line("extrapolated", beyond, is_dashed=True),
        ],
        "users",
        "messages a second",
        marks=[(law.largest, "extrapolation begins")],
    )
    sessions = plot(
        "Messages a session and what one core carries",
        [Line("cost model", curve(costs))],
        "messages a session",
        "messages a second and core",
        logarithmic_x=True,
    )
    table = {
        "service": name,
        "sweep": asdict(swept),
        "costs": asdict(costs),
        "plan": asdict(made),
        "fit": asdict(fitted),
        "workers": asdict(scaling) if scaling else None,
    }
    (options.out / "planning.json").write_text(json.dumps(table), encoding="utf-8")
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    text = page.get_template("planning.html.jinja").render(
        name=name,
        rate=options.rate,
        messages=options.messages_per_session,
        swept=swept,
        costs=costs,
        made=made,
        fitted=fitted,
        scaling=scaling,
        plots=[Markup(drawn), Markup(sessions)],  # noqa: S704 - escaped where drawn
        facts=report.environment(["plan", *arguments]),
    )
    (options.out / "planning.html").write_text(text, encoding="utf-8")
