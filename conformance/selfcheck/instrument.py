"""Is the instrument alive? The control samples of a certification.

Before somebody's relay is judged, the unbroken reference relay must be green, and a few broken ones
red, on this machine and on this day: as a laboratory measures known samples before the unknown one.
"""

from __future__ import annotations

from conformance.selfcheck.mutations import MUTATIONS
from conformance.selfcheck.trial import Ending, Sample, tried

# One of the dialogue, one of the way to the sink, one of the passive rules.
SAMPLES = ("etrn-left-on", "rset-does-nothing", "noop-answered-twice")


def trouble() -> str:
    """Measure the samples; return what went wrong, "" if all is well."""
    wanted = {one for name in SAMPLES for one in MUTATIONS[name].requirements}
    green = tried(Sample.unbroken(wanted))
    if green.ending is not Ending.PASSED:
        return f"the reference relay is not green: {'; '.join(green.findings)}"
    for name in SAMPLES:
        red = tried(Sample.broken(name))
        if red.ending is not Ending.PASSED:
            return f"the broken relay {name} was not noticed: {'; '.join(red.findings)}"
    return ""
