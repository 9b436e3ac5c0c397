"""Frames: what is said as tokens, and the mask, over tokenizers and templates in the styles of real models."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinch.cells.identity import identify
from pinch.config import LossTurns, ModelConfig, Template, TrainConfig
from pinch.errors import UserError
from pinch.frames import NEUTRAL, Encoded, Frame, make_frame, templates
from pinch.records import Example
from templates import CHATML, QWEN3, STYLES, TOKENIZERS, TRIMS, tokenizer
from tiny import make_examples, make_tokenizer

PHRASES = (
    "sun",
    " moon",
    "Что это?",
    "ما هذا؟",
    "यह क्या है?",
    "这是什么？",
    "これは何",
    "שלום עולם",
    "e\u0301 👩‍👩‍👧 🎉",
    "a\n\nb",
    "\n",
    "",
)
TEXT = st.one_of(
    st.lists(st.sampled_from(PHRASES), max_size=4).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"), max_size=20),
)
TALK = Example("t", "en", "What is moon?", "luna", (("What is sun?", "sol"), ("And river?", "río")))


@cache
def frame_of(kind: str, style: str) -> Frame:
    if style == "neutral":
        return make_frame(tokenizer(kind), "neutral", "x")
    return make_frame(tokenizer(kind, style), "chat", "x")


def texts(frame: Frame, row: Encoded) -> list[str]:
    """What each span says, in its place; its last token must be the end."""

    def decoded(end: int) -> str:
        return str(frame.tokenizer.decode(row.ids[:end], clean_up_tokenization_spaces=False))

    assert all(row.ids[end - 1] == frame.end for _, end in row.spans)
    return [decoded(end - 1).removeprefix(decoded(start)) for start, end in row.spans]


# --- the mask ------------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(TOKENIZERS),
    st.sampled_from(["neutral", *STYLES]),
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
)
def test_supervised_are_exactly_the_answers_and_their_ends(kind: str, style: str, said: list[tuple[str, str]]) -> None:
    frame = frame_of(kind, style)
    *before, (instruction, response) = said
    example = Example("a", "en", instruction, response, tuple(before))
    last = frame.encode(example, 10_000, LossTurns.last)
    start = last.spans[0][0]
    assert last.ids[:start] == frame.prompt_ids(instruction, before), "the prompt is that of generation"
    answers = [frame.before + answer + frame.behind for _, answer in said]
    assert texts(frame, last) == answers[-1:]
    assert len(last.ids) == last.spans[0][1]
    if style == "qwen3" and before:
        with pytest.raises(UserError, match=r"earlier turns in another way .* tuning\.loss_turns=last"):
            frame.encode(example, 10_000)
        return
    every = frame.encode(example, 10_000)
    first = every.spans[0][0]
    assert every.ids[:first] == frame.prompt_ids(said[0][0])
    if style in TRIMS:
        answers[:-1] = [answer.strip() for answer in answers[:-1]]
    assert texts(frame, every) == answers
    assert every.supervised == sum(end - start for start, end in every.spans)
    assert not every.truncated


@pytest.mark.parametrize("style", ["neutral", *STYLES])
def test_a_conversation_by_eye(style: str) -> None:
    frame = frame_of("bytes", style)
    row = frame.encode(TALK, 1000, LossTurns.last if style == "qwen3" else LossTurns.all)
    whole = frame.tokenizer.decode(row.ids)
    expected = {
        "neutral": "[1]\nWhat is sun?\n[2]\nsol</s>[1]\nAnd river?\n[2]\nrío</s>[1]\nWhat is moon?\n[2]\nluna</s>",
        "mistral": "<s>[INST] What is sun? [/INST] sol</s>[INST] And river? [/INST] río</s>"
        "[INST] What is moon? [/INST] luna</s>",
        "qwen3": "<|im_start|>user\nWhat is sun?<|im_end|>\n<|im_start|>assistant\nsol<|im_end|>\n"
        "<|im_start|>user\nAnd river?<|im_end|>\n<|im_start|>assistant\nrío<|im_end|>\n"
        "<|im_start|>user\nWhat is moon?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nluna<|im_end|>",
    }
    assert whole == expected.get(style, whole)
    assert len(row.spans) == (1 if style == "qwen3" else 3)


@pytest.mark.parametrize("kind", ["bpe-first", "bpe-always", "llama2"])
def test_merging_across_a_border_adds_no_blank(kind: str) -> None:
    """Sentencepiece's kind of tokenizer puts a blank before a text of its own; an answer that is tokenised apart is none."""
    frame = frame_of(kind, "llama3")
    example = Example("a", "en", "What?", "model", (("Who?", "user"),))
    prompt, alone = frame.render("What?", example.before), frame.prompt_ids("What?", example.before)
    joined = frame.tokenizer(prompt + "model", add_special_tokens=False)["input_ids"]
    assert joined[: len(alone)] != alone, "the case is the one meant"
    assert texts(frame, frame.encode(example, 1000)) == ["user", "model"]


