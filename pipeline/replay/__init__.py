"""Runs logged turns again through the stages, as a run of its own, and says what came out differently."""
