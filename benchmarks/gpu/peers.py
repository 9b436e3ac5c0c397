"""Part `peers`: SFTTrainer of TRL on the same model, examples and batch size, if `trl` is installed.

TRL makes its own batches, so losses are not compared step by step; what counts is tokens of examples per second, as its own
log counts them. Packing goes with FlashAttention only (TRL says so), and Liger kernels where they are installed.
"""

import importlib.util
import statistics
import tempfile
from itertools import pairwise
from typing import Any

import torch

from gpu import shapes
from gpu.cells import LR, PACKED, Case, Tell, case, measured
from gpu.setting import Setting
from pinch.models import twin

PACK_LENGTH = 512


def peers(name: str, setting: Setting, tell: Tell) -> None:
    """Pinch, TRL as it is by default, and TRL with all that makes it fast."""
    common = case(name, setting, PACK_LENGTH)
    tell(measured(common, "packed (Pinch)", PACKED))
    here = {module: importlib.util.find_spec(module) is not None for module in ("trl", "flash_attn", "liger_kernel")}
    flash = "flash_attention_2" if here["flash_attn"] and setting.on_gpu else None
    arms: dict[str, tuple[str, dict[str, Any], str | None]] = {
        "TRL default": ("trl", {}, None),
        "TRL, no checkpointing": ("trl", {"gradient_checkpointing": False}, None),
        "TRL, packing, FlashAttention": ("flash_attn", {"packing": True, "gradient_checkpointing": False}, flash),
        "TRL, packing, FlashAttention, Liger": (
            "liger_kernel",
            {"packing": True, "gradient_checkpointing": False, "use_liger_kernel": True},
            flash,
        ),
    }
    for arm, (module, changes, attention) in arms.items():
        missing = [need for need in ("trl", module) if not here[need]]
        if changes.get("packing") and attention is None:
            missing = missing or ["flash_attn on a GPU"]
        if missing:
            tell({"arm": arm, "skipped": f"{missing[0]} is not there"})
            continue
        setting.forget()
        try:
            tell({"arm": arm, **_trl(common, changes, attention)})
        except Exception as error:
            tell({"arm": arm, "error": f"{type(error).__name__}: {str(error).split(chr(10))[0]}"})


def _trl(case: Case, changes: dict[str, Any], attention: str | None) -> dict[str, Any]:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    setting, settings, ends = case.setting, case.settings, []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(setting.now())

    rows = case.loaded.frame.encode_all(case.examples, settings.max_length)
    labelled = [
        {"input_ids": row.ids, "labels": [-100] * row.prompt_length + row.ids[row.prompt_length :]} for row in rows
    ]
    tokens = sum(len(row.ids) for row in rows)
    packs = max(1, round(tokens / len(case.order) / PACK_LENGTH)) if changes.get("packing") else settings.batch_size
    net = twin(case.loaded.model)
    if attention:
        net.set_attn_implementation(attention)
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, per_device_train_batch_size=packs, max_steps=len(case.order), learning_rate=LR,
            lr_scheduler_type="constant", max_length=PACK_LENGTH, max_grad_norm=settings.clip, logging_steps=1,
            report_to="none", save_strategy="no", disable_tqdm=True, bf16=setting.dtype is torch.bfloat16, seed=0,
            use_cpu=not setting.on_gpu, **changes,
        )  # fmt: skip
        lora = LoraConfig(
            r=settings.rank, lora_alpha=int(settings.alpha), target_modules=settings.target, task_type="CAUSAL_LM"
        )
        trainer = SFTTrainer(
            model=net, args=config, train_dataset=Dataset.from_list(labelled), peft_config=lora,
            processing_class=case.loaded.tokenizer, callbacks=[Clock()],
        )  # fmt: skip
        trainer.train()
    counted = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    seconds = [end - start for start, end in pairwise(ends)]
    steps = [after - before for before, after in pairwise(counted)]
    speed = statistics.median(n / s for n, s in list(zip(steps, seconds, strict=True))[setting.warm :])
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    mfu = 4 * shapes.parameters(case.loaded.model) * speed / setting.peak if setting.peak else None
    return {"tokens/s": speed, "mfu": mfu, "peak": setting.peak_memory(), "seconds": seconds, "losses": losses}
