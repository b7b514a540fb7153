"""Every mutation by name.

A module here holds small functions and one dictionary; add a new module's dictionary below.
"""

from __future__ import annotations

from collections.abc import Mapping

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations import (
    attachments,
    authentication,
    clients,
    control,
    data,
    dialogue,
    effects,
    end_of_data,
    extensions,
    greeting,
    handshake,
    header,
    next_hops,
    other_sides,
    parameters,
    paths,
    rarer_cases,
    relaying,
    replies,
    reply_lines,
    restrictions,
    robustness,
    searched,
    sender,
    starttls,
    tenancy,
    verification,
)

MUTATIONS: Mapping[str, Mutation] = {
    **replies.MUTATIONS,
    **reply_lines.MUTATIONS,
    **greeting.MUTATIONS,
    **dialogue.MUTATIONS,
    **control.MUTATIONS,
    **paths.MUTATIONS,
    **parameters.MUTATIONS,
    **rarer_cases.MUTATIONS,
    **end_of_data.MUTATIONS,
    **data.MUTATIONS,
    **extensions.MUTATIONS,
    **starttls.MUTATIONS,
    **handshake.MUTATIONS,
    **authentication.MUTATIONS,
    **clients.MUTATIONS,
    **header.MUTATIONS,
    **sender.MUTATIONS,
    **attachments.MUTATIONS,
    **restrictions.MUTATIONS,
    **tenancy.MUTATIONS,
    **relaying.MUTATIONS,
    **effects.MUTATIONS,
    **robustness.MUTATIONS,
    **next_hops.MUTATIONS,
    **other_sides.MUTATIONS,
    **verification.MUTATIONS,
    **searched.MUTATIONS,
}
