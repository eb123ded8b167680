"""The schema is brought up to date once, and a database that does not fit is refused with a reason."""

from pathlib import Path

import pytest

from infra.clock import SetClock
from infra.state import migrations
from infra.state.errors import MigrationChanged, StateTooNew
from infra.state.migrations import Migration
from infra.state.port import State
from infra.state.sqlite import open_state


async def test_opening_again_applies_nothing_again(state: State, clock: SetClock) -> None:
    async with state.transaction() as tx:
        assert await migrations.apply(tx, migrations.read(), clock.now()) == 0


async def test_a_further_migration_is_applied_to_an_existing_database(state: State, clock: SetClock) -> None:
    known = migrations.read()
    script = """
        CREATE TABLE further (id INTEGER PRIMARY KEY); -- a comment; with a semicolon
        CREATE TRIGGER once AFTER INSERT ON further BEGIN DELETE FROM further WHERE id < new.id; END;
    """
    further = Migration(len(known) + 1, "further", script)

    async with state.transaction() as tx:
        assert await migrations.apply(tx, (*known, further), clock.now()) == 1

    async with state.transaction() as tx:
        await tx.execute("INSERT INTO further VALUES (1)")
        await tx.execute("INSERT INTO further VALUES (2)")
        assert [row.whole("id") for row in await tx.fetch("SELECT id FROM further")] == [2]


async def test_a_migration_that_fails_leaves_the_database_as_it_was(state: State, clock: SetClock) -> None:
    known = migrations.read()
    broken = Migration(len(known) + 1, "broken", "CREATE TABLE half (id INTEGER);\nCREATE TABLE half (id INTEGER);\n")

    with pytest.raises(Exception, match="already exists"):
        async with state.transaction() as tx:
            await migrations.apply(tx, (*known, broken), clock.now())

    async with state.transaction() as tx:
        assert await tx.fetch("SELECT name FROM sqlite_master WHERE name = 'half'") == []


async def test_a_database_newer_than_the_program_is_refused(state: State, path: Path, clock: SetClock) -> None:
    async with state.transaction() as tx:
        await tx.execute("INSERT INTO migrations VALUES (9999, 'from_the_future', 'x', '')")

    with pytest.raises(StateTooNew, match=r"9999_from_the_future.*start a newer Parley"):
        async with open_state(path, clock):
            pass


async def test_a_migration_that_was_changed_afterwards_is_refused(state: State, clock: SetClock) -> None:
    first, *rest = migrations.read()
    changed = Migration(first.number, first.name, first.sql + "-- a harmless comment\n")

    async with state.transaction() as tx:
        with pytest.raises(MigrationChanged, match="0001_state is not the one that made this database"):
            await migrations.apply(tx, (changed, *rest), clock.now())


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a.sql", "0003_c.sql"], r"numbered \[1, 3\]"),
        (["0001_a.sql", "0001_b.sql"], r"numbered \[1, 1\]"),
        (["first.sql"], "named like 0001_"),
    ],
)
def test_files_that_are_misnumbered_are_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;\n")

    with pytest.raises(MigrationChanged, match=complaint):
        migrations.read(tmp_path)
