"""How long one posed hand takes: the live NumPy path beside torch and smplx, all in this run, on one thread.

Run ``python -m benchmarks.hand_layer``. The live path should stay under 0.2 ms per hand.
"""

from __future__ import annotations

import os

# before NumPy and torch start their thread pools: a live hand has one core, and its neighbours need the others
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import smplx
import torch
from smplx.utils import Struct

from hand.embedded import load_embedded_model
from hand.joints import MANO_PARENTS
from hand.layer import HandLayer
from hand.model import HandModel
from hand.torch_layer import TorchHandLayer

_REPETITIONS = 600
_CALLS_PER_TURN = 20
_LIVE_TARGET_MS = 0.2


def main() -> None:
    """Prints medians, ratios and how far the results lie apart."""
    torch.set_num_threads(1)
    model = load_embedded_model()
    random = np.random.default_rng(0)
    poses = random.normal(0.0, 0.4, (_REPETITIONS, 48)).astype(np.float32)
    shape, translation = random.normal(0.0, 1.0, 10).astype(np.float32), np.array([0.0, 0.0, 0.6], np.float32)
    tensors = torch.from_numpy(poses)
    shape_tensor, translation_tensor = torch.from_numpy(shape)[None], torch.from_numpy(translation)[None]

    live, layer, peer = HandLayer(model), TorchHandLayer(model), _smplx(model)

    def run_smplx(k: int) -> np.ndarray:
        pose = tensors[k : k + 1]
        output = peer(betas=shape_tensor, global_orient=pose[:, :3], hand_pose=pose[:, 3:], transl=translation_tensor)
        return output.vertices[0].numpy()

    def run_torch(k: int) -> np.ndarray:
        return layer.from_axis_angle(tensors[k : k + 1], shape_tensor, translation_tensor).vertices_m[0].numpy()

    paths: dict[str, Callable[[int], np.ndarray]] = {
        "numpy, live": lambda k: live(poses[k], shape, translation).vertices_m,
        "torch, batch of 1": run_torch,
        "smplx, batch of 1": run_smplx,
    }
    with torch.inference_mode():
        # in turns, so that a busy moment of the machine falls on all of them
        times: dict[str, list[float]] = {name: [] for name in paths}
        for first in range(0, _REPETITIONS, _CALLS_PER_TURN):
            for name, run in paths.items():
                for k in range(first, first + _CALLS_PER_TURN):
                    start = time.perf_counter()
                    run(k)
                    times[name].append((time.perf_counter() - start) * 1000.0)
        apart = max(float(np.abs(paths["numpy, live"](k) - run_smplx(k)).max()) for k in range(20))
        batch_ms = _batch_ms(layer, tensors[:64])
    medians = {name: median(values) for name, values in times.items()}
    first_calls = median(times["numpy, live"][::_CALLS_PER_TURN])

    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, one used; {model.vertex_count} vertices")
    print(f"median of {_REPETITIONS} calls in turns of {_CALLS_PER_TURN}, one hand each, another pose every time:")
    for name, value in medians.items():
        print(f"  {name:20s} {value:7.3f} ms   {value / medians['numpy, live']:5.1f} x the live path")
    print(f"  torch, batch of 64   {batch_ms / 64:7.3f} ms per hand")
    print(f"  numpy, live, right after another path has used the caches: {first_calls:.3f} ms")
    print(f"live and smplx are at most {apart * 1e6:.2f} micrometres apart")
    verdict = "met" if medians["numpy, live"] <= _LIVE_TARGET_MS else "MISSED"
    print(f"live target of {_LIVE_TARGET_MS} ms: {verdict}")


def _batch_ms(layer: TorchHandLayer, poses: torch.Tensor) -> float:
    shapes = torch.zeros(len(poses), 10)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        layer.from_axis_angle(poses, shapes)
        times.append((time.perf_counter() - start) * 1000.0)
    return median(times)


def _smplx(model: HandModel) -> smplx.MANO:
    """The layer of smplx itself, with our model as its data."""
    parents = np.array(MANO_PARENTS)
    fields = {
        "v_template": model.v_template_m,
        "shapedirs": model.shape_directions_m,
        "posedirs": model.pose_directions_m,
        "J_regressor": model.joint_regressor,
        "weights": model.skinning_weights,
        "f": model.faces,
        "kintree_table": np.stack([parents, np.arange(16)]),
        "hands_mean": model.mean_pose_rad,
        "hands_components": model.pose_components,
    }
    return smplx.MANO("", data_struct=Struct(**fields), use_pca=False, flat_hand_mean=True)


if __name__ == "__main__":
    main()
