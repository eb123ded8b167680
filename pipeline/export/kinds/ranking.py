"""`ranking`: a question, the candidates for its answer, how good each is, and which was taken. Pure.

Scores are the reranker's totals, 0 to 1, in the order of the candidates. A candidate that a person preferred is the
one that was chosen, whatever the reranker said.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.export.rows import Draft, Gathering, Kind, Maker, Row, seed_time
from pipeline.export.turns import LoggedTurn


def _rows(turn: LoggedTurn, gathering: Gathering) -> Iterator[Draft]:
    candidates, choice = turn.candidates, turn.chosen
    scores = {int(score["candidate"]): score for score in (choice or {}).get("scores", ())}
    if choice is None or len(candidates) < 2 or len(scores) != len(candidates):
        gathering.skip("nothing to choose from")
        return
    if len({str(each.get("text", "")) for each in candidates}) < 2:
        gathering.skip("candidates all alike")
        return
    preferred = turn.feedback.preferred if turn.feedback is not None else None
    by_person = preferred is not None and 0 <= preferred < len(candidates)
    texts = [str(each.get("text", "")) for each in candidates]
    row: Row = {
        "question": str(choice.get("asked") or turn.text),
        "candidates": texts,
        "scores": [float(scores[place]["total"]) for place in range(len(texts))],
        "relevance": [float(scores[place]["relevance"]) for place in range(len(texts))],
        "chosen": preferred if by_person else int(choice.get("chosen", 0)),
        "chosen_by": "person" if by_person else "reranker",
        "scored_on": str(choice.get("scored_on", "")),
    }
    yield Draft(row, turn, key=(row["question"], *texts), apart=str(row["chosen"]), preferred=by_person)


def _seed_row(draft: Draft, row: Row, user: str) -> Row:
    """In the manner of the seed's other samples; it shows no ranking sample of its own."""
    ranked = sorted(range(len(row["candidates"])), key=lambda place: (-row["scores"][place], place))
    return {
        "timestamp": seed_time(draft.turn),
        "user_id": user,
        "query": row["question"],
        "candidates": [
            {"id": f"c{place}", "text": row["candidates"][place], "score": row["scores"][place]} for place in ranked
        ],
        "selected_id": f"c{row['chosen']}",
    }


def _maker() -> Maker:
    return _rows


RANKING: Final = Kind(
    "ranking",
    "candidates with their scores, and which was chosen",
    {
        "question": "VARCHAR",
        "candidates": "VARCHAR[]",
        "scores": "DOUBLE[]",
        "relevance": "DOUBLE[]",
        "chosen": "BIGINT",
        "chosen_by": "VARCHAR",
        "scored_on": "VARCHAR",
    },
    _maker,
    history=False,
    seed_name="ranking_data.jsonl",
    seed_row=_seed_row,
)
