"""What a model must answer in, wherever a program reads the answer back.

Each contract is a pydantic model; grammar.py writes it as the schema that an engine is sent. Contracts that depend on
what is asked about (ids, steps, a budget) are made for one request by a function beside them.
"""

from schemas.contracts.contract import Contract
from schemas.contracts.facets import FacetUpdates, facet_updates_of, moved
from schemas.contracts.grammar import Unbounded, schema_of, tokens_needed
from schemas.contracts.intents import IntentAnswer, IntentPart, IntentParts
from schemas.contracts.plans import Adaptation, Adapted, Step, adaptation_of, adapted
from schemas.contracts.ranking import Ranking, ranking_of
from schemas.contracts.slots import AUTO, SLOTS, SlotsAnswer
from schemas.contracts.summary import Summary, cut_to, summary_within
from schemas.contracts.tools import TOOLS, ToolCall, ToolCalls, tool_calls
from schemas.contracts.understanding import Enrichment, FollowUps, Hypotheses, Hypothesis

__all__ = [
    "AUTO",
    "SLOTS",
    "TOOLS",
    "Adaptation",
    "Adapted",
    "Contract",
    "Enrichment",
    "FacetUpdates",
    "FollowUps",
    "Hypotheses",
    "Hypothesis",
    "IntentAnswer",
    "IntentPart",
    "IntentParts",
    "Ranking",
    "SlotsAnswer",
    "Step",
    "Summary",
    "ToolCall",
    "ToolCalls",
    "Unbounded",
    "adaptation_of",
    "adapted",
    "cut_to",
    "facet_updates_of",
    "moved",
    "ranking_of",
    "schema_of",
    "summary_within",
    "tokens_needed",
    "tool_calls",
]
