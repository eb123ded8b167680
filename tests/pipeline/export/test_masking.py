"""What is masked, and what is left alone."""

from typing import Any

import pytest

from pipeline.export.masking import Masking

CONVERSATION = "one"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to anna.b+x@mail.example.co.uk please", "write to [EMAIL_1] please"),
        ("it is anna at example dot com", "it is [EMAIL_1]"),
        ("see https://example.org/me?d=1, ok", "see [URL_1], ok"),
        ("my address is 192.168.0.12", "my address is [IP_1]"),
        ("fe80::1ff:fe23:4567:890a is up", "[IP_1] is up"),
        ("pay to DE89 3704 0044 0532 0130 00 today", "pay to [IBAN_1] today"),
        ("GB29NWBK60161331926819", "[IBAN_1]"),
        ("my card is 4111 1111 1111 1111.", "my card is [CARD_1]."),
        ("5500-0000-0000-0004", "[CARD_1]"),
        ("call 415-555-2671", "call [PHONE_1]"),
        ("call (555) 123-4567 now", "call [PHONE_1] now"),
        ("+1 555 123 4567", "[PHONE_1]"),
        ("ring 020 7946 0958", "ring [PHONE_1]"),
        ("ruf 0171 2345678 an", "ruf [PHONE_1] an"),
        ("my phone number is 55501234", "my phone number is [PHONE_1]"),
        ("I live at 221B Baker Street, London NW1 6XE", "I live at [ADDRESS_1]"),
        ("send it to 1600 Pennsylvania Ave NW, Washington, DC 20500", "send it to [ADDRESS_1]"),
        ("it is 12 main street", "it is [ADDRESS_1]"),
        ("Hauptstraße 12, 10115 Berlin", "[ADDRESS_1]"),
        ("my name is Anna Schmidt and I sing", "my name is [NAME_1] and I sing"),
        ("my name is zelda", "my name is [NAME_1]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert Masking(()).text(text, CONVERSATION) == masked


@pytest.mark.parametrize(
    "text",
    [
        "remind me at 10:30:15 on 2026-11-20",
        "I owe 1,250.00 dollars for 3 nights",
        "order 4111 1111 1111 1112 was 12",  # wrong check digit
        "DE89 3704 0044 0532 0130 01 is no account",  # wrong check digits
        "version 1.2.3.4567 and 3.11.7",
        "12 10 2026 and 20.11.2026",
        "it's 2 miles down the road",
        "3 people on the street",
        "add 12.50 euros and 100 200 300",
        "the years 1984 and 2001 and 2010",
        "2026-11-20 10:30 to 2026-11-21 11:45",
        "meet me @ 5",
        "1 500 000 dollars",
        "the score was 12:30:44",
        "my name is not important",
        "what is the capital of France?",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    masking = Masking(("me", "my mom", "the bank"))

    assert masking.text(text, CONVERSATION) == text
    assert not masking.taken()


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        ("Tom", "Tom owes me 5", "[NAME_1] owes me 5"),
        ("Tom", "Tom's car and Tom", "[NAME_1]'s car and [NAME_1]"),
        ("tom", "ask tom, then Tom", "ask [NAME_1], then [NAME_1]"),
        ("Tom", "Tomorrow I see atom", "Tomorrow I see atom"),
        ("Tom", "call Tom Becker on Monday", "call [NAME_1] on Monday"),
        ("Tom", "call Tom Monday", "call [NAME_1] Monday"),
        ("Sarah Miller", "Sarah and Sarah Miller", "[NAME_1] and [NAME_1]"),
        ("Sarah Miller", "the Miller wins", "the [NAME_1] wins"),
        ("my mom", "call my mom", "call my mom"),
        ("user123", "user123 said hi", "[NAME_1] said hi"),
    ],
)
def test_names_that_the_log_knows_are_masked(name: str, text: str, masked: str) -> None:
    assert Masking((name,)).text(text, CONVERSATION) == masked


def test_a_value_is_the_same_placeholder_all_through_a_conversation_and_not_beyond() -> None:
    masking = Masking(("Tom", "Eve"))

    assert masking.text("Eve met Tom", "one") == "[NAME_1] met [NAME_2]"
    assert masking.text("Tom at a@b.org left", "one") == "[NAME_2] at [EMAIL_1] left"
    assert masking.text("Tom and Eve", "two") == "[NAME_1] and [NAME_2]"


def test_a_users_id_is_masked_whatever_it_looks_like() -> None:
    masking = Masking(())

    assert masking.user("anna_77-x", "one") == "[NAME_1]"
    assert masking.user("me", "one") == "me"


def test_two_people_of_one_first_name_are_two() -> None:
    masking = Masking(("Tom Becker", "Tom Miller"))

    assert masking.text("Tom Becker and Tom Miller", CONVERSATION) == "[NAME_1] and [NAME_2]"


def test_all_texts_of_a_row_are_masked_and_parleys_own_words_are_not() -> None:
    row: dict[str, Any] = {
        "labels": ["Tom"],
        "slots": [{"person": "Tom", "all": False, "when": {"at": "2026-11-22T15:00:00Z"}}],
        "messages": [
            {"role": "user", "content": "Tom is a@b.org"},
            {"role": "tool", "name": "add_friend", "content": "Tom is in."},
            {"tool_calls": [{"function": {"name": "add_friend", "arguments": {"person": "Tom"}}}]},
        ],
    }
    masking = Masking(("Tom", "add_friend"))

    assert masking.row(row, CONVERSATION) == {
        "labels": ["Tom"],
        "slots": [{"person": "[NAME_1]", "all": False, "when": {"at": "2026-11-22T15:00:00Z"}}],
        "messages": [
            {"role": "user", "content": "[NAME_1] is [EMAIL_1]"},
            {"role": "tool", "name": "add_friend", "content": "[NAME_1] is in."},
            {"tool_calls": [{"function": {"name": "add_friend", "arguments": {"person": "[NAME_1]"}}}]},
        ],
    }
    assert masking.taken() == {"NAME": 4, "EMAIL": 1}
    assert not masking.taken()


@pytest.mark.parametrize(
    "text",
    ["1 " + "a " * 2_000, "1" * 4_000, "1 2 " * 1_000, "a" * 3_999 + "@", ":" * 4_000, "+1 " + "1 " * 2_000],
    ids=["words", "digits", "numbers", "mail", "colons", "phone"],
)
def test_no_text_of_a_turns_length_takes_long(text: str) -> None:
    import time

    began = time.process_time()
    Masking(("Tom",)).text(text, CONVERSATION)

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("remind me to call Tom Becker at five", "remind me to call [NAME_1] at five"),
        ("Set a reminder to Email Zoë Müller-Lang.", "Set a reminder to Email [NAME_1]."),
        ("meet Tom and Eve on Friday", "meet [NAME_1] and Eve on Friday"),
        ("lunch with Olga Monday", "lunch with [NAME_1] Monday"),
        ("a present for Ines tomorrow", "a present for [NAME_1] tomorrow"),
        ("Tom's birthday is near, tell Tom Becker", "[NAME_1]'s birthday is near, tell [NAME_1]"),
        ("call Mom, then ask Parley", "call Mom, then ask Parley"),
        ("call The Dentist", "call The Dentist"),
        ("tell me what Monday's weather is", "tell me what Monday's weather is"),
        ("the call came", "the call came"),
    ],
)
def test_whoever_is_to_be_called_or_met_is_a_name_that_nobody_told_the_log(text: str, masked: str) -> None:
    assert Masking([]).text(text, CONVERSATION) == masked


