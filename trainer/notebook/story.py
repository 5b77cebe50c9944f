# %% [markdown]
# # Train a hand network
#
# From pictures of hands to a network for the app, on one Colab GPU: set up, copy and check the data, choose an
# architecture, train with TensorBoard, measure, export. Checkpoints go to your Drive; when Colab disconnects, run all
# cells again and training goes on.
#
# 1. Menu *Runtime > Change runtime type*: a GPU.
# 2. Change the settings below, above all which data.
# 3. Menu *Runtime > Run all*.
#
# All code of the training stands in section 3, in the order in which it is needed; change a cell, run it and the ones
# after it, and what you changed is what trains. This file is written from the package by `python -m trainer notebook`;
# to keep a change, make it there.
# %% [package]
import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import UInt8

from hand.embedded import training_hand_model
from hand.errors import ConfigError
from inference.runtime import load_network
from trainer.evaluate import measure, write_page
from trainer.evaluation.contact_sheet import contact_sheet, write_png
from trainer.evaluation.held_out import empty_crops, held_out_sets
from trainer.evaluation.report_page import overlay
from trainer.export import export_trained
from trainer.fit import train
from trainer.networks.building import trained_network
from trainer.notebook.run_backup import RunBackup
from trainer.notebook.verified_copy import copy_tree_verified, copy_verified, unpack_verified
from trainer.recipe.config import build_recipe
from trainer.runs.events import EventLog
from trainer.runs.run_folder import BEST_FILE, EVENTS_FILE
from trainer.runs.run_history import read_history
from trainer.training.mixture import build_samples

# %% [markdown]
# ## 1. Settings
#
# | setting | what it is |
# |---|---|
# | `RUN` | name of the training; the same name goes on where it stopped |
# | `ARCHITECTURE` | one of the recipes in section 5 |
# | `DATA` | ZIP files or folders in `DRIVE/data`, copied to this machine because training from Drive is slow |
# | `SOURCES` | what is learned from; `path` begins with a name of `DATA`, without `.zip` |
# | `HELD_OUT` | what chooses the best network, likewise |
# | `CHANGES` | differences from the recipe, for example `{"steps": 20_000, "batch": 64}` |
# | `DRIVE` | folder on your Drive: `assets/`, `data/`, and `runs/` for the checkpoints |
# | `PROJECT_URL` | address of the project's repository, to fetch its assets from; empty if `DRIVE/assets` has them |
#
# FreiHAND v2, HO-3D and InterHand2.6M come from their owners under their own licences (research only); this notebook
# fetches none of them.
# %% [settings]
RUN = "freihand_resnet50"
ARCHITECTURE = "resnet50_mlp"
DATA: list[str] = ["FreiHAND_pub_v2.zip"]
SOURCES: list[dict[str, Any]] = [{"kind": "freihand", "path": "FreiHAND_pub_v2"}]
HELD_OUT: list[dict[str, Any]] = [{"kind": "freihand", "path": "FreiHAND_pub_v2", "split": "validation"}]
CHANGES: dict[str, Any] = {"workers": 2}
REPORT_CROPS = 2000
DRIVE = Path("/content/drive/MyDrive/handlive")
PROJECT = Path("/content/handlive")
PROJECT_URL = ""

# %% [markdown]
# ## 2. Set-up
#
# Colab has torch, numpy, numba, OpenCV and TensorBoard; the rest is small. Outside Colab nothing is installed and no
# Drive is mounted: then `DRIVE` is any folder.
# %%
IN_COLAB = importlib.util.find_spec("google") is not None and importlib.util.find_spec("google.colab") is not None
PACKAGES = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}
PACKAGES |= {name: name for name in ("lightning", "jaxtyping", "safetensors", "onnx", "onnxruntime", "tqdm", "numba")}
lacking = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
if lacking and IN_COLAB:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *lacking], check=True)
elif lacking:
    raise SystemExit(f"Some packages are missing; please run: pip install {' '.join(lacking)}")

