"""Edge: a table of the Hub, or of a folder laid out like one, opened with the `datasets` library.

In: the settings of a table. Out: the rows of its columns that are wanted. What is downloaded and what is made of it is kept
under the project's cache, so that a table that was read once needs no network again (HF_HUB_OFFLINE=1).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pinch.config import TableConfig
from pinch.errors import PinchError, UserError, did_you_mean

BUILDERS = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".csv": "csv"}
"""Endings of files that are read, and what reads them; .gz and the like may follow."""

LANGUAGE = "{language}"
"""Stands for the table's word for a language in names of subsets, files and columns."""


class Table:
    """An opened table. `columns` are those it has."""

    def __init__(self, opened: Any, where: str) -> None:
        self._opened = opened
        self.where = where
        self.columns: list[str] = list(opened.column_names)

    def __len__(self) -> int:
        return len(self._opened)

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """All rows, {name: value} for these columns only; a name may be a dotted path into a column, with numbers for places
        in lists (turns.0), whose value is None where it leads nowhere. Raises UserError for a column that is not there."""
        paths = {name: [name] if name in self.columns else name.split(".") for name in names}
        for name, (column, *_) in paths.items():
            if column not in self.columns:
                raise UserError(f"{self.where}: no column {name!r}{did_you_mean(name, self.columns)}")
        opened = self._opened.select_columns(list(dict.fromkeys(column for column, *_ in paths.values())))
        for batch in opened.iter(batch_size=1000):  # row by row takes three times as long
            for values in zip(*batch.values(), strict=True):
                row = dict(zip(batch, values, strict=True))
                yield {name: _at(row, path) for name, path in paths.items()}


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def open_table(settings: TableConfig, word: str, cache: Path) -> Table:
    """The table, of the language that it calls `word` where there is one for each. Raises UserError when there is none, when
    it is out of reach, or when it cannot be read."""
    import datasets

    where = str(settings.path)
    datasets.disable_progress_bars()
    try:
        if _is_local(where) and Path(where).is_file():
            return Table(_built(datasets, [Path(where)], where, cache), where)
        if settings.files is not None:
            pattern = settings.files.replace(LANGUAGE, word)
            where = f"{where}: {pattern}"
            return Table(_built(datasets, _files(settings, pattern, cache), where, cache), where)
        config = None if settings.config is None else settings.config.replace(LANGUAGE, word)
        where = f"{where}: {config}" if config else where
        opened = datasets.load_dataset(
            settings.path,
            config,
            split=settings.split,
            revision=None if _is_local(str(settings.path)) else settings.revision,
            cache_dir=str(cache),
        )
        return Table(opened, where)
    except PinchError:
        raise
    except (
        Exception
    ) as error:  # the libraries below raise what they like, files of users and servers being what they are
        raise UserError(f"{where}: {_reason(error)}") from None


def _is_local(path: str) -> bool:
    """Whether a path means this machine. Raises UserError for one that can only mean it and is not there."""
    if Path(path).exists():
        return True
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise UserError(f"{path}: no such folder or file, and no hub id either (OWNER/NAME); check the path")
    return False


def _files(settings: TableConfig, pattern: str, cache: Path) -> list[Path]:
    """The table's files on this machine, downloaded where they are not there."""
    path = str(settings.path)
    if _is_local(path):
        folder = Path(path)
    else:
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(
                path, repo_type="dataset", revision=settings.revision, allow_patterns=[pattern], cache_dir=cache / "hub"
            )
        )
    found = sorted(folder.glob(pattern))
    if not found:
        raise UserError(f"{path}: no file {pattern}; check the files, the words for languages and the revision")
    return found


def _built(datasets: Any, found: Sequence[Path], where: str, cache: Path) -> Any:
    endings = [ending for ending in found[0].suffixes if ending in BUILDERS]
    if not endings:
        raise UserError(f"{where}: {found[0].name} is none of {', '.join(BUILDERS)}; name files of these kinds")
    names = [str(file.resolve()) for file in found]
    return datasets.load_dataset(BUILDERS[endings[-1]], data_files=names, split="train", cache_dir=str(cache))


def _reason(error: Exception) -> str:
    """One line for what a library says, and what to do."""
    causes = [error, *filter(None, (error.__cause__, error.__context__))]
    names = " ".join(type(cause).__name__ for cause in causes)
    first = next((line.strip() for line in str(error).split("\n") if line.strip()), type(error).__name__)
    if "Gated" in names or "gated" in first:
        return "gated on the Hub; accept its terms on its page there, log in with hf auth login, then run again"
    if "Offline" in names or "Offline" in first or "LocalEntryNotFound" in names:
        return "not on this machine, and the Hub is out of reach; read it once with a network, or give a folder"
    if "RepositoryNotFound" in names or "DatasetNotFound" in names or "doesn't exist" in first:
        return "not found on the Hub; check the name, or give a folder"
    if "scripts are no longer supported" in first:
        return "comes with a script, which is never run; name its data files, e.g. data.table.files=data/*.json"
    return f"cannot be read ({first}); check config, split and files"
