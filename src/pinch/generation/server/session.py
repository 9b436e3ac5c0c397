"""Stage: one cell at a server: find out how it is asked, have it take the cell's model, make sure of it, ask, clear up.

Requests are under way side by side in an event loop of the calling thread, so an interrupt ends them at once; the answers of
whole languages are kept by the caller.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pinch.cells import Cell
from pinch.config import GenerationConfig
from pinch.errors import CellError, UserError
from pinch.frames import Frame
from pinch.generation.room import check_room
from pinch.generation.server import effect, manner
from pinch.generation.server.manner import Manner, Reply
from pinch.generation.server.names import Names, base_name, listed
from pinch.generation.server.wire import Wire, decoded
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.replies import BrokenError
from pinch.judges.api.waiting import Patience
from pinch.records import Answer, Prompt

WRONG = "many"
"""What no field for sampling takes: a server that knows the field refuses it."""

BROKEN = 3
"""How often a prompt is asked again whose replies are no completions."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What a server is asked for: answers of this cell. `location` is where the base model lies, `context` its tokens."""

    cell: Cell
    location: str
    frame: Frame
    context: int
    settings: GenerationConfig
    seed: int


@contextmanager
def serving(question: Question, asked: Sequence[Prompt], patience: Patience | None = None) -> Iterator["Session"]:
    """A session in which the prompts `asked` can be answered. Raises UserError for a server that cannot be used, CellError
    for a cell that it does not have or that it has without its tuning."""
    with asyncio.Runner() as runner:
        session = Session(question, runner, patience or Patience())
        try:
            runner.run(session.open(asked))
            yield session
        finally:
            runner.run(session.close())


