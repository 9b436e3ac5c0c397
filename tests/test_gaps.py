"""Models that a figure lacks: found from the grid that is there, named with their seeds, with the words that make them."""

import pytest

from made_cells import made_cell, made_study
from pinch.analysis.curves import curves
from pinch.analysis.gaps import count_gap, curve_gap
from pinch.analysis.questions.count.counts import language_count
from pinch.analysis.study import Options
from pinch.languages import SIX, TWELVE

OPTIONS = Options(resamples=20)
ASKED = " ".join(TWELVE)


def curve_of(names, points, base="en"):
    """The curve of a set with (share, seed) points, the base alone with seeds 0 and 1."""
    cells = [*(made_cell(base, seed) for seed in (0, 1)), *(made_cell(names, seed, p) for p, seed in points)]
    study, family = made_study(cells, ASKED, lambda cell, code, n: 0.1 * n)
    return curves(study, family, OPTIONS)[0]


def test_a_whole_grid_lacks_nothing():
    assert curve_gap(curve_of("en ar fi it ru sw", [(p, s) for p in (0.4, 1.0) for s in (0, 1)])) is None


def test_missing_shares_are_named_with_their_seeds():
    gap = curve_gap(curve_of("en ar fi it ru sw", [(0.1, 0), (0.4, 0), (0.4, 1), (1.0, 1)]))
    assert gap.reason == "2 of 8 models missing or not judged: 10 % with seed 1; 100 % with seed 0"
    assert gap.arguments == "+experiment=pinch_six"
    assert gap.name == "p_curve_models_en+ar+fi+it+ru+sw"


@pytest.mark.parametrize(
    ("names", "share", "expected"),
    [
        (" ".join(("en", *(code for code in TWELVE if code != "en"))), 0.1, "+experiment=pinch_twelve"),
        ("en ar it", 0.1, "+experiment=pinch_six 'experiment.few=[en,ar,it]'"),
        ("en ar it", 0.4, "+experiment=pinch_six 'experiment.few=[en,ar,it]'"),
        (
            " ".join(SIX),
            0.25,
            "+experiment=pinch_six 'experiment.fractions=[0,0.25,1]' 'experiment.pinches=[]'",
        ),
    ],
)
def test_the_words_make_the_set_and_its_shares(names, share, expected):
    assert curve_gap(curve_of(names, [(share, 0), (1.0, 0), (1.0, 1)])).arguments == expected


def test_another_base_is_named():
    gap = curve_gap(curve_of("fi ar it", [(0.1, 0), (1.0, 0), (1.0, 1)], base="fi"))
    assert gap.arguments == "+experiment=pinch_six experiment.base=fi 'experiment.few=[fi,ar,it]'"


def test_sets_that_lack_a_seed_are_named():
    sets = ("en", "en ar", "en fi", "en ar fi")
    cells = [made_cell(names, seed) for names in sets for seed in (0, 1) if (names, seed) != ("en fi", 1)]
    study, family = made_study(cells, ASKED, lambda cell, code, n: 0.1 * n)
    gap = count_gap(language_count(study, family, OPTIONS))
    assert gap.reason == "1 of 8 models missing or not judged: en+fi with seed 1"
    assert gap.arguments == "+experiment=language_count 'experiment.few=[en,ar,fi]' experiment.permutations=2"
    whole, family = made_study([*cells, made_cell("en fi", 1)], ASKED, lambda cell, code, n: 0.1 * n)
    assert count_gap(language_count(whole, family, OPTIONS)) is None