def test_all_turns_and_the_last_are_the_same_tokens() -> None:
    for style in ("neutral", "chatml"):
        frame = frame_of("bytes", style)
        every, last = (frame.encode(TALK, 1000, turns) for turns in (LossTurns.all, LossTurns.last))
        assert every.ids == last.ids
        assert every.spans[-1:] == last.spans


def test_a_turn_that_is_cut_away_is_not_supervised() -> None:
    frame = frame_of("bytes", "chatml")
    whole = frame.encode(TALK, 1000)
    (first, second, _) = whole.spans
    cut = frame.encode(TALK, second[1] - 1)
    assert cut == Encoded(whole.ids[: second[1] - 1], (first, (second[0], second[1] - 1)), True)
    assert frame.encode(TALK, second[0]).spans == (first,)
    assert frame.encode(TALK, first[0]).spans == ()
    assert frame.encode(TALK, first[0]).supervised == 0


def test_a_template_that_changes_its_start_is_refused_for_all_turns() -> None:
    dated = "{{ messages | length }}" + CHATML  # stands for what differs from prompt to prompt
    frame = make_frame(tokenizer("bytes", dated), "chat", "x")
    with pytest.raises(UserError, match=r"example t \(en\): model\.template=chat writes earlier turns"):
        frame.encode(TALK, 1000)
    assert len(frame.encode(TALK, 1000, LossTurns.last).spans) == 1


def test_the_first_token_is_never_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinch.frames.templates.NEUTRAL", "{instruction}")
    row = make_frame(tokenizer("bytes"), "neutral", "x").encode(Example("a", "en", "", "sun"), 100)
    assert row.spans == ((1, len(row.ids)),)
    assert make_frame(tokenizer("bytes"), "neutral", "x").encode(Example("a", "en", "", ""), 100).supervised == 0


# --- files of the user's -------------------------------------------------------------------------------------------

ALPACA = (
    "{% for message in messages %}\n"
    "{% if message['role'] == 'user' %}\n"
    "### Instruction:\n{{ message['content'] }}\n\n### Response:\n"
    "{% else %}\n"
    "{{ message['content'] }}{{ eos_token }}\n"
    "{% endif %}\n"
    "{% endfor %}\n"
)


def write(tmp_path: Path, text: str, name: str = "mine.jinja") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, ALPACA)
    frame = make_frame(tokenizer("bytes"), path, "x")
    row = frame.encode(TALK, 1000)
    assert frame.tokenizer.decode(row.ids) == (
        "### Instruction:\nWhat is sun?\n\n### Response:\nsol</s>\n### Instruction:\nAnd river?\n\n### Response:\nrío</s>\n"
        "### Instruction:\nWhat is moon?\n\n### Response:\nluna</s>"
    )
    assert texts(frame, row) == ["sol", "río", "luna"]
    assert frame.stops == ("\n### Instruction:\n",)
    assert frame.digest == templates.digest(ALPACA)
    same = make_frame(tokenizer("bytes"), write(tmp_path, CHATML, "chat.j2"), "x")
    assert (same.encode(TALK, 1000), same.stops) == (frame_of("bytes", "chatml").encode(TALK, 1000), ())


def test_a_file_for_single_turns(tmp_path: Path) -> None:
    text = "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}" + ALPACA
    frame = make_frame(tokenizer("bytes"), write(tmp_path, text), "x")
    assert (frame.stops, texts(frame, frame.encode(make_examples(1)[0], 100))) == ((), [make_examples(1)[0].response])
    with pytest.raises(UserError, match=r"mine\.jinja, line 1: the template fails \(one turn\); mend it"):
        frame.encode(TALK, 1000)


