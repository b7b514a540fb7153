"""Relays whose replies are right and whose effects are not; the record of the sink shows it."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around


def refused_content_is_sent_all_the_same() -> None:
    from reference_relay.mail.content import outline
    from reference_relay.submission import accept
    from reference_relay.submission.answers import Answers

    @around(Answers, "content")
    def both(original: Broken, self: Any, event: Any, cipher: Any) -> None:
        account, found = self._account, outline(event.content)
        if accept.judge_content(self._context, account, found) is not None:
            message = accept.prepare(
                self._context,
                self._endpoint,
                account,
                event.envelope,
                found,
                client_name=self._session.hello_name,
                client_address=self._address,
                cipher=cipher,
            )
            self._context.queue.hand_over(message, lambda error: None)
        original(self, event, cipher)


MUTATIONS = {
    "refused-content-is-sent-all-the-same": Mutation(
        ("RLY-01",),
        refused_content_is_sent_all_the_same,
        "What is refused at the end of data is delivered all the same.",
        # No check of RLY-01 has a message refused: others do, and the run's record shows it.
        traffic=("ATT-02", "SND-12"),
    ),
}
