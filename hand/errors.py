"""The exceptions of the product: each message is one sentence for the user, without a traceback.

A message states what failed, what was expected, what was found, and what to do next. The command line prints it to
stderr and ends with exit code 2; the window shows it in place.
"""

from __future__ import annotations


class HandliveError(Exception):
    """Base of every error that is shown to the user."""


class ModelFileError(HandliveError):
    """A hand model file is missing, damaged, or not a MANO-format model."""


class UnsafePickleError(ModelFileError):
    """A pickle names something that is not on the allow-list; nothing of it was executed."""


class SourceError(HandliveError):
    """A camera, video, folder or picture cannot be opened or read."""


class IntrinsicsError(HandliveError):
    """Camera intrinsics are missing a number, not finite, or do not fit the picture."""


class DetectorError(HandliveError):
    """The hand detector cannot be started."""


class CheckpointError(HandliveError):
    """A trained network is missing, damaged, or of the wrong kind."""


class PredictionFileError(HandliveError):
    """A pred.json, or the ground truth it is scored against, does not have the expected content."""


class RecordingError(HandliveError):
    """A recording cannot be opened, read or written."""


class DataError(HandliveError):
    """A data set or one of its labels does not have the expected content."""


class ConfigError(HandliveError):
    """A setting or a command-line value is not usable."""


class InstallError(HandliveError):
    """An optional part cannot be installed."""
