"""The progress bar of the commands."""

from __future__ import annotations

from tqdm import tqdm


class ProgressBar(tqdm):
    """A tqdm bar without tqdm's watchdog, a thread that outlives the bar."""

    monitor_interval = 0
