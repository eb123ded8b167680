"""All kinds of training data, by name."""

from collections.abc import Mapping
from typing import Final

from pipeline.export.kinds.dpo import DPO
from pipeline.export.kinds.feedback import FEEDBACK
from pipeline.export.kinds.hypotheses import HYPOTHESES
from pipeline.export.kinds.intent import INTENT
from pipeline.export.kinds.persona import PERSONA
from pipeline.export.kinds.ranking import RANKING
from pipeline.export.kinds.sft import SFT
from pipeline.export.rows import Kind

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in (SFT, DPO, INTENT, RANKING, FEEDBACK, HYPOTHESES, PERSONA)
}
SEED_KINDS: Final = tuple(kind for kind in KINDS.values() if kind.seed_name is not None)
SEED_COUNTS: Final[Mapping[str, str]] = {
    "hypotheses_count": HYPOTHESES.name,
    "persona_updates_count": PERSONA.name,
    "ranking_samples_count": RANKING.name,
    "feedback_count": FEEDBACK.name,
}
"""The seed's names for the counts of four kinds."""
