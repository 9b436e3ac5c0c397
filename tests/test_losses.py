"""Cross entropies in parts: torch's own values and gradients, whatever the parts and the precision."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from pinch import losses


@pytest.mark.parametrize("part", [1, 70, 2**24], ids=["rows", "two rows", "whole"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_give_torch_s_values_and_gradients(
    part: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "PART_CPU", part)
    draw = torch.Generator().manual_seed(0)
    logits = (20 * torch.randn(7, 33, generator=draw)).to(dtype)
    targets, weights = torch.randint(33, (7,), generator=draw), torch.rand(7, generator=draw)
    found = []
    for function in (lambda x, y: cross_entropy(x.float(), y, reduction="none"), losses.cross_entropies):
        given = logits.clone().requires_grad_()
        values = function(given, targets)
        (values @ weights).backward()
        found.append((values.detach(), given.grad))
    (expected, slope), (values, gradient) = found
    assert values.dtype is torch.float32
    torch.testing.assert_close(values, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient, slope, rtol=1e-2 if dtype is torch.bfloat16 else 1e-6, atol=1e-6)


def test_nothing_supervised_gives_nothing() -> None:
    assert losses.cross_entropies(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)).shape == (0,)


def test_numbers_that_are_none_stay_in_their_row() -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2] = float("nan")
    found = losses.cross_entropies(logits, torch.tensor([0, 0, 0]))
    assert found.isfinite().tolist() == [True, False, True]
    assert float(found[0]) == pytest.approx(1.386294, abs=1e-6), "log 4"
