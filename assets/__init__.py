"""What ships with the product: the embedded hand model, the trained network, the demo clip. Data only.

Every file here is made by a command of this repository and has a card beside it with the command, the seed and its
figures.
"""

from __future__ import annotations

from pathlib import Path

ASSETS_DIR = Path(__file__).resolve().parent
