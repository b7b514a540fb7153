"""junit.xml: one test case per requirement, one suite per group.

What is not judged is skipped, what could not be judged is an error: no reader of this format
may take either for a pass.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from conformance.catalogue import Group
from conformance.report.results import RequirementResult, Results
from conformance.verdict import Verdict

# XML 1.0 §2.2 has no way to write these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SKIPPED = (Verdict.UNCHECKED, Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE)
_ERRORS = (Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR)


def render(results: Results) -> str:
    """Return junit.xml."""
    root = ElementTree.Element("testsuites", _totals(results.requirements))
    root.set("name", results.conclusion.headline)
    for group in results.groups:
        root.append(_suite(results, group))
    if not results.groups:
        # Without a catalogue the file must still tell that something is wrong.
        suite = ElementTree.SubElement(root, "testsuite", name="certification", tests="1")
        case = ElementTree.SubElement(suite, "testcase", name="catalogue", classname="conformance")
        ElementTree.SubElement(case, "error", message=_text(results.conclusion.headline))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(results: Results, group: Group) -> ElementTree.Element:
    rows = results.of(group)
    suite = ElementTree.Element("testsuite", _totals(rows))
    suite.set("name", _text(f"{group.id} {group.title}"))
    suite.set("timestamp", results.run.started_at.isoformat(timespec="seconds"))
    for row in rows:
        suite.append(_case(row))
    return suite


def _case(result: RequirementResult) -> ElementTree.Element:
    row = result.requirement
    seconds = sum(check.duration_seconds for check in result.checks)
    case = ElementTree.Element(
        "testcase",
        classname=f"conformance.{row.group}",
        name=_text(f"{row.id} {row.level.value} {row.wording}"),
        time=f"{seconds:.3f}",
    )
    verdict = result.verdict
    if verdict is Verdict.NOT_MET:
        child = ElementTree.SubElement(case, "failure", type=verdict.value)
    elif verdict in _ERRORS:
        child = ElementTree.SubElement(case, "error", type=verdict.value)
    elif verdict in _SKIPPED:
        child = ElementTree.SubElement(case, "skipped")
        child.set("message", _text(f"{verdict.value}: {result.reason}"))
        return case
    else:
        lines = [f"{verdict.value}: {_evidence(result)}"] if verdict is Verdict.WARNING else []
        lines += result.remarks
        if lines:
            ElementTree.SubElement(case, "system-out").text = _text("\n".join(lines))
        return case
    child.set("message", _text(result.reason or _evidence(result).partition("\n")[0]))
    child.text = _text(_evidence(result))
    return case


def _evidence(result: RequirementResult) -> str:
    lines = [f"source: {result.requirement.source}"]
    for check in result.checks:
        if check.verdict is result.verdict:
            finding = check.finding
            lines = [f"expected: {finding.expected}", f"observed: {finding.observed}", *lines]
            return "\n".join([*lines, f"check: {check.check}", *check.remarks])
    return "\n".join(lines)


def _totals(rows: tuple[RequirementResult, ...]) -> dict[str, str]:
    verdicts = [row.verdict for row in rows]
    return {
        "tests": str(len(verdicts)),
        "failures": str(verdicts.count(Verdict.NOT_MET)),
        "errors": str(sum(verdict in _ERRORS for verdict in verdicts)),
        "skipped": str(sum(verdict in _SKIPPED for verdict in verdicts)),
    }


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
