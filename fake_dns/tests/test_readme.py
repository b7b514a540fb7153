"""The README keeps its word."""

import re
from pathlib import Path

import pytest

from fake_dns import FakeDNS, Zone

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_zone_example_is_a_zone(tmp_path: Path, text: str) -> None:
    """It loads, and writes a table that loads into the same."""
    path = tmp_path / "zone.toml"
    path.write_text(text, encoding="utf-8")
    zone = Zone.from_toml(path)
    assert Zone.from_table(zone.as_table()) == zone


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_example_runs(
    fake_dns: FakeDNS, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a script, or as a test with the fixture."""
    names: dict[str, object] = {}
    exec(text, names)  # noqa: S102  # the example is ours
    for name, example in names.items():
        if name.startswith("test_") and callable(example):
            example(fake_dns)
    assert not capsys.readouterr().err
