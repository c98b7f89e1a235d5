"""The `transmedseg` command: finds the subcommand, runs it, and says errors in one sentence.

Only the chosen subcommand's module is imported, so that help answers at once.
"""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

COMMANDS: dict[str, str] = {
    "demo": "Go through everything once on sample data and write a report.",
    "new": "Make a project from images.",
    "annotate": "Bring label maps of other tools in as annotation.",
    "plane": "Count slices in another plane, while nothing is annotated.",
    "status": "Show what a project holds and what is missing.",
    "train": "Train on the annotated slices and learn from the others.",
    "runs": "Compare trained runs; discard one, take it back, or delete it.",
    "predict": "Segment every case with a trained run.",
    "export": "Write masks that lie exactly on their images.",
    "evaluate": "Compare predictions with references: Dice per case and class.",
    "snapshots": "List the states of annotation that can be restored.",
    "restore": "Bring a case's annotation back from a snapshot.",
    "trust": "Link the files outside its folder that a project of others names.",
    "info": "Show what is in image files.",
    "diagnostics": "Print what helps whoever is asked for help.",
    "benchmark": "Compare methods on a data set: a declared experiment.",
}
USAGE_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code.

    Returns
    -------
    int
        0 when done, 1 when runs of a benchmark failed, 2 for wrong usage or input, 130 when
        interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _make_output_safe()
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        from napari_transmedseg import __version__

        print(f"transmedseg {__version__}")
        return 0
    if name not in COMMANDS:
        print(_unknown(name) if name else _help(), file=sys.stderr)
        return USAGE_ERROR
    return _run(name, arguments[1:])


def _run(name: str, arguments: list[str]) -> int:
    import tyro

    from napari_transmedseg.errors import TransMedSegError
    from napari_transmedseg.project.logs import LOG, note_error, start_application_log

    command_class = getattr(import_module(f"napari_transmedseg.cli.{name}"), name.capitalize())
    command = tyro.cli(command_class, args=arguments, prog=f"transmedseg {name}")
    start_application_log()
    LOG.info("command %s", name)
    try:
        return int(command.run())
    except TransMedSegError as error:
        note_error(error)
        print(f"transmedseg {name}: {error}", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        note_error(error)
        print(
            f"transmedseg {name}: Expected to read and write files, found: {error}; check the "
            "path, its rights and the free space.",
            file=sys.stderr,
        )
    except Exception as error:
        note_error(error)
        raise
    return USAGE_ERROR


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {sentence}" for name, sentence in COMMANDS.items())
    return (
        "usage: transmedseg [-h] [--version] COMMAND ...\n\n"
        "Segment a cohort of volumes from a few annotated slices.\n\n"
        f"commands:\n{rows}\n\n"
        "'transmedseg COMMAND --help' explains a command; 'transmedseg demo' shows them all."
    )


def _unknown(name: str) -> str:
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "'transmedseg --help' explains them."
    return f"transmedseg: Expected a command ({', '.join(COMMANDS)}), found '{name}'; {hint}"


def _make_output_safe() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