def test_the_people_of_a_story_keep_their_names() -> None:
    said = "She would call Elena Vasquez; it was Elena's birthday."

    assert Masking([], spoken=False).text(said, CONVERSATION) == said


@pytest.mark.parametrize(
    ("told", "text", "masked"),
    [
        ("call Anna", "Anna is not at home", "[NAME_1] is not at home"),
        ("call Anna Monday", "On Monday, Anna's in", "On Monday, [NAME_1]'s in"),
        ("meet Tom Becker", "Tom and Becker", "[NAME_1] and [NAME_2]"),
        ("my name is zelda", "Hello, Zelda!", "Hello, [NAME_1]!"),
        ("my name is Anna Maria Schmidt", "Anna Maria Schmidt sings", "[NAME_1] sings"),
        ("it is Ines’s birthday", "Ines is old", "[NAME_1] is old"),
        ("ask Will", "I will not", "I will not"),
    ],
)
def test_a_name_that_was_told_once_is_masked_everywhere_in_its_conversation(told: str, text: str, masked: str) -> None:
    masking = Masking(["Maria"])

    masking.learn({"text": [told]}, CONVERSATION)

    assert masking.text(text, CONVERSATION) == masked


def test_whoever_is_to_be_called_in_one_conversation_is_nobody_in_another_until_they_are_shared() -> None:
    masking = Masking(())
    masking.learn("visit Paris", "one")
    masking.learn("my name is Wilhelmina Oberst", "one")

    assert masking.text("Paris, Wilhelmina!", "two") == "Paris, [NAME_1]!"

    masking.share("one", "two")
    assert masking.text("Paris, Wilhelmina!", "two") == "[NAME_2], [NAME_1]!"
