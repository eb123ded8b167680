"""What is written, and what is said instead."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.voices.spoken_form import spoken_form


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("at 3 PM", "at three PM"),
        ("at 3pm tomorrow", "at three PM tomorrow"),
        ("It ends at 12 p.m.", "It ends at twelve PM."),
        ("at 9:05 a.m. sharp", "at nine oh five AM sharp"),
        ("at 15:30.", "at three thirty PM."),
        ("at 00:15", "at twelve fifteen AM"),
        ("at 7:00", "at seven o'clock"),
        ("at 25:99", "at twenty-five to ninety-nine"),
    ],
)
def test_times(written: str, said: str) -> None:
    assert spoken_form(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("due 2026-11-20", "due November twentieth, twenty twenty-six"),
        ("due 2026-11-20T15:30", "due November twentieth, twenty twenty-six at three thirty PM"),
        ("on 11/20/2026", "on November twentieth, twenty twenty-six"),
        ("on 20.11.2026", "on November twentieth, twenty twenty-six"),
        ("on Nov. 20", "on November twentieth"),
        ("on the 3rd of May", "on the third of May"),
        ("Friday, November 20, 2026", "Friday, November twentieth, twenty twenty-six"),
        ("May I help at 5?", "May I help at five?"),
        ("built in 1998", "built in nineteen ninety-eight"),
        ("the 90s", "the nineties"),
    ],
)
def test_dates_and_years(written: str, said: str) -> None:
    assert spoken_form(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Sarah owes you $50.", "Sarah owes you fifty dollars."),
        ("€20.50 and £1", "twenty euros and fifty cents and one pound"),
        ("$0.99", "ninety-nine cents"),
        ("$1,250", "one thousand two hundred and fifty dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("-$5", "minus five dollars"),
        ("50 USD", "fifty dollars"),
    ],
)
def test_money(written: str, said: str) -> None:
    assert spoken_form(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("12%", "twelve percent"),
        ("-5 °C, 1 km, 5 km", "minus five degrees Celsius, one kilometer, five kilometers"),
        ("1st, 2nd and 23rd", "first, second and twenty-third"),
        ("call 555-1234", "call five five five, one two three four"),
        ("code 83920471", "code eight three nine two oh four seven one"),
        ("10000000 people", "ten million people"),
        ("pages 3-5", "pages three to five"),
        ("3/4 cup", "three quarters cup"),
        ("version 1.2.3", "version one point two point three"),
        ("3.14", "three point one four"),
        ("10k steps", "ten thousand steps"),
        ("MP3 in room 12B", "MP three in room twelve B"),
        ("5 * 3 = 15", "five times three equals fifteen"),
        ("No. 5 and #1", "number five and number one"),
    ],
)
def test_numbers(written: str, said: str) -> None:
    assert spoken_form(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold**, _it_ and `code`", "Bold, it and code"),
        ("[the page](http://x.com/a)", "the page"),
        ("- Milk\n- Eggs", "Milk. Eggs."),
        ("1. First\n2. Second", "one. First. two. Second."),
        ("# Title\nText", "Title. Text"),
        ("Great 😀👍🏽 🇩🇪!", "Great!"),
        ("hello :-) there", "hello there"),
        ("see https://www.example.com/path?x=1.", "see example dot com slash path."),
        ("see https://example.com/a/very/long/path/that/nobody/can/keep", "see example dot com"),
        ("mail bob.smith@example.org", "mail bob dot smith at example dot org"),
        ("Dr. Smith vs. Mr. Jones, etc.", "Doctor Smith versus Mister Jones, et cetera."),
        ("a < b & c", "a less than b and c"),
        ("one — two", "one, two"),
        ("He said “no”.", "He said no."),
        ("Zoë’s café", "Zoë's café"),
    ],
)
def test_marks_links_and_abbreviations(written: str, said: str) -> None:
    assert spoken_form(written) == said


@pytest.mark.parametrize("written", ["", "   ", "...", "!!!", "😀", "❤️ 👍", "---", "**", "\x00\x07", "$"])
def test_what_holds_no_words_is_empty(written: str) -> None:
    assert spoken_form(written) == ""


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_becomes_one_line_without_ascii_digits(written: str) -> None:
    said = spoken_form(written)

    assert not any(char in "0123456789\n\r\t" for char in said)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789 :/.-,$€%apmAPMT()+#st*x", max_size=40))
def test_any_jumble_of_digits_and_marks_becomes_words(written: str) -> None:
    assert not any(char.isdigit() for char in spoken_form(written))
