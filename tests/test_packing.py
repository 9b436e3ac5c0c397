"""Padding-free batches give what separate sequences give, or are refused."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from pinch import attention, packing
from pinch.attention import Documents, Unsupported
from pinch.frames import Encoded
from tiny import make_examples

Loaded = Callable[..., Any]
CPU = torch.device("cpu")
KINDS = ("llama", "qwen2", "qwen3", "gpt2")


def rows(loaded: Any, count: int = 6) -> list[Encoded]:
    """Examples of uneven length, the last one a conversation."""
    examples = make_examples(count)
    examples[-1] = replace(examples[-1], before=(("Why?", "red green"), ("And?", "")))
    result: list[Encoded] = loaded.frame.encode_all(examples, 100)
    return result


def loss(net: Any, batch: packing.Batch) -> Tensor:
    logits = packing.supervised_logits(net, batch)
    return cross_entropy(logits, batch.targets, reduction="none") @ batch.weights


def gradients(net: Any, batches: list[packing.Batch]) -> list[Tensor]:
    net.zero_grad()
    for batch in batches:
        loss(net, batch).backward()
    return [weight.grad.clone() for weight in net.parameters()]


def one_document(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """torch's own causal attention over everything, key heads shared: (1, heads, tokens, size)."""
    return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=True)


def close(one: list[Tensor], other: list[Tensor]) -> None:
    largest = max(float(a.abs().max()) for a in one)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("waste", [-1.0, 0.3, 99.0], ids=["apart", "as is", "together"])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_is_padded_is_one_by_one(
    tiny_loaded: Loaded, kind: str, waste: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "WASTE_SHARE", waste)
    monkeypatch.setattr(attention, "WASTE_CONSTANT", 100)
    loaded = tiny_loaded(kind)
    net, taught = loaded.model.requires_grad_(True), rows(loaded)
    weights = [1 / (number + 2) for number in range(len(taught))]
    alone = [packing.pad([row], [weight], 2, CPU) for row, weight in zip(taught, weights, strict=True)]
    expected_logits = torch.cat([packing.supervised_logits(net, batch) for batch in alone])
    expected_gradients = gradients(net, alone)

    padded = packing.pad(taught, weights, 2, CPU)
    torch.testing.assert_close(packing.supervised_logits(net, padded), expected_logits, rtol=0, atol=2e-5)
    close(gradients(net, [padded]), expected_gradients)

    packing.switch(net)
    packed = packing.pack(taught, weights, CPU)
    torch.testing.assert_close(packing.supervised_logits(net, packed), expected_logits, rtol=0, atol=2e-5)
    close(gradients(net, [packed]), expected_gradients)
    assert torch.equal(packed.targets, padded.targets)
    assert packed.owners == padded.owners


def test_one_row_without_documents_would_leak(tiny_loaded: Loaded) -> None:
    """The difference that the equality above and the self-test guard against is large, so they can fail."""
    loaded = tiny_loaded()
    taught = rows(loaded)
    batch = packing.pack(taught, [1.0] * len(taught), CPU)
    leaking = packing.pad([Encoded([*batch.ids[0].tolist(), 1], ((1, batch.ids.shape[1] + 1),))], [1.0], 2, CPU)
    with torch.no_grad():
        mixed = packing.supervised_logits(loaded.model, leaking)[batch.keep]
        packing.check(loaded.model, taught)
        right = packing.supervised_logits(loaded.model, batch)
    assert (mixed - right).abs().max() > 0.05 * right.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_the_self_test_passes_and_switches(tiny_loaded: Loaded, kind: str) -> None:
    loaded = tiny_loaded(kind)
    assert packing.check(loaded.model, rows(loaded)) < 1e-4
    assert loaded.model.config._attn_implementation == attention.NAME


