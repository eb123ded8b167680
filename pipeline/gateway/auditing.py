"""Lets somebody do something with what is somebody's, once that is on the audit record.

    @app.delete("/api/chat/history/{user_id}")
    async def forget(identity: Annotated[Identity, audited("delete", "history")]) -> ...: ...

    @app.get("/stats", dependencies=[audited("read", "stats", of_all=True)])     # everybody's

An endpoint that learns only later whose thing it is (a turn, by its id) asks by itself, before it answers:

    await permitted(request, identity, "read", "turn", whose=meta.user)

One's own may be read and deleted with the role `user`; what is another's may be read with `analytics`, all else takes
`admin`. Refusals are recorded, too. When the record cannot be written nothing is done: 503.
"""

import re
from typing import Any, Final

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from infra.bus.errors import BusFull, BusUnavailable
from infra.tokens import Identity, Role
from pipeline.gateway.access_log import shown_path
from pipeline.gateway.audit import EVERYBODY, Action, Deed
from pipeline.gateway.guarding import OWNER, Who, guard_of, owner_in, require, require_own_or
from pipeline.gateway.limiting import address_of
from pipeline.gateway.refusals import Forbidden, Refused
from schemas.ids import TOKEN_PATTERN, checked_token

_ID = re.compile(TOKEN_PATTERN)
_NO_ID: Final = "(no id)"


class NotRecorded(Refused):
    """The audit record cannot be written now; so nothing was done."""

    status = 503
    kind = "not-recorded"

    def __init__(self) -> None:
        detail = "this cannot be put on the audit record now, so nothing was done; try again soon"
        super().__init__(detail, {"Retry-After": "2"})


def audited(action: Action, what: str, *, of_all: bool = False) -> Any:
    """A dependency: who asks may do this with what the path's user has (or everybody), and it is on the record."""

    async def checked(request: Request, identity: Who) -> Identity:
        whose = EVERYBODY if of_all else owner_in(request)
        await permitted(request, identity, action, what, whose=whose)
        return identity

    return Depends(checked)


async def permitted(
    connection: HTTPConnection, identity: Identity, action: Action, what: str, *, whose: str, **ids: str
) -> None:
    """Return once it is allowed and on the record; `ids` beside those of the path. Raises Forbidden, NotRecorded."""
    told = {**{name: str(value) for name, value in connection.path_params.items() if name != OWNER}, **ids}
    deed = Deed(
        action=action,
        what=what,
        whose=whose,
        route=shown_path(connection.scope),
        ids={name: value if _ID.fullmatch(value) else _NO_ID for name, value in told.items()},
        address=address_of(connection.scope),
    )
    if whose != EVERYBODY:
        checked_token("whose", whose)  # it is part of the subject
    refused = _refusal(identity, deed)
    audit = guard_of(connection).audit
    if audit is None:
        raise NotRecorded
    try:
        await audit.write(identity, deed, "refused" if refused else "allowed")
    except (BusUnavailable, BusFull):
        raise NotRecorded from None
    if refused is not None:
        raise refused


def _refusal(identity: Identity, deed: Deed) -> Forbidden | None:
    others = Role.ANALYTICS if deed.action in ("read", "export") else Role.ADMIN
    try:
        if deed.whose == EVERYBODY:
            require(identity, others)
        else:
            require_own_or(identity, deed.whose, others)
    except Forbidden as refused:
        return refused
    return None
