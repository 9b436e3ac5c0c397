"""Stage: the answers of a study side by side, with what judges said of them, for people to read in the page."""

from pinch.analysis.answers.browser import Browser, browse
from pinch.analysis.answers.samples import Asked, Reply, Sample

__all__ = ["Asked", "Browser", "Reply", "Sample", "browse"]
