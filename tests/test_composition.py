"""Composing a sweep: the quick way gives what Hydra gives, and refuses what Hydra refuses."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.initialize import initialize_config_dir
from hydra.types import RunMode

from pinch.composition import job_settings, wishes
from pinch.config import SCHEMAS
from pinch.doors import arguments

CONF = Path(__file__).resolve().parents[1] / "conf"


@pytest.fixture
def loader() -> Iterator[Any]:
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def multirun(loader: Any, *words: str) -> Any:
    return loader.load_configuration("train", list(words), run_mode=RunMode.MULTIRUN, from_shell=False)


JOBS = [
    ["languages=four", "mixture.fraction=0.1", "seed=3"],
    ["languages=four", "mixture.fraction=0", "seed=0"],
    ["languages=one", "languages.base=fi"],
    ["languages.tuning=[en,cs]", "mixture.counts={fi:3,en:4}"],
    ["mixture.counts={ar:1}"],
    ["data.answer_tokens=77"],
    ["model=hf", "model.path='a b/c'", "model.threads=3"],
    ["tuning=full", "tuning.lr=1e-3", "tracking=off", "workspace=mine"],
    ["mixture=forty", "mixture.spread=all"],
    ["seed=1", "seed=2"],
    ["languages.evaluation=null"],
    ["trainer=ddp", "trainer.devices=4", "trainer.threads=null"],
]


def test_the_quick_way_gives_what_hydra_gives(loader: Any) -> None:
    config = multirun(loader)
    for words, wish in zip(JOBS, wishes(loader, config, JOBS), strict=True):
        composed = loader.load_sweep_config(config, words)
        del composed._content["hydra"]
        assert wish.settings == job_settings(composed), words
        assert wish.words == words


def test_options_of_the_same_groups_are_composed_once(loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config, calls = multirun(loader), []
    real = ConfigLoaderImpl.load_sweep_config
    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", lambda *a: calls.append(a[2]) or real(*a))
    jobs = [[f"languages={name}", f"seed={seed}"] for name in ("one", "two") for seed in range(20)]
    made = wishes(loader, config, jobs)
    assert calls == [["languages=one"], ["languages=two"]]
    assert [wish.settings.seed for wish in made if wish.settings] == 2 * list(range(20))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["languages=xyz"], "languages=xyz: there is no such group"),
        (["mixture.fraction=7"], "mixture.fraction=7.0 is outside 0..1"),
        (["mixture.frction=7"], "mixture.frction: there is no such setting; did you mean 'mixture.fraction'?"),
        (["seed=x"], "seed: Value 'x' of type 'str' could not be converted to Integer"),
        (["+foo=1"], "foo: there is no such setting"),
        (["tuning.method=lorra"], "Invalid value 'lorra'"),
        (["mixture.counts={xx:3}"], "unknown language 'xx'"),
    ],
)
def test_what_cannot_be_is_one_line_and_the_rest_is_composed(words: list[str], error: str, loader: Any) -> None:
    bad, good = wishes(loader, multirun(loader), [words, ["seed=1"]])
    assert bad.settings is None
    assert error in bad.error
    assert "\n" not in bad.error
    assert good.settings is not None


def test_no_job_changes_another(loader: Any) -> None:
    first, second = wishes(loader, multirun(loader), [["languages=two", "languages.pool=[en,fi]"], ["languages=two"]])
    assert first.settings is not None
    assert second.settings is not None
    assert first.settings.languages.pool == ["en", "fi"]
    assert second.settings.languages.pool == ["en", "ar", "fi", "it", "ru", "sw"]


def test_shorthands_and_where_m_may_stand() -> None:
    assert arguments(["seed=0,1", "plan=true", "-m"]) == ["-m", "seed=0,1", "plan=table"]
    assert arguments(["seed=0", "--config-dir", "mine", "-m", "a=b"]) == ["--config-dir", "mine", "-m", "seed=0", "a=b"]
    assert arguments(["seed=0", "--config-dir=mine"]) == ["--config-dir=mine", "seed=0"]
    assert arguments(["plan=false", "hydra/launcher=joblib"]) == ["plan=off", "hydra/launcher=joblib"]
    assert arguments(["-m", "plan=json", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]) == ["-m", "plan=json"]
    assert arguments(["show=mixture", "hydra/launcher=joblib"]) == ["show=mixture"]


def test_torch_is_not_needed_to_compose() -> None:
    import subprocess

    code = "import sys, pinch.composition, pinch.sweep, pinch.pool, pinch.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
