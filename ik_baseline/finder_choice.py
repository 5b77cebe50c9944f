"""Which hand detector a run uses: ours, or the installed mediapipe package."""

from __future__ import annotations

from typing import Final, Literal, get_args

from ik_baseline.augmented_detector import Detector

FinderKind = Literal["built-in", "mediapipe"]

FINDER_KINDS: Final[tuple[FinderKind, ...]] = get_args(FinderKind)


def open_detector(kind: FinderKind, max_hands: int, *, still: bool, tiles_per_picture: int = 0) -> Detector:
    """Makes a detector, in the thread that will use it.

    Args:
        kind: "built-in" or "mediapipe".
        max_hands: 1 or 2.
        still: pictures are unrelated; otherwise they are frames of one video.
        tiles_per_picture: see :class:`~ik_baseline.detector.HandDetector`; the mediapipe package has no tiles.

    Raises:
        DetectorError: it cannot be started.
    """
    # imported here: each engine takes a moment to import
    if kind == "mediapipe":
        from ik_baseline.mediapipe_tasks import MediaPipeTasksDetector

        return MediaPipeTasksDetector(max_hands, still=still)
    from ik_baseline.detector import HandDetector

    return HandDetector(max_hands, still=still, tiles_per_picture=tiles_per_picture)
