"""The prompts beside this file, for when one of them is gone. Written by `parley prompts embed`."""

# fmt: off
from collections.abc import Mapping
from typing import Final

EMBEDDED: Final[Mapping[str, str]] = {
    "choose.txt": (
        '--- system\n'
        'You sort what people say to an assistant. Answer in JSON with the one label that fits best.\n'
        '--- user\n'
        'Labels:\n'
        '{{ candidates }}\n'
        '\n'
        'The person says: "{{ utterance }}"\n'
    ),
    "slots.txt": (
        '--- system\n'
        'You take the details of a wish out of what a person says, in their own words. Write "auto" for what they do not say. Answer in JSON with these fields: {{ slots }}.\n'
        '--- user\n'
        'The person {{ wish }}.\n'
        '\n'
        'The person says: "{{ utterance }}"\n'
    ),
}
