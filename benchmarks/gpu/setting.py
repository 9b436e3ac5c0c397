"""What every part is told: the device, its precision, and how much to do."""

import gc
import time
from dataclasses import dataclass

import torch

PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
"""bf16 operations per second without sparsity, by NVIDIA's data sheets; the first name that is in the device's counts."""

OUT_OF_MEMORY = ("out of GPU memory", "CUDA out of memory")


@dataclass(frozen=True)
class Setting:
    """`steps` are measured after `warm` others; `batch` examples per optimizer step; `peak`: operations per second that the
    device could do at best, none where that is not known."""

    device: torch.device
    dtype: torch.dtype
    small: bool
    warm: int
    steps: int
    batch: int
    peak: float | None

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def longest(self, wanted: int) -> int:
        """Tokens of the longest example."""
        return 64 if self.small else wanted

    def now(self) -> float:
        """Seconds, when everything that was started is finished."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def peak_memory(self) -> int | None:
        """Most bytes that tensors took since `forget`; none on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) if self.on_gpu else None

    def forget(self) -> None:
        """Let go of what is not used any more, and begin to watch memory anew."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def broken(self) -> bool:
        """Whether the device does not work any more, as after an access to memory that is not there."""
        try:
            return float(torch.ones(8, device=self.device).sum()) != 8
        except RuntimeError:
            return True


def setting(small: bool, peak: float | None) -> Setting:
    """For the machine at hand."""
    if not torch.cuda.is_available():
        return Setting(torch.device("cpu"), torch.float32, small, 1, 2, 4, peak)
    device = torch.device("cuda", torch.cuda.current_device())
    name = torch.cuda.get_device_name(device)
    known = next((value for part, value in PEAKS.items() if part in name), None)
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    warm, steps, batch = (1, 2, 4) if small else (3, 8, 32)
    return Setting(device, dtype, small, warm, steps, batch, peak or known)


def out_of_memory(error: BaseException) -> bool:
    """Whether this is what torch, or Pinch, says when the GPU is full."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)