def test_qwen3_is_taken_as_a_file_too(tmp_path: Path) -> None:
    frame = make_frame(tokenizer("bytes"), write(tmp_path, QWEN3), "x")
    assert frame.render("Hi").endswith("<think>\n\n</think>\n\n")
    assert (frame.before, frame.behind, frame.closing) == ("", "", "<|im_end|>")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{% for m in messages %}", r"mine\.jinja, line 2: Unexpected end of template.*; mend the template"),
        (ALPACA + "{{ eos_tokne.x }}", r"line 11: nobody gives the template 'eos_tokne'; did you mean 'eos_token'\?"),
        (
            "{% for m in messages %}\n{{ m['content'] }}{{ m.a.b }}{% endfor %}",
            r"line 2: the template fails \('dict object' has no",
        ),
        (
            "{% for m in messages %}\n{{ m['contnet'] }}{% endfor %}",
            r"mine\.jinja: the template does not write the instruction",
        ),
        (
            "{% for m in messages %}{{ m['content'] if m['role'] == 'user' }}{% endfor %}",
            r"does not write the answer \(the content of a message\); mend it",
        ),
        (
            "{{ ''.__class__.mro() }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
            r"line 1: the template fails \(access to",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        make_frame(tokenizer("bytes"), write(tmp_path, text), "x")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.template=.*none\.jinja: cannot be read \(No such file or directory\)"):
        templates.read(str(tmp_path / "none.jinja"))
    (tmp_path / "latin.jinja").write_bytes("é".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.jinja: not UTF-8"):
        templates.read(str(tmp_path / "latin.jinja"))


def test_names_that_a_template_may_use(tmp_path: Path) -> None:
    text = (
        "{% if custom is defined and custom %}{{ custom }}{% endif %}{{ other | default('') }}{{ image_token }}"
        "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}"
        "{% if loop.last %}{% break %}{% endif %}{% endfor %}"
    )
    assert templates.read(write(tmp_path, text)) == text


def test_what_the_setting_may_be() -> None:
    for good in ("neutral", "chat", "a/b.jinja", "b.j2"):
        assert ModelConfig(template=good).template == good
    with pytest.raises(UserError, match=r"model\.template=chta: neither a template nor a file .*did you mean 'chat'"):
        ModelConfig(template="chta")


# --- one turn ------------------------------------------------------------------------------------------------------


def test_the_neutral_template_is_the_same_for_every_language() -> None:
    frame = make_frame(make_tokenizer(), Template.neutral, "x")
    for instruction in ("What is {this}?", "Что это?", "这是什么？"):
        assert frame.render(instruction) == NEUTRAL.replace("{instruction}", instruction)
    assert not any(letter.isalpha() for letter in NEUTRAL.replace("{instruction}", ""))


@pytest.mark.parametrize("template", list(Template))
def test_single_turns_are_as_they_were(template: Template) -> None:
    tokenizer = make_tokenizer()
    frame = make_frame(tokenizer, template, "x")
    for example in [*make_examples(6), Example("empty", "en", "Say nothing.", "")]:
        row = frame.encode(example, 200)
        assert row.ids[: row.prompt_length] == frame.prompt_ids(example.instruction)
        answer = row.ids[row.prompt_length :]
        assert answer[-1] == frame.end
        assert tokenizer.decode(answer[:-1]) == example.response
        assert row.supervised == len(answer)
        assert not row.truncated
    assert frame.encode_all(make_examples(6), 200) == [frame.encode(example, 200) for example in make_examples(6)]


def test_bos_is_written_once() -> None:
    tokenizer = make_tokenizer()
    assert make_frame(tokenizer, Template.neutral, "x").prompt_ids("a").count(0) == 1
    tokenizer.chat_template = "<s>" + tokenizer.chat_template
    assert make_frame(tokenizer, Template.chat, "x").prompt_ids("a").count(0) == 1


def test_an_appended_eos_does_not_end_the_prompt() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    plain = make_frame(tokenizer, Template.neutral, "x").encode(make_examples(1)[0], 200)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    assert make_frame(tokenizer, Template.neutral, "x").encode(make_examples(1)[0], 200) == plain


def test_merging_across_the_border_keeps_the_prompt_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pinch.frames.templates.NEUTRAL", "{instruction} "
    )  # " " and the answer's first letter would merge
    tokenizer = make_tokenizer()
    frame = make_frame(tokenizer, Template.neutral, "x")
    row = frame.encode(Example("a", "en", "What is", "sun"), 200)
    prompt = frame.prompt_ids("What is")
    assert tokenizer("What is sun")["input_ids"][: len(prompt)] != prompt, "the case is the one meant"
    assert row.ids[: row.prompt_length] == prompt
    assert tokenizer.decode(row.ids[row.prompt_length : -1]) == "sun"


def test_truncation_takes_the_end_and_is_counted() -> None:
    frame = make_frame(make_tokenizer(), Template.neutral, "x")
    example = make_examples(4)[3]
    whole = frame.encode(example, 200)
    cut = frame.encode(example, len(whole.ids) - 1)
    assert cut.ids == whole.ids[:-1]
    assert cut.truncated
    assert cut.supervised == whole.supervised - 1
    nothing = frame.encode(example, whole.prompt_length)
    assert (nothing.supervised, nothing.truncated) == (0, True)


def test_the_chat_frame_ends_with_the_template_s_token() -> None:
    tokenizer = make_tokenizer()
    frame = make_frame(tokenizer, Template.chat, "x")
    assert tokenizer.convert_ids_to_tokens(frame.end) == "<|end|>"
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    assert make_frame(tokenizer, Template.chat, "x").end == tokenizer.eos_token_id


def test_blanks_of_the_chat_template_are_kept_around_answers() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}<|user|> {{ m['content'] }} <|assistant|>"
        "{% else %} {{ m['content'] }}\n<|end|> \n{% endif %}{% endfor %}"
    )
    frame = make_frame(tokenizer, Template.chat, "x")
    row = frame.encode(Example("a", "en", "What?", "sun"), 200)
    assert tokenizer.decode(row.ids[: row.prompt_length]) == "<|user|> What? <|assistant|>"
    assert tokenizer.decode(row.ids[row.prompt_length :]) == " sun\n<|end|>"


