"""Whose rows: every row of the state belongs to one user of one tenant in one run, and no query crosses that line.

A replay is another run, so it never sees or touches what is live.
"""

from dataclasses import dataclass

from schemas.event import Meta

WHOSE = 'tenant = ? AND run = ? AND "user" = ?'
"""The condition that every query on a user's rows begins with; its values are `*scope.key`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One user of one tenant, in one run."""

    tenant: str
    run: str
    user: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.tenant, self.run, self.user)


def scope_of(meta: Meta) -> Scope:
    """Whose an event is."""
    return Scope(meta.tenant, meta.run, meta.user)
