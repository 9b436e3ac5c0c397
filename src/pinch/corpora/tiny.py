"""Edge: the embedded world (pinch.embedded) as a corpus."""

from functools import cache

from pinch.corpora.corpus import Corpus
from pinch.languages import TWELVE
from pinch.records import Example, Prompt


@cache
def load_embedded() -> Corpus:
    """The tiny world's parallel examples and held-out prompts; made anew in a second, kept for the process."""
    from pinch.embedded import world

    examples: dict[str, dict[str, Example]] = {code: {} for code in world.LANGUAGES}
    prompts: dict[str, dict[str, Prompt]] = {code: {} for code in world.LANGUAGES}
    for row in world.corpus():
        examples[row[1]][row[0]] = Example(*row)
    for row in world.prompts():
        prompts[row[1]][row[0]] = Prompt(*row)
    return Corpus(examples, prompts, "the embedded world", TWELVE, world.lexicon())
