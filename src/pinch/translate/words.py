"""Facts: lines of other doors in the words of this one, which shares its connection with judges."""

OURS = (
    ("judge=api", "engine=api"),
    ("judge.", "engine."),
    ("model.path", "engine.model"),
    ("model.revision", "engine.revision"),
    ("trainer.accelerator", "engine.accelerator"),
)


def ours(line: str) -> str:
    """The line with the settings named as they are here."""
    for theirs, name in OURS:
        line = line.replace(theirs, name)
    return line
