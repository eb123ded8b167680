"""Keeps notes and reads them out."""

from datetime import datetime
from typing import Final

from infra.state import notes
from infra.state.notes import Note
from infra.state.port import Transaction
from stages.router import english, matching, moments
from stages.router.asked import Asked, Json, Result, asks, done, quoted

NAMED_MAX: Final = 5  # as many are read out at once
LISTED_MAX: Final = 20  # as many stand in the data
SEARCHED_MAX: Final = 2_000  # the newest notes, among which a query looks


async def create(tx: Transaction, asked: Asked) -> Result:
    """Keep a note; ask for its text when there is none."""
    text = (asked.intent.slots.title or "").strip()
    if not text:
        return asks(asked, "I don't know yet what to write down.", "What should the note say?", "title")
    await notes.add(tx, asked.scope, Note(asked.id, text, asked.now))
    return done(asked, f"I've noted {quoted(text)}.", note=asked.id, text=text)


async def show(tx: Transaction, asked: Asked) -> Result:
    """Read out the newest notes: all, of a day, or about something."""
    slots = asked.intent.slots
    about, during, between = "", "", None
    if slots.when is not None and slots.when.at is not None:
        between, during = _day(asked, slots.when.at)
    found = await notes.newest(tx, asked.scope, SEARCHED_MAX, between)
    words = slots.query or slots.title or ""
    if matching.telling_words(words):
        found, about = [note for note in found if matching.holds(words, note.text)], f" about {quoted(words)}"
    if not found:
        return done(asked, f"You have no notes{about}{during}.", count=0, notes=[])
    count = english.counted(len(found), "note", "notes")
    newest = f" The newest {NAMED_MAX} are" if len(found) > NAMED_MAX else ""
    named = english.joined([quoted(note.text) for note in found[:NAMED_MAX]])
    message = f"You have {count}{about}{during}{'.' + newest if newest else ''}: {named}."
    listed: list[Json] = [
        {"note": note.id, "text": note.text, "created_at": asked.local(note.created_at).isoformat()}
        for note in found[:LISTED_MAX]
    ]
    return done(asked, message, count=len(found), notes=listed)


def _day(asked: Asked, at: datetime) -> tuple[tuple[datetime, datetime], str]:
    day = asked.local(at).date()
    return moments.day_span(day, asked.zone), f" from {moments.spoken_day(day, asked.now.date()).removeprefix('on ')}"
