"""The way in: compose the settings, hand over, exit.

python -m pinch.translate corpus=en.jsonl 'to=[ru,fi]' engine=hf engine.model=FOLDER_OR_HUB_ID
python -m pinch.translate --help
"""

import logging
import os
import signal
import sys
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pinch.composition import job_settings
from pinch.config import SCHEMAS
from pinch.doors import CONF, arguments
from pinch.errors import PinchError, UserError
from pinch.explain import explain
from pinch.translate.words import ours


def main() -> int:
    """Run with the command line's arguments; gives the exit code."""
    ConfigStore.instance().store(name="translate_schema", node=SCHEMAS["translate"])
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and `explain` says it in one line
    signal.signal(signal.SIGTERM, _terminate)
    notes = logging.StreamHandler()
    notes.setFormatter(logging.Formatter("note: %(message)s"))
    logging.getLogger("pinch").addHandler(notes)
    sys.argv[1:] = arguments(sys.argv[1:])
    composed: list[DictConfig] = []
    try:
        if {"-m", "--multirun"} & set(sys.argv):
            raise UserError("translating is no sweep; leave -m out, and list the languages: 'to=[ru,fi]'")
        hydra.main(config_path=str(CONF), config_name="translate", version_base="1.3")(composed.append)()
        return _translate(composed[0]) if composed else 0
    except KeyboardInterrupt:
        return _fail("stopped; what is translated is kept, the same command goes on from there", 130)
    except (PinchError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get("PINCH_DEBUG"):
            raise
        return _fail(ours(explain(error, sys.argv[1:])), 2)


def _translate(composed: DictConfig) -> int:
    from pinch.translate.flow import translate

    return translate(job_settings(composed))


def _terminate(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _fail(line: str, code: int) -> int:
    print(f"error: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
