"""Pinch: how much multilinguality does instruction tuning need?

The layers, from the top: doors (train.py, evaluate.py, analyze.py at the root) > flows (sweep, train, evaluate, analyze) >
stages (tuning, generation, judges, figures, report) > edges (corpora, models, cells, tracking, embedded) > pure (mixture,
scoring, stats, identify) > shapes (config, records) > facts (languages, errors). Imports only point down.
"""

__version__ = "0.1.0"
