"""Edge: what every corpus source returns, and the checks that all of them must pass."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pinch.cells import prompts_digest
from pinch.corpora.overlap import overlapping
from pinch.errors import UserError
from pinch.records import Example, Prompt

Examples = Mapping[str, Mapping[str, Example]]
"""{language: {id: example}}."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Examples and prompts as {language: {id: record}}, ids in the source's order; `where` names the source in errors.
    Nobody changes them, so what follows from them is found out once.

    `evaluation` are the languages to evaluate in unless the user names some, empty for every one that has prompts;
    `lexicon` maps languages to the closed vocabulary of a corpus with very short answers, empty for ordinary ones; `losses`
    counts what reading and sifting left out, by reason; `near` is the resemblance (0..1) from which `notes` report examples
    that nearly are evaluation prompts, None for a corpus that is like its prompts on purpose or was cleared of such."""

    examples: dict[str, dict[str, Example]]
    prompts: dict[str, dict[str, Prompt]]
    where: str
    evaluation: tuple[str, ...] = ()
    lexicon: Mapping[str, frozenset[str]] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    near: float | None = None

    def require(self, languages: Iterable[str]) -> None:
        """Raise UserError for a language without examples."""
        for code in languages:
            if code not in self.examples:
                raise UserError(
                    f"{self.where}: no examples in {code!r}; it has {', '.join(sorted(self.examples))}: "
                    "choose among these or add the language's file"
                )

    def ids(self) -> tuple[str, ...]:
        """Ids that every language of the corpus has, sorted: what budgets are drawn from, whatever the tuning languages,
        so that all mixtures of a study hold the same ids. Raises UserError when there are none."""
        if not self._shared:
            raise UserError(
                f"{self.where}: no id occurs in all of {', '.join(sorted(self.examples))}; "
                "a corpus is parallel: the same ids in every language"
            )
        return self._shared

    @cached_property
    def _shared(self) -> tuple[str, ...]:
        return tuple(sorted(set.intersection(*(set(rows) for rows in self.examples.values()))))

    def left_out(self) -> int:
        """Number of ids that some but not all languages have."""
        return self._some - len(self.ids())

    @cached_property
    def _some(self) -> int:
        return len(set().union(*self.examples.values()))

    def overlap(self, share: float) -> tuple[set[str], set[str]]:
        """Ids of examples whose instruction is, in some language, an evaluation prompt of that language, and of those that
        only nearly are one: with a resemblance (see corpora.overlap) of `share` or more."""
        exact: set[str] = set()
        near: set[str] = set()
        for code, rows in self.examples.items():
            asked = [prompt.instruction for prompt in self.prompts.get(code, {}).values()]
            texts = {(name, place): said for name, row in rows.items() for place, (said, _) in enumerate(row.turns)}
            same, alike = overlapping(texts, asked, share)
            exact |= {name for name, _ in same}
            near |= {name for name, _ in alike}
        return exact, near - exact

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a plan says of the corpus: what was left out and why, and what is nearly an evaluation prompt."""
        said = [f"{number} {what}: left out" for what, number in self.losses.items()]
        if left_out := self.left_out():
            said.append(f"{left_out} ids are not in every language and were left out")
        exact, near = self.overlap(self.near) if self.near else (set(), set())
        if exact or near:
            said.append(
                f"{len(exact | near)} ids have an instruction that is an evaluation prompt but for case and punctuation "
                f"({len(exact)}) or nearly one ({len(near)}); data.overlap=drop leaves them out"
            )
        return tuple(f"{self.where}: {words}" for words in said)

    def chosen(self, plan: Mapping[str, str]) -> list[Example]:
        """The examples of a plan, in the plan's order."""
        return [self.examples[code][name] for name, code in plan.items()]

    def prompts_in(self, languages: Sequence[str]) -> dict[str, list[Prompt]]:
        """The prompts of each language. Raises UserError for a language without prompts."""
        for code in languages:
            if code not in self.prompts:
                raise UserError(
                    f"{self.where}: no evaluation prompts in {code!r}; it has {', '.join(sorted(self.prompts))}: "
                    f"set languages.evaluation to some of these"
                )
        return {code: self._asked[code] for code in languages}

    @cached_property
    def _asked(self) -> dict[str, list[Prompt]]:
        return {code: list(rows.values()) for code, rows in self.prompts.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each language's prompts: answers belong to exactly these."""
        return {code: prompts_digest(asked) for code, asked in self._asked.items()}

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the examples; neither the order of files nor that of rows matters. Earlier turns come in where there are
        any, so that a corpus without keeps the name that it has always had."""
        hasher = hashlib.sha256()
        for code in sorted(self.examples):
            for name in sorted(self.examples[code]):
                row = self.examples[code][name]
                fields = [row.id, row.language, row.instruction, row.response, ""]
                if row.before:
                    fields[4:] = [f"after {len(row.before)}", *(text for turn in row.before for text in turn), ""]
                hasher.update("\0".join(fields).encode("utf-8", "surrogatepass"))
        return hasher.hexdigest()[:16]


def check(corpus: Corpus) -> Corpus:
    """The corpus, refused when a prompt's id or instruction is in the examples."""
    for code, prompts in corpus.prompts.items():
        examples = corpus.examples.get(code, {})
        known = {instruction for example in examples.values() for instruction, _ in example.turns}
        for prompt in prompts.values():
            if prompt.id in examples:
                raise UserError(
                    f"{corpus.where}: prompt id {prompt.id!r} ({code}) is an id of the corpus too; "
                    "evaluation prompts must be held out: rename it or take it out of one of them"
                )
            if prompt.instruction in known:
                raise UserError(
                    f"{corpus.where}: the instruction of prompt {prompt.id!r} ({code}) is in the corpus word for word; "
                    "evaluation prompts must be held out: take it out of one of them, or set data.overlap=drop"
                )
    return corpus


def shorten(corpus: Corpus, max_prompts: int | None) -> Corpus:
    """The corpus with at most `max_prompts` prompts in each language, the same ids in all."""
    if max_prompts is None:
        return corpus
    kept = {code: _first(prompts, max_prompts) for code, prompts in corpus.prompts.items()}
    return replace(corpus, prompts=kept)


def _first(prompts: dict[str, Prompt], number: int) -> dict[str, Prompt]:
    ranked = sorted(prompts, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest())
    kept = set(ranked[:number])
    return {name: prompt for name, prompt in prompts.items() if name in kept}
