"""Prompts as files beside their stage: found, rendered strictly, re-read when they change, named and hashed."""

from infra.prompts.files import Prompts, Rendered, Version
from infra.prompts.neutral import neutral
from infra.prompts.shelf import Given, PromptBroken, PromptMissing, Shelf

__all__ = ["Given", "PromptBroken", "PromptMissing", "Prompts", "Rendered", "Shelf", "Version", "neutral"]
