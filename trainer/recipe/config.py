"""A training recipe: one YAML file, read into a frozen dataclass, unknown keys refused."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from hand.checked_files import FILE_FAULTS, fault_of, read_yaml
from hand.errors import ConfigError
from inference.runtime import read_metadata
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.ranges import problem_of_numbers
from trainer.recipe.sources import SOURCE_KINDS, RenderedSource, SourceConfig

T = TypeVar("T")

_LONGEST_NAME = 100
_SHAPE_NUMBERS = 10


@dataclass(frozen=True, slots=True)
class FitConfig:
    """A whole recipe.

    Attributes:
        name: of the run and of what it makes.
        seed: of everything random.
        steps: optimiser steps in all.
        batch: samples per step, over all devices.
        learning_rate: peak of the warm-up + cosine schedule.
        trunk_rate: the trunk's learning rate over the others', for trunks that were trained before.
        rates: learning rates of further modules over the others', by name.
        freeze: modules that stay as they are, batch statistics included, for example trunk.stem.0.
        weight_decay: of AdamW.
        warmup_steps: linear rise from 0.
        clip_norm: gradients are clipped to this length.
        ema_decay: of the averaged weights that are evaluated and shipped.
        loss: "mano" or "simple".
        loss_weights: differences from ``trainer.training.losses.DEFAULT_WEIGHTS``.
        precision: Fabric's word.
        accelerator: "auto", "cpu" or "cuda".
        devices: per machine, each with a process of its own.
        nodes: machines.
        workers: processes that make samples, for each device.
        threads: of a process that trains on a CPU; 0 for all cores, shared among the machine's devices.
        evaluate_every: steps between evaluations and checkpoints.
        checkpoint_minutes: a checkpoint is at most so old, however far apart evaluations are.
        evaluation_count: rendered pictures of the evaluation.
        held_out: photographs that choose the best checkpoint, because renderings do not predict the error on real ones.
        held_out_features: folder for the features of held-out crops, for recipes whose sources have features; filled by
            the first run.
        stored_as: how crops are read of which features were stored: as percepts, or as the pictures beside them, for a
            trunk that is taught.
        log_every: steps between log events.
        tensorboard: draw the events as TensorBoard curves too, in the run's folder.
        compile: let torch.compile fuse the network's operations: minutes to begin with, then a quarter faster.
        patience: evaluations without progress after which the run stops; 0 for never.
        start_from: weights to start from, a .safetensors file.
        start_partly: they are of another network; what fits of them is taken, and the rest begins anew.
        teacher: folder of an exported network, such as assets/network, whose features are distilled.
        hand_model: the user's own MANO_RIGHT.pkl for the network to pose; the embedded hand when empty.
        network: which network.
        sources: the mixture.
    """

    name: str = "debug"
    seed: int = 1
    steps: int = 1000
    batch: int = 64
    learning_rate: float = 1e-3
    trunk_rate: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    weight_decay: float = 0.01
    warmup_steps: int = 200
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    loss: Literal["mano", "simple"] = "mano"
    loss_weights: dict[str, float] = field(default_factory=dict)
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 0
    threads: int = 0
    evaluate_every: int = 500
    checkpoint_minutes: float = 10.0
    evaluation_count: int = 512
    held_out_features: str = ""
    stored_as: Literal["percepts", "pictures"] = "percepts"
    log_every: int = 20
    tensorboard: bool = True
    compile: bool = False
    patience: int = 0
    start_from: str = ""
    start_partly: bool = False
    teacher: str = ""
    hand_model: str = ""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    sources: tuple[SourceConfig, ...] = (RenderedSource(),)
    held_out: tuple[SourceConfig, ...] = ()


def read_config(path: Path, overrides: dict[str, Any] | None = None) -> FitConfig:
    """Reads a recipe.

    A file may hold several variants: ``variants`` maps names to keys that override the file's, and ``variant`` names
    the one that holds.

    Args:
        path: a YAML file of :class:`FitConfig` fields.
        overrides: values that win over the file's and the variant's.

    Raises:
        ConfigError: no such file, not YAML, or no recipe (:func:`build_recipe`).
    """
    try:
        content = read_yaml(path) or {}
    except FileNotFoundError:
        raise ConfigError(f"There is no recipe at {path}; the shipped recipes are in configs/.") from None
    except FILE_FAULTS as problem:
        raise ConfigError(f"The recipe {path} cannot be read: {fault_of(problem)}; mend it, or name another.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"The recipe {path} should hold keys and values, it holds a {type(content).__name__}.")
    content = {str(key): value for key, value in content.items()}
    content |= _variant(content, overrides or {}, str(path)) | (overrides or {})
    for key in ("variant", "variants"):
        content.pop(key, None)
    return build_recipe(content, str(path))


def build_recipe(content: dict[str, Any], where: str) -> FitConfig:
    """A recipe from plain values, refused where a key or value has no meaning.

    Args:
        content: fields of :class:`FitConfig`.
        where: what to call the place in messages.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, or a source of an unknown kind or with another's keys.
    """
    config = build_dataclass(FitConfig, content, where)
    problem = problem_of_numbers(config) or _complaint_about_name(config.name)
    if problem:
        raise ConfigError(f"{where}: {problem}")
    if not any(source.share > 0.0 for source in config.sources):
        raise ConfigError(f"{where}: nothing is learned from; give at least one of the sources a share above 0.")
    for index, source in enumerate(config.sources):
        if isinstance(source, RenderedSource) and len(source.shape) not in (0, _SHAPE_NUMBERS):
            raise ConfigError(
                f"{where}: sources[{index}].shape should hold {_SHAPE_NUMBERS} numbers, or none for everybody's hands, "
                f"got {len(source.shape)}."
            )
    for index, source in enumerate(config.held_out):
        if isinstance(source, RenderedSource):
            raise ConfigError(
                f"{where}: held_out[{index}]: unseen renderings are measured in every evaluation, so kind: rendered is "
                "not held out; take it out."
            )
    return config


def _complaint_about_name(name: str) -> str:
    """The name becomes part of folders and files."""
    if (
        name
        and len(name) <= _LONGEST_NAME
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
        and name[0] != "."
    ):
        return ""
    return f"name should be at most {_LONGEST_NAME} letters that can stand in a file's name, got {name[:80]!r}."


def _variant(content: dict[str, Any], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """The keys of the variant that was chosen; none where a recipe has no variants."""
    variants = content.get("variants") or {}
    if not variants:
        return {}
    name = overrides.get("variant", content.get("variant"))
    if not isinstance(variants, dict) or not isinstance(variants.get(name), dict):
        raise ConfigError(f"{where}: there is no variant {name!r}; choose one of {', '.join(map(str, variants))}.")
    return dict(variants[name])


def exported_layout(folder: Path) -> NetworkConfig:
    """The network section that an exported network was made by.

    Raises:
        CheckpointError: there is no exported network in the folder.
        ConfigError: its section is of another version, or has keys that no network has.
    """
    layout = build_dataclass(NetworkConfig, dict(read_metadata(folder)["network"]), str(folder))
    problem = problem_of_numbers(layout)
    if problem:
        raise ConfigError(f"{folder}: {problem}")
    return layout


def build_dataclass(kind: type[T], content: dict[str, Any], where: str) -> T:
    """Fills a dataclass, nested ones included, from plain values.

    Args:
        kind: a dataclass type whose fields are numbers, text, dicts, dataclasses or tuples of dataclasses.
        content: plain values.
        where: what to call the place in messages.

    Raises:
        ConfigError: an unknown key or a value of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    unknown = sorted(map(str, set(content) - set(hints)))
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known keys are {', '.join(sorted(hints))}.")
    return kind(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in content.items()})