class Session:
    """One cell at one server."""

    def __init__(self, question: Question, runner: asyncio.Runner, patience: Patience) -> None:
        self._question, self._runner = question, runner
        self._wire = Wire(question.settings.server, patience)
        self._manner, self._base, self._name, self._context = Manner(), "", "", question.context
        self._names: Names | None = None
        self.facts: dict[str, Any] = {}

    async def open(self, asked: Sequence[Prompt]) -> None:
        """Everything before the first answer."""
        question, wire = self._question, self._wire
        await wire.open()
        entries = await listed(wire)
        library = await self._is_library()
        folder = question.location if library else None
        self._base = base_name(wire, entries, question.settings.server.model, folder)
        entry = next((entry for entry in entries if entry["id"] == self._base), {})
        longest = entry.get("max_model_len")
        self._context = min(question.context, longest) if isinstance(longest, int) else question.context
        note = check_room(question.frame, self._context, asked, question.settings.max_new_tokens)
        if note:
            log.warning(note)
        self._name = self._base
        logprobs = await self._find_manner(library, asked[0])
        self._names = Names(wire, question.cell, question.location, entries, library)
        self._name = await self._names.name(self._base)
        self.facts = {
            "address": wire.identity,
            "software": "transformers serve" if library else str(entry.get("owned_by") or "unknown"),
            "version": await self._version(),
            "base": {key: entry[key] for key in ("id", "root", "max_model_len") if key in entry} or {"id": self._base},
            "model": self._name,
            "prompts": "token ids" if self._manner.ids else "text",
            "fields": sorted(self._manner.known),
        }
        if self._name != self._base and not (question.cell.folder / "model").is_dir():
            self.facts["tuning"] = await effect.active(self._probe, self._base, self._name, asked, logprobs)

    async def close(self) -> None:
        """Undo what was done for the cell, and hang up."""
        if self._names is not None:
            note = await self._names.clear()
            if note:
                log.warning(note)
        await self._wire.close()

    def answers(self, prompts: Sequence[Prompt], progress: Callable[[int], None]) -> list[Answer]:
        """One answer per prompt, in their order; `progress` is told how many prompts have theirs. Raises CellError for a
        prompt that gets none."""
        return self._runner.run(self._all(prompts, progress))

    async def _all(self, prompts: Sequence[Prompt], progress: Callable[[int], None]) -> list[Answer]:
        found: dict[int, Answer] = {}
        places = iter(range(len(prompts)))

        async def work() -> None:
            for place in places:
                prompt = prompts[place]
                reply = await self._ask(self._name, prompt, self._limit(prompt), {})
                found[place] = manner.answer(self._question.frame, prompt, reply)
                progress(len(found))

        number = min(self._question.settings.server.concurrency, len(prompts))
        tasks = [asyncio.create_task(work()) for _ in range(number)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [found[place] for place in range(len(prompts))]

    def _limit(self, prompt: Prompt) -> int:
        size = len(self._question.frame.prompt_ids(prompt.instruction))
        return min(self._question.settings.max_new_tokens, self._context - size)

    # --- requests --------------------------------------------------------------------------------------------------

    async def _ask(self, name: str, prompt: Prompt, limit: int, more: Mapping[str, Any]) -> Reply:
        """The server's reply to one prompt. Raises CellError for a prompt without one, UserError when all would be."""
        try:
            reply = await self._reply(name, prompt, limit, more)
        except RequestError as failure:
            if failure.trouble is Trouble.lasting:
                raise self._wire.give_up(failure) from None
            tries = f" after {failure.tries} tries" if failure.tries > 1 else ""
            raise CellError(
                f"prompt {prompt.id} ({prompt.language}): no answer from {self._wire.address}{tries} "
                f"({self._wire.words(failure)}); what is answered is kept, run this again when the server works"
            ) from None
        size = len(self._question.frame.prompt_ids(prompt.instruction))
        if reply.prompt_tokens not in (None, size):
            raise CellError(
                f"prompt {prompt.id} ({prompt.language}) has {size} tokens, but the server reads {reply.prompt_tokens}: it "
                "has another tokenizer; check that it serves this model"
            )
        return reply

    async def _reply(self, name: str, prompt: Prompt, limit: int, more: Mapping[str, Any]) -> Reply:
        question, broken = self._question, 0
        body = manner.body(self._manner, question.settings, question.frame, question.seed, prompt, limit)
        while True:
            found = await self._wire.send("/completions", {"model": name, **body, **more})
            try:
                return manner.read(decoded(found))
            except BrokenError as error:
                broken += 1
                if broken > BROKEN:
                    failure = RequestError(Trouble.passing, self._wire.mask(str(error)), error.status)
                    failure.tries = broken
                    raise failure from None

    async def _probe(self, name: str, prompt: Prompt, limit: int, more: Mapping[str, Any]) -> Reply:
        """A reply that is compared with another one: nothing in it is drawn."""
        still = {} if self._manner.library else {"temperature": 0.0}
        return await self._ask(name, prompt, min(limit, self._limit(prompt)), {**still, **more})

    # --- finding out -----------------------------------------------------------------------------------------------

    async def _find_manner(self, library: bool, prompt: Prompt) -> bool:
        """How the server is asked; gives whether it tells log-probabilities. Raises UserError for settings that it would
        ignore."""
        question = self._question
        if library:
            self._manner = Manner(library=True, ids=False)
            return False
        if not await self._takes(prompt, {}):
            self._manner = Manner(ids=False)
            await self._ask(self._base, prompt, 1, {})
        fields = manner.fields(question.settings, question.frame)
        known = [name for name in fields if not await self._takes(prompt, {name: WRONG})]
        lost = [why for name, why in manner.needed(question.settings, question.frame).items() if name not in known]
        if lost:
            raise UserError(
                f"{self._wire.address} ignores what {' and '.join(lost)} needs; change that, or use another engine "
                "(generation.engine=hf)"
            )
        self._manner = Manner(ids=self._manner.ids, known=frozenset(known))
        try:
            return (await self._reply(self._base, prompt, 1, {"logprobs": effect.LIKELY})).likely is not None
        except RequestError:
            return False

    async def _takes(self, prompt: Prompt, more: Mapping[str, Any]) -> bool:
        """Whether the server takes a request with these fields: False when it refuses it. Raises UserError when nothing will
        work."""
        try:
            await self._reply(self._base, prompt, 1, more)
        except RequestError as failure:
            if failure.trouble in (Trouble.refused, Trouble.pair):
                return False
            if more and failure.status is not None and failure.trouble is Trouble.passing:
                return True  # it stumbled over the value, which tells nothing of what the field does
            raise self._wire.give_up(failure) from None
        return True

    async def _is_library(self) -> bool:
        """Whether the server is `transformers serve`, by the paths that it describes."""
        try:
            found = decoded(await self._wire.send(f"{self._wire.root}/openapi.json"))
        except RequestError:
            return False
        paths = found.get("paths") if isinstance(found, Mapping) else None
        return isinstance(paths, Mapping) and {"/load_model", "/v1/completions", "/v1/responses"} <= set(paths)

    async def _version(self) -> str:
        """What the server says of its version, where vLLM says it."""
        try:
            found = decoded(await self._wire.send(f"{self._wire.root}/version"))
        except RequestError:
            return ""
        return str(found.get("version", "")) if isinstance(found, Mapping) else ""
