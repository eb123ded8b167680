"""What can go wrong with the state, each error saying what to do about it.

No StateError is the fault of an event: whoever meets one may try the same event again later.
"""


class TurnOver(Exception):
    """The turn has ended, so nothing is done for it any more: raised before anything was, and no mistake of anybody."""


class StateError(Exception):
    """Common to all that the state can do wrong."""


class StateBusy(StateError):
    """Another process held the write lock longer than the limit."""


class StateCorrupt(StateError):
    """The file is damaged, or is not a database of Parley's at all: opened again it would be no better."""


class StateForeign(StateCorrupt):
    """The database is another program's."""


class StateUnwritable(StateError):
    """The file or its folder cannot be opened or written."""


class StateFull(StateError):
    """No space is left for the state."""


class StateTooNew(StateError):
    """The database was written by a newer Parley than this one."""


class MigrationChanged(StateError):
    """A migration differs from the one that made this database, or the numbering of the files has a gap."""


class StateMisused(StateError):
    """The program used the state in a way that it does not allow: a bug, not an accident."""
