"""How well two cameras measure the shape of a hand, and how much of its proportions they show: rendered people.

    python -m benchmarks.measured_shapes [--people 6] [--seconds 14]

People of random shape, every other one farther from the average than most, move a hand before two cameras. Printed are
the error of each measured shape (mean joint error of the hand at rest after alignment) beside that of the average
shape, and the two constants of ``app.two_views.hand_shape``: which share of a person's deviation from average
proportions the triangulated lengths show (``SEEN_DEVIATION``), and how far they lie from what that share explains
(``LENGTH_SIGMA_M``).
"""

from __future__ import annotations

import os

# before NumPy starts its thread pool
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float

from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.two_views.bundle_adjustment import edge_lengths
from app.two_views.calibration_store import saved_pair
from app.two_views.hand_shape import measured_shape, true_lengths
from app.two_views.time_pairing import paired
from app.two_views.truth import Truth, measure_truth
from app.two_views.truth_labels import track_of_session
from benchmarks.own_hand import Person, make_person
from benchmarks.own_hand_two_views import BEFORE_TWO_CAMERAS, palm_length
from benchmarks.rendered_takes import VIEWS, record_take
from hand.embedded import load_embedded_model
from hand.joints import BONES
from hand.layer import HandLayer
from hand.metrics import pa_error_mm
from hand.recording_reader import open_recording
from trainer.synthetic.lighting import draw_lighting

_SEED: Final = 77
_UNUSUAL: Final = 1.6
"""Standard deviation of the shape numbers of every other person; it is 1 among all."""


def main() -> None:
    """Prints the errors of the shapes, then the constants."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measured_shapes", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=14.0, help="length of each take (default: 14)")
    parser.add_argument("--out", type=Path, default=Path("reports/measured_shapes"), help="what is there is used again")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    model = load_embedded_model()
    layer = HandLayer(model, np.float64)
    base, rows = make_person(), []
    for number in range(options.people):
        person = random_person(base, number)
        truth = recorded_truth_of(person, options.out / str(number), number, options.seconds)
        shape = person.scene.shape
        average_mm, measured_mm = (
            pa_error_mm(_at_rest(layer, found)[None], _at_rest(layer, shape)[None])
            for found in (np.zeros(10), measured_shape(truth, model))
        )
        rows.append((np.nanmedian(edge_lengths(truth.joints_m), 0), true_lengths(layer, shape)))
        print(
            f"person {number}: average shape {average_mm:.2f} mm off, measured shape {measured_mm:.2f} mm", flush=True
        )
    share, rest_mm = seen_share(layer, rows)
    print(f"the lengths show {share:.2f} of the deviation from average proportions, and lie {rest_mm:.2f} mm from that")


def random_person(base: Person, number: int) -> Person:
    """One of the people, with a skin and a light of their own.

    Args:
        base: gives renderer and camera.
        number: of the person.
    """
    rng = np.random.default_rng((_SEED, number))
    shape = np.clip(rng.normal(size=10) * (1.0 if number % 2 else _UNUSUAL), -2.5, 2.5)
    skin = base.renderer.new_skin(rng, float(rng.uniform()))
    scene = replace(base.scene, shape=shape, skin=skin, lighting=draw_lighting(rng))
    return replace(base, scene=scene, movement=BEFORE_TWO_CAMERAS)


def recorded_truth_of(person: Person, folder: Path, number: int, seconds: float) -> Truth:
    """The triangulated hand of one take, recorded unless it is there.

    Args:
        person: who is recorded.
        folder: of the person's sessions.
        number: of the person.
        seconds: of the take.
    """
    sessions, length = folder / "sessions", palm_length(person)
    network = SHIPPED_NETWORK_DIR
    names = record_take(
        person, sessions, "take_1", seed=700 + 10 * number, seconds=seconds, network=network, length=length
    )
    recordings = [open_recording(sessions / name) for name in names]
    seen = recordings[0].info.intrinsics
    size = (seen.width_px, seen.height_px)
    calibration = saved_pair(f"{VIEWS[0]} camera", f"{VIEWS[1]} camera", (size, size), folder / "cameras")
    assert calibration is not None
    tracks = [track_of_session(recording) for recording in recordings]
    return measure_truth(calibration, *paired(tracks[0], tracks[1], calibration.late_s))


def seen_share(
    layer: HandLayer, rows: list[tuple[Float[np.ndarray, " edges"], Float[np.ndarray, " edges"]]]
) -> tuple[float, float]:
    """Regression of the seen on the true deviation from average proportions, all hands scaled to one size.

    Args:
        layer: of a right hand.
        rows: lengths of each person, seen and true, m.

    Returns:
        Slope, and root mean square of the rest in mm.
    """
    average = true_lengths(layer, np.zeros(10))
    bones = slice(len(BONES))
    seen, true = (
        np.concatenate([row[which] * average[bones].sum() / row[which][bones].sum() - average for row in rows])
        for which in (0, 1)
    )
    share = float(seen @ true / (true @ true))
    return share, float(np.sqrt(np.mean((seen - share * true) ** 2))) * 1e3


def _at_rest(layer: HandLayer, shape: Float[np.ndarray, "10"]) -> Float[np.ndarray, "21 3"]:
    return np.asarray(layer(np.zeros(48), shape).joints_m, np.float64)


if __name__ == "__main__":
    main()
