"""The lines over the number of languages: which cells stand where, and which orders of adding languages they form."""

import itertools
import random

import numpy as np
import pytest

from fake_study import Shape, build
from made_cells import made_cell, made_study
from pinch.analysis.questions.count.counts import independent, language_count, orders_of
from pinch.analysis.study import Metric, Options, families
from pinch.mixture import add_languages
from test_curves import OPTIONS, cells, family, study, study_of  # noqa: F401


def of(*names):
    return [frozenset(name) for name in names]


def paths(levels):
    return ["-".join("".join(sorted(one)) for one in order) for order in orders_of([of(*level) for level in levels])]


def test_language_count_is_over_languages_that_no_cell_saw(study, family):  # noqa: F811
    count = language_count(study, family, OPTIONS)
    assert count.numbers == (1, 2, 3, 4)
    assert count.fraction == 1
    assert count.unseen == ("cs", "es")
    assert set(count.lines) == {(name, metric) for name in ("unseen", "cs", "es") for metric in Metric}
    single = [count.lines[code, Metric.exact].mean for code in ("cs", "es")]
    np.testing.assert_allclose(count.lines["unseen", Metric.exact].mean, np.mean(single, axis=0))
    assert len(count.orders) == 1
    assert len(count.cells(count.orders[0][1])) == 2, "one cell per seed"


def test_sets_that_leave_nothing_unseen_are_left_out_and_named(tmp_path):
    shape = Shape((0,), (2, 3, 5), (1.0,), ("en", "ar"), ("en", "ar", "fi", "it", "ru"), prompts=6)
    found = study_of(build(tmp_path, shape))
    count = language_count(found, families(found)[0], OPTIONS)
    assert count.numbers == (1, 2, 3)
    assert count.unseen == ("it", "ru")
    assert count.left_out == (5,)


def test_one_share_alone_gives_no_numbers(tmp_path):
    found = study_of(build(tmp_path, Shape((0,), (2,), (0.5,), ("es",), ("en", "es"), prompts=5)))
    assert language_count(found, families(found)[0], OPTIONS) is None


def test_one_order_is_one_order():
    assert paths([["e"], ["ea"], ["eab"]]) == ["e-ae-abe"]


def test_orders_share_the_first_and_the_full_set():
    assert paths([["e"], ["ea", "eb"], ["eab"]]) == ["e-ae-abe", "e-be-abe"]


def test_a_set_that_two_orders_share_is_in_both():
    assert paths([["e"], ["ea"], ["eab", "eac"]]) == ["e-ae-abe", "e-ae-ace"]
    assert paths([["e"], ["ea", "eb"], ["eab"], ["eabc"]]) == ["e-ae-abe-abce", "e-be-abe-abce"]


def test_every_set_gets_an_order_of_its_own_where_that_is_possible():
    """b could go on to ab or bc; a only to ab: so b goes to bc."""
    assert paths([["e"], ["eb", "ea"], ["eab", "ebc"]]) == ["e-ae-abe", "e-be-bce"]


def test_sets_that_do_not_hold_each_other_form_no_orders():
    assert paths([["e"], ["ea"], ["ebc"]]) == []
    assert paths([["e"], ["ea", "eb"], ["eac"]]) == [], "b leads nowhere"
    assert paths([["e"], ["ea"], ["eab", "ecd"]]) == [], "cd comes from nowhere"


@pytest.mark.parametrize("seed", range(5))
def test_orders_of_permutations_hold_every_set_and_only_those(seed):
    """Whatever the permutations, as many orders as the most sets of one number at least, each rising one by one."""
    pool = ["en", "ar", "fi", "it", "ru", "sw"]
    chosen = random.Random(seed).sample(range(1, 50), 4)
    levels = [
        list(dict.fromkeys(frozenset(add_languages("en", pool, number, at)) for at in chosen)) for number in range(1, 7)
    ]
    orders = orders_of(levels)
    assert len(orders) >= max(len(level) for level in levels)
    for at, level in enumerate(levels):
        assert {order[at] for order in orders} == set(level)
    assert all(a < b for order in orders for a, b in itertools.pairwise(order))


def test_rows_that_share_a_set_count_once():
    one, two, three = of("ea", "eab"), of("ea", "eac"), of("eb", "ebc")
    assert independent([one, two, three], []) == (0, 2)
    assert independent([one, three], []) == (0, 1)
    assert independent([one, two], of("ea")) == (0, 1), "a set that every order has ties nobody"
    assert independent([of("e", "eab"), of("e", "eab")], of("e", "eab")) == (0,)
    assert independent([], []) == ()


def test_one_between_two_gives_way():
    """The middle row shares a set with either of the others, which share none."""
    assert independent([of("x", "y"), of("a", "x"), of("y", "z")], []) == (1, 2)


def test_the_fixed_sets_are_those_at_the_ends_that_are_alone():
    made = [made_cell(names) for names in ("en", "en ar", "en fi", "en ar fi")]
    found, one = made_study(made, "en ar fi it es", lambda cell, code, n: 0.5)
    count = language_count(found, one, Options(resamples=20))
    assert count.fixed == (frozenset({"en"}), frozenset({"en", "ar", "fi"}))
    assert [len(sets) for sets in count.sets] == [1, 2, 1]
