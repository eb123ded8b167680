"""What was said and answered, by conversation and by user."""

from datetime import UTC, datetime, timedelta

from infra.clock import new_id
from infra.state import history
from infra.state.port import State
from infra.state.scope import Scope, scope_of
from schemas.event import Meta

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONVERSATION = new_id()


def _meta(number: int, user: str = "ann", run: str = "live", conversation: str = CONVERSATION) -> Meta:
    turn = new_id()
    return Meta(id=turn, type="x", conversation=conversation, turn=turn, number=number, user=user, run=run, time=NOON)


async def test_the_newest_turns_before_this_one_come_oldest_first(state: State) -> None:
    async with state.transaction() as tx:
        for number in range(1, 7):
            await history.record(tx, _meta(number), f"q{number}", f"a{number}", NOON + timedelta(minutes=number))

        said = await history.recent(tx, Scope("local", "live", "ann"), CONVERSATION, before=6, limit=3)

    assert [(turn.user, turn.reply) for turn in said] == [("q3", "a3"), ("q4", "a4"), ("q5", "a5")]
    assert said[0].time == NOON + timedelta(minutes=3)


async def test_neither_another_user_nor_a_replay_sees_it(state: State) -> None:
    async with state.transaction() as tx:
        await history.record(tx, _meta(1), "secret", "told", NOON)

        for scope in (Scope("local", "live", "bob"), Scope("local", "replay-1", "ann"), Scope("acme", "live", "ann")):
            assert await history.recent(tx, scope, CONVERSATION, before=9, limit=9) == []
            assert await history.page(tx, scope, None, 9) == []


async def test_a_turn_recorded_twice_stands_there_once(state: State) -> None:
    meta = _meta(1)
    async with state.transaction() as tx:
        await history.record(tx, meta, "hello", "Hi there.", NOON)
        await history.record(tx, meta, "hello", "Hi", NOON)

        said = await history.recent(tx, scope_of(meta), CONVERSATION, before=9, limit=9)

    assert [turn.reply for turn in said] == ["Hi"]


async def test_pages_lead_through_everything_once_even_where_times_are_equal(state: State) -> None:
    scope = Scope("local", "live", "ann")
    async with state.transaction() as tx:
        for number in range(7):
            await history.record(tx, _meta(number, conversation=new_id()), f"q{number}", "a", NOON)

        seen: list[str] = []
        after: tuple[datetime, str] | None = None
        while page := await history.page(tx, scope, after, limit=3):
            seen += [turn.turn for turn in page]
            after = (page[-1].time, page[-1].turn)

    assert len(seen) == len(set(seen)) == 7


async def test_forgetting_takes_one_users_turns_and_nobody_elses(state: State) -> None:
    other = new_id()
    async with state.transaction() as tx:
        await history.record(tx, _meta(1), "q", "a", NOON)
        await history.record(tx, _meta(1, conversation=other), "q", "a", NOON)
        await history.record(tx, _meta(2, user="bob"), "q", "a", NOON)

        assert await history.forget(tx, Scope("local", "live", "ann"), CONVERSATION) == 1
        assert await history.forget(tx, Scope("local", "live", "ann")) == 1
        assert len(await history.page(tx, Scope("local", "live", "bob"), None, 9)) == 1
