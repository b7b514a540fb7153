"""Every mutation by name.

A module here holds small functions and one dictionary; add a new module's dictionary below.
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations import (
    attachments,
    authentication,
    control,
    dialogue,
    header,
    paths,
    relaying,
    replies,
    restrictions,
    sender,
)

MUTATIONS: Mapping[str, Mutation] = {
    **replies.MUTATIONS,
    **dialogue.MUTATIONS,
    **control.MUTATIONS,
    **paths.MUTATIONS,
    **authentication.MUTATIONS,
    **header.MUTATIONS,
    **sender.MUTATIONS,
    **attachments.MUTATIONS,
    **restrictions.MUTATIONS,
    **relaying.MUTATIONS,
}