# %% [markdown]
# The Drive is mounted, and the runs of earlier days are on it.
# %%
if IN_COLAB:
    importlib.import_module("google.colab.drive").mount("/content/drive")
for folder in (DRIVE / "data", DRIVE / "runs", PROJECT):
    folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# The embedded hand model is needed in any case, the shipped network only to start from it. Both are in the
# repository's folder `assets`: upload that folder to `DRIVE`, or give `PROJECT_URL`, or install the project with pip.
# %%
if not (PROJECT / "assets" / "hand_model").is_dir():
    if not (DRIVE / "assets" / "hand_model").is_dir() and PROJECT_URL:
        subprocess.run(["git", "clone", "--depth", "1", PROJECT_URL, str(PROJECT / "repository")], check=True)
    installed = importlib.util.find_spec("assets")
    inside = (installed and installed.submodule_search_locations) or []
    homes = [DRIVE, PROJECT / "repository", *(Path(folder).parent for folder in inside)]
    found = [home / "assets" for home in homes if (home / "assets" / "hand_model").is_dir()]
    if not found:
        raise SystemExit(f"The folder assets of the project is missing; upload it to {DRIVE}, or give PROJECT_URL.")
    shutil.copytree(found[0], PROJECT / "assets", dirs_exist_ok=True)

# %% [code]
# ## 3. The code
#
# First the hand, then what makes samples, networks and training out of it. Each file of the package has a heading with
# its own words about itself; fold a chapter by the arrow beside its heading. Only what this notebook needs is here.

# %% [markdown]
# ## 4. Data
#
# Each ZIP file or folder is copied from Drive, compared with the original (a drive that disconnects in the middle
# reports no error), unpacked and compared with its checksums. What is already here is left alone.
# %%
data_folders: dict[str, Path] = {}
for name in DATA:
    wanted, here = DRIVE / "data" / name, PROJECT / "data" / name
    if wanted.suffix == ".zip":
        copy_verified(wanted, here)
        data_folders[here.stem] = unpack_verified(here, here.with_suffix(""))
    else:
        copy_tree_verified(wanted, here)
        data_folders[name] = here
    print(f"{name} is here and whole.")


def at_home(source: dict[str, Any]) -> dict[str, Any]:
    """The source with its path, which begins with a name of DATA, on this machine."""
    first, *rest = Path(source.get("path", "")).parts or ("",)
    if "path" in source and first not in data_folders:
        raise ConfigError(f"The path {source['path']} should begin with a name of DATA: {', '.join(data_folders)}.")
    return source | ({"path": str(data_folders[first].joinpath(*rest))} if first else {})


# %% [markdown]
# ## 5. Architecture
#
# The recipes of the package, by name: network, length and learning rate. Their data is not used here; the settings
# name it.
# %% [recipes]
RECIPES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(Path("configs").glob("*.yaml"))
}
# %%
if ARCHITECTURE not in RECIPES:
    raise ConfigError(f"There is no recipe {ARCHITECTURE!r}; choose one of {', '.join(RECIPES)}.")
values = RECIPES[ARCHITECTURE] | {"name": RUN, "sources": [at_home(source) for source in SOURCES]}
values |= {"held_out": [at_home(source) for source in HELD_OUT]} | CHANGES
for key in ("start_from", "teacher"):
    if str(values.get(key, "")).startswith("assets/"):
        values[key] = str(PROJECT / values[key])
if not torch.cuda.is_available():
    values |= {"accelerator": "cpu", "precision": "32-true"}
elif torch.cuda.get_device_capability()[0] < 8:
    values |= {"precision": "16-mixed"}  # as Colab's T4, which computes no bfloat16
recipe = build_recipe(values, "the settings")
for key, value in values.items():
    print(f"{key:>20}  {value}")

# %% [markdown]
# Some input pictures of the network, with their labels drawn in: if joints do not lie on the hands, nothing that
# follows is worth its time.
# %%
PICTURES = PROJECT / "runs" / RUN / "pictures"


