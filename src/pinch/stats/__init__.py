"""Pure: means, differences and curves with the uncertainty that paired, content-parallel items call for.

Arrays of item scores go in (numpy floats, one row per prompt, NaN = missing where said), small frozen records come out,
in the unit of the input (elsewhere in Pinch: per cent, 0..100). Items are the same prompts in every language and every
cell, so differences are taken item by item and averages over languages are clustered by prompt. No I/O, no global
random state: whatever draws takes a seed. Quantiles come from scipy.special (ndtri: normal, stdtrit: t), as scipy.stats
takes a second to import. Records carry n, an interval, and where they test, the effect that could have been found.

means, differences, simultaneous, corrections, signs, power, variance: the tools; sequential: when judging may stop;
orders (with trend), pairs, assignment, pearson, identity, length: one question of the study each.
"""

from pinch.stats.assignment import Similarity, similarity
from pinch.stats.corrections import Corrected, benjamini_hochberg, corrected, holm
from pinch.stats.differences import Difference, paired, paired_clustered
from pinch.stats.identity import Gate, gate, gated
from pinch.stats.length import Length, length_effect
from pinch.stats.means import NOTHING, Array, Bounds, Estimate, clustered, mean
from pinch.stats.orders import Adding, Slope, Step, adding, step
from pinch.stats.pairs import Pairings, pairings
from pinch.stats.pearson import Correlation, correlation, critical_r, fisher, t_of_r
from pinch.stats.power import detectable, minimum_detectable, par_se
from pinch.stats.signs import BLOCK, EXACT_FLIPS, Flips, Signs, flip_test, sign_flip, sign_test, smallest_p
from pinch.stats.simultaneous import Bands, bands, sidak
from pinch.stats.trend import Trend, mean_ranks, page
from pinch.stats.variance import SeedVariance, multiway, seed_variance

__all__ = [
    "BLOCK",
    "EXACT_FLIPS",
    "NOTHING",
    "Adding",
    "Array",
    "Bands",
    "Bounds",
    "Corrected",
    "Correlation",
    "Difference",
    "Estimate",
    "Flips",
    "Gate",
    "Length",
    "Pairings",
    "SeedVariance",
    "Signs",
    "Similarity",
    "Slope",
    "Step",
    "Trend",
    "adding",
    "bands",
    "benjamini_hochberg",
    "clustered",
    "corrected",
    "correlation",
    "critical_r",
    "detectable",
    "fisher",
    "flip_test",
    "gate",
    "gated",
    "holm",
    "length_effect",
    "mean",
    "mean_ranks",
    "minimum_detectable",
    "multiway",
    "page",
    "paired",
    "paired_clustered",
    "pairings",
    "par_se",
    "seed_variance",
    "sidak",
    "sign_flip",
    "sign_test",
    "similarity",
    "smallest_p",
    "step",
    "t_of_r",
]
