"""examples/ID.json: for each property that does not hold, the smallest example that was found.

`nox -s properties -- --replay FILE --target PROFILE` judges it again.
"""

from __future__ import annotations

from conformance.report.results import Results

FOLDER = "examples"


def render_all(results: Results) -> dict[str, str]:
    """Return the files by name; the second of a requirement is ID-2.json."""
    files: dict[str, str] = {}
    for result in results.requirements:
        texts = [text for check in result.checks for text in check.examples]
        for number, text in enumerate(texts, 1):
            suffix = f"-{number}" if number > 1 else ""
            files[f"{result.requirement.id}{suffix}.json"] = text
    return files
