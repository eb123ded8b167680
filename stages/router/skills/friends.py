"""Keeps a list of friends."""

from infra.state import friends
from infra.state.port import Transaction
from stages.router import people
from stages.router.asked import Asked, Result, asks, done


async def add(tx: Transaction, asked: Asked) -> Result:
    """Add a friend; one of that name is kept once."""
    person = asked.intent.slots.person or asked.intent.slots.title
    if not person or not people.key_of(person):
        return asks(asked, "I don't know yet whom to add.", "What's your friend's name?", "person")
    name, key = people.name_of(person), people.key_of(person)
    if await friends.add(tx, asked.scope, name, key, asked.now):
        return done(asked, f"I've added {name} to your friends.", person=name)
    known = await friends.named(tx, asked.scope, key)
    return done(asked, f"{people.sentence(known or name)} is among your friends already.", person=known, duplicate=True)
