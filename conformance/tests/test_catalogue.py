"""Reading the catalogue, and choosing from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.catalogue import GROUP_ORDER, Catalogue, CatalogueError, SelectionError
from conformance.verdict import Level

TLS = """
[group]
id = "TLS"
title = "STARTTLS"

[[requirement]]
id = "TLS-01"
level = "MUST"
source = "RFC 3207 §4"
wording = "STARTTLS is offered."
needs = ["W"]

[[requirement]]
id = "TLS-02"
level = "SHOULD"
source = "RFC 3207 §4"
wording = "It works."
"""
GRT = """
[group]
id = "GRT"
title = "Greeting"

[[requirement]]
id = "GRT-01"
level = "SERVICE"
source = "S1"
wording = "It greets."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small catalogue of two groups."""
    (tmp_path / "tls.toml").write_text(TLS, encoding="utf-8")
    (tmp_path / "grt.toml").write_text(GRT, encoding="utf-8")
    return tmp_path


def test_groups_come_in_the_order_of_the_dialogue(folder: Path) -> None:
    """Reports begin with the greeting, whatever the file names sort like."""
    catalogue = Catalogue.load(folder)
    assert [group.id for group in catalogue.groups] == ["GRT", "TLS"]
    assert [row.id for row in catalogue] == ["GRT-01", "TLS-01", "TLS-02"]
    assert catalogue["TLS-02"].level is Level.SHOULD
    assert catalogue["TLS-01"].needs == ("W",)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["TLS"], {"TLS-01", "TLS-02"}),
        (["tls-02"], {"TLS-02"}),
        (["GRT", "TLS-01"], {"GRT-01", "TLS-01"}),
    ],
)
def test_selection_by_id_and_group(folder: Path, names: list[str], ids: set[str]) -> None:
    """An id chooses one requirement, a group all of its own."""
    assert Catalogue.load(folder).select(names) == ids


@pytest.mark.parametrize("names", [["NOPE"], ["TLS", "TLS-99"], [""], [], ["TL"], ["TLS-0"]])
def test_a_selection_that_names_nothing_is_an_error(folder: Path, names: list[str]) -> None:
    """A name that selects nothing must not make a run that checks nothing."""
    with pytest.raises(SelectionError, match="--only"):
        Catalogue.load(folder).select(names)


def test_a_near_miss_is_named(folder: Path) -> None:
    """A typing mistake gets a hint."""
    with pytest.raises(SelectionError, match="did you mean TLS-0"):
        Catalogue.load(folder).select(["TLS-1"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('level = "MUST"', 'level = "WILL"', "level"),
        ('level = "MUST"', "", "level: expected a text"),
        ('source = "RFC 3207 §4"', "source = 3", "source: expected a text"),
        ('needs = ["W"]', 'needs = "W"', "needs: expected a list"),
        ('needs = ["W"]', 'colour = "red"', "unknown key colour"),
        ('id = "TLS-02"', 'id = "TLS-01"', "TLS-01 .* twice"),
        ('id = "TLS-01"', 'id = "first"', "expected the form"),
        ("[group]", "[chapter]", r"expected a \[group\] table"),
        ("[[requirement]]", "[[requirement", "tls.toml"),
    ],
)
def test_mistakes_are_named(folder: Path, old: str, new: str, message: str) -> None:
    """One message says which file, which key and what was expected."""
    (folder / "tls.toml").write_text(TLS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        Catalogue.load(folder)


def test_an_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    """Without requirements nothing could ever be judged."""
    with pytest.raises(CatalogueError, match=r"no \*\.toml file"):
        Catalogue.load(tmp_path)


def test_the_fingerprint_tells_catalogues_apart(folder: Path) -> None:
    """Results name the catalogue they are about."""
    before = Catalogue.load(folder).fingerprint()
    (folder / "grt.toml").write_text(GRT.replace("greets", "greets first"), encoding="utf-8")
    assert Catalogue.load(folder).fingerprint() != before


def test_the_catalogue_is_whole() -> None:
    """All 303 requirements of the project are there, in groups the reports know."""
    catalogue = Catalogue.load()
    assert {group.id for group in catalogue.groups} == set(GROUP_ORDER)
    assert len(catalogue) == 303
