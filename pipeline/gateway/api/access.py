"""Whose things an endpoint may show or touch: the one place where the endpoints meet what guards them.

A turn, its sound and its trace are "not found" for whoever may not see them: that they exist is told to nobody else.
"""

from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.requests import HTTPConnection

from infra.tokens import Identity, Role, TokenMissing
from pipeline.front_end import FollowedTurn
from pipeline.gateway.audit import Action
from pipeline.gateway.auditing import permitted
from pipeline.gateway.given import Gateway, Given
from pipeline.gateway.guarding import Who, known, require
from pipeline.gateway.refusals import Forbidden, no_such_conversation, no_such_turn
from pipeline.state_desk import OWNER, Question, ask_state
from pipeline.turn_lookup import turn_of
from schemas.event import Token, Uuid7
from schemas.ids import Tenant, TurnId

UserPath = Annotated[Token, Path(description="Whose; the user's name as the token has it.", examples=["me"])]
TurnPath = Annotated[Uuid7, Path(description="The turn's id.", examples=["019aa0b4-6e02-7a10-8f4c-5d2e91b3c740"])]


def perhaps(connection: HTTPConnection) -> Identity | None:
    """Who asks, where somebody unknown may ask too. Raises TokenRefused for a token that is not good."""
    try:
        return known(connection.scope)
    except TokenMissing:
        return None


Perhaps = Annotated[Identity | None, Depends(perhaps)]


def acting_for(me: Identity, user: str | None) -> str:
    """In whose name a turn is said. Raises Forbidden: another's needs the role admin, one's own the role user."""
    whose = user or me.user
    require(me, Role.USER if whose == me.user else Role.ADMIN)
    return whose


async def own_conversation(given: Gateway, user: str, conversation: str | None) -> None:
    """That this user may speak in a conversation: it is new, or theirs. Raises NotFound, and what asking raises."""
    if conversation is None:
        return
    question = Question(user=user, tenant=given.settings.tenant, conversation=conversation)
    if await ask_state(given.bus, OWNER, question) not in (None, user):
        raise no_such_conversation()


def turn_for(action: Action, what: str) -> Any:
    """A dependency: the turn that the path names, for who may do this with its `what`, which is on the record then.

    Raises NotFound, also where it is somebody else's, NotRecorded, and what looking it up raises.
    """

    async def found(turn: TurnPath, request: Request, given: Given, me: Who) -> FollowedTurn:
        told = await turn_of(given.bus, Tenant(given.settings.tenant), TurnId(turn))
        if told is None:
            raise no_such_turn()
        await allowed_with_turn(request, me, action, what, told.meta.user)
        return told

    return Depends(found)


async def allowed_with_turn(request: Request, me: Identity, action: Action, what: str, whose: str) -> None:
    """That this may be done with a turn of `whose`. Raises NotFound, NotRecorded."""
    try:
        await permitted(request, me, action, what, whose=whose)
    except Forbidden:
        raise no_such_turn() from None
