"""Several streams of samples in one, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from hand.embedded import load_embedded_model, training_hand_model
from hand.errors import ConfigError
from hand.model import HandModel
from trainer.datasets.opening import source_crops
from trainer.features import ReadCrops, StoredCrops, StoredPictures
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import DataSetSource, PhotographSource, RecordingSource, RenderedSource, SourceConfig
from trainer.samples.augmentation import jitter_colors, training_jitter
from trainer.samples.labelled_crop import LabelledCrop
from trainer.samples.landmark_domain_gap import CorrectedReadings
from trainer.samples.photographs import PhotographCrops, appearance_change_of, read_pseudo_labels
from trainer.samples.recordings import RecordingCrops, read_session_hands
from trainer.samples.rendered import RenderedCrops


class Mixture(Dataset[LabelledCrop]):
    """Draws sample i from one of its streams; which one depends on the seed and on i alone."""

    def __init__(self, streams: Sequence[Dataset[LabelledCrop]], shares: Sequence[float], seed: int) -> None:
        """Keeps the streams.

        Args:
            streams: each gives sample i for any i.
            shares: how often each is drawn from, relative to the others.
            seed: of the choice.
        """
        self.streams = streams
        self.probabilities = np.asarray(shares, float) / float(np.sum(shares))
        self.seed = seed

    def __getitem__(self, index: int) -> LabelledCrop:
        return self.stream_of(index)[index]

    def stream_of(self, index: int) -> Dataset[LabelledCrop]:
        """The stream that sample ``index`` is drawn from."""
        rng = np.random.default_rng((self.seed, 49979687, index))
        return self.streams[int(rng.choice(len(self.streams), p=self.probabilities))]


def build_samples(config: FitConfig) -> Dataset[LabelledCrop]:
    """The training stream of a recipe.

    Raises:
        ConfigError: there is no source.
        DataError: a source's files are missing or not what they should be.
    """
    if not config.sources:
        raise ConfigError(f"The recipe {config.name} has no sources; give at least one, for example kind: rendered.")
    model = training_hand_model(config.hand_model)
    streams = [_training_stream(source, config, model) for source in config.sources]
    return Mixture(streams, [source.share for source in config.sources], config.seed)


def _training_stream(source: SourceConfig, config: FitConfig, model: HandModel) -> Dataset[LabelledCrop]:
    """A source's crops as the network takes them: stored or fresh, with the landmarks that it does not read itself."""
    stream: Dataset[LabelledCrop]
    if source.features:
        stored = StoredPictures if config.stored_as == "pictures" else StoredCrops
        stream = stored(Path(source.features), config.seed)
        with_readings = config.stored_as == "pictures"
    else:
        if config.stored_as == "percepts" and any(other.features for other in config.sources):
            raise ConfigError(
                f"A source of the recipe {config.name} has no folder of features beside others that have; give it one, "
                "or, where crops are stored as pictures, say so with stored_as: pictures."
            )
        stream = _fresh_stream(source, config, model)
        with_readings = config.network.landmarks and "landmarks" in config.freeze
        if with_readings:
            stream = ReadCrops(stream, config.network.seen_px, config.seed)
    corrected = source.corrected_readings if isinstance(source, RenderedSource) else 0.0
    if corrected == 0.0:
        return stream
    if not with_readings:
        raise ConfigError(
            f"corrected_readings of the recipe {config.name} needs crops with readings; freeze a landmark network "
            "(freeze: [landmarks]), and where crops are stored, store pictures (stored_as: pictures), or leave it out."
        )
    return CorrectedReadings(stream, corrected, config.seed)


def fresh_stream(source: SourceConfig, config: FitConfig) -> Dataset[LabelledCrop]:
    """The crops of one source of a recipe as pictures, also where the recipe uses stored features of them.

    Raises:
        DataError: the source's files are missing or not what they should be.
    """
    return _fresh_stream(source, config, training_hand_model(config.hand_model))


def _fresh_stream(source: SourceConfig, config: FitConfig, model: HandModel) -> Dataset[LabelledCrop]:
    if isinstance(source, DataSetSource):
        return source_crops(source, config, model)
    # the program's own labels are of the embedded hand
    own = _own_stream(source, config)
    return own if model.digest == load_embedded_model().digest else JointsOnly(own)


def _own_stream(source: SourceConfig, config: FitConfig) -> Dataset[LabelledCrop]:
    jitter = training_jitter(config.network.upright)
    if isinstance(source, RenderedSource):
        backgrounds = Path(source.backgrounds) if source.backgrounds else None
        fresh = RenderedCrops(
            config.network.input_px,
            config.seed,
            backgrounds=backgrounds,
            wide_share=source.wide_share,
            finger_share=source.finger_share,
            empty_share=source.empty_share,
            adorned_share=source.adorned_share,
            gloved_share=source.gloved_share,
            jitter_share=source.jitter_share,
            loose_share=source.loose_share,
            upright=config.network.upright,
            views=source.views,
            shape=source.shape,
        )
        return RepeatedCrops(fresh, source.repeat, config.seed) if source.repeat > 0 else fresh
    if isinstance(source, PhotographSource):
        appearance = appearance_change_of(source, config.seed)
        return PhotographCrops(
            read_pseudo_labels(source),
            config.network.input_px,
            config.seed,
            jitter,
            appearance=appearance,
        )
    if isinstance(source, RecordingSource):
        return RecordingCrops(read_session_hands(source), config.network.input_px, config.seed, jitter)
    raise TypeError(f"a stream of {type(source).__name__}")


class JointsOnly(Dataset[LabelledCrop]):
    """A stream without its poses and shapes."""

    def __init__(self, stream: Dataset[LabelledCrop]) -> None:
        """Keeps the stream.

        Args:
            stream: gives sample i for any i.
        """
        self.stream = stream

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index`` of the stream."""
        return replace(self.stream[index], pose_weight=0.0, shape_weight=0.0)


class RepeatedCrops(Dataset[LabelledCrop]):
    """The first samples of a stream, drawn again and again in ever new colours; each is made once per process."""

    def __init__(self, stream: Dataset[LabelledCrop], count: int, seed: int) -> None:
        """Keeps the stream.

        Args:
            stream: gives sample i for any i.
            count: how many of its samples are drawn from.
            seed: of choice and colours.
        """
        self.stream = stream
        self.count = count
        self.seed = seed
        self._made: dict[int, LabelledCrop] = {}

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed and on the index alone."""
        rng = np.random.default_rng((self.seed, 179424673, index))
        number = int(rng.integers(self.count))
        if number not in self._made:
            self._made[number] = self.stream[number]
        made = self._made[number]
        return made.with_image(jitter_colors(made.image, rng))
