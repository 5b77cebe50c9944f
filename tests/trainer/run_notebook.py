"""Runs a notebook's code cells one after the other in one namespace, as Jupyter does, without Jupyter.

python run_notebook.py NOTEBOOK SETTINGS.json FOLDER_FOR_CELLS
"""

from __future__ import annotations

import codeop
import json
import sys
import types
from pathlib import Path


def run(notebook: Path, settings: dict[str, object], folder: Path) -> None:
    """Executes the cells; settings override those of the cell that is tagged "parameters"."""
    place = types.ModuleType("notebook")
    # dataclasses resolve their annotations in their module
    sys.modules["notebook"] = place
    # keeps `from __future__` imports from cell to cell, as Jupyter does
    compiler = codeop.Compile()
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        # in files, for tracebacks and numba; an unchanged file is not written again, which keeps numba's cache valid
        path, text = folder / f"{cell['id']}.py", "".join(cell["source"]) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        exec(compiler(text, str(path), "exec"), place.__dict__)
        if "parameters" in cell["metadata"].get("tags", ()):
            values = {
                name: Path(str(value)) if name in ("DRIVE", "PROJECT") else value for name, value in settings.items()
            }
            place.__dict__.update(values)


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), Path(sys.argv[3]))
