"""What a study of a given size can find, before it is run and beside what it did not find."""

import math

from scipy.special import ndtri, stdtrit


def minimum_detectable(
    n: int, tie_rate: float, r: float | None = None, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true effect, in per cent points, that a two-sided test of level `alpha` finds with probability `power`.

    (z of 1 - alpha/2 + z of power) * sd / sqrt(n), where items of a par comparison have sd^2 = (1 - tie_rate) / 4. With
    `r`, the correlation of two cells' items, it is the difference of the two: sd^2 is multiplied by 2 (1 - r)."""
    return detectable(par_se(n, tie_rate, r), None, power, alpha)


def par_se(n: int, tie_rate: float, r: float | None = None) -> float:
    """Standard error, in per cent points, of the mean of n items of a comparison at par: sd / sqrt(n), sd^2 = (1 - tie_rate)
    / 4, times 2 (1 - r) for the difference of two cells. Raises ValueError for sizes and shares that cannot be."""
    if n < 1 or not 0 <= tie_rate <= 1:
        raise ValueError(f"n={n} must be 1 or more and tie_rate={tie_rate} lie in 0..1")
    return 100 * math.sqrt((1 - tie_rate) / 4 * (1 if r is None else 2 * (1 - r)) / n)


def detectable(se: float, n: int | None = None, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true effect that a two-sided test of level `alpha` finds with probability `power`, given its standard error,
    in the unit of `se`: (z of 1 - alpha / 2 + z of power) * se. With `n` independent units, t of n - 1 degrees of freedom
    takes the place of z, which matters for a few seeds or orders. NaN where n is 1 or se is NaN."""
    if n is not None and n < 2:
        return math.nan
    quantiles = ndtri([1 - alpha / 2, power]) if n is None else stdtrit(n - 1, [1 - alpha / 2, power])
    return float(quantiles.sum() * se)
