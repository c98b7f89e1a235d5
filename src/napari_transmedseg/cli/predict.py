"""`transmedseg predict`: segments cases with a trained run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, out, print_json
from napari_transmedseg.cli.interrupt import stop_on_interrupt
from napari_transmedseg.cli.opening import TakeOver, open_project
from napari_transmedseg.cli.progress import CountView
from napari_transmedseg.engine.config import Device
from napari_transmedseg.engine.control import TrainingControl


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Segment cases of a project with a trained run."""

    project: Positional[Path]
    """Folder of the project."""
    run_id: Annotated[str | None, arg(name="run", metavar="RUN")] = None
    """Which run; without: the latest."""
    cases: Annotated[tuple[str, ...], arg(metavar="CASE...")] = ()
    """Only these cases; without: all."""
    device: Device = "auto"
    """Where to predict; `auto` takes CUDA, then MPS, then the CPU."""
    threads: int = 0
    """CPU threads; 0: as many as the run was trained with."""
    flips: Switch = False
    """Average over each image and its mirror images as well; slower, sometimes a little better."""
    take_over: TakeOver = False
    json: Switch = False
    """Print one JSON line per case."""

    def run(self) -> int:
        """Predict the cases and say where the label maps are."""
        from napari_transmedseg.cli.main import INTERRUPTED
        from napari_transmedseg.project.training import predict

        control = TrainingControl()
        with (
            open_project(self.project, take_over=self.take_over) as project,
            stop_on_interrupt(control),
            CountView("Predicting", quiet=self.json) as view,
        ):
            count, folder = 0, project.folder
            for event in predict(
                project, self.run_id, case_ids=self.cases or None, control=control,
                device=self.device, threads=self.threads, flips=self.flips,
            ):  # fmt: skip
                count, folder = count + 1, event.path.parent
                view.show(event.index, event.total, event.case_id)
                if self.json:
                    print_json({"event": "CasePredicted", **asdict(event)}, indent=None)
        if not self.json:
            out().print(f"{count} label {'map' if count == 1 else 'maps'} in {folder}")
        return INTERRUPTED if control.stop_requested else 0
