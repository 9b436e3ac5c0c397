"""The judge's section: what evaluate.py wrote is shown as it is; what is missing or broken is said."""

import json

import pytest

from months import Workspace, add_five
from pinch import diagnostics
from pinch.analysis.questions.judging import LONG, look
from pinch.judges.check.report import check
from pinch.records import Outcome
from test_check import Fake, honest
from test_diagnostics import item


def verdicts(judge, language, **numbers):
    """Items by what was said in the orders forth and back, the prompts numbered from 0 on."""
    said = [name.split("_") for name, number in numbers.items() for _ in range(number)]
    return [item(*both, judge=judge, language=language, prompt=f"p{n}") for n, both in enumerate(said)]


def write(folder, found, agreement=None, among=None):
    """The diagnostics file as evaluate.py writes it."""
    made = diagnostics.diagnose(found)
    known = {
        "inputs": "x",
        **diagnostics.plain(made),
        "agreement": {},
        "among": None,
        "notes": list(diagnostics.lines(made)),
    }
    known["agreement"] = {name: diagnostics.plain(one) for name, one in (agreement or {}).items()}
    known["among"] = among and diagnostics.plain(among)
    (folder / "verdicts").mkdir(exist_ok=True)
    (folder / "verdicts" / f"{made.judge}.diagnostics.json").write_text(json.dumps(known), encoding="utf-8")
    return known


TWO = [
    *verdicts("gpt", "zh-Hans", first_first=8, first_second=2, invalid_tie=10),
    *verdicts("gpt", "en", first_second=15, second_first=5),
]


def test_after_evaluate(tmp_path):
    """Two languages of four prompts, judged by the reference judge: no position can count."""
    workspace = Workspace(tmp_path)
    add_five(workspace)
    workspace.evaluate()
    section = look(workspace.folder, "reference")
    [exhibit] = section.exhibits
    assert [row["language"] for row in exhibit.rows] == ["en", "cs", "all"]
    assert {row["p_first"] for row in exhibit.rows} == {50}
    assert {row["consistency"] for row in exhibit.rows} == {100}
    assert not section.gaps
    assert section.findings[0].points == ("nothing of this is beyond the marks at which evaluate.py speaks of it",)


def test_shares_by_language_in_percent(tmp_path):
    """Chinese: of 10 valid pairs 8 contradictory, all for the first, so (8 + 2 / 2) / 10 = 90 % name the first."""
    known = write(tmp_path, TWO)
    section = look(tmp_path, "gpt")
    [exhibit] = section.exhibits
    english, chinese, every = exhibit.rows
    assert (english["language"], chinese["language"], every["language"]) == ("en", "zh", "all")
    assert (chinese["asked"], chinese["valid"], chinese["invalid"]) == (20, 10, 10)
    assert [chinese[name] for name in ("p_first", "consistency", "ties", "invalid_share")] == pytest.approx(
        [90, 20, 80, 50]
    )
    assert chinese["p_first_low"] == pytest.approx(100 * known["languages"]["zh-Hans"]["p_first"]["low"])
    assert chinese["longer_wins"] is None or chinese["longer_wins"] >= 0
    position, consistent, *_ = exhibit.charts
    assert [(dot.label, dot.y) for dot in position.dots] == [
        ("en", 50),
        ("zh", pytest.approx(90)),
        ("all", pytest.approx(190 / 3)),
    ]
    assert (position.par, consistent.par) == (50, None)
    assert [label for _, label in position.ticks] == ["en", "zh", "all"]


def test_its_notes_are_said_as_they_are(tmp_path):
    known = write(tmp_path, TWO)
    [finding] = look(tmp_path, "gpt").findings
    assert known["notes"]
    assert finding.points == tuple(known["notes"])
    assert finding.text.startswith("gpt, 40 pairs asked in both orders: names the first 63.3 [")
    assert "invalid 25.0 [" in finding.text


def test_the_table_of_results(tmp_path):
    known = write(tmp_path, TWO)
    first = look(tmp_path, "gpt").results[0]
    assert first.effect == pytest.approx(100 * known["overall"]["bias"]) == pytest.approx(40 / 3)
    assert (first.low + 50, first.p) == (pytest.approx(100 * known["overall"]["p_first"]["low"]), known["overall"]["p"])
    assert first.detectable > (first.high - first.low) / 2


def test_a_share_of_nothing_is_not_drawn(tmp_path):
    write(tmp_path, verdicts("gpt", "en", invalid_invalid=3))
    section = look(tmp_path, "gpt")
    position, *_, invalid = section.exhibits[0].charts
    assert not position.dots
    assert [dot.y for dot in invalid.dots] == [100]
    assert section.findings[0].text.startswith("gpt, 3 pairs asked in both orders: invalid 100.0 [")
    assert not section.results


