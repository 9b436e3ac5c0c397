"""The embedded judge against grades counted by hand; the store across processes, crashes and judges."""

import json
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pinch import judges
from pinch.config import JudgeConfig
from pinch.errors import UserError
from pinch.judges.protocol import Judge, Judgement
from pinch.judges.reference import EXACT, NO_REFERENCE, ReferenceJudge
from pinch.judges.store import VerdictStore
from pinch.records import Outcome, Pair

LANGUAGES = ["en", "cs", "es"]
LEXICON = {"en": frozenset({"january"}), "cs": frozenset({"leden", "ledna"}), "es": frozenset({"enero"})}
PAIR = Pair("p1", "cs", "Ve kterém měsíci?", "leden", "January", "leden")


@pytest.fixture
def judge() -> ReferenceJudge:
    return ReferenceJudge(JudgeConfig(), LANGUAGES, LEXICON)


def said(judge: Judge, first: str, second: str, reference: str | None = "leden") -> tuple[Outcome, str]:
    ((judgement,),) = judge.judge([replace(PAIR, first=first, second=second, reference=reference)])
    return judgement.outcome, judgement.raw


@pytest.mark.parametrize(
    ("first", "second", "outcome", "raw"),
    [
        ("leden", "January", Outcome.first, "exact | in en"),
        ("January", "leden", Outcome.second, "in en | exact"),
        ("leden", " leden\n", Outcome.tie, "exact | exact"),
        ("January", "enero", Outcome.tie, "in en | in es"),
        ("leden", "ledenx", Outcome.first, "exact | chrF 92.4"),
        ("ledna", "January", Outcome.first, "chrF 32.7 | in en"),
        ("", "January", Outcome.tie, "chrF 0.0 | in en"),
    ],
)
def test_grades(  # chrF counted by hand: ledna 4/5 2/4 1/3 0 0; ledenx P .71, R 1; 2032 3/4 2/3 1/2 0
    judge: ReferenceJudge, first: str, second: str, outcome: Outcome, raw: str
) -> None:
    found, words = said(judge, first, second)
    assert found is outcome
    assert words == raw


def test_both_orders_agree(judge: ReferenceJudge) -> None:
    texts = ["leden", "ledna", "January", "", "ledenx", "enero", "xyz"]
    mirror = {Outcome.first: Outcome.second, Outcome.second: Outcome.first, Outcome.tie: Outcome.tie}
    for one in texts:
        for other in texts:
            assert said(judge, one, other)[0] is mirror[said(judge, other, one)[0]]


def test_the_margin_decides_what_is_better(judge: ReferenceJudge) -> None:
    assert judge.grade("leden", "leden", "cs")[0] == EXACT
    strict = ReferenceJudge(JudgeConfig(margin=0.0), LANGUAGES, LEXICON)
    patient = ReferenceJudge(JudgeConfig(margin=60.0), LANGUAGES, LEXICON)
    assert said(strict, "lednx", "lxdnx")[0] is Outcome.first
    assert said(patient, "lednx", "lxdnx")[0] is Outcome.tie
    assert strict.identity != patient.identity


def test_without_a_reference_nothing_can_be_said(judge: ReferenceJudge) -> None:
    assert said(judge, "leden", "January", None) == (Outcome.invalid, NO_REFERENCE)


def test_an_answer_of_unknown_language_is_not_taken_for_wrong(judge: ReferenceJudge) -> None:
    outcome, raw = said(judge, "2032", "January", "2031")
    assert outcome is Outcome.first
    assert raw == "chrF 47.9 | in en"


def test_make_names_the_nearest_kind(tmp_path: Path) -> None:
    assert isinstance(judges.make(JudgeConfig(), tmp_path, LANGUAGES, {}), ReferenceJudge)
    wrong: Any = SimpleNamespace(kind="referense", name="x", margin=1.0)
    with pytest.raises(UserError, match=r"judge\.kind=referense judges no single pairs; did you mean 'reference'\?"):
        judges.make(wrong, tmp_path, LANGUAGES, {})


def test_the_embedded_judge_has_nothing_to_read_again(judge: ReferenceJudge) -> None:
    with pytest.raises(UserError, match="leave reparse out"):
        judge.read("exact | in en", {})
    assert (judge.tokens([PAIR]), judge.stop(), judge.notes()) == ((0, 0), (), [])


