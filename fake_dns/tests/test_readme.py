"""The README keeps its word."""

import http.client
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fake_dns import FakeDNS, Zone
from fake_dns.control import Control
from fake_dns.master_file import read_master_file
from fake_dns.pytest_plugin import PutZone
from fake_dns.tests.test_cli import run, serving

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[tuple[list[str], str]]:
    """The commands of one program in the console examples, each with what it is said to print."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    found: list[tuple[list[str], str]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((shlex.split(line[2:]), ""))
        else:
            found[-1] = (found[-1][0], line)
    return [(words, output) for words, output in found if words[0] == program]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the files that the commands name: those of the other examples."""
    zones = tmp_path / "zones"
    zones.mkdir()
    (text,) = blocks("toml")
    untimed = re.sub(r"^moved = .*\n", "", text, flags=re.MULTILINE)
    (zones / "example.toml").write_text(untimed, encoding="utf-8")
    (master,) = blocks("zone")
    (zones / "example.zone").write_text(master, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_zone_example_is_a_zone(tmp_path: Path, text: str) -> None:
    """It loads, and writes a table that loads into the same."""
    path = tmp_path / "zone.toml"
    path.write_text(text, encoding="utf-8")
    zone = Zone.from_toml(path)
    assert Zone.from_table(zone.as_table()) == zone


@pytest.mark.parametrize("text", blocks("zone"))
def test_every_master_file_is_a_zone(tmp_path: Path, text: str) -> None:
    """It loads without a warning."""
    path = tmp_path / "example.zone"
    path.write_text(text, encoding="utf-8")
    warnings: list[str] = []
    assert read_master_file(path, warn=warnings.append).origin.text == "example.com"
    assert not warnings


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_example_runs(
    fake_dns: FakeDNS, dns_zone: PutZone, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a script, or as a test with its fixtures."""
    names: dict[str, object] = {}
    exec(text, names)  # noqa: S102  # the example is ours
    fixtures = {"fake_dns": fake_dns, "dns_zone": dns_zone}
    for name, example in names.items():
        if name.startswith("test_") and callable(example):
            wanted = inspect.signature(example).parameters
            example(**{one: fixtures[one] for one in wanted})
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("words", "output"), commands("fake-dns"), ids=lambda part: str(part[:2]))
def test_every_command_runs(directory: Path, words: list[str], output: str) -> None:
    """It ends well and prints what is said of it; `serve` prints a ready line of that form."""
    if words[1] == "serve":
        arguments = [str(directory / w) if w.endswith(".toml") else w for w in words[2:]]
        with serving(*arguments) as (_, ready):
            expected = json.loads(output)
            assert ready.keys() == expected.keys()
            assert ready["control"].keys() == expected["control"].keys()
        return
    done = run(directory, *words[1:])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    if output:
        assert done.stdout == f"{output}\n"


@pytest.fixture
def control(fake_dns: FakeDNS) -> Iterator[Control]:
    """The control port that the requests go to."""
    with Control(fake_dns) as port:
        yield port


def test_every_request_is_answered(control: Control) -> None:
    """The curl examples, in their order, sent without curl."""
    requests = [words for words, _ in commands("curl")]
    assert requests
    for words in requests:
        options = {words[i]: words[i + 1] for i in range(1, len(words)) if words[i][0] == "-"}
        url = urlsplit(next(word for word in words if word.startswith("http")))
        name, _, value = options.get("-H", "Accept: */*").partition(": ")
        connection = http.client.HTTPConnection(control.address, control.port, timeout=10)
        try:
            target = f"{url.path}?{url.query}" if url.query else url.path
            connection.request(options.get("-X", "GET"), target, options.get("-d"), {name: value})
            assert connection.getresponse().status in {200, 201}
        finally:
            connection.close()


def test_every_fault_is_in_the_table() -> None:
    """And everything in the table is a fault."""
    import fake_dns as package
    from fake_dns.fault import _Fault

    section = README.partition("## Faults")[2].partition("## Time")[0]
    told = set(re.findall(r"`([A-Z]\w+)\(", "\n".join(re.findall(r"^\|.*", section, re.MULTILINE))))
    assert told == {one.__name__ for one in _Fault.__subclasses__()}
    assert told <= set(package.__all__)
