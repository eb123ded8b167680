"""The questions of the README, asked of a log whose figures are counted by hand (tests/counted_log.py).

"Which stage is slow, for whom, since when?" wants more days than that log has: test_slow_stages.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from infra.event_log.log import LogReader, open_read_only
from infra.event_log.port import Json
from tests import counted_log
from tests.counted_log import TURNS

QUESTIONS: Final[dict[str, tuple[str, list[list[Json]]]]] = {
    "turns a day, in a time zone": (
        """
        SELECT (coalesce(opened_at, ended_at) AT TIME ZONE 'Europe/Berlin')::DATE AS day, count(*) AS turns,
            count(*) FILTER (WHERE status = 'failed') AS failed, quantile_cont(total_ms, 0.95) AS p95_ms
        FROM turns WHERE run = 'live' GROUP BY day ORDER BY day
        """,
        [["2026-11-20", 3, 1, 4590.0], ["2026-11-21", 2, 0, 60.0]],
    ),
    "the 95th percentile of each stage a day, queue and work apart": (
        """
        SELECT time::DATE AS day, stage, count(*) AS handled,
            quantile_cont(queue_ms, 0.95) AS queue_p95_ms, quantile_cont(work_ms, 0.95) AS work_p95_ms
        FROM latency WHERE run = 'live' AND stage IN ('chat', 'router') GROUP BY day, stage ORDER BY day, stage
        """,
        [
            ["2026-11-19", "chat", 1, 5.0, 20.0],
            ["2026-11-19", "router", 1, 5.0, 20.0],
            ["2026-11-20", "chat", 1, 40.0, 700.0],
            ["2026-11-20", "router", 1, 5.0, 20.0],
            ["2026-11-21", "chat", 1, 5.0, 20.0],
            ["2026-11-21", "router", 1, 5.0, 20.0],
        ],
    ),
    "how many replies an engine made that only stood in, a day": (
        """
        SELECT time::DATE AS day, count(*) AS replies, round(100 * avg(fallback::INT), 1) AS percent
        FROM engines WHERE run = 'live' GROUP BY day ORDER BY day
        """,
        [["2026-11-19", 1, 0.0], ["2026-11-20", 1, 100.0], ["2026-11-21", 1, 0.0]],
    ),
    "why, and what stood in": (
        """
        SELECT what, backend, reason, count(*) AS times, max(time) AS last
        FROM fallbacks WHERE run = 'live' GROUP BY ALL ORDER BY times DESC, what
        """,
        [
            ["intent", None, None, 1, "2026-11-20T10:05:00.020000Z"],
            ["reply", "contextual", "vllm: no answer in 20 s", 1, "2026-11-20T10:00:00.830000Z"],
        ],
    ),
    "how often the person was asked back, a day": (
        """
        SELECT time::DATE AS day, count(*) AS turns, round(100 * avg(clarified::INT), 1) AS percent
        FROM decisions WHERE run = 'live' GROUP BY day ORDER BY day
        """,
        [["2026-11-19", 1, 0.0], ["2026-11-20", 1, 100.0], ["2026-11-21", 1, 0.0]],
    ),
    "intents that were guessed": (
        """
        SELECT time, label, confidence, decided_by, text, turn
        FROM intents WHERE run = 'live' AND confidence < 0.5 ORDER BY confidence
        """,
        [["2026-11-20T10:05:00.020000Z", "unknown", 0.25, "fallback", "", TURNS["c"]]],
    ),
    "tokens of each model a day": (
        """
        SELECT time::DATE AS day, model, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion
        FROM tokens WHERE run = 'live' GROUP BY day, model ORDER BY day, model
        """,
        [["2026-11-19", "qwen", 100, 20], ["2026-11-21", "qwen", 50, 30]],
    ),
    "how many words people say in a turn": (
        """
        SELECT "user", kind, count(*) AS turns, round(avg(len(string_split(text, ' '))), 1) AS words
        FROM turns WHERE run = 'live' AND text <> '' GROUP BY "user", kind ORDER BY "user", kind
        """,
        [["anna", "speech", 1, 2.0], ["anna", "text", 2, 3.5], ["bob", "text", 2, 4.0]],
    ),
    "which words are said most": (
        """
        SELECT word, count(*) AS times
        FROM (SELECT unnest(regexp_extract_all(lower(text), '[a-z]+')) AS word FROM turns WHERE run = 'live')
        WHERE len(word) > 3 GROUP BY word ORDER BY times DESC, word LIMIT 3
        """,
        [["script", 2], ["alert", 1], ["example", 1]],
    ),
    "what people think of replies, by intent": (
        """
        SELECT i.label, count(*) FILTER (WHERE f.rating = 'up') AS up,
            count(*) FILTER (WHERE f.rating = 'down') AS down, count(f.intent) AS relabelled
        FROM feedback AS f JOIN intents AS i USING (tenant, run, turn)
        WHERE f.run = 'live' AND i.intent = 0 GROUP BY i.label ORDER BY i.label
        """,
        [["chit_chat", 0, 1, 1], ["create_note", 1, 0, 0]],
    ),
    "what waited longest": (
        """
        SELECT round(queue_ms) AS queue_ms, stage, time, turn
        FROM latency WHERE run = 'live' ORDER BY latency.queue_ms DESC LIMIT 1
        """,
        [[40.0, "chat", "2026-11-20T10:00:00.830000Z", TURNS["b"]]],
    ),
    "replies that were cut: by the person, or by the length allowed": (
        """
        SELECT t.opened_at, t.status, t.reply AS heard, c.text AS written, c.finish
        FROM turns AS t JOIN candidates AS c USING (tenant, run, turn)
        WHERE t.run = 'live' AND (t.status = 'interrupted' OR c.finish = 'length') ORDER BY t.opened_at
        """,
        [["2026-11-21T09:30:00Z", "interrupted", "I will", "I will, and there are none.", "stop"]],
    ),
    "candidates that lost though they were about the question": (
        """
        SELECT turn, candidate, text, round(score, 2) AS score, relevance
        FROM candidates WHERE run = 'live' AND NOT chosen AND relevance > 0.5 ORDER BY score DESC
        """,
        [[TURNS["a"], 0, "Noted: tea.", 0.7, 0.6]],
    ),
    "sessions: how long people talk": (
        """
        SELECT "user", count(*) AS sessions, max(turns) AS longest_turns, max(ended_at - began_at)::VARCHAR AS longest
        FROM sessions WHERE run = 'live' GROUP BY "user" ORDER BY "user"
        """,
        [["anna", 3, 2, "00:05:05"], ["bob", 1, 1, "00:00:00"]],
    ),
}


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[LogReader]:
    await counted_log.write(tmp_path / "log.duckdb")
    async with await open_read_only(tmp_path / "log.duckdb") as opened:
        yield opened


@pytest.mark.parametrize("name", QUESTIONS)
async def test_the_log_answers(name: str, log: LogReader) -> None:
    sql, expected = QUESTIONS[name]

    assert [list(row) for row in (await log.ask(sql)).rows] == expected
