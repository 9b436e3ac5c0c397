"""Published judgements, and what was published or computed of them elsewhere: AlpacaEval 1, LLMBar, PandaLM.

The data are not part of the repository; where they are absent these tests are skipped.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pinch import agreement, alpaca, diagnostics, scoring, stats
from pinch.records import Item, Outcome

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Rows = list[dict[str, Any]]


def rows(name: str) -> Rows:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: published judgements are not part of the repository")
    if path.suffix == ".json":
        found: Rows = json.loads(path.read_text(encoding="utf-8"))
        return found
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def item(judge: str, prompt: str, forth: Outcome | None, back: Outcome | None, outcome: str = "") -> Item:
    if forth and back:
        outcome = scoring.resolve(forth, back).outcome
    said = (str(forth or ""), str(back or ""))
    return Item("cell", judge, "gold", "", "en", prompt, outcome, None, None, None, "und", None, *said)


# --- AlpacaEval 1: eight models, GPT-4 as the annotator ----------------------------------------------------------------


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> list[alpaca.Annotation]:
    """The published preferences as an annotations.json, read back."""
    path = tmp_path_factory.mktemp("ae1") / "annotations.json"
    preferences = [
        {
            "instruction": f"instruction {row['id']}",
            "output_1": "x" * row["len1"],
            "output_2": "x" * row["len2"],
            "generator_1": "text_davinci_003",
            "generator_2": row["model"],
            "annotator": "alpaca_eval_gpt4",
            "dataset": row["dataset"],
            "preference": row["pref"],
        }
        for row in rows("ae1_gpt4_pairs.jsonl")
    ]
    path.write_text(json.dumps(preferences), encoding="utf-8")
    return alpaca.read_annotations(path)


@pytest.fixture(scope="module")
def scores(annotations: list[alpaca.Annotation]) -> dict[str, stats.Array]:
    """Item scores in per cent by model, NaN where there is none."""
    found: dict[str, stats.Array] = defaultdict(lambda: np.full(805, np.nan))
    for row in annotations:
        value = alpaca.score(row.preference)
        found[row.generator_2][int(row.instruction.split()[1])] = np.nan if value is None else 100 * value
    return dict(found)


def test_published_leaderboard_to_its_last_digit(annotations: list[alpaca.Annotation]) -> None:
    published = json.loads((DATA / "ae1_published.json").read_text(encoding="utf-8"))
    found = {row.generator: row for row in alpaca.summary(annotations)}
    assert found.keys() == published.keys()
    for name, known in published.items():
        row = found[name]
        assert row.score == pytest.approx(known["win_rate"], rel=1e-14)
        assert row.se == pytest.approx(known["standard_error"], rel=1e-14)
        assert row.discrete_score == pytest.approx(known["discrete_win_rate"], rel=1e-14)
        counts = tuple(known[key] for key in ("n_total", "n_wins", "n_draws", "n_wins_base"))
        assert (row.n, row.wins, row.draws, row.losses) == counts
        assert row.n + row.invalid == 805
        assert row.low_if_invalid_lost <= row.score <= row.high_if_invalid_won


def test_difference_of_two_published_models(scores: dict[str, stats.Array]) -> None:
    first, second = scores["claude"], scores["cohere"]
    found = stats.paired(first, second)
    assert (found.mean, found.se) == pytest.approx((0.9317, 1.2596), abs=5e-5)
    assert (found.t, found.p) == (pytest.approx(0.7397, abs=5e-5), pytest.approx(0.460, abs=5e-4))
    assert math.hypot(stats.mean(first).se, stats.mean(second).se) == pytest.approx(1.4168, abs=5e-5)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.210, abs=5e-4)
    assert stats.sign_flip(first - second, 4000) == pytest.approx(0.49, abs=0.03)


def test_average_of_published_models_is_clustered(scores: dict[str, stats.Array]) -> None:
    table = np.stack(list(scores.values()), axis=1)
    complete = table[~np.isnan(table).any(axis=1)]
    found = stats.clustered(complete)
    assert (found.n, found.mean, found.se) == (794, pytest.approx(59.0050, abs=5e-5), pytest.approx(0.6531, abs=5e-5))
    alone = [stats.mean(column).se for column in complete.T]
    assert math.sqrt(sum(se**2 for se in alone)) / 8 == pytest.approx(0.4776, abs=5e-5)
    assert stats.mean(complete.ravel()).se == pytest.approx(0.6126, abs=5e-5)


def test_real_model_outputs_survive(tmp_path: Path) -> None:
    given = rows("model_outputs_alpaca-7b.json")
    outputs = alpaca.read_model_outputs(DATA / "model_outputs_alpaca-7b.json")
    assert [vars(row) for row in outputs] == [row | {"language": "", "prompt": ""} for row in given]
    prompts = [alpaca.Prompt(str(n), "en", row.instruction) for n, row in enumerate(outputs)]
    answers = {str(n): alpaca.Answer(str(n), "en", row.output, 1, True) for n, row in enumerate(outputs)}
    path = tmp_path / "model_outputs.json"
    assert alpaca.write_model_outputs(path, prompts, answers, "alpaca-7b", "helpful_base") == 805
    again = json.loads(path.read_text(encoding="utf-8"))
    assert [(row["instruction"], row["output"]) for row in again] == [
        (row["instruction"], row["output"]) for row in given
    ]


# --- LLMBar: judges in both orders -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llmbar() -> dict[tuple[str, str], Rows]:
    """Rows by judge and prompt."""
    found: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows("llmbar_both_orders.jsonl"):
        found[row["judge"], row["prompt"]].append(row)
    return dict(found)


def both_orders(row: dict[str, Any]) -> tuple[Outcome, Outcome]:
    """What was said of (1, 2) and of (2, 1); the file names the winner, not its position."""
    named = {"1": (Outcome.first, Outcome.second), "2": (Outcome.second, Outcome.first)}
    invalid = (Outcome.invalid, Outcome.invalid)
    return named.get(row["w_ab"], invalid)[0], named.get(row["w_ba"], invalid)[1]


def judged(found: Rows) -> list[Item]:
    return [item(row["judge"], f"{row['subset']} {row['id']}", *both_orders(row)) for row in found]


@pytest.mark.parametrize(
    ("judge", "n", "first_first", "second_second", "consistency", "p_first", "p"),
    [
        ("GPT-4 Vanilla", 419, 20, 10, 0.9284, 0.5119, 0.0987),
        ("GPT-4 CoT", 419, 32, 13, 0.8926, 0.5227, 0.0066),
        ("PaLM2 Vanilla", 415, 83, 32, 0.7229, 0.5614, None),
        ("PaLM2 CoT", 414, 217, 5, 0.4638, 0.7560, None),
        ("LLaMA2 Vanilla", 417, 76, 27, None, None, None),
        ("ChatGPT Vanilla", 419, 133, 10, None, None, None),
        ("Falcon Vanilla", 419, 238, 7, 0.4153, 0.7757, None),
        ("Falcon CoT", 416, 362, 1, None, 0.9339, None),
    ],
)
def test_position_bias_of_published_judges(
    llmbar: dict[tuple[str, str], Rows],
    judge: str,
    n: int,
    first_first: int,
    second_second: int,
    consistency: float | None,
    p_first: float | None,
    p: float | None,
) -> None:
    name, prompt = judge.split()
    found = diagnostics.diagnose(judged(llmbar[name, prompt])).overall
    assert (found.n, found.first_first, found.second_second) == (n, first_first, second_second)
    assert found.n + found.invalid == 419
    for value, known in ((found.consistency.value, consistency), (found.p_first.value, p_first), (found.p, p)):
        if known is not None:
            assert value == pytest.approx(known, abs=6e-5)
    if p is None:
        assert found.p < 1e-5


def test_no_judge_of_llmbar_but_gpt4_passes_without_remark(llmbar: dict[tuple[str, str], Rows]) -> None:
    said = {key: list(diagnostics.lines(diagnostics.diagnose(judged(found)))) for key, found in llmbar.items()}
    assert said["GPT-4", "Vanilla"] == []
    (line,) = said["GPT-4", "CoT"]
    assert line.startswith("judge GPT-4 favours the answer shown first: 52.3 % (")
    assert all(lines for (judge, _), lines in said.items() if judge != "GPT-4")


@pytest.mark.parametrize(
    ("judge", "n", "forth", "back", "score", "ties", "gold"),
    [("PaLM2", 415, 52.771, 40.482, 46.627, 0.2771, 70.482), ("GPT-4", 419, 51.551, 49.165, 50.358, 0.0716, 84.487)],
)
def test_order_scores_of_published_judges(
    llmbar: dict[tuple[str, str], Rows],
    judge: str,
    n: int,
    forth: float,
    back: float,
    score: float,
    ties: float,
    gold: float,
) -> None:
    said = [(row, both_orders(row)) for row in llmbar[judge, "Vanilla"]]
    valid = [(row, both) for row, both in said if Outcome.invalid not in both]
    assert len(valid) == n
    assert 100 * np.mean([scoring.VALUE[one] for _, (one, _) in valid]) == pytest.approx(forth, abs=6e-4)
    assert 100 * np.mean([1 - scoring.VALUE[other] for _, (_, other) in valid]) == pytest.approx(back, abs=6e-4)
    results = [scoring.resolve(*both) for _, both in valid]
    assert 100 * np.mean([result.score for result in results]) == pytest.approx(score, abs=6e-4)
    assert diagnostics.diagnose(judged(llmbar[judge, "Vanilla"])).overall.ties.value == pytest.approx(ties, abs=6e-5)
    right = [
        item("gold", f"{row['subset']} {row['id']}", None, None, "win" if row["label"] == 1 else "loss")
        for row, _ in said
    ]
    found = diagnostics.agreement_with(judged(llmbar[judge, "Vanilla"]), right).overall
    assert (found.n, found.invalid) == (n, 419 - n)
    assert 100 * found.tie_discounted.value == pytest.approx(gold, abs=6e-4)


def test_kappa_of_the_two_orders_as_published(llmbar: dict[tuple[str, str], Rows]) -> None:
    published: dict[str, Any] = json.loads((DATA / "llmbar_published_stats.json").read_text(encoding="utf-8"))
    checked = 0
    for (judge, prompt), found in llmbar.items():
        for subset in {row["subset"] for row in found}:
            named = [(row["w_ab"], row["w_ba"]) for row in found if row["subset"] == subset]
            known = published[f"{subset}/{judge}/{prompt}"]
            if any(None in pair for pair in named):
                continue
            labels = np.array(named)
            kappa = agreement.cohen(labels, by=agreement.Resampling(resamples=1)).value
            assert kappa == pytest.approx(known["kappa_agreement"], rel=1e-12)
            assert known["equal"].startswith(f"{(labels[:, 0] == labels[:, 1]).sum()} / {len(labels)} =")
            checked += 1
    assert checked == 40


# --- PandaLM: three annotators, two judges ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pandalm() -> Rows:
    return rows("pandalm_human3.jsonl")


@pytest.fixture(scope="module")
def humans(pandalm: Rows) -> np.ndarray:
    return np.array([[row["h1"], row["h2"], row["h3"]] for row in pandalm])


@pytest.mark.parametrize(
    ("raters", "raw", "tie_discounted", "kappa"),
    [
        ([0, 1], 0.91291, 0.93043, 0.852023),
        ([0, 2], 0.92893, 0.94494, 0.878944),
        ([1, 2], 0.91792, 0.93544, 0.861661),
    ],
)
def test_pairs_of_annotators(
    humans: np.ndarray, raters: list[int], raw: float, tie_discounted: float, kappa: float
) -> None:
    pair = humans[:, raters]
    assert agreement.raw(pair).value == pytest.approx(raw, abs=6e-6)
    assert agreement.tie_discounted(pair, 0).value == pytest.approx(tie_discounted, abs=6e-6)
    found = agreement.cohen(pair)
    assert found.value == pytest.approx(kappa, abs=6e-7)
    assert found.low < kappa - 0.02 < kappa + 0.02 < found.high < 1
    assert found.n == 999


@pytest.mark.parametrize(
    ("measure", "known"),
    [
        (agreement.raw, 0.919920),
        (agreement.fleiss, 0.864175),
        (agreement.randolph, 0.879880),
        (agreement.ac1, 0.886445),
    ],
)
def test_three_annotators(
    humans: np.ndarray, measure: Callable[[np.ndarray], agreement.Agreement], known: float
) -> None:
    assert measure(humans).value == pytest.approx(known, abs=6e-7)


def people(pandalm: Rows) -> list[Item]:
    """What most of the three annotators say; on every item at least two agree."""
    words = {0: "tie", 1: "win", 2: "loss"}
    said = [max((row["h1"], row["h2"], row["h3"]), key=[row["h1"], row["h2"], row["h3"]].count) for row in pandalm]
    return [item("people", str(row["id"]), None, None, words[most]) for row, most in zip(pandalm, said, strict=True)]


def test_judge_against_people_with_what_could_not_be_read(pandalm: Rows) -> None:
    """GPT-3.5: .7156 of the 974 replies that could be read, .6977 .. .7227 of all 999."""
    words = {"1": "win", "2": "loss", "Tie": "tie"}
    said = [item("gpt-3.5", str(row["id"]), None, None, words.get(row["gpt35"], "invalid")) for row in pandalm]
    found = diagnostics.agreement_with(said, people(pandalm)).overall
    assert (found.n, found.invalid) == (974, 25)
    assert found.raw.value == pytest.approx(0.715606, abs=6e-7)
    assert found.kappa.value == pytest.approx(0.492865, abs=6e-7)
    assert found.low_if_invalid_differ == pytest.approx(0.697698, abs=6e-7)
    assert found.high_if_invalid_agree == pytest.approx(0.7227, abs=6e-5)


def test_judge_that_could_always_be_read(pandalm: Rows) -> None:
    words = {0: "tie", 1: "win", 2: "loss"}
    said = [item("PandaLM", str(row["id"]), None, None, words[row["pandalm"]]) for row in pandalm]
    found = diagnostics.agreement_with(said, people(pandalm)).overall
    assert (found.n, found.invalid) == (999, 0)
    assert found.raw.value == pytest.approx(0.667668, abs=6e-7)
    assert found.kappa.value == pytest.approx(0.435355, abs=6e-7)
    assert found.low_if_invalid_differ == found.high_if_invalid_agree == found.raw.value


# --- corrections for many tests -----------------------------------------------------------------------------------------


def test_holm_on_the_fifteen_p_values_of_benjamini_and_hochberg() -> None:
    p = [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1.0]  # fmt: skip
    assert (diagnostics.holm(np.array(p)) < 0.05).tolist() == [True] * 3 + [False] * 12
