"""What is measured of a style, and how a prompt says it."""

import pytest

from pipeline.texts.style import measured, system_prompt

DIARY = [
    "I don't know why I'm here, but I can't leave.",
    "We waited.",
    "It's late; my feet hurt.",
    "Why did I come?",
] * 30
REPORT = [
    "The committee considered the financial consequences of the proposed arrangement, and its chairman expressed "
    "considerable reservations concerning several fundamental assumptions that the department had adopted.",
    "Subsequent investigation established that the original estimates understated administrative expenditure.",
] * 30


def test_figures_are_those_of_the_text() -> None:
    style = measured(['He said: "You are late!"', "Why, are you?"])

    assert style is not None
    assert (style.sentences, style.words, style.words_a_sentence) == (2, 8, 4.0)
    assert (style.questions, style.exclamations) == (0.5, 0.5)
    assert (style.first_person, style.second_person, style.third_person) == (0, 25, 12.5)
    assert style.speech == pytest.approx(3 / 8)
    assert style.variety == pytest.approx(6 / 8)
    assert style.commas == 0.5


def test_variety_does_not_fall_with_the_length_of_the_text() -> None:
    once, often = measured(DIARY[:40]), measured(DIARY)

    assert once is not None and often is not None
    assert once.variety == pytest.approx(often.variety, abs=0.02)


def test_other_styles_have_other_prompts() -> None:
    diary, report = measured(DIARY), measured(REPORT)

    assert diary is not None and report is not None
    assert system_prompt(diary) == (
        "You are an author who writes in the first person, in short sentences (about 5 words), with a plain "
        "vocabulary, in an informal tone, using many questions and semicolons."
    )
    assert system_prompt(report) == (
        "You are an author who writes in medium-length sentences (about 20 words), with a plain vocabulary, in a "
        "formal tone."
    )


def test_masked_words_are_not_measured_and_no_words_have_no_style() -> None:
    assert measured(["[NAME_1] [EMAIL_2]", "—"]) is None
