"""What is a yes, what is a no, and what is neither."""

import time

import pytest

from stages.router.consent import consent

YES = """
yes | Yes. | YES! | yes please | Yes, please. | yeah | yep | yup | sure | Sure thing. | ok | okay | OK, do it. | alright
do that | do it | please do | go ahead | Go ahead, please. | yes, go ahead and do it | yes yes | oh yes | um, yes
of course | absolutely | right | That's right. | that’s correct | yes, that's right | why not | I do | yes I do
sounds good | yes, I'm sure | ok thanks | yes, do that, thank you | you can
""".replace("\n", "|")
NO = """
no | No. | nope | nah | no thanks | No, thank you. | don't | Don’t! | no, don't | no, don't do that | do not
never mind | Never mind. | oh, never mind | forget it | not now | rather not | I'd rather not | no way | wrong
that's wrong | no, that's not what I meant | stop | please don't | no, please don't do it | leave it | I don't want that
that was a mistake | keep them | no, keep all of them | leave it alone
""".replace("\n", "|")
NEITHER = """
yes and add milk to my list | no, remind me tomorrow at three | not sure | I don't know | maybe | yes no | yes but no
what? | which ones? | oklahoma | yesterday | do you know any jokes | sure enough it rained
note buy milk | thanks | hello | no idea what to cook | three | the second one | please remind me to call mum
yes I owe her fifty | okay so what is the capital of France | all right tell me a joke | nobody | 1 | ... | ?
""".replace("\n", "|")


def phrases(table: str) -> list[str]:
    return [phrase for each in table.split("|") if (phrase := each.strip())]


@pytest.mark.parametrize("text", phrases(YES))
def test_it_is_a_yes(text: str) -> None:
    assert consent(text) == "yes"
    assert consent(text, to_cancel=True) == "yes"


@pytest.mark.parametrize("text", phrases(NO))
def test_it_is_a_no(text: str) -> None:
    assert consent(text) == "no"
    assert consent(text, to_cancel=True) == "no"


@pytest.mark.parametrize("text", [*phrases(NEITHER), "", " "])
def test_it_is_neither(text: str) -> None:
    assert consent(text) is None
    assert consent(text, to_cancel=True) is None


@pytest.mark.parametrize(
    ("text", "asked_to_cancel", "asked_otherwise"),
    [
        ("cancel them", "yes", None),
        ("Yes, cancel them.", "yes", None),
        ("cancel all of them", "yes", None),
        ("yes, delete them all please", "yes", None),
        ("ok cancel it", "yes", "no"),
        ("yes, cancel that", "yes", None),
        ("cancel that", "no", "no"),  # it may be the question that is taken back: nothing is lost by that
        ("cancel", "no", "no"),
        ("don't cancel them", "no", "no"),
        ("note that", None, "yes"),
        ("yes, write it down", None, "yes"),
        ("yes, all of them", "yes", "yes"),
        ("cancel all my reminders", None, None),
        ("cancel the dentist", None, None),
    ],
)
def test_what_was_asked_decides_what_a_deed_means(
    text: str, asked_to_cancel: str | None, asked_otherwise: str | None
) -> None:
    assert consent(text, to_cancel=True) == asked_to_cancel
    assert consent(text) == asked_otherwise


@pytest.mark.parametrize(
    "text", ["cancel them all " * 250 + "x", "no not at all " * 280 + "x", "yes ok all " * 360 + "x"]
)
def test_a_long_text_is_neither_and_found_to_be_so_at_once(text: str) -> None:
    started = time.process_time()

    assert consent(text, to_cancel=True) is None
    assert time.process_time() - started < 0.5
