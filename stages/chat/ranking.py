"""What a generator is asked when it shall rank candidates: the prompt `rank`, at the priority of a contract."""

from collections.abc import Callable, Mapping
from datetime import datetime

from infra.engines.port import Ask, contract_ask
from infra.prompts import Prompts
from stages.chat.prompting import RANK


def ranking_asks(prompts: Prompts) -> Callable[[str, Mapping[str, str], datetime], Ask]:
    """Makes the request from a question, texts by id, and a deadline."""

    def ask(question: str, texts: Mapping[str, str], deadline: datetime) -> Ask:
        replies = "\n".join(f"{key}: {text}" for key, text in texts.items())
        prompt = prompts.render(RANK, {"asked": question, "replies": replies})
        return contract_ask(prompt.messages, 1, deadline)  # max_tokens: set by whoever knows the contract

    return ask
