"""What of a model's sentence is fit to be spoken."""

import pytest

from stages.chat.tidying import tidied


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("**Hello** there, `you`!", "Hello there, you!"),
        ("# Title of it", "Title of it"),
        ("- first item", "first item"),
        ("See [the page](http://example.com/x).", "See the page."),
        ("Assistant: I am fine.", "I am fine."),
        ("Great 😀 news!", "Great news!"),
        ("5 * 3 is 15.", "5 * 3 is 15."),
        ("No, no, no.", "No, no, no."),
        ("snake_case stays", "snake_case stays"),
    ],
)
def test_markup_is_taken_off_and_words_stay(raw: str, clean: str) -> None:
    assert tidied(raw).text == clean
    assert tidied(raw).ends is None


@pytest.mark.parametrize(
    ("raw", "clean", "reason"),
    [
        ("I am fine.<|im_end|>", "I am fine.", "marker"),
        ("Sure.<|im_start|>user", "Sure.", "marker"),
        ("Sure. User: and then?", "Sure.", "somebody else"),
        ("I like it and I like it and I like it and I like", "I like it and", "repetition"),
        ("the the the the the", "the", "repetition"),
        ("<|im_end|>", "", "marker"),
    ],
)
def test_a_reply_ends_where_it_goes_wrong(raw: str, clean: str, reason: str) -> None:
    tidy = tidied(raw)
    assert tidy.text == clean
    assert reason in (tidy.ends or "")


@pytest.mark.parametrize("raw", ["", "  ", "...", "*** ---", "😀😀", "\x00"])
def test_what_cannot_be_spoken_is_nothing(raw: str) -> None:
    assert tidied(raw).text == ""


def test_a_sentence_that_was_said_before_ends_the_reply() -> None:
    tidy = tidied("I AM fine!", ["Hello.", "I am fine."])
    assert (tidy.text, tidy.ends) == ("", "endless repetition")


@pytest.mark.parametrize(
    "claim",
    [
        "I've noted 'Never, ever, try again.'",
        "Sure! I have set a reminder for 3 PM.",
        "I'll remind you tomorrow.",
        "Okay, I just added it to your list.",
        "Done. I've scheduled your meeting.",
    ],
)
def test_a_model_does_not_claim_what_only_a_skill_can_have_done(claim: str) -> None:
    found = tidied(claim)
    assert found.text == ""
    assert found.ends is not None


@pytest.mark.parametrize("talk", ["I set great store by honesty.", "I added nothing.", "I note that you are tired."])
def test_talk_that_claims_no_act_passes(talk: str) -> None:
    assert tidied(talk).text == talk