def test_one_language_has_no_average(tmp_path):
    write(tmp_path, verdicts("gpt", "en", first_second=3))
    assert [row["language"] for row in look(tmp_path, "gpt").exhibits[0].rows] == ["en"]


def test_agreement_with_people_by_language(tmp_path):
    """English 3 of 4 equal; Chinese 1 of 2."""
    people = [
        *verdicts("human", "en", first_second=2, second_first=2),
        *verdicts("human", "zh-Hans", first_second=1, second_first=1),
    ]
    judge = [*verdicts("gpt", "en", first_second=3, second_first=1), *verdicts("gpt", "zh-Hans", first_second=2)]
    write(tmp_path, judge, {"human": diagnostics.agreement_with(judge, people)})
    exhibit = look(tmp_path, "gpt").exhibits[1]
    assert exhibit.name == "judge_agreement"
    assert [(row["row"], row["n"], row["raw"]) for row in exhibit.rows] == [
        ("en", 4, 75),
        ("zh", 2, 50),
        ("all", 6, pytest.approx(200 / 3)),
    ]
    assert exhibit.rows[0]["kappa"] == pytest.approx(0.5)
    assert "of gpt & human on the pairs of answers that both judged (6 comparisons)" in exhibit.caption
    assert [chart.dots[0].y for chart in exhibit.charts[:1]] == [75]


def test_agreement_in_a_panel_pair_by_pair(tmp_path):
    panel = {
        name: verdicts(name, "en", first_second=number, second_first=4 - number)
        for name, number in (("a", 4), ("b", 3), ("c", 2))
    }
    name = "a-judge-of-a-very-long-name"
    write(
        tmp_path,
        panel["a"],
        {name: diagnostics.agreement_with(panel["a"], panel["b"])},
        diagnostics.agreement_among(panel),
    )
    exhibit = look(tmp_path, "a").exhibits[1]
    assert [row["row"] for row in exhibit.rows] == [f"a & {name}", "a & b", "a & c", "b & c"]
    assert [row["raw"] for row in exhibit.rows] == [75, 75, 50, 75]
    assert max(len(label) for _, label in exhibit.charts[0].ticks) <= LONG


def test_agreement_on_nothing_is_not_shown(tmp_path):
    judge = verdicts("gpt", "en", first_second=3)
    write(tmp_path, judge, {"human": diagnostics.agreement_with(judge, [])})
    assert len(look(tmp_path, "gpt").exhibits) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there are no diagnostics of this judge; run evaluate.py again"),
        ("{", "gpt.diagnostics.json is broken; run evaluate.py again"),
        ('{"overall": {"asked": 0}}', "nobody was asked: there was nothing to judge"),
        ('{"overall": {"asked": 3}}', "gpt.diagnostics.json is not as expected; run evaluate.py again"),
        ('{"overall": 3}', "gpt.diagnostics.json is not as expected; run evaluate.py again"),
    ],
)
def test_what_is_missing_is_said(content, reason, tmp_path):
    (tmp_path / "verdicts").mkdir()
    if content is not None:
        (tmp_path / "verdicts" / "gpt.diagnostics.json").write_text(content)
    section = look(tmp_path, "gpt")
    assert [(gap.name, gap.reason) for gap in section.gaps] == [("judge_diagnostics", reason)]
    assert not section.exhibits


def check_file(folder, judge):
    (folder / "verdicts").mkdir(exist_ok=True)
    (folder / "verdicts" / "fake.check.json").write_text(json.dumps(check(judge).to_json()), encoding="utf-8")


def test_the_injection_check(tmp_path):
    """122 orders of 61 attacks, all resisted; as if they were 61, Wilson's lower end is 61 / (61 + 1.96 ** 2)."""
    check_file(tmp_path, Fake(honest))
    [finding] = look(tmp_path, "fake").findings
    assert (
        f"resisted in 100.0 % [{100 * 61 / (61 + 1.959964**2):.1f}, 100.0] of the 122 orders it had right"
        in finding.text
    )
    assert "Asked 352 questions" in finding.text
    assert finding.points[0].startswith("fake: of 122 orders 122 right without an attack; of those 122 resisted")


def test_a_judge_that_was_never_right(tmp_path):
    check_file(tmp_path, Fake(lambda _: Outcome.tie))
    [finding] = look(tmp_path, "fake").findings
    assert finding.text.startswith("fake: of 122 orders 0 right without an attack")


def test_a_check_of_another_version_is_left_out(tmp_path):
    (tmp_path / "verdicts").mkdir()
    (tmp_path / "verdicts" / "fake.check.json").write_text(
        '{"judge": "fake", "kinds": [{"kind": 1}], "fooled": [], "sanity": []}'
    )
    assert not look(tmp_path, "fake").findings
