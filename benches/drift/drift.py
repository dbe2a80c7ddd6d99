#!/usr/bin/env python3
"""Drift of the total energy at constant energy: water and the Zn2+ demo box, default and tight settings.

    python3 benches/drift/drift.py [--cases water,zn,water-tight,zn-tight] [--ns 1] [--out DIR] [--record]

Each case is built, minimised, brought to 298 K with a thermostat (20 ps) and run without one (2 fs). The drift is the
least-squares slope of `conserved` in log.csv. A run that was stopped goes on from its checkpoint, so a long one can be
done in pieces (`--piece` seconds each).
"""

import argparse
import csv
import datetime
import math
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
N_BLOCKS = 20  # of the run, for the standard error

INPUT = """
title = "{title}"
[system]
{system}
density = "0.997 g/cm3"
seed = 2026
[nonbonded]
cutoff = "0.9 nm"
{accuracy}
[dynamics]
timestep = "2 fs"
seed = 1
log_every = "0.2 ps"
checkpoint_every = "5 ps"
[dynamics.thermostat.csvr]
temperature = "298.15 K"
time_constant = "0.1 ps"
[[stage]]
name = "minimise"
[stage.minimise]
max_force = "1000 kJ/mol/nm"
[[stage]]
name = "equilibrate"
duration = "20 ps"
[[stage]]
name = "constant-energy"
duration = "{duration} ps"
[stage.thermostat.none]
"""

WATER = 'water = { model = "SPC/E", molecules = 1000 }'
ZINC = """water = { model = "SPC/E", molecules = 512 }
solutes = [{ name = "Zn2+", model = "li-merz-iod", count = 1 }, { name = "Cl-", model = "joung-cheatham", count = 2 }]"""
TIGHT = 'accuracy = "tight"'
# title, [system], settings, atoms
CASES = {
    "water": ("1000 SPC/E waters", WATER, "", 3000),
    "zn": ("Zn2+, 2 Cl- and 512 SPC/E waters (the demo)", ZINC, "", 1539),
    "water-tight": ("1000 SPC/E waters, tight", WATER, TIGHT, 3000),
    "zn-tight": ("Zn2+, 2 Cl- and 512 SPC/E waters, tight", ZINC, TIGHT, 1539),
}


def main():
    args = arguments()
    rows = []
    for case in args.cases:
        folder = args.out / case
        simulate(args, case, folder)
        rows.append((case, *drift(folder / "log.csv", CASES[case][3])))
        print(line(*rows[-1]), flush=True)
    if args.record:
        path = ROOT / "benches" / "results" / f"drift-{args.backend}.md"
        path.write_text(report(args, rows))
        print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=lambda t: t.split(","), default=list(CASES))
    parser.add_argument("--ns", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("drift"))
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--hexaqua", type=Path, default=ROOT / "target" / "release" / "hexaqua")
    parser.add_argument("--piece", type=float, help="stop and go on after so many seconds")
    parser.add_argument("--wrapper", default="", help="command to run each piece with, for example `nice -n 19`")
    parser.add_argument("--record", action="store_true", help="write benches/results/drift-<backend>.md")
    args = parser.parse_args()
    unknown = [c for c in args.cases if c not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    return args


def simulate(args, case, folder):
    """Runs a case to its end, in pieces if asked for."""
    title, system, accuracy, _ = CASES[case]
    args.out.mkdir(parents=True, exist_ok=True)
    toml = args.out / f"{case}.toml"
    text = INPUT.format(title=title, system=system, accuracy=accuracy, duration=1000.0 * args.ns)
    if not toml.exists() or toml.read_text() != text:
        toml.write_text(text)
    command = [*args.wrapper.split(), str(args.hexaqua), "run", str(toml), "--out", str(folder), "--backend", args.backend]
    while not (folder / "summary.json").exists():
        more = ["--resume"] if (folder / "checkpoint").exists() else []
        with open(args.out / f"{case}.txt", "a", encoding="utf-8") as printed:
            process = subprocess.Popen([*command, *more], stdout=printed, stderr=printed)
            try:
                code = process.wait(args.piece)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
                continue
        if code not in (0, 124):  # 124: the wrapper was `timeout`
            sys.exit(f"{case}: hexaqua ended with {code}; see {args.out / f'{case}.txt'}")


def drift(log, n_atoms):
    """(ns, slope, standard error) of the conserved quantity per atom, kJ/mol/ns/atom.

    The error is the larger of two: that of the straight line through block means if their deviations are independent,
    and that of the mean increment between blocks if the energy walks at random.
    """
    with open(log, encoding="utf-8") as file:
        rows = [(float(r["time (ps)"]), float(r["conserved (kJ/mol)"])) for r in csv.DictReader(file)
                if r["stage"] == "constant-energy"]
    n = len(rows) // N_BLOCKS
    means = [tuple(sum(r[k] for r in rows[b * n:(b + 1) * n]) / n for k in (0, 1)) for b in range(N_BLOCKS)]
    t_mean, e_mean = (sum(m[k] for m in means) / N_BLOCKS for k in (0, 1))
    s_tt = sum((t - t_mean) ** 2 for t, _ in means)
    slope = sum((t - t_mean) * (e - e_mean) for t, e in means) / s_tt
    residual = sum((e - e_mean - slope * (t - t_mean)) ** 2 for t, e in means)
    line_error = math.sqrt(residual / (N_BLOCKS - 2) / s_tt)
    steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(means, means[1:])]
    mean = sum(steps) / len(steps)
    walk_error = math.sqrt(sum((s - mean) ** 2 for s in steps) / (len(steps) - 1) / len(steps))
    scale = 1000.0 / n_atoms
    return (rows[-1][0] - rows[0][0]) / 1000.0, scale * slope, scale * max(line_error, walk_error)


def line(case, ns, slope, error):
    return f"| {CASES[case][0]} | {CASES[case][3]} | {ns:.2f} | {slope:+.4f} | {error:.4f} | {abs(slope) + 2 * error:.4f} |"


def report(args, rows):
    def git(*command):
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    device = re.search(r"on (.*)", subprocess.run(
        [args.hexaqua, "energy", args.out / f"{rows[0][0]}.toml", "--backend", args.backend], capture_output=True, text=True,
        check=False).stdout.splitlines()[0]).group(1)
    return "\n".join([
        f"# Energy drift on the `{args.backend}` backend", "",
        f"{datetime.date.today()}, commit {git('rev-parse', '--short=12', 'HEAD')}{changed}, {device}. Written by "
        "`python3 benches/drift/drift.py --record`.", "",
        "Constant energy from 298 K, 2 fs, rigid water, cutoff 0.9 nm, PME. Slope of the conserved quantity by least squares with its "
        f"standard error from {N_BLOCKS} blocks (the larger of independent deviations and a random walk), kJ/mol/ns/atom. "
        "Goal: |slope| + 2 errors below 0.02.", "",
        "| box | atoms | ns | slope | error | sum |", "| --- | ---: | ---: | ---: | ---: | ---: |",
        *[line(*row) for row in rows], ""])


if __name__ == "__main__":
    main()
