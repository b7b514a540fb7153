"""examples/ID.json: for each property that does not hold, the smallest example that was found.

`nox -s properties -- --replay FILE --target PROFILE` judges it again.
"""

from __future__ import annotations

import json

from conformance.report.results import Results

FOLDER = "examples"


def render_all(results: Results) -> dict[str, str]:
    """Return the files by name; the second of a requirement is ID-2.json."""
    files: dict[str, str] = {}
    for result in results.requirements:
        documents = [one for check in result.checks for one in check.examples]
        for number, document in enumerate(documents, 1):
            suffix = f"-{number}" if number > 1 else ""
            files[f"{result.requirement.id}{suffix}.json"] = json.dumps(document, indent=1) + "\n"
    return files
