"""Words stay, marks go."""

from pipeline.texts.folder import TextFile
from pipeline.texts.plain import Paragraph, plain


def of(text: str, name: str = "the_long-night.txt") -> tuple[Paragraph, ...]:
    return plain(TextFile(name, "", text)).paragraphs


def test_blank_lines_divide_plain_text_and_rows_of_stars_say_nothing() -> None:
    assert [one.text for one in of("One.\n \nTwo\tis   here.\n\n* * *\n\n\nThree.\n")] == [
        "One.",
        "Two is here.",
        "Three.",
    ]


def test_lines_cut_at_a_width_are_joined_and_verse_is_not() -> None:
    wrapped = (
        "It was a late and windy night, when all the bells\nof the town rang all at once, and rang on for\nan hour."
    )
    verse = "Short lines\nstay lines\nin a poem."

    assert [one.text for one in of(f"{wrapped}\n\n{verse}")] == [wrapped.replace("\n", " "), verse]


def test_a_plain_text_is_called_by_its_file() -> None:
    assert plain(TextFile("books/the_long-night.txt", "", "Once.")).title == "the long night"


def test_markdown_is_read_without_its_marks_code_tables_html_and_head() -> None:
    text = (
        "---\ntags: [a]\n---\n# The *Long* Night\n\nIt was **late**, and [she](http://x.y) slept\nwell.\n\n"
        "## Storm\n\n<!-- todo: mend -->\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "> A `quiet` word.\n\n- milk\n- more\n  milk\n\n1. first\n2. second\n"
    )

    told = plain(TextFile("night.md", "", text))

    assert told.title == "The Long Night"
    assert told.paragraphs == (
        Paragraph("It was late, and she slept well."),
        Paragraph("A quiet word.", "Storm"),
        Paragraph("- milk\n- more milk", "Storm"),
        Paragraph("1. first\n2. second", "Storm"),
    )
