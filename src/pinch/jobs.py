"""Flow: what a cell's settings mean, found out without torch.

`prepare` checks the settings and gives the `Job`: the cell, its mixture, its prompts, and what of it is still to do. A sweep
prepares all of its cells before the first one starts, a plan prepares them and starts none.
"""

from dataclasses import dataclass

from pinch import cells, corpora, mixture, models
from pinch.cells import Cell
from pinch.config import Method, TrainConfig
from pinch.corpora import Corpus
from pinch.mixture import Plan
from pinch.records import Prompt


@dataclass(frozen=True)
class Job:
    """A cell that could be run: its settings, and what follows from them without torch."""

    settings: TrainConfig
    cell: Cell
    corpus: Corpus
    plan: Plan
    prompts: dict[str, list[Prompt]]

    def unanswered(self) -> dict[str, list[Prompt]]:
        """The languages whose answers are missing, or belong to other prompts than today's."""
        have = cells.answered(self.cell)
        return {
            code: prompts for code, prompts in self.prompts.items() if have.get(code) != cells.prompts_digest(prompts)
        }

    def tuned(self) -> bool:
        return self.cell.untuned or cells.is_done(self.cell.folder, "tune")

    def done(self) -> bool:
        return self.tuned() and not self.unanswered()


def prepare(settings: TrainConfig) -> Job:
    """Check the settings and say which cell they mean. Raises UserError for whatever cannot be trained."""
    corpus = corpora.load(settings.data)
    plan = draw(settings, corpus)
    prompts = corpus.prompts_in(settings.languages.evaluation or corpus.evaluation or sorted(corpus.prompts))
    cell = cells.define(
        settings,
        model_fingerprint=models.fingerprint(settings.model),
        corpus_fingerprint=corpus.fingerprint(),
        plan=plan.languages,
        asked=plan.asked,
    )
    return Job(settings, cell, corpus, plan, prompts)


def draw(settings: TrainConfig, corpus: Corpus) -> Plan:
    """The mixture that the settings mean over this corpus; empty for the untuned model."""
    if settings.tuning.method is Method.none:
        return Plan({}, 0, ())
    languages, wish = settings.languages, settings.mixture
    tuning = languages.tuning or mixture.add_languages(
        languages.base, languages.pool, languages.count, languages.permutation
    )
    base = languages.base if languages.base in tuning else tuning[0]
    corpus.require([*tuning, *(wish.counts or {}), base])
    ids = corpus.ids()
    budget = wish.budget or settings.data.budget or len(ids)
    seed = settings.seed if wish.seed is None else wish.seed
    if wish.counts is not None:
        return mixture.plan_counts(ids, base, wish.counts, budget=budget, seed=seed)
    return mixture.plan(
        ids,
        base,
        tuning,
        budget=budget,
        asked=mixture.multilingual_count(budget, wish.fraction, wish.count),
        spread=wish.spread.value,
        allocation=wish.allocation.value,
        weights=wish.weights,
        temperature=wish.temperature,
        nested=wish.nested,
        seed=seed,
    )
