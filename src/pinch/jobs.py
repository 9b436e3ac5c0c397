"""Flow: what a cell's settings mean, found out without torch.

`prepare` checks the settings and gives the `Job`: the cell, its mixture, its prompts, and what of it is still to do. A sweep
prepares all of its cells before the first one starts, a plan prepares them and starts none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pinch import cells, corpora, mixture, models, quantization
from pinch.cells import Cell
from pinch.config import GenerationEngine, Method, TrainConfig
from pinch.corpora import Corpus
from pinch.errors import UserError
from pinch.mixture import Plan
from pinch.records import Prompt


@dataclass(frozen=True)
class Job:
    """A cell that could be run: its settings, and what follows from them without torch. `digests` are those of `prompts`."""

    settings: TrainConfig
    cell: Cell
    corpus: Corpus
    plan: Plan
    prompts: dict[str, list[Prompt]]
    digests: dict[str, str]

    def unanswered(self) -> dict[str, list[Prompt]]:
        """The languages whose answers are missing, or belong to other prompts than today's; none where cells are
        only tuned."""
        if self.settings.generation.engine is GenerationEngine.none:
            return {}
        have = cells.answered(self.cell)
        return {code: prompts for code, prompts in self.prompts.items() if have.get(code) != self.digests[code]}

    def tuned(self) -> bool:
        """Whether there are weights to answer with."""
        return self.cell.untuned or cells.tuned(self.cell)

    def done(self) -> bool:
        """Whether there is nothing to do. Weights that were removed after all was answered are not trained again."""
        return not self.unanswered() and (self.cell.untuned or cells.is_done(self.cell.folder, "tune"))

    def joined(self, other: "Job") -> "Job":
        """The same cell with the evaluation languages of both."""
        return replace(self, prompts=self.prompts | other.prompts, digests=self.digests | other.digests)


def prepare_all(settings: Sequence[TrainConfig]) -> list[Job]:
    """The jobs of many settings, one per distinct cell. Raises UserError as `prepare_each`."""
    return distinct(prepare_each(settings))


def prepare_each(settings: Sequence[TrainConfig]) -> list[Job]:
    """The jobs of many settings, one each.

    Raises UserError for the first settings that cannot be trained, saying which of several they are."""
    jobs = []
    for number, wish in enumerate(settings, start=1):
        try:
            jobs.append(prepare(wish))
        except UserError as error:
            raise UserError(f"cell {number} of {len(settings)}: {error}" if len(settings) > 1 else str(error)) from None
    return jobs


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """One job per cell (and workspace), in the order of the first of each; evaluation languages of duplicates are joined."""
    found: dict[str, Job] = {}
    for job in jobs:
        place = str(job.cell.folder)
        found[place] = found[place].joined(job) if place in found else job
    return list(found.values())


def prepare(settings: TrainConfig) -> Job:
    """Check the settings and say which cell they mean. Raises UserError for whatever cannot be trained."""
    quantization.refuse_missing(settings.model.quantization)
    corpus = corpora.load(settings.data, settings.cache_folder())
    plan = draw(settings, corpus)
    prompts = corpus.prompts_in(settings.languages.evaluation or corpus.evaluation or sorted(corpus.prompts))
    cell = cells.define(
        settings,
        model_fingerprint=models.fingerprint(settings.model),
        corpus_fingerprint=corpus.fingerprint,
        plan=plan.languages,
        asked=plan.asked,
    )
    return Job(settings, cell, corpus, plan, prompts, {code: corpus.digests[code] for code in prompts})


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
