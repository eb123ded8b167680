"""What a model thinks aloud before it answers is left out, however it is cut into pieces."""

import pytest

from infra.engines.thinking import Thinking


def answer(text: str, size: int) -> str:
    thinking = Thinking()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(thinking.left_out(piece) for piece in pieces) + thinking.rest()


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>Let me see. 1 < 2.</think>It is two.", "It is two."),
        ("\n<think>\n\n</think>\n\nIt is  two.", "It is  two."),
        ("<think>It never ends", ""),
        ("<think>So.</think>", ""),
        ("It is two.", "It is two."),
        (" It is two.", " It is two."),
        ("<thin ice>", "<thin ice>"),
        ("<thi", "<thi"),
        ("Two. <think>not at the beginning</think>", "Two. <think>not at the beginning</think>"),
        ("", ""),
    ],
)
def test_only_thinking_at_the_beginning_is_left_out(text: str, left: str, size: int) -> None:
    assert answer(text, size) == left
