"""Networks of strangers that compute for ever, take all memory, or give numbers that are none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.trials.counts import Finding, Outcome

KINDS = ("loop", "memory", "not finite")
MOST_S = 180.0


def try_networks(scratch: Path) -> Iterator[Outcome]:
    """Each is refused in one sentence."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        return
    from app.networks.vetting import NetworkVetting
    from hand.errors import CheckpointError
    from tests.trials.hostile_networks import hostile_network

    for kind in KINDS:
        folder = hostile_network(scratch / kind, kind)
        started_s = time.monotonic()
        try:
            NetworkVetting().vet(folder)
            finding, detail = Finding.LOST, "it was accepted"
        except CheckpointError as sentence:
            finding, detail = None, str(sentence)
        if time.monotonic() - started_s > MOST_S:
            finding = Finding.HANG
        yield Outcome("networks", kind, finding, detail if finding else "")
