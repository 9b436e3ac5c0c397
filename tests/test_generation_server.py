"""Engine server: how it asks, what it makes of replies, where it refuses, against a double of vLLM that misbehaves."""

import hashlib
import io
import json
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import small_world
from completions_double import Completions, said
from pinch import board, cells, jobs, models, train
from pinch.config import GenerationConfig, GenerationEngine, Method, ServerConfig, Template, TuningConfig
from pinch.errors import CellError, UserError
from pinch.generation import Question, serving
from pinch.generation.server.manner import Reply, answer, as_text
from pinch.judges.api.waiting import Patience
from pinch.records import Answer, Prompt, read_jsonl
from ranks_program import settings_of, write_corpus
from small_world import finish
from test_wandb import QUICK, cache, door

__all__ = ["cache"]

KEY = "sk-only-for-the-server"


@pytest.fixture
def root(tmp_path: Path, tiny_folder: Callable[[str], Path]) -> Path:
    """A folder for cells, with a tiny model and a corpus beside it."""
    (tmp_path / "model").symlink_to(tiny_folder("llama"))
    write_corpus(tmp_path)
    return tmp_path / "cells"


@pytest.fixture
def double() -> Iterator[Completions]:
    with Completions() as served:
        yield served


def settings(double: Completions, server: dict[str, Any] | None = None, **changes: Any) -> GenerationConfig:
    at = ServerConfig(base_url=double.url, **{"timeout": 1.0, "concurrency": 8, **(server or {})})
    return GenerationConfig(**{"engine": GenerationEngine.server, "max_new_tokens": 8, "server": at, **changes})


def made(root: Path, asked: GenerationConfig, **changes: Any) -> jobs.Job:
    """A cell with an adapter that only a double takes for one."""
    job = jobs.prepare(settings_of(root, generation=asked, **changes))
    finish(job, ())
    (job.cell.folder / "adapter" / "adapter_config.json").write_text('{"r": 8}') if not job.cell.untuned else None
    return job


def question(job: jobs.Job, template: Template = Template.neutral) -> Question:
    model = replace(job.settings.model, template=template)
    frame, context = models.read_frame(model, str(model.path))
    return Question(job.cell, str(model.path), frame, context, job.settings.generation, job.settings.seed)


def prompts(job: jobs.Job) -> list[Prompt]:
    return [prompt for asked in job.prompts.values() for prompt in asked]


def ask(job: jobs.Job, **changes: Any) -> tuple[list[Answer], dict[str, Any]]:
    """All answers, and what the server said of itself."""
    seen: list[int] = []
    with serving(question(job, **changes), prompts(job), Patience(scale=0.02)) as session:
        found = session.answers(prompts(job), seen.append)
    assert seen == list(range(1, len(found) + 1))
    return found, session.facts


def expected(job: jobs.Job, model: str, limit: int = 8) -> list[Answer]:
    """What the double says, read with the tokenizer."""
    frame = question(job).frame
    rows = []
    for prompt in prompts(job):
        tokens = said(model, frame.prompt_ids(prompt.instruction), None)
        text = frame.tokenizer.decode(tokens[:limit], skip_special_tokens=True).strip()
        rows.append(Answer(prompt.id, prompt.language, text, min(len(tokens), limit), len(tokens) < limit))
    return rows


def refused(job: jobs.Job, kind: type[Exception] = CellError, **changes: Any) -> str:
    with pytest.raises(kind) as error:
        ask(job, **changes)
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    return str(error.value)


# --- asking ----------------------------------------------------------------------------------------------------------


