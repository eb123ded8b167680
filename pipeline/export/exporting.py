"""One export from beginning to end: turns in, rows of one kind (and the seed's files, where wanted) out.

Rows go to a spool first, masked; when all are there, duplicates are known and the rest is written. So memory holds of
each row its text for comparison and no more.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.export import writing
from pipeline.export.choosing import Choice, left_out
from pipeline.export.deduplication import Entry, Without, comparable, without_duplicates
from pipeline.export.masking import Masking
from pipeline.export.reading import LogReading, Wanted
from pipeline.export.rows import Draft, Gathering, Kind, Maker
from pipeline.export.splitting import SPLITS, Split, split_of
from pipeline.export.spooling import Spool, Spooled
from pipeline.export.turns import LoggedTurn
from pipeline.export.writing import Format, Written


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and how."""

    kind: Kind
    out: Path
    wanted: Wanted = field(default_factory=Wanted)
    choice: Choice = field(default_factory=Choice)
    format: Format = "jsonl"
    mask: bool = True
    seed_kinds: tuple[Kind, ...] = ()  # whose files with the seed's names are written too
    seed_folder: Path | None = None  # None: `out`


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    turns: int  # that were read
    rows: Mapping[Split, int]
    left_out: Mapping[str, int]  # turns (or pairs) by reason
    without: Without
    masked: Mapping[str, int]  # places in the rows that were written, by kind
    files: tuple[Written, ...]
    seed_files: tuple[Written, ...]
    upto: int  # the last place of the log that was read


@dataclass(slots=True)
class _Making:
    """One kind on its way."""

    kind: Kind
    gathering: Gathering
    maker: Maker
    spooled: list[Spooled] = field(default_factory=list)

    @property
    def choice(self) -> Choice:
        """Which turns its maker is to see: a kind that is about doubt decides itself what to make of doubtful ones."""
        choice = self.gathering.choice
        return replace(choice, low_confidence=True) if self.kind.unsure else choice


async def export(order: Order, log: LogReading, system: Callable[[LoggedTurn], str]) -> Done:
    """Write the export, in place of an earlier one; `system` gives a turn's system prompt.

    Raises OSError, QueryRefused, and InvalidField where `out` holds anything else.
    """
    feedback = await log.feedback(order.wanted.run)
    masking = await _masking(log, order.wanted) if order.mask else None
    others = await log.some([other for each in feedback.values() for other, _ in each.compared], order.wanted.run)
    persona = await log.persona(order.wanted.run)
    makings = [
        _Making(kind, Gathering(order.choice, system, others, persona), kind.maker())
        for kind in dict.fromkeys((order.kind, *order.seed_kinds))
    ]
    turns = 0
    with Spool() as spool:
        wanted = replace(order.wanted, history=any(making.kind.history for making in makings))
        async for turn in log.turns(wanted, feedback):
            turns += 1
            if masking is not None and turn.feedback is not None:
                for other, _ in turn.feedback.compared:
                    if other in others:  # its reply may stand in a row of this conversation
                        masking.share(others[other].conversation, turn.conversation)
            for making in makings:
                if (reason := left_out(turn, making.choice)) is not None:
                    making.gathering.skip(reason)
                    continue
                for draft in making.maker(turn, making.gathering):
                    making.spooled.append(
                        _spooled(draft, making.kind, spool, masking, seed=making.kind in order.seed_kinds)
                    )
        done = [without_duplicates([one.entry for one in making.spooled]) for making in makings]
        kept = [[making.spooled[place] for place in each.kept] for making, each in zip(makings, done, strict=True)]
        writing.prepare(order.out, order.kind.name)  # only now: an earlier export is kept until all has been read
        files = writing.write_kind(
            order.out, order.kind, order.format, {split: _of(split, kept[0]) for split in SPLITS}, spool
        )
        seed_files = [
            writing.write_seed(order.seed_folder or order.out, making.kind, rows, spool)
            for making, rows in zip(makings, kept, strict=True)
            if making.kind in order.seed_kinds and rows
        ]
    masked = Counter[str]()
    for one in kept[0]:
        masked.update(one.masked)
    return Done(
        turns=turns,
        rows={split: len(_of(split, kept[0])) for split in SPLITS},
        left_out=dict(sorted(makings[0].gathering.left_out.items())),
        without=done[0],
        masked=dict(sorted(masked.items())),
        files=tuple(files),
        seed_files=tuple(seed_files),
        upto=log.upto,
    )


async def stats(log: LogReading, wanted: Wanted, kinds: Mapping[str, Kind]) -> dict[str, int]:
    """How many rows of each kind the log would give before duplicates are removed, and how many turns it has."""
    feedback = await log.feedback(wanted.run)
    others = await log.some([other for each in feedback.values() for other, _ in each.compared], wanted.run)
    persona = await log.persona(wanted.run)
    counts = Counter[str]({"turns": 0, **dict.fromkeys(kinds, 0)})
    makings = [
        _Making(kind, Gathering(Choice(), lambda _: "", others, persona), kind.maker()) for kind in kinds.values()
    ]
    async for turn in log.turns(wanted, feedback):
        counts["turns"] += 1
        for making in makings:
            if left_out(turn, making.choice) is None:
                counts[making.kind.name] += sum(1 for _ in making.maker(turn, making.gathering))
    return dict(counts)


async def _masking(log: LogReading, wanted: Wanted) -> Masking:
    """With all names that the log tells, in other turns of a conversation than those that are wanted too."""
    masking = Masking(await log.names(wanted.run))
    async for conversation, fact in log.telling(wanted.run, wanted.conversation):
        masking.learn(fact, conversation)
    return masking


def _spooled(draft: Draft, kind: Kind, spool: Spool, masking: Masking | None, *, seed: bool) -> Spooled:
    turn = draft.turn
    row, key, user = draft.row, draft.key, turn.user
    masked: Mapping[str, int] = {}
    if masking is not None:
        row = masking.row(row, turn.conversation)
        masked = masking.taken()
        key = tuple(masking.text(text, turn.conversation) for text in key)
        user = masking.user(user, turn.conversation) if seed else user
        masking.taken()
    seed_row = kind.seed_row(draft, row, user) if seed and kind.seed_row is not None else None
    at, size, seed_size = spool.add(row, seed_row)
    entry = Entry(comparable(key), split_of(turn.conversation), draft.apart, draft.preferred)
    return Spooled(at, size, seed_size, turn.conversation, turn.id, entry, masked)


def _of(split: Split, rows: list[Spooled]) -> list[Spooled]:
    return [one for one in rows if one.entry.split == split]
