"""Records both views of a take as two linked sessions, and labels them from the triangulation of both."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.pipeline.result_synchronizer import JoinedResult
from app.recording.recorder import RecorderPhase, SessionRecorder
from app.recording.sessions import new_session_folder
from app.two_views.calibration import PairCalibration
from app.two_views.truth_labels import label_take
from hand.model import HandModel
from hand.recording_reader import open_recording


class PairRecorder:
    """Two recorders of one take; offer each view's results from any thread."""

    def __init__(self, model: HandModel, home: Path | None = None, hand_file: Path | None = None) -> None:
        """Starts recording.

        Args:
            model: hand model of the paths' estimates.
            home: where sessions are kept; the user's data folder when left out.
            hand_file: where the shape of the user's hand is kept; the user's own calibration when left out.

        Raises:
            RecordingError: the folders cannot be made.
        """
        self._model = model
        self._hand_file = hand_file
        self._live = True
        take = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self._recorders = tuple(
            SessionRecorder(new_session_folder(view, home), model, name=view.capitalize(), pair=take)
            for view in ("first camera", "second camera")
        )

    def offer(self, view: int, given: JoinedResult) -> None:
        """Takes a result; never waits.

        Args:
            view: 0 for the first camera, 1 for the second.
            given: about the picture as the camera gave it: two cameras have one geometry where neither is mirrored.
        """
        if given.late:
            return
        recorder = self._recorders[view]
        fused = tuple(output.state for output in given.outputs if output.origin == "fused")
        # the hand in a file may be another person's
        self._live = self._live and given.frame.live
        recorder.offer_frame(given.frame)
        recorder.offer_result(given.frame, given.results, fused)

    @property
    def seconds(self) -> float:
        """Length of the shorter session."""
        return min(recorder.state.seconds for recorder in self._recorders)

    def stop(self, calibration: PairCalibration | None) -> str:
        """Ends both sessions and labels them; takes seconds.

        Args:
            calibration: of the two cameras, with how much later the second clock is; without one the sessions stay
                without labels.

        Returns:
            What was recorded, in a sentence.

        Raises:
            HandliveError: the sessions cannot be labelled; they are kept.
        """
        states = [recorder.stop() for recorder in self._recorders]
        failed = next((state.sentence for state in states if state.phase is RecorderPhase.FAILED), "")
        if not all(state.frames for state in states):
            return failed or "Nothing was recorded, because a camera gave no picture."
        folders = [recorder.folder for recorder in self._recorders]
        recorded = f"Recorded {states[0].frames} and {states[1].frames} frames as two linked sessions"
        if calibration is None:
            return f"{recorded}, without labels: the two cameras are not calibrated. {failed}".strip()
        starts = [open_recording(folder).frames[0].capture_time_ns / 1e9 for folder in folders]
        late_s = calibration.late_s + starts[0] - starts[1]
        counts, kept = label_take(
            folders[0], folders[1], self._model, calibration, late_s, live=self._live, hand_file=self._hand_file
        )
        labelled = f"{recorded}, with {counts[0]} and {counts[1]} labels that two cameras measured."
        return " ".join(filter(None, (labelled, kept, failed)))
