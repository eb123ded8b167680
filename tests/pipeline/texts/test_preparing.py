"""From files to examples, with words in the place of tokens."""

import random
import re
from collections.abc import Callable

import pytest

from pipeline.export.splitting import Split, split_of_file
from pipeline.texts.folder import TextFile
from pipeline.texts.preparing import Prepared, Wanted, prepare
from stages.chat.sentences import whole_sentences

WORDS = ("river", "stone", "window", "garden", "letter", "harbour", "winter", "engine", "forest", "bridge", "market")
SHORT = Wanted(least=40, most=160)


def story(seed: int, sentences: int = 40, place: str = "the old harbour") -> str:
    """Sentences that no other seed has, three a paragraph."""
    chance = random.Random(seed)
    said = [
        f"{chance.choice(['Anna', 'The captain', 'Nobody'])} took the {chance.choice(WORDS)} to {place} number "
        f"{chance.randrange(10**9)}, {chance.choice(['because', 'while', 'before'])} the {chance.choice(WORDS)} was "
        f"{chance.choice(['cold', 'late', 'gone', 'near'])}."
        for _ in range(sentences)
    ]
    return "\n\n".join(" ".join(said[at : at + 3]) for at in range(0, sentences, 3))


def words(text: str) -> int:
    return len(text.split())


def made(files: dict[str, str], wanted: Wanted = SHORT, split: Callable[[str], Split] = lambda _: "train") -> Prepared:
    return prepare([TextFile(name, name, text) for name, text in files.items()], split, wanted, words, whole_sentences)


def test_a_text_becomes_passages_of_whole_sentences_within_the_limits() -> None:
    text = story(1)

    prepared = made({"night.txt": text})

    answers = [example.row["messages"][-1]["content"] for example in prepared.examples]
    assert len(answers) > 3
    assert all(40 <= words(answer) <= 160 and answer.endswith(".") for answer in answers)
    assert "\n\n".join(answers).split() == text.split(), "nothing is lost and nothing is said twice"
    assert prepared.documents[0].tokens_left_out == 0


def test_the_question_names_the_text_its_section_its_subjects_and_what_stood_before() -> None:
    prepared = made({"long.md": f"# Night\n\n## Storm\n\n{story(2)}"})

    questions = [example.row["messages"][1]["content"] for example in prepared.examples]
    answers = [example.row["messages"][2]["content"] for example in prepared.examples]
    assert re.fullmatch(r'Write the beginning of "Night", in the section "Storm", about .+\.', questions[0])
    before = answers[0].rpartition(". ")[2]
    assert re.fullmatch(rf'Write a part of "Night", .+ Go on after: {re.escape(before)}', questions[1])
    assert {example.row["messages"][0]["role"] for example in prepared.examples} == {"system"}


def test_a_file_goes_to_one_split_whole() -> None:
    files = {f"part-{number}.txt": story(number) for number in range(40)}

    prepared = made(files, split=split_of_file)

    splits = {example.file: set[str]() for example in prepared.examples}
    for example in prepared.examples:
        splits[example.file].add(example.split)
    assert all(len(split) == 1 for split in splits.values())
    assert {"train"} in splits.values() and {"validation"} in splits.values()
    assert {name: split_of_file(name) for name in files} == {one.file.name: one.split for one in prepared.documents}


def test_a_copy_gives_no_row_also_when_something_stands_before_it() -> None:
    text = story(3)

    prepared = made({"a.txt": text, "b.txt": f"{story(4, 2)}\n\n{text}"})

    assert {example.file for example in prepared.examples} == {"a.txt"}
    assert prepared.left_out["paragraphs that an earlier file has"] == 14


def test_a_passage_that_is_nearly_another_is_left_out_also_across_the_splits() -> None:
    text = story(5, 9)
    split: Callable[[str], Split] = lambda name: "validation" if name == "b.txt" else "train"  # noqa: E731

    prepared = made({"a.txt": text, "b.txt": text.replace(" took ", " takes ")}, split=split)

    assert {example.file for example in prepared.examples} == {"a.txt"}
    assert prepared.without.leaking == prepared.without.near > 0


def test_personal_data_is_masked_unless_it_is_to_be_kept() -> None:
    files = {"letter.txt": story(6, place="anna@example.org")}

    masked, kept = made(files), made(files, Wanted(40, 160, mask=False))

    assert "anna@example.org" not in str([example.row for example in masked.examples])
    assert sum(example.masked["EMAIL"] for example in masked.examples) >= 40
    assert "anna@example.org" in str([example.row for example in kept.examples])
    assert not any(example.masked for example in kept.examples)


def test_what_is_too_short_or_too_long_is_counted() -> None:
    prepared = made({"short.txt": "Only this.", "long.txt": f"{'and so on ' * 60}.\n\n{story(7)}"})

    assert {example.file for example in prepared.examples} == {"long.txt"}
    assert prepared.left_out == {
        "texts, and ends of texts, of less than 40 tokens": 1,
        "sentences of more than 160 tokens": 1,
    }
    assert not prepared.examples[0].row["messages"][1]["content"].endswith("and so on.")


def test_the_same_files_give_the_same_examples() -> None:
    files = {f"{number}.txt": story(number) for number in range(5)}

    assert [example.row for example in made(files).examples] == [example.row for example in made(files).examples]


@pytest.mark.parametrize("text", ["", "?.??\n\n...\n\n—"])
def test_a_text_without_words_gives_nothing(text: str) -> None:
    prepared = made({"odd.txt": text})

    assert (prepared.examples, prepared.style) == ([], None)
