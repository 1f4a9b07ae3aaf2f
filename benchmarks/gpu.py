"""Thalweg's torch optimizers on a GPU: are they right, and how fast are they beside torch's?

    python benchmarks/gpu.py [--json FILE] [--only correctness,rules,...] [--rules adam,...] [--parameters 100_000_000]
    python benchmarks/gpu.py --tune
    python benchmarks/gpu.py --interpret

Every figure is a median over rounds in which all sides take turns, in the device's own time (events), and by the clock
on the wall where the host's part is the question. Goals stand beside the figures. Sections: `correctness` of every rule
against the reference in NumPy; `rules`, each one's bytes per second beside the device's copy; `peers`, torch's fused,
foreach and compiled steps; `small` tensors; a real `model`'s parameters; the `whole` step with clipping, averaging and
zeroing; CUDA `graph`s; `memory`; and `sync`, whether a step ever waits. `--tune` tries other constants of the sweep
instead. `--interpret` runs all of it at the size of a toy in Triton's interpreter on the CPU: that tests this script,
and whether the numbers are right; its times mean nothing.

The exit status is 1 if a check of numbers failed, 2 if nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SECTIONS = ("correctness", "rules", "peers", "small", "model", "whole", "graph", "memory", "sync")
MOST_PROCESSES = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, measure, print; the exit status."""
    given = parsed(arguments)
    os.environ["TRITON_INTERPRET"] = str(int(given.interpret))  # which Triton reads when it is imported, below
    import torch

    from thalweg.sweep.gpu import has_triton

    if not has_triton():
        print("expected Triton, got none: install it (pip install triton), it writes the kernels", file=sys.stderr)
        return 2
    if not given.interpret and not torch.cuda.is_available():
        print("expected a CUDA device, got none: try --interpret, which checks the numbers without", file=sys.stderr)
        return 2
    from gpu_parts import shown
    from gpu_parts.device import Device
    from gpu_parts.items import as_document

    from thalweg.bench.peers import TRAINABLE

    if unknown := set(given.rules.split(",") if given.rules else ()) - set(TRAINABLE):
        print(f"there is no rule '{min(unknown)}' here: 'thalweg rules' lists them", file=sys.stderr)
        return 2
    device = Device("cpu" if given.interpret else "cuda")
    facts = device.facts()
    print(*shown.head(facts), sep="\n", flush=True)
    # That updates are lost in 16 bits is so, and no news here.
    warnings.filterwarnings("ignore", message=".*lost to rounding")
    sections = measured(given, device)
    print(*shown.verdict(sections), sep="\n")
    if given.json:
        document = {"facts": facts, "sections": {section.name: as_document(section) for section in sections}}
        given.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return int(any(section.failed for section in sections))


def parsed(arguments: Sequence[str] | None) -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write everything into a file")
    parser.add_argument("--interpret", action="store_true", help="on the CPU, at the size of a toy")
    parser.add_argument("--parameters", type=int, help="of the large model")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--rules", help="rules, separated by commas; all of the catalogue without it")
    parser.add_argument("--repeats", type=int, help="rounds that are measured")
    parser.add_argument("--minutes", type=float, default=7.0, help="after which no further section begins")
    parser.add_argument("--processes", type=int, help="that check rules at once")
    parser.add_argument("--compile-seconds", type=float, default=150.0, help="for all of torch's compiled peers")
    parser.add_argument("--tune", action="store_true", help="only try other constants of the sweep")
    given = parser.parse_args(arguments)
    if unknown := set(given.only.split(",")) - set(SECTIONS):
        parser.error(f"there is no section '{min(unknown)}': choose from {', '.join(SECTIONS)}")
    return given


def options_of(given: Any) -> Any:
    """How much work that is."""
    from gpu_parts.options import TOY, Options

    processes = 1 if given.interpret else min(MOST_PROCESSES, os.cpu_count() or 1)
    asked = {
        "parameters": given.parameters,
        "repeats": given.repeats,
        "processes": given.processes or processes,
        "rules": tuple(given.rules.split(",")) if given.rules else None,
    }
    return Options(
        **(TOY if given.interpret else {}) | {name: value for name, value in asked.items() if value is not None},
        compile_seconds=given.compile_seconds,
        ends=time.monotonic() + 60 * given.minutes,
    )


def measured(given: Any, device: Any) -> list[Any]:
    """The sections that were asked for, each printed when it is done."""
    from gpu_parts import shown
    from gpu_parts.all import ALL, TUNE
    from gpu_parts.items import Section

    options, sections = options_of(given), []
    for name in ("tune",) if given.tune else [name for name in SECTIONS if name in given.only.split(",")]:
        title, run = TUNE if given.tune else ALL[name]
        section = Section(name, title)
        sections.append(section)
        if options.is_late and len(sections) > 1:
            section.error = f"not begun: {given.minutes:g} minutes were over"
        else:
            fill(section, run, device, options)
        device.free()
        print(*shown.lines(section), sep="\n", flush=True)
    return sections


def fill(section: Any, run: Any, device: Any, options: Any) -> None:
    """Measure one section; what goes wrong in it is a sentence, and the others go on."""
    from gpu_parts.items import unjudged
    from gpu_parts.limits import sentence

    begin = time.monotonic()
    try:
        for item in run(device, options, lambda said: tell(f"{section.name}: {said}")):
            section.items.append(item if device.is_real else unjudged(item))
    except Exception as error:
        section.error = sentence(error)
    section.seconds = time.monotonic() - begin
    tell("")


def tell(said: str) -> None:
    """What is being measured, in one line of a terminal that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{said[:79]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