def test_the_self_test_catches_a_leak(tiny_loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(module: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any, **options: Any) -> tuple[Tensor, None]:
        return one_document(query, key, value, options["scaling"]).transpose(1, 2), None

    monkeypatch.setattr(attention, "document_attention", leaking)
    loaded = tiny_loaded()
    before = loaded.model.config._attn_implementation
    with pytest.raises(Unsupported, match="packed logits differ"):
        packing.check(loaded.model, rows(loaded))
    assert loaded.model.config._attn_implementation == before
    monkeypatch.undo()
    attention.register()


def test_sliding_windows_shorter_than_the_examples_are_refused(tiny_loaded: Loaded) -> None:
    loaded = tiny_loaded("mistral")  # window of 8 tokens
    with pytest.raises(Unsupported, match="sliding window of 8"):
        packing.check(loaded.model, rows(loaded))
    short = [Encoded(row.ids[:8], ((3, 8),)) for row in rows(loaded)]
    assert packing.check(loaded.model, short) < 1e-4


def test_what_attention_cannot_do_is_refused() -> None:
    module = torch.nn.Module()
    q = torch.randn(1, 2, 5, 4)
    documents = Documents([2, 3], CPU)
    with pytest.raises(Unsupported, match="apart"):
        attention.document_attention(module, q, q, q, None)
    with pytest.raises(Unsupported, match="apart"):
        attention.document_attention(module, q, q, q, torch.ones(1, 1, 5, 5), documents=documents)
    with pytest.raises(Unsupported, match="softcap"):
        attention.document_attention(module, q, q, q, None, documents=documents, softcap=30.0)
    with pytest.raises(Unsupported, match="not causal"):
        attention.document_attention(module, q, q, q, None, documents=documents, is_causal=False)


def test_grouped_keys_and_scaling_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 4, 5, 3, generator=generator)
    k, v = torch.randn(2, 1, 2, 5, 3, generator=generator)
    got, _ = attention.document_attention(torch.nn.Module(), q, k, v, None, 0.7, documents=Documents([2, 3], CPU))
    for token in range(5):
        first = 0 if token < 2 else 2
        for head in range(4):
            keys, values = k[0, head // 2, first : token + 1], v[0, head // 2, first : token + 1]
            expected = torch.softmax(0.7 * keys @ q[0, head, token], 0) @ values
            torch.testing.assert_close(got[0, token, head], expected)


@pytest.mark.parametrize("older", [False, True])
def test_varlen_is_called_as_it_wants(older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel needs a GPU; here a stand-in of the same signature reads its arguments as documented. An older torch has no
    enable_gqa."""
    import inspect

    from torch.nn.attention import varlen

    signature = inspect.signature(varlen.varlen_attn)
    if older:
        kept = [value for name, value in signature.parameters.items() if name != "enable_gqa"]
        signature = signature.replace(parameters=kept)

    def stand_in(*given: Any, **named: Any) -> Tensor:
        asked = signature.bind(*given, **named).arguments
        assert asked["window_size"] == (-1, 0)
        assert older or asked["enable_gqa"] is True
        assert asked["key"].shape[1] == (4 if older else 2)
        assert asked["max_q"] == asked["max_k"] == 3
        parts = []
        borders = asked["cu_seq_q"].tolist()
        for start, end in pairwise(borders):
            q, k, v = (asked[name][start:end].transpose(0, 1)[None] for name in ("query", "key", "value"))
            parts.append(one_document(q, k, v, asked["scale"])[0].transpose(0, 1))
        return torch.cat(parts)

    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 4, 5, 8, generator=generator)
    k, v = torch.randn(2, 1, 2, 5, 8, generator=generator)
    documents = Documents([2, 3], CPU)
    expected, _ = attention.document_attention(torch.nn.Module(), q, k, v, None, 0.7, documents=documents)
    assert attention._has_varlen()
    monkeypatch.setattr(attention, "_varlen_options", lambda: frozenset(signature.parameters))
    assert attention._has_varlen()
    monkeypatch.setattr(varlen, "varlen_attn", stand_in)
    monkeypatch.setattr(attention, "_varlen_fits", lambda *_: True)
    got, _ = attention.document_attention(torch.nn.Module(), q, k, v, None, 0.7, documents=documents)
    torch.testing.assert_close(got, expected)


def test_documents_by_hand() -> None:
    documents = Documents([2, 3, 1], CPU)
    assert documents.positions.tolist() == [0, 1, 0, 1, 2, 0]
    assert documents.borders.tolist() == [0, 2, 5, 6]
    assert documents.longest == 3
    (block,) = documents.blocks
    assert (block.rows, block.longest, block.tokens) == (3, 3, 6)
    assert block.slots is not None
    assert block.slots.tolist() == [0, 1, 3, 4, 5, 6]
    assert attention.Block([4, 4], CPU).slots is None


def test_unlike_documents_are_attended_apart() -> None:
    blocks = Documents([10] * 20 + [300] * 3 + [1000], CPU).blocks
    assert [(block.rows, block.longest) for block in blocks] == [(20, 10), (3, 300), (1, 1000)]


def test_batches_by_hand() -> None:
    two = [Encoded([10, 11, 12, 13], ((2, 4),)), Encoded([20, 21, 22], ((2, 3),))]  # supervised: 12 13, 22
    packed = packing.pack(two, [0.5, 2.0], CPU)
    assert packed.ids.tolist() == [[10, 11, 12, 20, 21]]
    assert packed.positions is not None
    assert packed.positions.tolist() == [[0, 1, 2, 0, 1]]
    assert packed.keep.tolist() == [1, 2, 4]
    padded = packing.pad(two, [0.5, 2.0], 9, CPU)
    assert padded.ids.tolist() == [[10, 11, 12], [20, 21, 9]]
    assert padded.mask is not None
    assert padded.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert padded.keep.tolist() == [1, 2]
    assert padded.select is not None
    assert padded.select.tolist() == [0, 1, 2]
    for batch in (packed, padded):
        assert batch.targets.tolist() == [12, 13, 22]
        assert batch.weights.tolist() == [0.5, 0.5, 2.0]
        assert batch.owners == [0, 0, 1]


def test_spans_by_hand() -> None:
    """Of a conversation every answer is a span; what lies between them is computed by the model, not its logits."""
    two = [Encoded([10, 11, 12, 13, 14, 15], ((1, 2), (4, 6))), Encoded([20, 21, 22, 23], ((2, 4),))]
    packed = packing.pack(two, [0.5, 2.0], CPU)
    assert packed.keep.tolist() == [0, 3, 4, 6, 7]
    padded = packing.pad(two, [0.5, 2.0], 9, CPU)
    assert padded.keep.tolist() == [0, 1, 2, 3, 4]
    assert padded.select is not None
    assert padded.select.tolist() == [0, 3, 4, 6, 7]
    apart = packing.pad(two[:1], [0.5], 9, CPU)
    assert apart.keep.tolist() == [0, 3, 4]
    for batch in (packed, padded):
        assert batch.targets.tolist() == [11, 14, 15, 22, 23]
        assert batch.weights.tolist() == [0.5, 0.5, 0.5, 2.0, 2.0]
        assert batch.owners == [0, 0, 0, 1, 1]
