"""Reading NIfTI needs neither torch nor SimpleITK."""

import subprocess
import sys


def test_imaging_and_project_load_neither_torch_nor_simpleitk() -> None:
    code = (
        "import sys, napari_transmedseg.imaging.io, napari_transmedseg.project.training\n"
        "import napari_transmedseg.project.export\n"
        "print([m for m in ('torch', 'SimpleITK', 'qtpy', 'napari') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
