"""Stage: under which name a server has a cell's model, and how it gets it.

The base model goes by the name that is given or listed. An adapter is loaded for as long as its cell answers where the
server can do that (vLLM, with VLLM_ALLOW_RUNTIME_LORA_UPDATING), else it must be listed under the cell's id. `transformers
serve` takes folders as names: an adapter gets one in which it lies beside links to the base model's files.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch.cells import Cell
from pinch.errors import CellError, UserError
from pinch.generation.server.wire import Wire, decoded
from pinch.judges.api.failures import RequestError

LOAD, UNLOAD = "/load_lora_adapter", "/unload_lora_adapter"
LISTED = 5
"""Models that a message lists at most."""


async def listed(wire: Wire) -> list[dict[str, Any]]:
    """What the server says of its models; nothing where it keeps no list. Raises UserError when it cannot be used at all."""
    try:
        found = decoded(await wire.send("/models", retries=1))
    except RequestError as failure:
        if failure.status in (404, 405) or (failure.status or 0) >= 500:
            return []  # `transformers serve` stumbles over a missing cache, and works
        raise wire.give_up(failure) from None
    entries = found.get("data") if isinstance(found, Mapping) else None
    return [dict(entry) for entry in entries or () if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]


def base_name(wire: Wire, entries: Sequence[Mapping[str, Any]], given: str | None, folder: str | None) -> str:
    """The base model's name: as given, or the only one that is listed; for a server that takes folders as names, `folder`.

    Raises UserError when it is not clear."""
    names = [str(entry["id"]) for entry in entries if not entry.get("parent")]
    if given or folder:
        return str(given or folder)
    if len(names) == 1:
        return names[0]
    told = f"lists {', '.join(names[:LISTED])}" if names else "lists no models"
    raise UserError(f"{wire.address} {told}; say which is the base model with generation.server.model=")


class Names:
    """The name of a cell's model at one server; what was done for it is undone by `clear`."""

    def __init__(
        self, wire: Wire, cell: Cell, location: str, entries: Sequence[Mapping[str, Any]], library: bool
    ) -> None:
        self._wire, self._cell, self._location = wire, cell, location
        self._entries, self._library = entries, library
        self._loaded = ""
        self._staged: Path | None = None

    async def name(self, base: str) -> str:
        """The cell's name. Raises CellError, with what to do, when the server does not have its model."""
        if self._cell.untuned:
            return base
        folder = (self._cell.folder / "model").resolve()
        if (folder / "config.json").is_file():
            return self._whole(folder)
        if self._library:
            return self._beside_base()
        adapter = (self._cell.folder / "adapter").resolve()
        if not (adapter / "adapter_config.json").is_file():
            raise CellError(f"{self._cell.folder}: neither adapter/ nor model/ there; train the cell again")
        if await self._load(adapter):
            return self._loaded
        if any(entry["id"] == self._cell.id for entry in self._entries):
            return self._cell.id
        raise CellError(
            f"{self._wire.address} does not load adapters while it runs and does not list {self._cell.id}; start vLLM with "
            f"--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or with --lora-modules {self._cell.id}={adapter}"
        )

    async def clear(self) -> str:
        """Have the server forget what it was given; gives a note where it did not."""
        if self._staged is not None:
            shutil.rmtree(self._staged, ignore_errors=True)
        name, self._loaded = self._loaded, ""
        if not name:
            return ""
        try:
            await self._wire.send(UNLOAD, {"lora_name": name}, retries=1)
        except RequestError as failure:
            return f"{self._wire.address} has kept the adapter {name} ({self._wire.words(failure)})"
        return ""

    def _whole(self, folder: Path) -> str:
        """The name of a fully tuned model."""
        if self._library:
            return str(folder)
        for entry in self._entries:
            if entry["id"] in (self._cell.id, str(folder)) or entry.get("root") == str(folder):
                return str(entry["id"])
        raise CellError(
            f"{self._wire.address} does not list the fully tuned model {self._cell.id}; start a server for it, e.g. "
            f"vllm serve {folder} --served-model-name {self._cell.id}"
        )

    async def _load(self, adapter: Path) -> bool:
        """Have the server load the adapter; False when it cannot load any while it runs. The name tells of the weights, so
        nothing that a server keeps by name is ever another adapter's; what an interrupted run left there is the same."""
        weights = adapter / "adapter_model.safetensors"
        content = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "missing"
        name = f"{self._cell.id}-{content[:8]}"
        try:
            await self._wire.send(LOAD, {"lora_name": name, "lora_path": str(adapter)})
        except RequestError as failure:
            if failure.status in (404, 405, 501) and not re.search("adapter|lora", failure.words, re.IGNORECASE):
                return False
            if failure.status is None:
                raise self._wire.give_up(failure) from None
            if "already been loaded" not in failure.words:
                raise CellError(
                    f"{self._wire.address} cannot load the adapter of {self._cell.id} ({self._wire.words(failure)}); check "
                    f"that it can read {adapter}, and vLLM's --enable-lora and --max-lora-rank"
                ) from None
        self._loaded = name
        return True

    def _beside_base(self) -> str:
        """A folder that `transformers serve` loads as the base model with the adapter in front of it."""
        base = Path(self._location)
        if not base.is_dir():
            from transformers.utils.hub import cached_file

            base = Path(str(cached_file(self._location, "config.json"))).parent
        self._staged = Path(tempfile.mkdtemp(prefix=f"{self._cell.id}-"))
        for folder in (base, self._cell.folder / "adapter"):
            for path in folder.iterdir():
                if path.is_file():
                    (self._staged / path.name).symlink_to(path.resolve())
        return str(self._staged)