class Scripted:
    """Says first, invalid of every answer that begins with a question mark, and nothing at all of one that begins with a
    dash; two at a time. Counts what it is asked."""

    def __init__(self, name: str = "scripted", sees_reference: bool = False, size: int = 1, **identity: Any) -> None:
        self.name, self.identity, self.sees_reference = name, {"judge": "scripted", **identity}, sees_reference
        self.asked: list[Pair] = []
        self.size = size
        self.late: list[Judgement] = []

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        for start in range(0, len(pairs), self.size):
            yield [self.say(pair) for pair in pairs[start : start + self.size]]

    def say(self, pair: Pair) -> Judgement:
        self.asked.append(pair)
        if pair.first == "!":
            raise RuntimeError("the server is gone")
        if pair.first.startswith("-"):
            return Judgement(pair, Outcome.invalid, "", {"error": "no reply"})
        return Judgement(pair, self.read(pair.first, {}), f"raw \u2028 {pair.first}")

    def stop(self) -> Sequence[Judgement]:
        return self.late

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        return Outcome.invalid if raw.removeprefix("raw \u2028 ").startswith("?") else Outcome.first

    def tokens(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        return 0, 0

    def notes(self) -> list[str]:
        return []


def pairs(*texts: str) -> list[Pair]:
    return [Pair(f"p{n}", "en", "Which?", text, "other") for n, text in enumerate(texts)]


def test_what_is_known_is_not_judged_again(tmp_path: Path) -> None:
    first = Scripted()
    store = VerdictStore(tmp_path, first)
    wanted = pairs("a", "b", "a")
    missing = store.missing(wanted)
    assert [pair.first for pair in missing.values()] == [
        "a",
        "b",
    ]  # the same content once, whatever prompt it belongs to
    assert list(store.judge_missing(list(missing.values()))) == [1, 1]
    again = VerdictStore(tmp_path, Scripted())
    assert again.missing(wanted) == {}
    assert again.outcome(wanted[2]) is Outcome.first
    rows = [json.loads(line) for line in again.path.read_bytes().split(b"\n") if line]
    assert [row["raw"] for row in rows] == ["raw \u2028 a", "raw \u2028 b"]
    assert set(rows[0]) == {"key", "judge", "language", "prompt", "outcome", "raw"}


def test_the_key_holds_all_that_matters(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted())
    keys = {
        store.key(PAIR),
        store.key(replace(PAIR, first=PAIR.second, second=PAIR.first)),
        store.key(replace(PAIR, instruction="?")),
        store.key(replace(PAIR, language="es")),
        VerdictStore(tmp_path, Scripted(template="2")).key(PAIR),
    }
    assert len(keys) == 5
    assert store.key(replace(PAIR, prompt="p2", reference="x")) == store.key(PAIR)
    seeing = VerdictStore(tmp_path, Scripted(sees_reference=True))
    assert seeing.key(replace(PAIR, reference="x")) != seeing.key(PAIR) != seeing.key(replace(PAIR, reference=None))


def judge_all(store: VerdictStore, *texts: str) -> None:
    list(store.judge_missing(pairs(*texts)))


def asked(store: VerdictStore, *texts: str, retry_invalid: bool = False) -> list[str]:
    return [pair.first for pair in store.missing(pairs(*texts), retry_invalid).values()]


def test_a_reply_without_a_verdict_is_asked_again_only_on_request(tmp_path: Path) -> None:
    judge_all(VerdictStore(tmp_path, Scripted()), "?x", "a")
    store = VerdictStore(tmp_path, Scripted())
    assert store.outcome(pairs("?x")[0]) is Outcome.invalid
    assert not store.unanswered(pairs("?x")[0])
    assert asked(store, "?x", "a") == []
    assert asked(store, "?x", "a", retry_invalid=True) == ["?x"]
    judge_all(store, "?x")
    assert rows(store) == ["?x", "a", "?x"], "what was paid for is kept"


def test_no_reply_is_asked_again(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted())
    judge_all(store, "-x")
    judge_all(store, "-x")
    assert store.path.read_bytes().count(b"\n") == 1, "a failure says nothing new the second time"
    store = VerdictStore(tmp_path, Scripted())
    (pair,) = pairs("-x")
    assert store.outcome(pair) is Outcome.invalid
    assert store.unanswered(pair)
    assert asked(store, "-x") == ["-x"]
    store.keep([Judgement(pair, Outcome.invalid, "hm")])
    assert (store.unanswered(pair), asked(store, "-x")) == (False, [])
    revision = store.revision
    store.keep([Judgement(pair, Outcome.second, "B"), Judgement(pair, Outcome.first, "A")])
    assert store.outcome(pair) is Outcome.second, "the first verdict counts"
    store.keep([Judgement(pair, Outcome.invalid, "", {"error": "gone"})])
    assert VerdictStore(tmp_path, Scripted()).outcomes == store.outcomes
    assert VerdictStore(tmp_path, Scripted()).revision == store.revision != revision
    assert store.path.read_bytes().count(b"\n") == 3


def test_what_came_in_before_an_error_is_kept(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted(size=2))
    with pytest.raises(RuntimeError, match="server"):
        judge_all(store, "a", "b", "c", "!", "d")
    assert asked(VerdictStore(tmp_path, Scripted()), "a", "b", "c", "d") == ["c", "d"]


def test_what_is_under_way_when_judging_ends_is_kept(tmp_path: Path) -> None:
    judge = Scripted()
    store = VerdictStore(tmp_path, judge)
    judge.late = [Judgement(pair, Outcome.first, pair.first) for pair in pairs("c", "d")]
    running = store.judge_missing(pairs("a", "b", "c", "d"))
    assert next(running) == 1
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert asked(VerdictStore(tmp_path, Scripted()), "a", "b", "c", "d") == ["b"]


def test_an_interrupt_while_a_batch_is_written_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VerdictStore(tmp_path, Scripted())
    fsync = os.fsync
    interrupts = iter([KeyboardInterrupt()])

    def interrupted(handle: int) -> None:
        fsync(handle)
        for interrupt in interrupts:
            raise interrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            judge_all(store, "a", "b")
    assert rows(store) == ["a"]


def test_a_batch_is_on_disk_before_the_next_one_is_asked_for(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted(size=2))
    numbers = []
    for number in store.judge_missing(pairs("a", "b", "c", "d", "e")):
        numbers.append(number)
        assert store.path.read_bytes().count(b"\n") == sum(numbers)
    assert numbers == [2, 2, 1]


class Strict(Scripted):
    """Reads its replies by other rules: what begins with an a is a tie."""

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        return Outcome.tie if raw.startswith("raw \u2028 a") else super().read(raw, facts)


def test_stored_replies_are_read_again_without_calls(tmp_path: Path) -> None:
    judge_all(VerdictStore(tmp_path, Scripted()), "a", "ab", "b", "?c", "-d")
    judge = Strict()
    store = VerdictStore(tmp_path, judge)
    before = store.revision
    replies, changes = store.reread()
    assert (replies, judge.asked) == (4, [])
    assert [(c.before, c.after, c.raw) for c in changes] == [
        (Outcome.first, Outcome.tie, "raw \u2028 a"),
        (Outcome.first, Outcome.tie, "raw \u2028 ab"),
    ]
    again = VerdictStore(tmp_path, Strict())
    assert again.outcomes == store.outcomes
    assert [again.outcome(pair) for pair in pairs("a", "ab", "b", "?c")] == ["tie", "tie", "first", "invalid"]
    assert again.revision == store.revision != before
    assert again.reread() == (4, [])
    assert len(VerdictStore(tmp_path, Scripted()).reread()[1]) == 2, "and back"


def rows(store: VerdictStore) -> list[str]:
    """The raw words of every line of a store; each line must be a verdict, and the last one whole."""
    *lines, rest = store.path.read_bytes().split(b"\n")
    assert rest == b""
    return [json.loads(line)["raw"].removeprefix("raw \u2028 ") for line in lines]


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_last_line_torn_anywhere_is_dropped_and_mended(tmp_path: Path, opened: str) -> None:
    store = VerdictStore(tmp_path, Scripted())
    list(store.judge_missing(pairs("a", "ž\u2028")))
    whole = store.path.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(first, len(whole)):
        store.path.write_bytes(whole[:size])
        after = VerdictStore(tmp_path, Scripted())
        assert asked(after, "a", "ž\u2028") == ["ž\u2028"]
        if opened == "before":  # the line is torn by another process while this one runs
            store.path.write_bytes(whole[:first])
            after = VerdictStore(tmp_path, Scripted())
            store.path.write_bytes(whole[:size])
        list(after.judge_missing(pairs("ž\u2028")))
        assert store.path.read_bytes() == whole.replace(b'"prompt": "p1"', b'"prompt": "p0"'), size


def test_a_writer_that_is_killed_leaves_a_torn_line_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after so many bytes of its second batch, whatever the number."""
    write = os.write
    for size in (0, 1, 100, 200, 250, 450):

        def writes(handle: int, data: bytes, size: int = size) -> int:
            if b"second" in data:
                write(handle, data[:size])
                os.kill(os.getpid(), signal.SIGKILL)
            return write(handle, data)

        def work(folder: Path = tmp_path / str(size), writes: Any = writes) -> None:
            monkeypatch.setattr(os, "write", writes)
            list(VerdictStore(folder, Scripted(size=2)).judge_missing(pairs("first", "2", "second", "4", "5", "6")))

        writer = multiprocessing.get_context("fork").Process(target=work)
        writer.start()
        writer.join(60)
        assert writer.exitcode == -signal.SIGKILL
        store = VerdictStore(tmp_path / str(size), Scripted())
        missing = store.missing(pairs("first", "2", "second", "4", "5", "6"))
        assert len(missing) == 4 - size // 200  # a line has just under 200 bytes here
        list(store.judge_missing(list(missing.values())))
        assert sorted(rows(store)) == ["2", "4", "5", "6", "first", "second"]


def test_of_two_processes_that_judge_the_same_the_first_one_counts(tmp_path: Path) -> None:
    class Contrary(Scripted):
        def say(self, pair: Pair) -> Judgement:
            return Judgement(pair, Outcome.second, f"contrary {pair.first}")

    one, other = VerdictStore(tmp_path, Scripted()), VerdictStore(tmp_path, Contrary())
    list(one.judge_missing(pairs("a", "b", "?c")))
    assert len(other.missing(pairs("a", "b", "?c", "d"))) == 4, "it was opened before"
    list(other.judge_missing(pairs("a", "b", "?c", "d", "d")))
    assert rows(other) == ["a", "b", "?c", "contrary ?c", "contrary d"], "an invalid verdict does not count as one"
    assert other.outcome(pairs("a")[0]) is Outcome.first
    assert other.outcome(pairs("?c")[0]) is Outcome.second
    list(one.judge_missing(pairs("?c", "d")))
    assert len(rows(one)) == 5
    assert one.outcomes == other.outcomes == VerdictStore(tmp_path, Scripted()).outcomes


def test_a_store_that_is_edited_while_it_is_open(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted())
    list(store.judge_missing(pairs("a", "b", "c")))
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[whole.index(b"\n") + 1 :])
    list(store.judge_missing(pairs("d")))
    assert rows(store) == ["b", "c", "d"]
    store.path.unlink()
    list(store.judge_missing(pairs("e")))
    assert rows(store) == ["e"]


def test_what_could_not_be_written_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VerdictStore(tmp_path, Scripted())
    list(store.judge_missing(pairs("a")))

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(UserError, match=r"scripted\.jsonl: cannot be written \(No space left on device\)"):
            list(store.judge_missing(pairs("b")))
    assert asked(store, "a", "b") == ["b"]
    list(store.judge_missing(pairs("b")))
    assert rows(store) == ["a", "b"]


def test_a_broken_row_is_reported_with_its_line(tmp_path: Path) -> None:
    store = VerdictStore(tmp_path, Scripted())
    list(store.judge_missing(pairs("a", "b")))
    store.path.write_bytes(b'{"key": 1\n' + store.path.read_bytes())
    with pytest.raises(UserError, match=r"scripted\.jsonl, line 1: not a verdict"):
        VerdictStore(tmp_path, Scripted())


def append(folder: str, number: int) -> None:
    store = VerdictStore(Path(folder), Scripted(size=7))
    judge_all(store, *(f"{number}-{n}-{'x' * 3000}" for n in range(60)))


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=append, args=(str(tmp_path), number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    store = VerdictStore(tmp_path, Scripted())
    assert len(store.outcomes) == len(rows(store)) == 180
