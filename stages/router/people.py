"""How a person is named in a sentence to the user, and by what key their entries are found. Pure."""

from stages.router import matching


def key_of(person: str) -> str:
    """By which two spellings of one person are equal."""
    return matching.folded(person).removesuffix("'s")


def name_of(person: str) -> str:
    """`sarah` is "Sarah"; `my sister` is "your sister"; a name with capitals stays as it is."""
    name = " ".join(person.split())
    if name.casefold().startswith("my "):
        return f"your {name[3:]}"
    return " ".join(word[:1].upper() + word[1:] for word in name.split()) if name == name.lower() else name


def sentence(text: str) -> str:
    """With a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
