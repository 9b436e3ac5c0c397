"""Edge: mirrors of the files under multirun/ for people who watch: Weights & Biases, TensorBoard or CSV.

The files are the truth. Nothing here may stop a cell: the first failure of a tracker is said once and the run goes on
without it; a server that does not answer costs a process `tracking.timeout` seconds at most, once.
"""

from pinch.tracking.analysis import publish_analysis
from pinch.tracking.dashboard import check_dashboard, publish_dashboard
from pinch.tracking.runs import OFFLINE, ONLINE, Run, add_scores, axes, finite, track, wanted
from pinch.tracking.said import TrackingWarning

__all__ = [
    "OFFLINE",
    "ONLINE",
    "Run",
    "TrackingWarning",
    "add_scores",
    "axes",
    "check_dashboard",
    "finite",
    "publish_analysis",
    "publish_dashboard",
    "track",
    "wanted",
]
