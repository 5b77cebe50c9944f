"""A FreiHAND labelled with a 778-vertex model that stands for the user's MANO file, written from its description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hand.joints import FROM_MANO_WITH_TIPS, TIP_VERTICES
from hand.layer import HandLayer
from tests.hand.mano_pickles import mano_fields, python2_pickle
from tests.hand.toy_model import random_pose, toy_model

K = np.array([[180.0, 0.0, 48.0], [0.0, 182.0, 47.0], [0.0, 0.0, 1.0]])


def write_mano_file(folder: Path) -> Path:
    """The model as a MANO_RIGHT.pkl."""
    path = folder / "MANO_RIGHT.pkl"
    path.write_bytes(python2_pickle(mano_fields(toy_model(778))))
    return path


def write_mano_freihand(folder: Path, samples: int = 4, part: str = "training") -> None:
    """Labels of posed hands: fingers relative to the mean, FreiHAND's own finger tips, one picture of each version."""
    model = toy_model(778)
    layer = HandLayer(model, np.float64)
    labels: dict[str, list[Any]] = {name: [] for name in ("K", "mano", "xyz", "verts", "scale")}
    for sample in range(samples):
        pose = random_pose(sample, 0.3)
        shape = np.random.default_rng(sample).normal(0.0, 0.5, 10)
        hand = layer(pose, shape, np.array([0.01, -0.02, 0.55]))
        # FreiHAND's joints: the 16 of MANO, then its own tip vertices
        with_tips = np.concatenate(
            [hand.joints_m[np.argsort(FROM_MANO_WITH_TIPS)][:16], hand.vertices_m[list(TIP_VERTICES["freihand"])]]
        )
        xyz = with_tips[list(FROM_MANO_WITH_TIPS)]
        relative = np.concatenate([pose[:3], pose[3:] - model.mean_pose_rad])
        labels["K"].append(K.tolist())
        labels["mano"].append([[*relative, *shape, 50.0, 51.0, 300.0]])
        labels["xyz"].append(xyz.tolist())
        labels["verts"].append(hand.vertices_m.tolist())
        labels["scale"].append(float(np.linalg.norm(xyz[9] - xyz[10])))
    for name, content in labels.items():
        (folder / f"{part}_{name}.json").write_text(json.dumps(content))
    pictures = folder / part / "rgb"
    pictures.mkdir(parents=True)
    for number in range(samples * (4 if part == "training" else 1)):
        picture = np.full((96, 96, 3), 40 + number, np.uint8)
        cv2.imwrite(str(pictures / f"{number:08d}.jpg"), picture)
