"""Pure: the average cross-lingual score of models tuned on one language beside the language's share of the pre-training.

In: a `Study` and `Shares`. Out: `Points`, which hold exactly what is drawn, their correlation and their line.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pinch import stats
from pinch.analysis.figures.dots import Fit
from pinch.analysis.questions.pretraining.shares import Shares
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.config import LanguagesConfig

WIDE = 10
"""Shares that span more than this factor are drawn over a logarithmic axis."""

ALIKE = 1.05
"""Shares that span less than this factor are nearly the same: there is nothing to correlate with."""

FEWEST = 4
"""Points that a correlation needs."""


@dataclass(frozen=True)
class Points:
    """What is drawn: a point per language tuned on, averaged over the same evaluation languages but its own. `left_out` are
    languages whose model has no share or was not asked in all of them."""

    family: Family
    base: str
    against: str
    languages: tuple[str, ...]
    share: Array
    score: tuple[stats.Estimate, ...]
    asked: tuple[str, ...]
    left_out: tuple[str, ...]
    seeds: int
    log: bool

    @property
    def means(self) -> Array:
        return np.array([one.mean for one in self.score])

    @property
    def x(self) -> Array:
        """Shares as they are drawn and fitted."""
        return np.log(self.share) if self.log else self.share


def points(study: Study, family: Family, shares: Shares, options: Options) -> Points:
    """The monolingual models with a share that were asked in the languages that most of them were asked in."""
    against = study.main_reference
    mixed = Counter(cell.axes.base for cell in family.cells if cell.axes.n_languages > 1)
    base = mixed.most_common(1)[0][0] if mixed else LanguagesConfig().base
    alone = sorted({cell.axes.languages[0] for cell in family.cells if cell.axes.n_languages == 1}, key=table_order)
    models = {code: family.monolingual(code) for code in alone if code != base}
    asked = {code: study.covered(cells, study.languages, Metric.score, against) for code, cells in models.items()}
    sets = Counter(names for names in asked.values() if names)
    common: tuple[str, ...] = max(sets, key=lambda names: (sets[names], len(names)), default=())
    complete = [code for code in models if set(common) - {code} and set(common) <= set(asked[code])]
    kept = [code for code in complete if code in shares.percent]
    scores = [_score(study, family, code, common, against, options) for code in kept]
    share = np.array([shares.percent[code] for code in kept])
    wide = len(kept) > 1 and share.min() > 0 and share.max() > WIDE * share.min()
    left_out = tuple(code for code in models if code not in kept)
    seeds = len({cell.axes.seed for code in kept for cell in models[code]})
    return Points(family, base, against, tuple(kept), share, tuple(scores), common, left_out, seeds, bool(wide))


def _score(
    study: Study, family: Family, code: str, asked: Sequence[str], against: str, options: Options
) -> stats.Estimate:
    cells = family.monolingual(code)
    columns = [study.by_prompt(cells, [other], Metric.score, against) for other in asked if other != code]
    return stats.clustered(np.stack(columns, axis=1), options.confidence)


def correlate(found: Points, log: bool, options: Options) -> stats.Correlation | None:
    """With the shares, or with the logarithm of those that have one; None where nothing varies or too few are left."""
    kept = found.share > 0 if log else np.full(len(found.share), True)
    share, means = found.share[kept], found.means[kept]
    if len(share) < FEWEST or share.max() < ALIKE * share.min() or np.ptp(means) == 0:
        return None
    return stats.correlation(share, means, log, options.confidence, seed=options.seed)


def fit(found: Points, correlation: stats.Correlation | None, options: Options) -> Fit | None:
    """The least-squares line and the pointwise interval of its mean, y +- t s sqrt(1/n + (x - mean)^2 / sum (x - mean)^2);
    None where the correlation is not distinguishable from none: a line would be read as one.

    Source: Draper and Smith 1998, Applied Regression Analysis, 1.4."""
    if correlation is None or abs(correlation.r) <= correlation.critical:
        return None
    x, y, n = found.x, found.means, len(found.languages)
    slope, level = np.polyfit(x, y, 1)
    square = float(np.square(x - x.mean()).sum())
    error = float(np.sqrt(np.square(y - level - slope * x).sum() / (n - 2)))
    at = np.linspace(x.min(), x.max(), 41)
    half = (
        float(stdtrit(n - 2, (1 + options.confidence) / 2)) * error * np.sqrt(1 / n + np.square(at - x.mean()) / square)
    )
    middle = level + slope * at
    return Fit(np.exp(at) if found.log else at, middle, middle - half, middle + half)
