"""`transmedseg train`: trains on a project, saves and stops on Ctrl-C."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from napari_transmedseg.cli.console import Switch, err, print_json
from napari_transmedseg.cli.interrupt import stop_on_interrupt
from napari_transmedseg.cli.opening import TakeOver, open_project
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import SlicePrediction, TrainingEvent

if TYPE_CHECKING:
    from napari_transmedseg.project.project import Project


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train on the annotated slices and learn from those without annotation.

    Without a budget it trains ten minutes. Ctrl-C saves and stops; go on with --resume.
    """

    project: Positional[Path]
    """Folder of the project."""
    config: OmitArgPrefixes[TrainingConfig] = field(default_factory=TrainingConfig)
    resume: Annotated[str | None, arg(metavar="RUN")] = None
    """Go on with this run where it stopped."""
    warm_start: Annotated[str | None, arg(metavar="RUN")] = None
    """Begin a new run with what this run learned, after corrections."""
    take_over: TakeOver = False
    json: Switch = False
    """Print one JSON line per event."""

    def run(self) -> int:
        """Train, show the progress, and say what comes next."""
        from napari_transmedseg.cli.main import INTERRUPTED
        from napari_transmedseg.cli.progress import TrainingView
        from napari_transmedseg.project.training import train

        control, begun = TrainingControl(), False
        with open_project(self.project, take_over=self.take_over) as project:
            with stop_on_interrupt(control), TrainingView(quiet=self.json) as view:
                if not self.json and self.resume is None:
                    view.tell(self._preflight(project))
                for event in train(
                    project,
                    self.config,
                    control=control,
                    resume=self.resume,
                    warm_start=self.warm_start,
                ):
                    begun = True
                    view.show(event)
                    if self.json:
                        print_event(event)
            run_id = project.run(self.resume).run_id if begun else ""
            is_kept = begun and project.run(run_id).checkpoint is not None
        if control.stop_requested and not is_kept:
            err().print("Stopped before the first step: nothing was learned, and nothing is kept.")
            return INTERRUPTED
        if control.stop_requested:
            err().print(f"Go on: transmedseg train {self.project} --resume {run_id}")
            return INTERRUPTED
        if not self.json:
            err().print(f"Next: transmedseg predict {self.project} --run {run_id}")
        return 0

    def _preflight(self, project: "Project") -> list[str]:
        """What the run learns from and needs; obstacles are left to the error that follows."""
        from napari_transmedseg.project.preflight import preflight

        found = preflight(project, self.config)
        return [*found.of("fact"), *found.of("advice")] if found.is_clear else []


def print_event(event: TrainingEvent) -> None:
    """Print an event as one JSON line; predicted slices are arrays and are left out."""
    from napari_transmedseg.project.run import event_as_dict

    if not isinstance(event, SlicePrediction):
        print_json(event_as_dict(event), indent=None)
