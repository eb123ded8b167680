"""What a user has: reminders, notes, ledger, expenses, appointments and friends. They are changed by saying so."""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field

from infra.state.appointments import Appointment
from infra.state.expenses import Expense
from infra.state.friends import Friend
from infra.state.ledger import Balance, Entry
from infra.state.notes import Note
from pipeline.gateway.api.access import UserPath
from pipeline.gateway.api.paging import LIMIT, NEXT, Cursor, Limit
from pipeline.gateway.auditing import audited
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.refusals import responses
from pipeline.state_desk import (
    APPOINTMENTS,
    EXPENSES,
    FRIENDS,
    LEDGER,
    NOTES,
    REMINDERS,
    Kind,
    Page,
    Question,
    ask_state,
)

A = TypeVar("A")
T = TypeVar("T")

router = APIRouter(prefix="/api/users/{user_id}", tags=["users"])
_REFUSALS: Final = responses(401, 403, 422, 429, 503, 504)


class Listed(BaseModel, Generic[T]):
    """A page of a list."""

    user_id: str
    rows: list[T]
    next: str | None = Field(default=None, description=NEXT)


def _shown(**row: Any) -> dict[int | str, dict[str, Any]]:
    """What may be answered, with a row as an example."""
    example = {"user_id": "ann", "rows": [row], "next": None}
    return {**_REFUSALS, 200: {"content": {"application/json": {"example": example}}}}


class ReminderTold(BaseModel):
    """One reminder that is open."""

    id: str
    title: str
    due_at: datetime
    time_zone: str
    conversation: str
    turn: str = Field(description="In which it was made.")
    moved: int = Field(description="How often it was given another time.")


@router.get(
    "/reminders",
    summary="Open reminders, the next one first",
    dependencies=[audited("read", "reminders")],
    responses=_shown(
        id="019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0",
        title="call the dentist",
        due_at="2026-11-21T14:00:00Z",
        time_zone="Europe/Berlin",
        conversation="019aa0b4-5c1f-7d33-9a52-0e4b7c61f2a8",
        turn="019aa0b4-6e02-7a10-8f4c-5d2e91b3c740",
        moved=0,
    ),
)
async def reminders(
    user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None
) -> Listed[ReminderTold]:
    """Neither announced nor cancelled. To cancel one, say so: “cancel my reminder to call the dentist”."""
    page = await _asked(given, REMINDERS, user_id, limit, cursor)
    rows = [ReminderTold(**{name: getattr(row, name) for name in ReminderTold.model_fields}) for row in page.rows]
    return Listed(user_id=user_id, rows=rows, next=page.next)


@router.get(
    "/notes",
    summary="Notes, newest first",
    responses=_shown(
        id="019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0", text="the milk is out", created_at="2026-11-20T09:30:15.123456Z"
    ),
    dependencies=[audited("read", "notes")],
)
async def notes(user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Listed[Note]:
    """What the user keeps."""
    return _listed(user_id, await _asked(given, NOTES, user_id, limit, cursor))


class LedgerTold(BaseModel):
    """Who owes whom. Amounts are whole minor units (cents); positive: the person owes the user."""

    user_id: str
    balances: list[Balance] = Field(description="What is open, the largest first; the same on each page.")
    rows: list[Entry] = Field(description="How it came about, newest first.")
    next: str | None = Field(default=None, description=NEXT)

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "user_id": "ann",
                    "balances": [{"person": "Cem", "person_key": "cem", "amount_minor": 2000, "currency": "EUR"}],
                    "rows": [],
                    "next": None,
                }
            ]
        }
    }


@router.get(
    "/ledger",
    summary="Who owes whom",
    responses=_REFUSALS,
    dependencies=[audited("read", "ledger")],
)
async def ledger(user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> LedgerTold:
    """The balance of each person and currency, and the debts and repayments that make it."""
    found = await _asked(given, LEDGER, user_id, limit, cursor)
    return LedgerTold(
        user_id=user_id, balances=list(found.balances), rows=list(found.entries.rows), next=found.entries.next
    )


@router.get(
    "/expenses",
    summary="Expenses, newest first",
    dependencies=[audited("read", "expenses")],
    responses=_shown(
        id="019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0",
        amount_minor=1200,
        currency="EUR",
        purpose="coffee",
        spent_at="2026-11-20T09:30:15.123456Z",
        created_at="2026-11-20T09:30:15.123456Z",
    ),
)
async def expenses(user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Listed[Expense]:
    """What was spent, in whole minor units."""
    return _listed(user_id, await _asked(given, EXPENSES, user_id, limit, cursor))


@router.get(
    "/appointments",
    summary="Appointments that are not over, the next one first",
    dependencies=[audited("read", "appointments")],
    responses=_shown(
        id="019aa0b4-6e02-7a10-8f4c-5d2e91b3c740-0",
        title="meeting with the team",
        starts_at="2026-11-21T09:00:00Z",
        ends_at="2026-11-21T10:00:00Z",
        all_day=False,
        created_at="2026-11-20T09:30:15.123456Z",
    ),
)
async def appointments(
    user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None
) -> Listed[Appointment]:
    """What goes on now or comes."""
    return _listed(user_id, await _asked(given, APPOINTMENTS, user_id, limit, cursor))


@router.get(
    "/friends",
    summary="Friends, by name",
    responses=_shown(name="Mia", name_key="mia", created_at="2026-11-20T09:30:15.123456Z"),
    dependencies=[audited("read", "friends")],
)
async def friends(user_id: UserPath, given: Given, limit: Limit = LIMIT, cursor: Cursor = None) -> Listed[Friend]:
    """Whom the user has named as friends."""
    return _listed(user_id, await _asked(given, FRIENDS, user_id, limit, cursor))


async def _asked(given: Gateway, kind: Kind[A], user: str, limit: int, cursor: str | None) -> A:
    question = Question(tenant=given.settings.tenant, user=user, limit=limit, cursor=cursor)
    return await ask_state(given.bus, kind, question)


def _listed(user: str, page: Page[T]) -> Listed[T]:
    return Listed(user_id=user, rows=list(page.rows), next=page.next)
