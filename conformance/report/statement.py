"""statement.json: an in-toto test-result statement over the hashes of the other files.

A release gate can verify with it that all that is required ran and passed
(https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md). It is unsigned:
who signs it vouches for the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from conformance import SUITE_VERSION
from conformance.report.results import Results
from conformance.verdict import ExitCode, Verdict


def render(results: Results, files: Mapping[str, str]) -> str:
    """Return statement.json.

    Args:
        results: What was judged.
        files: The other files of the bundle, by name.
    """
    code = results.conclusion.exit_code
    warned = _ids(results, Verdict.WARNING)
    # A gate that asks for PASSED asks for the whole catalogue.
    passed = {ExitCode.CONFORMANT: "WARNED" if warned or results.run.caveat else "PASSED"}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": _digest(text)}} for name, text in files.items()
        ],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": passed.get(code, "FAILED"),
            "configuration": [
                {
                    "name": f"submission conformance {SUITE_VERSION}, catalogue",
                    "digest": {"sha256": results.fingerprint},
                }
            ],
            "passedTests": _ids(results, Verdict.MET),
            "warnedTests": warned,
            # What could not be judged did not pass.
            "failedTests": _ids(
                results, Verdict.NOT_MET, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE
            ),
        },
    }
    return json.dumps(statement, indent=1) + "\n"


def _ids(results: Results, *verdicts: Verdict) -> list[str]:
    return [each.requirement.id for each in results.with_verdict(*verdicts)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
