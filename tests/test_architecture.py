"""The house stands: rooms import downwards only, modules stay small, imports stay light."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "SimpleITK", "monai", "scipy", "nibabel")
QT = ("qtpy", "PyQt6", "PySide6", "pyqtgraph")
MAX_LINES = 400


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_rooms_import_only_what_stands_below_them(repository):
    config = str(repository / "pyproject.toml")
    run_python(  # in a process of its own: it silences the loggers of the one it runs in
        "import sys; from importlinter.cli import lint_imports; "
        f"sys.exit(lint_imports(config_filename={config!r}, no_cache=True))"
    )


def test_no_module_outgrows_a_screenful_of_screens(repository):
    sizes = {
        str(path.relative_to(repository)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (repository / "src").rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        pytest.param("napari_transmedseg", (*HEAVY, *QT, "numpy"), id="package"),
        pytest.param("napari_transmedseg._reader", (*HEAVY, *QT), id="reader"),
        pytest.param("napari_transmedseg._writer", (*HEAVY, *QT), id="writer"),
        pytest.param("napari_transmedseg._sample_data", (*HEAVY, *QT), id="sample data"),
        pytest.param("napari_transmedseg.cli.main", (*HEAVY, *QT), id="command line"),
        pytest.param("napari_transmedseg.widgets.main_widget", ("torch", "SimpleITK", "monai"),
                     id="widget"),
        pytest.param("napari_transmedseg.project.project", ("torch", "SimpleITK", "monai", *QT),
                     id="project"),
    ],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module, unwanted):
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({unwanted!r})))"
    assert run_python(code).split() == []


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["demo", "--help"]])
def test_help_answers_at_once_and_without_torch(arguments):
    code = (
        "import sys\n"
        f"sys.argv = ['transmedseg', *{arguments!r}]\n"
        "from napari_transmedseg.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"print('loaded:', *sorted(set(sys.modules) & set({HEAVY!r})))\n"
    )
    start = time.perf_counter()
    output = run_python(code)
    assert output.splitlines()[-1].strip() == "loaded:"
    assert (
        time.perf_counter() - start < 10
    )  # the half second is a benchmark's; this one catches hangs


def test_the_install_names_no_qt_binding(repository):
    import tomllib

    metadata = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = metadata["optional-dependencies"]
    requirements = " ".join(metadata["dependencies"] + extras["napari"]).lower()
    assert "pyqt6" not in requirements and "pyside" not in requirements
    assert any(requirement.startswith("napari[all]") for requirement in extras["all"])


def test_readme_holds_two_commands_of_one_line(repository):
    commands = readme_commands(repository / "README.md")
    assert len(commands) == 2
    assert commands[0].endswith("transmedseg demo")
    assert "/pytest" in commands[1].rsplit("&&", 1)[1]


def readme_commands(readme: Path) -> list[str]:
    """Lines between the two marks of README.md that .ci/run looks for as well."""
    text = readme.read_text(encoding="utf-8")
    return [
        text.split(f"<!-- {mark} -->\n```sh\n", 1)[1].split("\n```", 1)[0]
        for mark in ("command: demo", "command: test")
    ]
