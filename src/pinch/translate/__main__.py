"""The way in: compose the settings, hand over, exit.

python -m pinch.translate corpus=en.jsonl 'to=[ru,fi]' engine=hf engine.model=FOLDER_OR_HUB_ID
python -m pinch.translate --help
"""

import sys

from omegaconf import DictConfig

from pinch.composition import job_settings
from pinch.doors import enter, fail
from pinch.translate.words import ours


def main() -> int:
    """Run with the command line's arguments; gives the exit code."""
    if {"-m", "--multirun"} & set(sys.argv):
        return fail("translating is no sweep; leave -m out, and list the languages: 'to=[ru,fi]'", 2)
    composed: list[DictConfig] = []
    return enter("translate", composed.append, lambda: _translate(composed[0]) if composed else 0, ours)


def _translate(composed: DictConfig) -> int:
    from pinch.translate.flow import translate

    return translate(job_settings(composed))


if __name__ == "__main__":
    raise SystemExit(main())
