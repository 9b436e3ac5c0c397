"""show=example: an example as the model sees it."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pinch import showing
from pinch.config import (
    LanguagesConfig,
    LossTurns,
    Method,
    MixtureConfig,
    ModelConfig,
    ModelSource,
    TrainConfig,
    TuningConfig,
)
from pinch.errors import UserError
from pinch.frames import make_frame
from pinch.jobs import prepare
from pinch.records import Example
from templates import CHATML, TOKENIZERS, tokenizer
from tiny import make_tokenizer

ROOT = Path(__file__).resolve().parents[1]


def shown(example: Example, max_length: int = 1000, kind: str = "bytes", colours: bool = False) -> str:
    frame = make_frame(tokenizer(kind, CHATML), "chat", "x")
    return showing.line(showing.pieces(frame.tokenizer, frame.encode(example, max_length)), colours).plain


def test_the_line_by_eye() -> None:
    assert shown(Example("a", "en", "sun?", "sun", (("red", "moon"),))) == (
        "<|im_start|>│user│↵│r│ed│<|im_end|>│↵│<|im_start|>│assistant│↵⟦m│oon│<|im_end|>⟧"
        "↵│<|im_start|>│user│↵│s│un│?│<|im_end|>│↵│<|im_start|>│assistant│↵⟦s│un│<|im_end|>⟧"
    )


def test_colours_stand_for_brackets() -> None:
    frame = make_frame(tokenizer("bytes", CHATML), "chat", "x")
    row = frame.encode(Example("a", "en", "sun?", "sun"), 100)
    text = showing.line(showing.pieces(frame.tokenizer, row), True)
    assert "⟦" not in text.plain
    coloured = [text.plain[span.start : span.end] for span in text.spans if span.style == showing.COLOUR]
    assert coloured == ["s", "un", "<|im_end|>"]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_pieces_are_the_whole_text(kind: str) -> None:
    frame = make_frame(tokenizer(kind), "neutral", "x")
    row = frame.encode(Example("a", "zh-Hans", "这是什么 👩‍👩‍👧？ a\ufffd", "🎉 यह e\u0301\n"), 1000)
    made = list(showing.pieces(frame.tokenizer, row))
    assert "".join(piece.text for piece in made) == frame.tokenizer.decode(row.ids)
    assert any(piece.text.strip() == "🎉" and piece.supervised for piece in made), "its four bytes are one piece"


def test_a_character_that_is_cut_off_ends_the_line() -> None:
    frame = make_frame(tokenizer("bytes"), "neutral", "x")
    whole = frame.encode(Example("a", "en", "a", "🎉"), 1000)
    assert shown(Example("a", "en", "a", "🎉"), 100).endswith("⟦🎉│<|im_end|>⟧")
    made = list(showing.pieces(frame.tokenizer, frame.encode(Example("a", "en", "a", "🎉"), len(whole.ids) - 2)))
    assert made[-1] == showing.Piece("\ufffd", True)


def test_what_is_written_from_the_right_is_kept_apart() -> None:
    line = shown(Example("a", "ar", "ما", "x\u202ey\x07\tz"))
    isolated = [part.partition("\u2069")[0] for part in line.split("\u2068")[1:]]
    assert "".join(isolated) == "ما"
    assert line.count("\u2068") == line.count("\u2069")
    assert "<U+202E>" in line
    assert "<U+0007>" in line
    assert "⇥" in line
    assert "\u202e" not in line


def settings(tmp_path: Path, **model: Any) -> TrainConfig:
    """Three languages of the embedded world, and a folder with a tokenizer and a config: there are no weights to read."""
    folder = tmp_path / "model"
    if not folder.exists():
        make_tokenizer().save_pretrained(folder)
        (folder / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 200}')
        (folder / "model.safetensors").write_bytes(b"no weights")
    return TrainConfig(
        model=ModelConfig(source=ModelSource.hf, path=str(folder), **model),
        languages=LanguagesConfig(tuning=["en", "fi", "ar"]),
        mixture=MixtureConfig(budget=9, fraction=1.0),
        root=str(tmp_path / "runs"),
    )


def printed(wish: TrainConfig, **options: Any) -> str:
    out = io.StringIO()
    showing.show([prepare(wish)], Console(file=out, width=60, **options))
    return out.getvalue()


def test_one_example_of_each_language_without_weights(tmp_path: Path) -> None:
    wish = settings(tmp_path)
    job = prepare(wish)
    name, *lines = printed(wish).split("\n")
    assert name == job.cell.id
    heads = [line.split() for line in lines[0::4] if line]
    plan = list(job.plan.languages.items())
    assert [code for code, _ in heads] == ["en", "ar", "fi"]
    assert [name for _, name in heads] == [next(name for name, of in plan if of == code) for code, _ in heads]
    assert all(line.count("⟦") == 1 for line in lines[1::4]), "one line each, however long"
    assert all("supervised, whole; template neutral (" in line for line in lines[2::4])
    wish.tuning = TuningConfig(max_length=30)
    assert "30 tokens, 0 supervised, cut at 30; " in printed(wish)
    wish.tuning = TuningConfig()
    assert "\x1b[" in printed(wish, force_terminal=True, color_system="standard", no_color=False)
    assert "⟦" not in printed(wish, force_terminal=True, color_system="standard", no_color=False)
    assert "⟦" in printed(wish, force_terminal=True, color_system="standard", no_color=True)


def test_the_untuned_model_learns_nothing(tmp_path: Path) -> None:
    wish = settings(tmp_path)
    wish.tuning = TuningConfig(method=Method.none)
    assert "nothing is learnt" in printed(wish)


def test_loss_turns_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = settings(tmp_path)
    talk = Example("t", "en", "a", "b", (("c", "d"),))
    monkeypatch.setattr(showing, "_first", lambda job: [talk])
    assert printed(wish).count("⟦") == 2
    wish.tuning = TuningConfig(loss_turns=LossTurns.last)
    assert printed(wish).count("⟦") == 1


def test_what_cannot_be_framed_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ messages[0]['rolle'] }}")
    with pytest.raises(UserError, match=r"mine\.jinja: the template does not write the instruction"):
        printed(settings(tmp_path, template=str(tmp_path / "mine.jinja")))


def test_through_the_door(tmp_path: Path) -> None:
    wish = settings(tmp_path)
    (tmp_path / "mine.jinja").write_text(CHATML)
    words = ["show=example", "model=hf", f"model.path={wish.model.path}", f"model.template={tmp_path}/mine.jinja"]
    words += ["mixture.budget=9", "seed=0,1", "-m", "hydra/launcher=joblib", f"root={tmp_path}"]
    environment = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "COLUMNS")}
    done = subprocess.run(
        [sys.executable, "train.py", *words], cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("⟦") == 2, "one language in each of two cells"
    assert not list(tmp_path.glob("study/hf*")), "no cell was begun"
