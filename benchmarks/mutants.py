"""Whether the tests notice a fault: small changes to a module, one at a time, and its tests.

    pip install cosmic-ray==8.7.0
    python benchmarks/mutants.py                  # all modules below, 40 mutants each
    python benchmarks/mutants.py imaging/geometry.py --sample 1000 --seed 1

cosmic-ray makes the mutants; annotations are left alone, and of one place in the source at most
one mutant is drawn. No file is changed: a forked process loads the mutant instead of the module,
so that torch is imported once (Linux and macOS). What is printed in full survived: a test is
missing, or the change does not matter. Those known not to matter are listed in RESULTS.md.
"""

import argparse
import ast
import difflib
import importlib
import importlib.metadata
import importlib.util
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
TESTS = {
    "engine/semantic_augmentation.py": [
        "tests/engine/test_semantic_augmentation.py",
        "tests/engine/test_explicit_sampling.py",
    ],
    "engine/class_statistics.py": ["tests/engine/test_class_statistics.py"],
    "engine/copy_paste.py": ["tests/engine/test_copy_paste.py"],
    "imaging/geometry.py": ["tests/imaging/test_geometry.py"],
}
SHORTEST_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="MODULE")
    parser.add_argument("--sample", type=int, default=40, help="mutants of a module")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()  # before forking, as it takes longest
    importlib.import_module("torch._dynamo")
    rows = [examine(module, options.sample, options.seed) for module in options.modules]
    print("\n| module | mutants | places | drawn | killed | survived |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


def examine(module: str, sample: int, seed: int) -> str:
    source = (ROOT / "src/napari_transmedseg" / module).read_text(encoding="utf-8")
    mutations = all_mutations(source)
    drawn = draw(source, mutations, sample, seed)
    start = time.monotonic()
    if not passes(module, source, timeout_s=None):
        sys.exit(f"Expected the tests of {module} to pass without a mutant; see pytest.")
    timeout_s = max(SHORTEST_S, 5 * (time.monotonic() - start))
    survived = 0
    for number, mutated in enumerate(drawn, 1):
        print(f"{module} {number}/{len(drawn)}", end="\r", file=sys.stderr, flush=True)
        if passes(module, mutated, timeout_s):
            survived += 1
            print(f"\nsurvived in {module}", *changed_lines(source, mutated), sep="\n", flush=True)
    places = len({mutation.place for mutation in mutations})
    figures = (len(mutations), places, len(drawn), len(drawn) - survived, survived)
    return f"| {module} | {' | '.join(str(figure) for figure in figures)} |"


class Mutation(NamedTuple):
    place: tuple[int, int]
    operator: str
    occurrence: int


def all_mutations(source: str) -> list[Mutation]:
    """Every change that cosmic-ray knows, but those of annotations."""
    nodes = list(ast_nodes(get_ast(source)))
    mutations = []
    for name in operator_names():
        operator = get_operator(name)
        if not operator.arguments():
            places = [place for node in nodes for place, _ in operator().mutation_positions(node)]
            mutations += [Mutation(place, name, number) for number, place in enumerate(places)]
    left_alone = _annotated(source)
    return [
        mutation
        for mutation in mutations
        if not any(start <= mutation.place < end for start, end in left_alone)
    ]


def draw(source: str, mutations: list[Mutation], sample: int, seed: int) -> list[str]:
    shuffled = random.Random(seed).sample(mutations, len(mutations))
    mutants: dict[tuple[int, int], str] = {}
    for place, name, occurrence in shuffled:
        if len(mutants) == sample:
            break
        mutated = mutate_code(source, get_operator(name)(), occurrence)
        if place not in mutants and mutated is not None and _compiles(mutated):
            mutants[place] = mutated
    return list(mutants.values())


def passes(module: str, source: str, timeout_s: float | None) -> bool:
    """Whether the module's tests pass with this source; one that hangs does not."""
    process = multiprocessing.get_context("fork").Process(target=_test, args=(module, source))
    process.start()
    process.join(timeout_s)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def changed_lines(source: str, mutated: str) -> list[str]:
    lines = difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0, lineterm="")
    return list(lines)[2:]


def _annotated(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations start and end."""
    found = [
        getattr(node, name, None)
        for node in ast.walk(ast.parse(source))
        for name in ("annotation", "returns")
    ]
    return [
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        for node in found
        if node is not None
    ]


def _compiles(source: str) -> bool:
    """Not a star in a signature that became a plus."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _test(module: str, source: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    os.chdir(ROOT)
    # Same examples each time, and none remembered for other mutants.
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutants")
    _load(f"napari_transmedseg.{module.removesuffix('.py').replace('/', '.')}", source)
    # napari's fixtures would import napari in every process.
    plugins = ["-p", "no:cacheprovider", "-p", "no:napari", "--no-xvfb", "--assert=plain"]
    sys.exit(pytest.main(["-x", "-q", *plugins, *TESTS[module]]))


def _load(name: str, source: str) -> None:
    spec = importlib.util.find_spec(name)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    exec(compile(source, spec.origin, "exec"), loaded.__dict__)
    package, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(package), attribute, loaded)


if __name__ == "__main__":
    main()