def _build_source(content: dict[str, Any], where: str) -> SourceConfig:
    """A source of the kind that it names.

    Keys of other kinds are accepted with their usual values: earlier runs wrote every key of every source.
    """
    name = str(content.get("kind", ""))
    if name not in SOURCE_KINDS:
        raise ConfigError(f"{where}: there is no kind of source {name!r}; choose one of {', '.join(SOURCE_KINDS)}.")
    kind = SOURCE_KINDS[name]
    own = sorted(field.name for field in fields(kind))
    usual = {field.name: field.default for other in SOURCE_KINDS.values() for field in fields(other)}
    for key in sorted(content.keys() & usual.keys() - set(own)):
        value = content[key]
        if (tuple(value) if isinstance(value, list) else value) != usual[key]:
            raise ConfigError(
                f"{where}: a source of kind {name} does not listen to {key}, only to {', '.join(own)}; take it out."
            )
    return build_dataclass(kind, {key: content[key] for key in content if key in own or key not in usual}, where)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if hint is SourceConfig and isinstance(value, dict):
        return _build_source(value, where)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return build_dataclass(hint, value, where)  # type: ignore[arg-type]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        wanted = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(value) != len(wanted):
            raise ConfigError(f"{where} should hold {len(wanted)} values, got {value!r}.")
        return tuple(
            _convert(kind, item, f"{where}[{index}]")
            for index, (kind, item) in enumerate(zip(wanted, value, strict=True))
        )
    if origin is Literal:
        if value in inner:
            return value
        raise ConfigError(f"{where} should be one of {', '.join(map(str, inner))}, got {value!r}.")
    if origin is dict and isinstance(value, dict):
        return {str(key): _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where} should be a {getattr(hint, '__name__', hint)}, got {value!r}.")
