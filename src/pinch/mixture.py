"""Pure: the plan of a mixture, example id -> language.

Every mixture of a budget holds the same ids, each exactly once; only their languages differ. A plan is a function of (ids,
languages, settings, seed) and of nothing else, so it can be printed, tested and compared without training anything.
"""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice

from pinch.errors import UserError

PAPER_THRESHOLD = 0.10
"""From this share on the paper spreads the multilingual part over all tuning languages, below it over all but the base."""


@dataclass(frozen=True)
class Plan:
    """`languages` maps every id of the budget to its language; `asked` is the number of examples that were spread over
    `spread_over`, in the seeded order in which those languages took turns (the first get the odd ones)."""

    languages: dict[str, str]
    asked: int
    spread_over: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Realised examples per language, the largest first."""
        return dict(Counter(self.languages.values()).most_common())


def add_languages(base: str, pool: Sequence[str], count: int | None, permutation: int) -> list[str]:
    """The base and the next `count` - 1 languages of the pool (all when None) in the order of a named permutation:
    0 is the pool's own order, any other number the shuffle that `random.Random(number)` makes of it.

    Raises UserError when the pool is too small."""
    others = [code for code in pool if code != base]
    if permutation:
        random.Random(permutation).shuffle(others)
    wanted = len(others) if count is None else count - 1
    if wanted > len(others):
        raise UserError(
            f"languages.count={count} is more than the pool holds ({len(others) + 1} with the base {base!r}); "
            "lower it or give a larger languages.pool"
        )
    return [base, *others[:wanted]]


def multilingual_count(budget: int, fraction: float | None, count: int | None) -> int:
    """Number of examples to spread: `count` as it is, else the fraction of the budget, rounded half up; all by default.

    Raises UserError when `count` is larger than the budget."""
    if count is not None:
        if count > budget:
            raise UserError(f"mixture.count={count} is larger than the budget of {budget}; lower it")
        return count
    return budget if fraction is None else int(fraction * budget + 0.5)


def select(ids: Sequence[str], budget: int) -> tuple[str, ...]:
    """The ids of a budget: the same for every mixture and seed, a larger budget contains a smaller one.

    Ids are ranked by their SHA-256, so neither the order of a file nor of a dict matters.
    Raises UserError when the corpus is too small."""
    if budget > len(ids):
        raise UserError(f"mixture.budget={budget} is larger than the corpus of {len(ids)} examples; lower the budget")
    return _ranked(tuple(ids))[:budget]


@lru_cache(maxsize=8)
def _ranked(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(ids, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()))


@lru_cache(maxsize=64)
def _shuffled(ids: tuple[str, ...], salt: str) -> tuple[str, ...]:
    """The seeded permutation of ids that all mixtures of a sweep share."""
    order = list(ids)
    random.Random(f"ids/{salt}").shuffle(order)
    return tuple(order)


def turns(weights: Mapping[str, float], order: Sequence[str], total: int) -> list[str]:
    """Languages in the order in which they receive examples, so that every prefix is allocated as fairly as possible.

    Webster's method (Sainte-Lague): the next example goes to the language with the largest weight / (2 * got + 1), ties
    in the given order. It is house-monotone, so the examples of a smaller total are a prefix of a larger one's; with
    equal weights it takes turns, which is the largest-remainder allocation."""
    if len({weights[code] for code in order}) == 1:
        return list(islice(cycle(order), total))
    queue = [(-weights[code], place, 0) for place, code in enumerate(order)]
    heapq.heapify(queue)
    result = []
    for _ in range(total):
        _, place, got = queue[0]
        code = order[place]
        result.append(code)
        heapq.heapreplace(queue, (-weights[code] / (2 * got + 3), place, got + 1))
    return result


def allocation_weights(
    languages: Sequence[str], kind: str, weights: Mapping[str, float] | None, temperature: float
) -> dict[str, float]:
    """Weight of each language: equal for `uniform`, as given for `proportional`, and given ** (1 / temperature) for
    `temperature`. Raises UserError when a weight that is needed is missing or not positive."""
    if kind == "uniform":
        return dict.fromkeys(languages, 1.0)
    given = dict(weights or {})
    missing = [code for code in languages if given.get(code, 0) <= 0]
    if missing:
        raise UserError(
            f"mixture.allocation={kind} needs a positive weight for {', '.join(missing)}; "
            f"set e.g. 'mixture.weights={{{missing[0]}: 1.0}}'"
        )
    power = 1.0 if kind == "proportional" else 1.0 / temperature
    return {code: given[code] ** power for code in languages}


def plan(
    ids: Sequence[str],
    base: str,
    tuning: Sequence[str],
    *,
    budget: int,
    asked: int,
    spread: str = "paper",
    allocation: str = "uniform",
    weights: Mapping[str, float] | None = None,
    temperature: float = 1.0,
    nested: bool = True,
    seed: int = 0,
) -> Plan:
    """Spread `asked` of `budget` examples over languages; the rest stays in `base`.

    `spread`: who shares them: `all` tuning languages, the `others` than the base, or as the `paper` does (others below
    10 % of the budget, all from there on). Nested plans come from one seeded order of the ids and one of the languages:
    the examples that a smaller `asked` moves into a language are in it for every larger one too, as long as the same
    languages share. Not nested: ids and languages are shuffled anew for every `asked`."""
    chosen = select(ids, budget)
    over = _sharers(base, tuning, asked, budget, spread)
    if not over or asked == 0:
        return Plan(dict.fromkeys(chosen, base), 0, ())
    salt = f"{seed}" if nested else f"{seed}/{asked}"
    order = sorted(over)
    random.Random(f"languages/{salt}").shuffle(order)
    share = turns(allocation_weights(order, allocation, weights, temperature), order, asked)
    assigned = dict(zip(_shuffled(chosen, salt), share + [base] * (budget - asked), strict=True))
    return Plan(assigned, asked, tuple(order))


def plan_counts(ids: Sequence[str], base: str, counts: Mapping[str, int], *, budget: int, seed: int = 0) -> Plan:
    """A plan with an explicit number of examples per language; what they leave of the budget stays in `base`.

    Raises UserError for negative counts or more than the budget."""
    chosen = select(ids, budget)
    negative = [code for code, number in counts.items() if number < 0]
    if negative:
        raise UserError(f"mixture.counts: {negative[0]} is negative; give 0 or more")
    total = sum(counts.values())
    if total > budget:
        raise UserError(f"mixture.counts add up to {total}, more than the budget of {budget}; lower them")
    share = [code for code in sorted(counts) for _ in range(counts[code])]
    assigned = dict(zip(_shuffled(chosen, str(seed)), share + [base] * (budget - total), strict=True))
    return Plan(assigned, total, tuple(sorted(code for code in counts if counts[code])))


def _sharers(base: str, tuning: Sequence[str], asked: int, budget: int, spread: str) -> list[str]:
    others = [code for code in tuning if code != base]
    if spread == "others" or (spread == "paper" and asked < PAPER_THRESHOLD * budget):
        return others
    return list(tuning) if others else []