def show(picture: UInt8[np.ndarray, "H W 3"], name: str) -> None:
    """Shows a picture under the cell, and keeps it in the run's folder."""
    write_png(PICTURES / f"{name}.png", picture)
    if importlib.util.find_spec("IPython") is not None:
        pages = importlib.import_module("IPython.display")
        pages.display(pages.Image(str(PICTURES / f"{name}.png")))


samples = build_samples(recipe)
first_crops = [samples[index] for index in range(16)]
tiles = [overlay(crop.image, crop.joints_crop, crop.joints_crop) for crop in first_crops]
show(np.concatenate([np.concatenate(tiles[row : row + 8], 1) for row in (0, 8)]), "training_crops")

# %% [markdown]
# ## 6. Training
#
# TensorBoard shows the curves while the cell after it trains. The run is copied to Drive and to a second folder on
# this machine, at the first checkpoint and then every ten minutes. After a disconnect: run all cells again; the run is
# fetched from Drive and goes on from its last checkpoint. The stop button ends it too, and nothing is lost but the
# steps since the last checkpoint.
# %%
if IN_COLAB:
    get_ipython().run_line_magic("load_ext", "tensorboard")  # type: ignore[name-defined]
    get_ipython().run_line_magic("tensorboard", f"--logdir {PROJECT / 'runs'}")  # type: ignore[name-defined]
# %%
run_folder = PROJECT / "runs" / RUN
backup = RunBackup(run_folder, DRIVE / "runs" / RUN, PROJECT / "backup" / RUN)
fetched = backup.bring_back()
if fetched is not None:
    print(f"The run goes on from its copy in {fetched}.")


def tell(event: dict[str, Any]) -> None:
    """One line for people about what happens."""
    if event["event"] == "step":
        speed, minutes = event["samples_per_second"], event["seconds_left"] / 60.0
        print(f"step {event['step']:>7}  loss {event['loss']:.4f}  {speed:.0f} crops/s  {minutes:.0f} min left")
    elif event["event"] == "evaluation":
        print(f"step {event['step']:>7}  " + "  ".join(f"{key} {event[key]:.3g}" for key in event if "mpjpe" in key))
    elif event["event"] == "warning":
        print(event["message"])


events = EventLog(run_folder / EVENTS_FILE)
events.listen(tell)
events.listen(backup)
try:
    train(recipe, run_folder, events, lambda: False)
except KeyboardInterrupt:
    print("Stopped; run this cell again to go on from the last checkpoint.")
finally:
    events.close()
    print(*backup.troubles, sep="\n")

# %% [markdown]
# ## 7. Evaluation
#
# The best network on hands it has not seen: errors in all, by joint and as curves, and its best, median and worst
# pictures. The page goes to Drive beside the checkpoints. Check `spread_ratio` first: near 0 the network answers
# with one pose, whatever its error.
# %%
hand = training_hand_model(recipe.hand_model)
network = trained_network(recipe.network, hand, run_folder / BEST_FILE)
unseen = held_out_sets(recipe, REPORT_CROPS, print)
no_hands = empty_crops(recipe.network.input_px, max(REPORT_CROPS // 10, 20))
content, report_sections = measure(network, unseen, no_hands, model=hand)
write_page(run_folder / "report", RUN, content, report_sections, read_history(run_folder))
copy_tree_verified(run_folder / "report", DRIVE / "runs" / RUN / "report")
for part in report_sections:
    for key, figure in part.metrics.items():
        print(f"{part.name:<12} {key:<24} {figure:.4g}")
    show(contact_sheet(part.crops, part.predictions), f"report_{part.name}")

# %% [markdown]
# ## 8. Export for the app
#
# ONNX for machines without torch, safetensors, and metadata with a calibrated confidence. Download the folder from
# Drive, then `python main_v2.py --method network --network FOLDER`.
# %%
exported = run_folder / "network"
export_trained(recipe, run_folder / BEST_FILE, exported, REPORT_CROPS)
load_network(exported)  # raises the errors of the app
copy_tree_verified(exported, DRIVE / "runs" / RUN / "network")
print(f"The network for the app is {DRIVE / 'runs' / RUN / 'network'}.")
