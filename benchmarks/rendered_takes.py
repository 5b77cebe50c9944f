"""Rendered takes before two cameras, as sources of pictures that the product's own recorder plays."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

from app.pipeline.paths.path_factories import chosen_paths
from app.sources.base import EndOfSource, Picture, SourceFacts
from app.two_views.analysis import analyse
from app.two_views.calibration import KnownLength
from app.two_views.calibration_store import save_pair, saved_pair
from app.two_views.truth_labels import label_sessions
from app.two_views.view_recording import ViewInput, record_views
from benchmarks.own_hand import FRAMES_PER_SECOND, Person
from hand.atomic_file import write_text_atomically
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.recording import COMPLETE_FILE, LABELS_FILE, RecordedHand, hand_to_json
from trainer.dataset_writers.recorded_series import recorded_truth
from trainer.synthetic.camera_pair import MovingHandPair
from trainer.synthetic.moving_hand import FRAMES_PER_SECOND as MOVEMENT_RATE
from trainer.synthetic.moving_hand import MovingHand
from trainer.synthetic.scene_description import Scene

VIEWS = ("first", "second")
_STEP = MOVEMENT_RATE // FRAMES_PER_SECOND


class PersonsHand(MovingHand):
    """A moving hand that has one person's shape and skin and is seen in that person's light."""

    def __init__(self, person: Person, seed: int, frames: int) -> None:
        """Plans the movement.

        Args:
            person: whose hand.
            seed: of movement, camera and background.
            frames: how many there will be.
        """
        super().__init__(load_embedded_model(), seed, frames, settings=person.movement)
        self.renderer = person.renderer
        self.shape = person.scene.shape
        # one camera for all takes of a person: it was calibrated once
        self.intrinsics = person.scene.intrinsics
        self._person = person.scene

    def scene_at(self, index: int) -> Scene:
        """What is rendered in a frame."""
        known = self._person
        return replace(
            super().scene_at(index),
            shape=known.shape,
            skin=known.skin,
            clothing=known.clothing,
            lighting=known.lighting,
            forearm_bend=known.forearm_bend,
            intrinsics=known.intrinsics,
        )


class RenderedView:
    """One camera of a rendered take, see :class:`app.sources.base.FrameSource`; keeps the truth of what it gave.

    Attributes:
        truth: of every frame given so far, in this camera's axes.
    """

    def __init__(self, take: MovingHandPair, view: int, name: str, drawing: threading.Lock) -> None:
        """Renders nothing yet.

        Args:
            take: the hand before both cameras.
            view: 0 for the first camera, 1 for the second.
            name: of the camera.
            drawing: shared by both cameras, which have one renderer.
        """
        self._take, self._view, self._drawing = take, view, drawing
        self.name = name
        self.truth: list[RecordedHand] = []

    def open(self) -> SourceFacts:
        """Starts from the beginning."""
        self.truth = []
        seen = self.intrinsics
        frames = self._take.moving.frames // _STEP
        return SourceFacts(
            self.name, "video", seen.width_px, seen.height_px, FRAMES_PER_SECOND, frames, intrinsics=seen
        )

    @property
    def intrinsics(self) -> Intrinsics:
        """Known exactly, as of a camera that was calibrated."""
        one, other = self._take.moving.intrinsics, self._take.second_intrinsics
        return replace((one, other)[self._view], assumed=False)

    def read(self) -> Picture | EndOfSource:
        """The next picture."""
        index = len(self.truth) * _STEP
        if index >= self._take.moving.frames:
            return EndOfSource()
        with self._drawing:
            sample = self._take.moving.renderer.render(self._take.scenes(index)[self._view], index)
        time_ns = len(self.truth) * 1_000_000_000 // FRAMES_PER_SECOND
        self.truth.append(recorded_truth(sample))
        return Picture(sample.image_rgb, time.monotonic_ns(), time_ns)

    def close(self) -> None:
        """Nothing to give back."""

    def may_be_back(self) -> bool:
        """It never goes away."""
        return False


def record_take(
    person: Person, sessions: Path, take: str, *, seed: int, seconds: float, network: Path, length: KnownLength
) -> tuple[str, str]:
    """Records one take of a person with the product's recorder, and labels it from both views.

    The first take of a folder calibrates the cameras by the hand; the calibration is kept for the later ones. The
    truth is added to the sessions afterwards, for measuring alone.

    Args:
        person: who is recorded.
        sessions: gets the two sessions, ``TAKE-first`` and ``TAKE-second``; those that lie there already stay.
        take: names the take.
        seed: of the movement.
        seconds: of the take.
        network: that runs live.
        length: gives a calibration its scale.

    Returns:
        Names of the sessions.

    Raises:
        HandliveError: the views could not be recorded or calibrated.
    """
    names = (f"{take}-{VIEWS[0]}", f"{take}-{VIEWS[1]}")
    folders = (sessions / names[0], sessions / names[1])
    done = sessions / f"{take}.labelled"
    if done.is_file():
        return names
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    model = load_embedded_model()
    scene = MovingHandPair(PersonsHand(person, seed, int(seconds * MOVEMENT_RATE)), seed + 1)
    drawing = threading.Lock()
    sources = [RenderedView(scene, view, f"{VIEWS[view]} camera", drawing) for view in (0, 1)]
    inputs = [
        ViewInput(
            source,
            chosen_paths("both", network, model, 1, every_frame=True, warn=print),
            session=folder,
            take=take,
        )
        for source, folder in zip(sources, folders, strict=True)
    ]
    views = record_views((inputs[0], inputs[1]), model, live=False)
    cameras = sessions.parent / "cameras"
    sizes = ((views[0].intrinsics.width_px, views[0].intrinsics.height_px),) * 2
    known = saved_pair(sources[0].name, sources[1].name, sizes, cameras)
    result = analyse(*views, known, length)
    if result.calibrated_here:
        save_pair(sources[0].name, sources[1].name, result.calibration, cameras)
    print(f"{take}: {result.calibration.describe()}\n  {result.state_sentence}")
    label_sessions(*folders, model, calibration=result.calibration, late_s=result.calibration.late_s)
    for source, folder in zip(sources, folders, strict=True):
        add_truth(folder, source.truth)
    done.touch()
    return names


def add_truth(session: Path, truth: list[RecordedHand]) -> None:
    """Adds the renderer's ground truth to the frames of a session.

    Args:
        session: folder of a complete session.
        truth: of each frame by its number in the source.
    """
    assert (session / COMPLETE_FILE).is_file()
    lines = [json.loads(line) for line in (session / LABELS_FILE).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["hands"].append(hand_to_json(truth[line["sequence"]]))
    write_text_atomically(session / LABELS_FILE, "".join(json.dumps(line) + "\n" for line in lines))
