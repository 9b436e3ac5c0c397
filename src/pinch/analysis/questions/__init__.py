"""Stage: the questions of the study, one module each: look(study, family, ...) gives its `pinch.analysis.sections.Section`.

share: how much of the budget must be multilingual; count: how many languages; transfer: one language, asked in another;
pairs: two languages or one; relatives: similar languages; pretraining: the share of the pre-training pages; answered: which
language is answered in; confounds: what wrong languages and lengths do to scores; learning: losses; judging: whether the
judge can be trusted.
"""