def test_an_adapter_is_loaded_for_its_cell(root: Path, double: Completions) -> None:
    job = made(root, settings(double, max_new_tokens=4))
    found, facts = ask(job)
    (body,) = double.bodies("/v1/load_lora_adapter")
    content = hashlib.sha256((job.cell.folder / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()
    name = f"{job.cell.id}-{content[:8]}"
    assert body == {"lora_name": name, "lora_path": str((job.cell.folder / "adapter").resolve())}
    assert facts["model"] == name
    assert double.loaded == {}, "unloaded again"
    assert found == expected(job, content, 4)
    assert {answer.complete for answer in found} == {True, False}
    assert facts["tuning"]["by"] == "log-probabilities"
    assert (facts["prompts"], facts["software"], facts["version"]) == ("token ids", "vllm", "0.99-double")
    assert facts["base"] == {"id": "base", "root": "/models/base", "max_model_len": 256}


def test_what_is_sent(root: Path, double: Completions) -> None:
    job = made(root, settings(double, {"concurrency": 1}), tuning=TuningConfig(method=Method.none))
    found, facts = ask(job)
    assert found == expected(job, "base")
    assert "tuning" not in facts
    body = double.bodies()[-1]
    asked = prompts(job)[-1]
    assert body == {
        "model": "base",
        "prompt": question(job).frame.prompt_ids(asked.instruction),
        "max_tokens": 8,
        "stop": ["\n[1]\n"],
        "temperature": 0.0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "stop_token_ids": [1],
        "return_token_ids": True,
    }


def test_sampling_is_sent_with_a_seed_of_its_own_for_every_prompt(root: Path, double: Completions) -> None:
    drawing: dict[str, Any] = {"do_sample": True, "temperature": 0.7, "top_p": 0.9}
    untuned = TuningConfig(method=Method.none)
    job = made(root, settings(double, **drawing, top_k=40, min_p=0.1, repetition_penalty=1.2), tuning=untuned)
    ask(job)
    bodies = double.bodies()[-len(prompts(job)) :]
    sent = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.2}
    assert all(sent.items() <= body.items() for body in bodies)
    seeds = {tuple(body["prompt"]): body["seed"] for body in bodies}
    assert len(set(seeds.values())) == len(bodies)
    again = made(root, settings(double, **drawing), tuning=untuned)
    ask(again)
    bodies = double.bodies()[-len(prompts(job)) :]
    assert {tuple(body["prompt"]): body["seed"] for body in bodies} == seeds
    assert bodies[0]["top_k"] == -1, "said also where it is off: servers have defaults of the model"
    ask(made(root, settings(double, **drawing), tuning=untuned, seed=1))
    assert not {body["seed"] for body in double.bodies()[-len(bodies) :]} & set(seeds.values())


def test_requests_are_side_by_side_and_no_more_than_allowed(root: Path) -> None:
    with Completions(delay=0.03) as double:
        ask(made(root, settings(double, {"concurrency": 3})))
    assert double.most == 3


def test_a_server_that_takes_text_alone_gets_the_same_tokens(root: Path) -> None:
    with Completions(ids=False, tells=False, ending="\n[1]\nand on") as double:
        job = made(root, settings(double), tuning=TuningConfig(method=Method.none))
        frame = question(job).frame
        double.counts = lambda text: len(frame.tokenizer([text])["input_ids"][0])  # a tokenizer that adds a BOS
        found, facts = ask(job)
        asked = prompts(job)[0]
        assert facts["prompts"] == "text"
        assert double.bodies()[-len(found)]["prompt"] in {frame.render(prompt.instruction) for prompt in prompts(job)}
        tokens = said("base", frame.render(asked.instruction).split(), None)
        assert found[0] == Answer(asked.id, asked.language, " ".join(tokens), len(tokens), True), "as the server counts"


def test_a_prompt_as_text_has_one_bos(root: Path, double: Completions) -> None:
    chat = question(made(root, settings(double)), Template.chat).frame
    prompt = Prompt("p", "en", "?")
    with pytest.raises(
        CellError, match=r"prompt p \(en\): the server takes prompts as text alone, whose tokens would be"
    ):
        as_text(chat, prompt, chat.prompt_ids("?"))  # this template writes no BOS, servers put one in front
    chat.tokenizer.chat_template = "{{ bos_token }}" + str(chat.tokenizer.chat_template)
    text = as_text(chat, prompt, chat.prompt_ids("?"))
    assert chat.render("?") == "<s>" + text
    assert chat.tokenizer([text])["input_ids"][0] == chat.prompt_ids("?")


def test_what_replies_come_to(root: Path, double: Completions) -> None:
    frame = question(made(root, settings(double))).frame
    prompt, text = Prompt("p", "en", "?"), "red sun\n[1]\nWhat is"
    ids, number = (frame.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (text, "red sun"))
    cut = Answer("p", "en", "red sun", len(number), True)
    assert answer(frame, prompt, Reply(text, None, "length", 5, 64, None)) == cut
    assert answer(frame, prompt, Reply(text, ids, "length", 5, 64, None)) == cut
    assert answer(frame, prompt, Reply("red", [7, 8, 9], "stop", 5, 3, None)).tokens == 3, "an end that is not told"
    assert answer(frame, prompt, Reply("red", None, "stop", 5, 4, None)) == Answer("p", "en", "red", 3, True)
    assert answer(frame, prompt, Reply("red", None, "length", 5, 4, None)) == Answer("p", "en", "red", 4, False)
    assert answer(frame, prompt, Reply("", [1], "stop", 5, 1, None)) == Answer("p", "en", "", 0, True)


# --- a bad day -------------------------------------------------------------------------------------------------------


def test_a_hostile_server_changes_no_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Completions(hostile=0.03) as double:
        job = made(root, settings(double, {"retries": 20, "timeout": 0.6}), tuning=TuningConfig(method=Method.none))
        found, _ = ask(job)
    assert found == expected(job, "base")
    assert len(set(double.mischief)) > 4, double.mischief
    assert {key for _, _, key in double.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "what", ["429 after", "500", "reset", "cut", "no json", "two choices", "aborted", "error in 200"]
)
def test_a_prompt_without_an_answer_is_an_error(root: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Completions() as double:
        job = made(root, settings(double, {"retries": 1, "concurrency": 1}), tuning=TuningConfig(method=Method.none))
        with serving(question(job), prompts(job), Patience(scale=0.02)) as session:
            double._script = ["ok", *[what] * 30]
            with pytest.raises(CellError) as error:
                session.answers(prompts(job), lambda number: None)
    second = prompts(job)[1]
    assert str(error.value).startswith(f"prompt {second.id} ({second.language}): no answer from 127.0.0.1:")
    assert KEY not in str(error.value)
    assert "run this again when the server works" in str(error.value)


def test_a_wait_is_kept_to(root: Path) -> None:
    with Completions(script=["429 after"], retry_after="7") as double:
        job = made(root, settings(double), tuning=TuningConfig(method=Method.none))
        found, _ = ask(job)  # 0.02 x 7 seconds
    assert found == expected(job, "base")


def test_an_interrupt_ends_it_and_the_adapter_is_unloaded(root: Path) -> None:
    loaded: list[int] = []

    def interrupt(number: int) -> None:
        loaded.append(len(double.loaded))
        signal.raise_signal(signal.SIGINT)

    with Completions(delay=0.02) as double:
        job = made(root, settings(double, {"concurrency": 1}))
        with serving(question(job), prompts(job)) as session, pytest.raises(KeyboardInterrupt):
            session.answers(prompts(job), interrupt)
        assert loaded == [1], "nothing more is asked"
        assert double.loaded == {}


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there(root: Path) -> None:
    with Completions() as double:
        job = made(root, settings(double, {"retries": 0}))
    assert "nobody answers" in (words := refused(job, UserError))
    assert "generation.server.base_url" in words


def test_a_base_model_that_is_not_clear(root: Path) -> None:
    with Completions() as double:
        double.get = lambda path: (200, {"data": [{"id": "one"}, {"id": "two"}]})  # type: ignore[method-assign]
        assert "lists one, two; say which is the base model with generation.server.model=" in refused(
            made(root, settings(double)), UserError
        )
        double.get = lambda path: (404, {"detail": "Not Found"})  # type: ignore[method-assign]
        assert "lists no models; say which" in refused(made(root, settings(double)), UserError)
    with Completions() as double:
        words = refused(made(root, settings(double, {"model": "other"})), UserError)
    assert "generation.server.model=other" in words


def test_settings_that_the_server_ignores_are_refused(root: Path) -> None:
    with Completions(knows=("repetition_penalty",)) as double:
        asked = settings(double, do_sample=True, top_k=40, min_p=0.1, repetition_penalty=1.1)
        words = refused(made(root, asked), UserError)
        assert "ignores what generation.top_k=40 and generation.min_p=0.1 needs" in words
        found, facts = ask(made(root, settings(double, do_sample=True, repetition_penalty=1.1)))
        assert facts["fields"] == ["repetition_penalty"]
        assert "top_k" not in double.bodies()[-1]
        assert len(found) == len(prompts(made(root, asked)))
        words = refused(made(root, settings(double)), UserError, template=Template.chat)
        assert "model.template=chat" in words, "its answers end with another token than the tokenizer's"


def test_an_adapter_without_effect_is_refused(root: Path) -> None:
    with Completions(inert=True) as double:
        assert "are the base model's (they differ by 0, and by 0 " in refused(made(root, settings(double)))
    with Completions(inert=True, jitter=1e-4) as double:
        assert "its tuning is not active" in refused(made(root, settings(double))), "a little noise is no effect"
    with Completions(jitter=1e-4) as double:
        ask(made(root, settings(double)))


def test_without_log_probabilities_answers_tell(root: Path) -> None:
    with Completions(logprobs=False) as double:
        _, facts = ask(made(root, settings(double)))
        assert facts["tuning"]["by"] == "answers"
    with Completions(logprobs=False, inert=True) as double:
        words = refused(job := made(root, settings(double)))
        assert f"answers {len(prompts(job))} prompts as the base model does" in words
        assert double.loaded == {}, "unloaded also after an error"


def test_an_adapter_that_an_interrupted_run_has_left_is_used(root: Path, double: Completions) -> None:
    job = made(root, settings(double))
    found, facts = ask(job)
    double.loaded[facts["model"]] = hashlib.sha256(b"weights").hexdigest()
    assert ask(job) == (found, facts)
    assert double.loaded == {}
    (job.cell.folder / "adapter" / "adapter_model.safetensors").write_bytes(b"other weights")
    again, other = ask(job)
    assert again != found
    assert other["model"] != facts["model"], "nothing that a server keeps by name is another adapter's"


def test_adapters_of_a_server_that_loads_none(root: Path) -> None:
    with Completions(loads=False) as double:
        job = made(root, settings(double))
        words = refused(job)
        adapter = (job.cell.folder / "adapter").resolve()
        assert f"with --lora-modules {job.cell.id}={adapter}" in words
        double.lists = (job.cell.id,)
        found, facts = ask(job)
        assert facts["model"] == job.cell.id
        assert found == expected(job, job.cell.id)


def test_an_adapter_that_cannot_be_loaded(root: Path, double: Completions) -> None:
    job = made(root, settings(double))
    config = job.cell.folder / "adapter" / "adapter_config.json"
    config.write_text('{"r": 64}')
    assert "LoRA rank 64 is greater than max_lora_rank 16" in (words := refused(job))
    assert "--max-lora-rank" in words
    (config.parent / "adapter_model.safetensors").unlink()
    assert "No adapter found" in refused(job)
    config.unlink()
    assert "neither adapter/ nor model/ there" in refused(job)


def test_a_fully_tuned_model_is_served_by_name(root: Path) -> None:
    with Completions(loads=False) as double:
        job = made(root, settings(double), tuning=TuningConfig(method=Method.full))
        folder = (job.cell.folder / "model").resolve()
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        assert f"vllm serve {folder} --served-model-name {job.cell.id}" in refused(job)
        double.root = str(folder)
        found, facts = ask(job)
        assert facts["model"] == "base", "by the folder that the server says it has"
        assert found == expected(job, "base")


def test_another_tokenizer_is_noticed(root: Path) -> None:
    with Completions(extra=1) as double:
        assert "the server reads" in (words := refused(made(root, settings(double))))
        assert "another tokenizer" in words


def test_prompts_longer_than_the_server_holds(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Completions(longest=12) as double:
        assert "leave no room for an answer in the context of 12 tokens" in refused(made(root, settings(double)))
    with Completions(longest=32) as double, caplog.at_level(logging.WARNING, logger="pinch"):
        ask(made(root, settings(double, max_new_tokens=24)))
        assert "can get fewer than generation.max_new_tokens=24 tokens, as the context holds 32" in caplog.text


# --- the flow --------------------------------------------------------------------------------------------------------


def test_a_cell_is_tuned_first_and_answered_by_a_server_later(
    root: Path, double: Completions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    only_tuned = jobs.prepare(
        settings_of(root, generation=GenerationConfig(GenerationEngine.none.value, GenerationEngine.none))
    )
    assert train.run(only_tuned, lambda what, share: None)
    assert only_tuned.done()
    assert cells.answered(only_tuned.cell) == {}
    assert "generate" not in cells.read_status(only_tuned.cell.folder)

    def no_weights(*_: Any) -> Any:
        raise AssertionError("weights are read")

    one = jobs.prepare(settings_of(root, generation=settings(double, max_new_tokens=256)))
    assert one.cell.id == only_tuned.cell.id, "the engine is no part of the identity"
    assert not one.done()
    told: list[float] = []
    with monkeypatch.context() as patched:
        patched.setattr(models, "load", no_weights)
        assert train.run(replace(one, prompts={"en": one.prompts["en"]}), lambda what, share: told.append(share))
    assert told[-1] == 1.0
    status = cells.read_status(one.cell.folder)["generate"]
    assert (status["engine"], status["incomplete"]) == ({"en": "server"}, {"en": 0})
    assert status["server"]["model"].startswith(one.cell.id)
    rows = read_jsonl(one.cell.answers_path("en"), lambda row: Answer(**row))
    assert [row.id for row in rows] == [prompt.id for prompt in one.prompts["en"]]

    here = jobs.prepare(settings_of(root, generation=GenerationConfig(max_new_tokens=256)))
    with caplog.at_level(logging.WARNING, logger="pinch"):
        assert train.run(here, lambda what, share: None)
    assert here.done()
    status = cells.read_status(one.cell.folder)["generate"]
    assert status["engine"] == {"en": "server", "es": "hf", "ru": "hf"}
    assert f"{one.cell.id}: answered by hf in es, ru and by server in en" in caplog.text


def test_cells_that_are_only_tuned_say_what_is_to_come(tmp_path: Path) -> None:
    def told(*work: jobs.Job) -> str:
        console = Console(file=io.StringIO(), width=80)
        board.say_what_is_to_come(work, console)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    none = GenerationConfig(engine=GenerationEngine.none)
    work = [jobs.prepare(small_world.settings(tmp_path, over, generation=none)) for over in (("en",), ("en", "fi"), ())]
    assert [job.done() for job in work] == [False, False, True], "the untuned model has nothing to do"
    for job in work[:2]:
        finish(job, ())
    assert all(job.done() for job in work)
    assert told(*work).startswith(
        "3 cells have no answers yet; add generation.engine=hf, or generation.engine=server and "
    )
    for job in work[1:]:
        finish(job)
    assert told(*work).startswith("1 cell has no answers yet; ")
    finish(work[0])
    assert told(*work) == ""
    later = jobs.prepare(small_world.settings(tmp_path, generation=GenerationConfig(max_new_tokens=256)))
    finish(later, ())
    assert told(later) == "", "of what was not asked for"


def test_a_language_that_is_answered_stays(root: Path, double: Completions) -> None:
    job = made(root, settings(double, {"retries": 0, "concurrency": 1}), tuning=TuningConfig(method=Method.none))
    number = len(double.bodies())
    assert number == 0
    count = len(job.prompts["en"])

    def fail_in_the_second(what: str, share: float) -> None:
        if what == "answering" and share * len(prompts(job)) == pytest.approx(count):
            double._script = ["500"] * 20

    with pytest.raises(CellError, match="no answer"):
        train.run(job, fail_in_the_second)
    assert len(cells.answered(job.cell)) == 1
    double._script = []
    assert train.run(job, lambda what, share: None)
    assert job.done()
    assert json.loads((job.cell.folder / "status.json").read_text())["generate"]["state"] == "done"


@pytest.mark.slow
def test_a_sweep_is_tuned_in_one_go_and_answered_in_another(cache: Path, tmp_path: Path) -> None:
    """The commands of docs/generation.md."""
    sweep = ["-m", "languages=one,two", "mixture.fraction=1", *QUICK, "tuning.rank=4", "tracking=off"]
    done = door(tmp_path, cache, "train", *sweep, "generation=none")
    assert done.returncode == 0, done.stderr
    assert "2 cells have no answers yet; add generation.engine=hf, or generation.engine=server" in done.stdout
    assert not list(tmp_path.glob("study/*/answers/*"))
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.glob("study/*/adapter/*")}
    with Completions(end=0, hostile=0.01) as double:
        server = ["generation=server", f"generation.server.base_url={double.url}", "generation.server.timeout=1"]
        refused = door(tmp_path, cache, "train", *sweep, "generation=server")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert "generation=server needs the server's address" in refused.stderr
        done = door(tmp_path, cache, "train", *sweep, *server)
        assert done.returncode == 0, done.stdout + done.stderr
        assert double.loaded == {}
    assert len(list(tmp_path.glob("study/*/answers/*.jsonl"))) == 4
    assert weights == {path: path.stat().st_mtime_ns for path in tmp_path.glob("study/*/adapter/*")}, "tuned once"
    again = door(tmp_path, cache, "train", *sweep, "generation=none")
    assert "2 skipped" in again.stdout
    assert "no answers yet" not in again.stdout
