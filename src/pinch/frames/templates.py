"""Edge: the templates that are no model's: the neutral one, and Jinja files of the user's.

A file is written as chat templates are. It is read and checked here, without torch or transformers, so that a mistake in it
is said before the first cell starts; it is rendered in `pinch.frames.chat`.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pinch.config import Template
from pinch.errors import UserError, did_you_mean

NEUTRAL = "[1]\n{instruction}\n[2]\n"
"""The neutral template: digits and brackets only, so that it favours no language; the same text for all of them. It ends
with a line break, where tokenizers do not merge the prompt's last character with the answer's first. Of a conversation,
every turn is written so, behind the end token of the one before."""

CHAT_OPTIONS: dict[str, Any] = {"enable_thinking": False, "date_string": "01 Jan 2024"}
"""Given to every chat template, which ignores what it does not know: answers come without a hidden chain of thought, and
prompts do not change with the day they are rendered on."""

KNOWN = {
    "messages",
    "add_generation_prompt",
    "tools",
    "documents",
    "raise_exception",
    "strftime_now",
    "namespace",
    "dict",
}
"""Names that transformers gives to a template, beside CHAT_OPTIONS and the tokenizer's special tokens (bos_token, ...)."""


def is_file(template: str) -> bool:
    """Whether the setting names a file."""
    return template not in list(Template)


def digest(text: str) -> str:
    """What a template's content is called."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(template: str) -> str:
    """The text of a file, checked. Raises UserError, with the line where there is one, for a file that is not there, that is
    no Jinja, or that uses a name that nobody gives it."""
    try:
        text = Path(template).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"model.template={template}: not UTF-8; convert the file") from None
    except OSError as error:
        raise UserError(
            f"model.template={template}: cannot be read ({error.strerror}); give the path from the working directory"
        ) from None
    _check(text, template)
    return text


@lru_cache(maxsize=16)
def _check(text: str, where: str) -> None:
    import jinja2
    from jinja2 import ext, meta, nodes

    class Generation(ext.Extension):
        """{% generation %}, which marks answers in templates of transformers."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = jinja2.Environment(extensions=[ext.loopcontrols, Generation])
    try:
        parsed = environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise UserError(f"{where}, line {error.lineno}: {error.message}; mend the template") from None
    unknown = meta.find_undeclared_variables(parsed) - KNOWN - CHAT_OPTIONS.keys() - environment.globals.keys()
    asked = {
        node.node.name
        for node in parsed.find_all((nodes.Test, nodes.Filter))
        if node.name in ("defined", "undefined", "default") and isinstance(node.node, nodes.Name)
    }
    for node in parsed.find_all(nodes.Name):
        if node.name in unknown - asked and not node.name.endswith("_token"):
            hint = did_you_mean(node.name, {*KNOWN, *CHAT_OPTIONS, "bos_token", "eos_token"})
            raise UserError(f"{where}, line {node.lineno}: nobody gives the template {node.name!r}{hint}")
