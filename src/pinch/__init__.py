"""Pinch: how much multilinguality does instruction tuning need?

The layers, from the top: doors (train.py, evaluate.py, analyze.py at the root) > the worker > flows (sweep, train,
evaluate, analyze) > what sweeps are made of (plan, pool, board, cellfile) > jobs > what evaluate is made of (bench, rulings,
scoreboard, calls, exchange, audit) > stages (tuning, generation, judges, analysis) > edges (corpora, models, cells, ranks,
slots, tracking, alpaca, embedded) > pure (mixture, scoring, stats, agreement, diagnostics, panels, identify) > shapes
(config, records, stamps) > facts (languages, errors). Imports only point down.
"""

__version__ = "0.1.0"
