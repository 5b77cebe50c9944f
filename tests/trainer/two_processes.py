"""The work of each of two processes that train together; ``test_distributed.py`` checks the files they leave.

python two_processes.py OUT
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import stick_hand
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import Dataset

from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.torch_layer import TorchHandLayer
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.runs.events import EventLog
from trainer.samples.labelled_crop import LabelledCrop, without_hand
from trainer.training.distillation import DistillationLoss
from trainer.training.distributed import averaged, first_rank_with, made_by_first, run_on_all_ranks
from trainer.training.loop import Run, fit
from trainer.training.losses import AllReduceMean, ManoLoss

CONFIG = FitConfig(
    name="together",
    steps=4,
    batch=8,
    warmup_steps=1,
    clip_norm=1e6,
    evaluate_every=2,
    log_every=1,
    accelerator="cpu",
    # its one BatchNorm part is frozen: on CPUs every process would normalise by its own half of the batch
    freeze=("merge",),
    network=NetworkConfig("vit_tiny_8", "mlp", 32, width=32),
)


class UnevenHands(Dataset[LabelledCrop]):
    """Stick hands of which the first half of every batch has many without a hand, and the second none."""

    def __getitem__(self, index: int) -> LabelledCrop:
        place = index % CONFIG.batch
        if place < CONFIG.batch // 2 and place != index // CONFIG.batch % 4:
            return without_hand(np.full((32, 32, 3), 10 * place, np.uint8))
        return replace(stick_hand(index % 16, 32), joints_weight=np.full(21, 1.0 if index % 3 else 0.2, np.float32))


def trained(fabric: Fabric, folder: Path, all_reduce_mean: AllReduceMean) -> dict[str, Any]:
    """Gradients of the first step and weights after the last."""
    torch.manual_seed(0)
    network = HandNetwork(CONFIG.network, torch.tensor([[1.0, 0, 0, 0, 1.0, 0]] * 16))
    teacher = HandNetwork(CONFIG.network, torch.tensor([[1.0, 0, 0, 0, 1.0, 0]] * 16))
    gradients: list[dict[str, Tensor]] = []

    def keep(*_: Any) -> None:
        named = network.named_parameters()
        gradients.append({name: value.grad.clone() for name, value in named if value.grad is not None})

    hook = register_optimizer_step_pre_hook(keep)
    events = EventLog(folder / "events.jsonl")
    if not fabric.is_global_zero:
        events.silence()
    by_labels = ManoLoss(TorchHandLayer(load_embedded_model()), all_reduce_mean=all_reduce_mean)
    loss = DistillationLoss(by_labels, teacher, 1.0, all_reduce_mean)
    run = Run(CONFIG, folder, network, loss, UnevenHands(), evaluate=lambda average: {"score": 1.0})
    fit(run, events, fabric)
    events.close()
    hook.remove()
    return {"gradients": gradients[0], "weights": network.state_dict()}


def outcome(act: Callable[[], Any]) -> str:
    """The result or the exception of a call, as text."""
    try:
        return f"gave {act()}"
    except (DataError, SystemExit) as problem:
        return f"{type(problem).__name__}: {problem}"


def main(out: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=2)
    fabric.launch()
    rank = fabric.global_rank

    def only_second_fails() -> int:
        if rank == 1:
            raise DataError("The second machine has no pictures.")
        return rank

    torch.set_num_threads(1)
    state = trained(fabric, out / f"run_of_{rank}", partial(averaged, fabric))
    plain_average = trained(fabric, out / f"plain_average_run_of_{rank}", lambda numbers: numbers)
    torch.save({"together": state, "plain_average": plain_average}, out / f"state_of_{rank}.pt")
    words = {
        "request of the second": first_rank_with(fabric, rank == 1),
        "no request": first_rank_with(fabric, False),
        "made by all": outcome(lambda: run_on_all_ranks(fabric, lambda: rank)),
        "made by first": outcome(lambda: made_by_first(fabric, lambda: f"by {rank}")),
        "second fails": outcome(lambda: run_on_all_ranks(fabric, only_second_fails)),
    }
    (out / f"words_of_{rank}.json").write_text(json.dumps(words))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