def test_an_answer_that_opens_differently_follows_the_prompt() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template += "{% if add_generation_prompt %}no thoughts {% endif %}"
    frame = make_frame(tokenizer, Template.chat, "x")
    assert (frame.before, frame.behind) == ("", "")
    row = frame.encode(Example("a", "en", "What?", "sun"), 200)
    assert tokenizer.decode(row.ids) == "<|user|>What?<|end|><|assistant|>no thoughts sun<|end|>"


def test_frames_that_cannot_be_made_are_said() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    with pytest.raises(UserError, match="its chat template fails"):
        make_frame(tokenizer, Template.chat, "here")
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="here: the tokenizer has no chat template"):
        make_frame(tokenizer, Template.chat, "here")
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        make_frame(tokenizer, Template.neutral, "here")


def test_the_digest_follows_the_template() -> None:
    tokenizer = make_tokenizer()
    chat = make_frame(tokenizer, Template.chat, "x").digest
    assert chat != make_frame(tokenizer, Template.neutral, "x").digest
    tokenizer.chat_template += " "
    assert make_frame(tokenizer, Template.chat, "x").digest != chat


# --- in a cell's identity ------------------------------------------------------------------------------------------


def test_a_file_is_its_text_in_a_cell_s_identity(tmp_path: Path) -> None:
    def named(template: str) -> str:
        told = identify(TrainConfig(model=ModelConfig(template=template)), "model", "corpus", {"a": "en"})
        return str(told["model"]["template"])

    assert (named("neutral"), named("chat")) == ("neutral-6f9f25", "chat")
    first = named(write(tmp_path, CHATML))
    assert first == f"file-{templates.digest(CHATML)}"
    assert named(write(tmp_path, CHATML, "other.j2")) == first, "the path does not matter"
    assert named(write(tmp_path, ALPACA)) != first
    with pytest.raises(UserError, match="cannot be read"):
        named(str(tmp_path / "none.jinja"))
