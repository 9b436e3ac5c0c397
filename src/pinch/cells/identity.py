"""Edge: a cell's identity, made of what changes its weights or answers and of nothing else.

`identify` names what the id is a digest of; IDENTITY and OUTSIDE list every field of TrainConfig as in or out, which a test
checks, so that a new setting cannot be forgotten.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pinch.cells.cell import Axes, Cell
from pinch.cells.plain import digest, unwrapped
from pinch.config import ExperimentConfig, Method, Template, TrainConfig
from pinch.frames import NEUTRAL, templates

IDENTITY = {
    "model": {
        "dtype", "quantization", "template", "context", "lora_lr", "full_lr", "source", "path", "revision",
    },
    "data": {
        "source", "corpus", "prompts", "table", "second", "asked", "min_chars", "max_chars", "missing", "overlap", "near",
        "turns",
    },
    "languages": {"base", "pool", "count", "permutation", "tuning"},
    "mixture": {"budget", "fraction", "count", "counts", "spread", "allocation", "weights", "temperature", "nested", "seed"},
    "tuning": {
        "method", "rank", "alpha", "rslora", "dora", "dropout", "target", "lr", "epochs", "max_steps", "batch_size",
        "schedule", "warmup", "weight_decay", "clip", "loss_unit", "loss_turns", "max_length",
    },
    "generation": {"max_new_tokens", "do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty"},
    "": {"seed"},
}  # fmt: skip
"""Fields that may change a cell's id: directly, or through the content they lead to (the model's and the corpus'
fingerprint, the realised mixture)."""

OUTSIDE = {
    "model": {"name", "threads", "note"},
    "data": {"name", "budget", "answer_tokens", "max_prompts"},
    "languages": {"name", "evaluation"},
    "mixture": {"name"},
    "tuning": {"name", "micro_batch", "packing", "gradient_checkpointing"},
    "trainer": {"name", "accelerator", "strategy", "devices", "threads"},
    "generation": {"name", "engine", "batch_size", "server"},
    "tracking": {"name", "mode", "project", "entity", "group", "tags", "answers", "timeout"},
    "sweep": {"slots", "on_failure", "max_failures", "retries", "timeout", "stagger"},
    "plan": {"name", "show", "add_references"},
    "experiment": set(vars(ExperimentConfig())),
    "": {"workspace", "root", "cache", "show"},
}
"""Fields that never change a cell's id. data.budget and data.answer_tokens act through mixture.budget and
generation.max_new_tokens. Prompts count as far as examples like them are dropped, and are checked per answer file."""

LATER = {
    "quantization", "rslora", "dora", "loss_turns", "do_sample", "temperature", "top_p", "top_k", "min_p",
    "repetition_penalty",
}  # fmt: skip
"""Fields that older cells do not know: at their default they are no part of what the id is a digest of, so that finished
cells stay found."""


def define(
    settings: TrainConfig,
    model_fingerprint: str,
    corpus_fingerprint: str,
    plan: Mapping[str, str],
    asked: int,
) -> Cell:
    """The cell that the settings mean. `plan` maps example id to language (empty for the untuned model); `asked` is the
    number of multilingual examples the settings ask for. Two settings with the same meaning give the same id."""
    identity = identify(settings, model_fingerprint, corpus_fingerprint, plan)
    axes = _axes(settings, plan, asked)
    model_part = {key: identity[key] for key in ("model", "generation")}
    family = {key: value for key, value in identity.items() if key not in ("mixture", "seed")}
    name = f"{_slug(axes)}-{digest(identity)}"
    folder = Path(settings.root) / settings.workspace / name
    return Cell(name, folder, axes, identity, digest({**family, "budget": axes.budget}), digest(model_part))


def identify(
    settings: TrainConfig, model_fingerprint: str, corpus_fingerprint: str, plan: Mapping[str, str]
) -> dict[str, Any]:
    """What the id is made of, as plain values. The mixture enters as the realised plan, not as the settings that led
    to it, so `languages=four mixture.fraction=0` is `languages=one`."""
    model = {
        "fingerprint": model_fingerprint,
        "template": _template(settings.model.template),
        **_told(settings.model, {"dtype", "context", "quantization"}),
    }
    generation = _told(settings.generation, IDENTITY["generation"] - _idle(settings))
    tuning = settings.tuning
    if tuning.method is Method.none:
        # its answers are one per model: without sampling they are the same for every seed
        drawn = {"seed": settings.seed} if settings.generation.do_sample else {}
        return {"model": model, "generation": generation, "tuning": {"method": "none"}} | drawn
    tuned = _told(tuning, IDENTITY["tuning"] - _idle(settings))
    tuned["lr"] = tuning.learning_rate(settings.model)
    counts = dict(sorted(Counter(plan.values()).items()))
    return {
        "model": model,
        "generation": generation,
        "corpus": corpus_fingerprint,
        "tuning": tuned,
        "mixture": {"counts": counts, "plan": digest(sorted(plan.items()), 16)},
        "seed": settings.seed,
    }


def _told(part: Any, names: set[str]) -> dict[str, Any]:
    """The settings of these names as plain values, without those of LATER that are at their default."""
    values = {name: unwrapped(getattr(part, name)) for name in sorted(names)}
    defaults = {field.name: unwrapped(field.default) for field in dataclasses.fields(part)}
    return {name: value for name, value in values.items() if name not in LATER or value != defaults[name]}


def _idle(settings: TrainConfig) -> set[str]:
    """Settings without effect beside the others."""
    lora = {"rank", "alpha", "rslora", "dora", "dropout", "target"} if settings.tuning.method is Method.full else set()
    drawing = set() if settings.generation.do_sample else {"temperature", "top_p", "top_k", "min_p"}
    return lora | drawing


def _template(template: str) -> str:
    """The frame's name, and for our own and for a file its text; a chat template is part of the model's fingerprint."""
    if template == Template.neutral:
        return f"neutral-{digest(NEUTRAL, 6)}"
    return f"file-{templates.digest(templates.read(template))}" if templates.is_file(template) else template


def _axes(settings: TrainConfig, plan: Mapping[str, str], asked: int) -> Axes:
    counts = Counter(plan.values())
    base = settings.languages.base
    names = sorted(counts, key=lambda code: (code != base, -counts[code], code))
    budget = len(plan)
    untuned = settings.tuning.method is Method.none
    return Axes(
        model=settings.model.name,
        data=settings.data.name,
        method=settings.tuning.method.value,
        base=base,
        languages=tuple(names),
        n_languages=len(names),
        fraction=asked / budget if len(names) > 1 else 0.0,
        other_share=1 - counts[base] / budget if budget else 0.0,
        budget=budget,
        seed=None if untuned else settings.seed,
        counts={name: counts[name] for name in names},
    )


def _slug(axes: Axes) -> str:
    if axes.method == Method.none.value:
        return f"{axes.model}-untuned"
    names = "+".join(axes.languages) if axes.n_languages <= 6 else f"{axes.n_languages}-languages"
    return f"{axes.model}-{names}-p{100 * axes.fraction:.4g}-s{axes.seed}"
