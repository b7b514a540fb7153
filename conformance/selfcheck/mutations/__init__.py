"""Every mutation by name.

A module here holds small functions and one dictionary; add a new module's dictionary below.
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations import replies

MUTATIONS: Mapping[str, Mutation] = {
    **replies.MUTATIONS,
}
