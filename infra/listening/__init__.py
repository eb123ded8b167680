"""Listening to microphones: who speaks when, and when an utterance is over. Knows no bus and no recogniser."""
