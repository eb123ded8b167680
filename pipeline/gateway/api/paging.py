"""Pages: how much of a list is asked for, and where it goes on."""

from typing import Annotated, Final

from fastapi import Query

from pipeline.cursors import CURSOR_MAX_CHARS
from pipeline.state_desk import PAGE_MAX

LIMIT: Final = 20
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many; a page may hold fewer.")]
Cursor = Annotated[
    str | None,
    Query(max_length=CURSOR_MAX_CHARS, description="`next` of the page before; without it the list begins."),
]
NEXT: Final = "Leads on, as `cursor`; null: there are no more."
