"""Pure: what kind of judge this is. Position, consistency, length, ties and failures of one judge (`diagnose`), agreement
of two judges or more (`agreement_with`, `agreement_among`), and sentences on both (`lines`, `agreement_lines`).

Undefined numbers are NaN; `plain` makes JSON values of any record, with None for NaN.
"""

from pinch.diagnostics.concord import Agreements, Among, Concord, agreement_among, agreement_with
from pinch.diagnostics.judge import Diagnosis, Diagnostics, Heterogeneity, diagnose
from pinch.diagnostics.remarks import agreement_lines, lines
from pinch.diagnostics.shares import Share, plain, share
from pinch.stats import holm

__all__ = [
    "Agreements",
    "Among",
    "Concord",
    "Diagnosis",
    "Diagnostics",
    "Heterogeneity",
    "Share",
    "agreement_among",
    "agreement_lines",
    "agreement_with",
    "diagnose",
    "holm",
    "lines",
    "plain",
    "share",
]
