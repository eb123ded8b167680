"""Chat templates as models bring them."""

import pytest

from infra.engines.chat_template import ChatTemplate, TemplateUnusable
from infra.engines.port import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "[{{ message.role }}] {{ message.content }}{% endfor %}"
)
DROPS_SYSTEM = (
    "{% for message in messages if message.role != 'system' %}[{{ message.role }}] {{ message.content }}{% endfor %}"
)
ASKS_FOR_TOOLS = (
    "{% if tools %}TOOLS{% endif %}{% for message in messages %}{% if not message.tool_calls %}"
    "{{ message.role }}: {{ message.content | tojson }};{% endif %}{% if loop.last %}{% break %}{% endif %}{% endfor %}"
)
TALK = (Message("system", "Be brief."), Message("user", "Is 1 < 2?"))


def test_a_template_is_rendered_up_to_the_assistants_answer() -> None:
    text = ChatTemplate(CHATML, "", "").render(TALK)
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nIs 1 < 2?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("source", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_model_without_a_system_role_gets_it_with_the_users_first_words(source: str) -> None:
    talk = [*TALK, Message("assistant", "Yes."), Message("user", "Why?")]
    text = ChatTemplate(source, "<s>", "").render(talk)
    assert text.removeprefix("<s>") == "[user] Be brief.\n\nIs 1 < 2?[assistant] Yes.[user] Why?"


def test_what_transformers_leaves_undefined_may_be_asked_for() -> None:
    assert ChatTemplate(ASKS_FOR_TOOLS, "", "").render(TALK[1:]) == 'user: "Is 1 < 2?";'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for message in %}", "TemplateSyntaxError"),
        ("{{ raise_exception('no chat here') }}", "no chat here"),
        ("{{ messages.nobody.content }}", "UndefinedError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{% for i in range(1000000) %}{% endfor %}", "OverflowError"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_when_it_is_made(source: str, reason: str) -> None:
    with pytest.raises(TemplateUnusable, match=reason):
        ChatTemplate(source, "", "")


def test_roles_that_a_template_refuses_are_told() -> None:
    with pytest.raises(TemplateUnusable, match="roles must alternate"):
        ChatTemplate(NO_SYSTEM, "", "").render([*TALK, Message("user", "Hello?")])
