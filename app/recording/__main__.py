"""``python -m app.recording``: imports, exports, lists and deletes sessions; progress is printed as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import cv2

from app.recording.exporting import export_freihand, export_webdataset
from app.recording.importing import import_session
from app.recording.sessions import delete_session, list_sessions, new_session_folder
from app.sources.files import printable_name
from app.user_dirs import sessions_folder
from hand.embedded import load_model
from hand.errors import HandliveError


def main() -> int:
    """Does one thing; 2 when it could not be done."""
    options = _parser().parse_args()
    cv2.setNumThreads(1)
    try:
        model = load_model(options.hand_model)
        if options.what == "import":
            from ik_baseline.tracker import IkTracker

            folder = new_session_folder(options.name or options.source.stem, options.home)
            with _reserved(folder), IkTracker(model, still=options.source.is_dir()) as tracker:
                notes: list[str] = []
                count = import_session(
                    options.source,
                    folder,
                    model,
                    [tracker],
                    name=options.name,
                    subfolders=options.subfolders,
                    progress=_FrameProgress("importing"),
                    warn=notes.append,
                )
            title = printable_name(options.source)
            _print_json(word=" ".join([f"{count} pictures of {title} are a session now; label it next.", *notes]))
        elif options.what == "export":
            from ik_baseline.faces import FaceFinder

            with ExitStack() as stack:
                faces = None if options.keep_faces else stack.enter_context(FaceFinder())
                if options.layout == "freihand":
                    count = export_freihand(options.session, options.out, model, faces, _ShareProgress("exporting"))
                else:
                    count = export_webdataset(options.session, options.out, faces, _ShareProgress("exporting"))
            _print_json(word=f"{count} labels are in {options.out}.")
        elif options.what == "list":
            for entry in list_sessions(options.home):
                print(f"{entry.folder}\t{entry.name}\t{entry.frames} frames\t{entry.seconds:.0f} s\t{entry.problem}")
        else:
            delete_session(options.session)
    except (HandliveError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


@contextmanager
def _reserved(folder: Path) -> Iterator[None]:
    """A folder that stays empty because the import was refused is removed."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.recording", description=__doc__)
    parser.add_argument("--hand-model", type=Path, help="MANO file of the sessions")
    commands = parser.add_subparsers(dest="what", required=True)
    importing = commands.add_parser("import", help="make a session of a video or a folder of pictures")
    importing.add_argument("source", type=Path)
    importing.add_argument("--name", default="", help="what the session is called")
    importing.add_argument("--subfolders", action="store_true", help="read a folder's subfolders too")
    importing.add_argument("--home", type=Path, default=sessions_folder(), help="where sessions lie")
    exporting = commands.add_parser("export", help="write the labels that are not rejected for others")
    exporting.add_argument("session", type=Path)
    exporting.add_argument("out", type=Path, help="a new folder")
    exporting.add_argument("--layout", choices=("freihand", "webdataset"), default="freihand")
    exporting.add_argument("--keep-faces", action="store_true", help="do not blur faces outside the hand")
    listing = commands.add_parser("list", help="show what there is")
    listing.add_argument("--home", type=Path, default=sessions_folder(), help="where sessions lie")
    deleting = commands.add_parser("delete", help="delete a session for good")
    deleting.add_argument("session", type=Path)
    return parser


class _FrameProgress:
    """Counts frames of an unknown total: half of the rest is always still to come."""

    def __init__(self, stage: str) -> None:
        self._share = _ShareProgress(stage)

    def __call__(self, frames: int) -> None:
        if frames % 30 == 0:
            self._share(frames / (frames + 300))


class _ShareProgress:
    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._last = -1.0

    def __call__(self, share: float) -> None:
        if share - self._last >= 0.01:
            self._last = share
            _print_json(stage=self._stage, share=round(share, 3))


def _print_json(**content: object) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    sys.exit(main())
