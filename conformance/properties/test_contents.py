"""Any content that the rules allow arrives as it was sent, however its octets come."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import strategies

from conformance.judgement import must
from conformance.properties.conftest import Holds
from conformance.properties.contents import (
    ANYTHING,
    CONTROLS,
    DOTTED,
    EIGHT_BIT,
    LONG,
    Lines,
    Submitter,
    cut_at,
    need_keyword,
    send_in_pieces,
)
from conformance.requirement import requirement, takes_seconds
from conformance.steps import due_reply, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target

pytestmark = takes_seconds(2)

CUTS = strategies.lists(strategies.integers(1, 2000), max_size=12).map(tuple)
# Behind a MAIL; no mistake is among them, for which some servers hang up.
COMMANDS = strategies.lists(
    strategies.sampled_from(("RCPT", "NOOP", "ANOTHER MAIL")), min_size=1, max_size=6
).map(tuple)


@pytest.fixture
def submitter(
    session: LogIn, target: Target, message: ComposeMessage, arrived: Arrived, token: str
) -> Submitter:
    """Submit one content after the other."""
    return Submitter(session, target, message, arrived, token)


@requirement("DATA-02")
def test_dotted_lines_arrive_by_data(holds: Holds, submitter: Submitter) -> None:
    """Of lines that begin with dots just the dot of transparency is taken away."""
    judge = partial(submitter.arrives_unchanged, by="DATA")
    holds("every line with its own dots", DOTTED, judge)


@requirement("CHNK-02")
def test_dotted_lines_arrive_by_bdat(holds: Holds, session: LogIn, submitter: Submitter) -> None:
    """In chunks a dot means itself, wherever it stands."""
    need_keyword(session, "CHUNKING")
    judge = partial(submitter.arrives_unchanged, by="BDAT")
    holds("every line with its own dots", DOTTED, judge)


@requirement("DATA-12")
def test_controls_and_blanks_arrive(holds: Holds, submitter: Submitter) -> None:
    """Control octets and blanks arrive wherever they stand in a line."""
    judge = partial(submitter.arrives_unchanged, by="DATA")
    holds("the same control octets and blanks", CONTROLS, judge)


@requirement("DATA-13")
def test_lines_of_any_legal_length_arrive(holds: Holds, submitter: Submitter) -> None:
    """Lines of up to 998 octets and their CRLF are neither cut, folded nor joined."""
    judge = partial(submitter.arrives_unchanged, by="DATA")
    holds("lines of the same length", LONG, judge)


@requirement("8BIT-01")
def test_any_high_octets_arrive(holds: Holds, session: LogIn, submitter: Submitter) -> None:
    """With BODY=8BITMIME octets above 127 arrive in any order, in UTF-8 or not."""
    need_keyword(session, "8BITMIME")
    judge = partial(submitter.arrives_unchanged, by="DATA", parameters="BODY=8BITMIME")
    holds("the same octets", EIGHT_BIT, judge)


@requirement("RLY-01")
@pytest.mark.parametrize("by", ["DATA", "BDAT"])
def test_any_legal_content_arrives(
    by: str, holds: Holds, session: LogIn, submitter: Submitter
) -> None:
    """Dots, controls and long lines side by side arrive unharmed, by either command."""
    if by == "BDAT":
        need_keyword(session, "CHUNKING")
    holds("the octets that were sent", ANYTHING, partial(submitter.arrives_unchanged, by=by))


@requirement("DATA-04")
def test_pieces_do_not_matter(holds: Holds, submitter: Submitter) -> None:
    """Whole, octet by octet and in random pieces, a content has one fate."""

    def judge(example: tuple[Lines, tuple[int, ...]]) -> None:
        lines, places = example
        whole = submitter.in_pieces(lines, lambda octets: [octets])
        single = submitter.in_pieces(
            lines, lambda octets: [octets[at : at + 1] for at in range(len(octets))]
        )
        must(single == whole, f"{whole} octet by octet", single)
        pieces = submitter.in_pieces(lines, lambda octets: cut_at(octets, places))
        must(pieces == whole, f"{whole} when cut at {places}", pieces)

    short = DOTTED.map(lambda lines: lines[-6:])
    example = strategies.tuples(short, CUTS)
    holds("the same reply and the same octets", example, judge, is_dear=True)


@requirement("PIPE-01")
def test_pieces_of_a_batch_do_not_matter(holds: Holds, session: LogIn, target: Target) -> None:
    """Commands in a batch get the same replies, one each, however their octets are cut."""
    need_keyword(session, "PIPELINING")
    mail = f"MAIL FROM:<{sender_of(target)}>"
    spelled = {
        "RCPT": [f"RCPT TO:<{target.recipient()}>"],
        "NOOP": ["NOOP"],
        "ANOTHER MAIL": ["RSET", mail],
    }

    def replies(commands: tuple[str, ...], places: tuple[int, ...]) -> list[int]:
        lines = [mail, *(line for name in commands for line in spelled[name]), "RSET"]
        octets = "".join(line + "\r\n" for line in lines).encode()
        # Of each round its own: Exim grants a session ten commands that are not about mail.
        with session() as probe:
            send_in_pieces(probe, cut_at(octets, places or tuple(range(len(octets)))))
            return [due_reply(probe, line).code for line in lines]

    def judge(example: tuple[tuple[str, ...], tuple[int, ...]]) -> None:
        commands, places = example

        whole = replies(commands, (0,))
        single = replies(commands, ())
        must(single == whole, f"{whole} octet by octet", single)
        pieces = replies(commands, (0, *places))
        must(pieces == whole, f"{whole} when cut at {places}", pieces)

    holds("the same replies", strategies.tuples(COMMANDS, CUTS), judge, is_dear=True)
