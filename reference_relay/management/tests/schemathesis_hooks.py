"""Examples for the formats that JSON Schema has no words for; loaded by schemathesis."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

# Whoever asks everything has no time to wait for what does not come.
_LONGEST_WAIT = 0.05


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Shorten every wait that the API would take."""
    given = (case.query or {}).get("wait")
    try:
        is_long = _LONGEST_WAIT < float(str(given)) <= 60
    except ValueError:
        return
    if is_long:
        case.query["wait"] = _LONGEST_WAIT


_LABELS = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
_OCTETS = st.integers(0, 255)
_TENS = st.integers(10, 28)
_ADDRESSES = st.builds("{}.{}.{}.{}".format, _OCTETS, _OCTETS, _OCTETS, _OCTETS)

schemathesis.openapi.format("mail-domain", st.builds("{}.example".format, _LABELS))
schemathesis.openapi.format("contact", st.builds("{}@{}.example".format, _LABELS, _LABELS))
schemathesis.openapi.format(
    "addresses", _ADDRESSES | st.builds("{}.0.0.0/8".format, _OCTETS) | st.just("2001:db8::/32")
)
schemathesis.openapi.format("region", st.sampled_from(["us-south", "eu-gb", "eu-de"]))
schemathesis.openapi.format("utc-second", st.builds("20{}-1-{}T0:0:0Z".format, _TENS, _TENS))
