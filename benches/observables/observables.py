#!/usr/bin/env python3
"""What observables cost: beside the steps of a running simulation, and over a large XTC.

    python3 benches/observables/observables.py [--water 7800] [--pairs 3] [--megabytes 150] [--out DIR] [--record]

A box of 1 mol/L ZnCl2 (24,000 atoms by default) is built, relaxed for a picosecond and run for another half, of which 25 frames are kept.

- live: the same steps without analyses and with those of `ALL` every 0.1 ps, in turn; the processor time of the whole process counts.
- steady: `hexaqua analyze` with `ALL` over 400 frames, so that all time origins are in use; processor time for one frame beside that of the 50 steps
  that lie between two frames at 2 fs.
- offline: `hexaqua analyze` with g(r) and coordination of Zn-O over many copies of the frames, with times that go on; megabytes a second on the wall clock
  and for each second of processor time.
"""

import argparse
import datetime
import os
import platform
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
title = "1 mol/L ZnCl2"
[system]
water = {{ model = "SPC/E"{water} }}
solutes = [
  {{ name = "Zn2+", model = "li-merz-iod"{zinc} }},
  {{ name = "Cl-", model = "joung-cheatham"{chloride} }},
]
{geometry}
[nonbonded]
cutoff = "0.9 nm"
[dynamics]
timestep = "2 fs"
seed = 1
checkpoint_every = "1 ns"
[dynamics.thermostat.csvr]
temperature = "298.15 K"
"""
RELAX = """
[[stage]]
name = "minimise"
[stage.minimise]
max_force = "2000 kJ/mol/nm"
max_steps = 200
[[stage]]
name = "relax"
duration = "0.5 ps"
timestep = "1 fs"
"""
STAGE = """
[[stage]]
name = "production"
duration = "{duration} ps"
{trajectory}
"""
SHELL = """
[[analysis]]
[analysis.rdf]
pairs = [["Zn2+", "OW"]]
[analysis.coordination]
center = "Zn2+"
ligands = ["OW", "Cl-"]
"""
# 1 to 5 of the list of observables, with their defaults.
ALL = """
[[analysis]]
[analysis.rdf]
pairs = [["Zn2+", "OW"], ["Zn2+", "Cl-"], ["OW", "OW"]]
[analysis.coordination]
center = "Zn2+"
ligands = ["OW", "Cl-"]
[analysis.ion-pairs]
cation = "Zn2+"
anion = "Cl-"
[analysis.residence]
center = "Zn2+"
ligand = "OW"
r_min = "0.3 nm"
[analysis.hydrogen-bonds]
regions = { shell = "within 0.28 nm of Zn2+" }
[analysis.msd]
"""
# Each of them alone.
PARTS = [("g(r) of Zn-O", '[analysis.rdf]\npairs = [["Zn2+", "OW"]]\n'),
         ("g(r) of O-O", '[analysis.rdf]\npairs = [["OW", "OW"]]\n'),
         ("coordination", '[analysis.coordination]\ncenter = "Zn2+"\nligands = ["OW", "Cl-"]\n'),
         ("ion-pairs", '[analysis.ion-pairs]\ncation = "Zn2+"\nanion = "Cl-"\n'),
         ("residence", '[analysis.residence]\ncenter = "Zn2+"\nligand = "OW"\nr_min = "0.3 nm"\n'),
         ("hydrogen-bonds", '[analysis.hydrogen-bonds]\nregions = { shell = "within 0.28 nm of Zn2+" }\n'),
         ("msd", "[analysis.msd]\n")]


def spent(command):
    """Wall and processor seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, processor


def copies(source, target, n_bytes, n_frames, spacing):
    """Repeats the frames of an XTC until either limit is met; times and steps go on. Returns frames and bytes."""
    data, frames, at = source.read_bytes(), [], 0
    while at < len(data):
        size = 92 + (struct.unpack_from(">i", data, at + 88)[0] + 3) // 4 * 4
        frames.append(data[at:at + size])
        at += size
    written = count = 0
    with target.open("wb") as out:
        while written < n_bytes and count < n_frames:
            frame = frames[count % len(frames)]
            out.write(frame[:8] + struct.pack(">if", count, count * spacing) + frame[16:])
            written += len(frame)
            count += 1
    return count, written


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--water", type=int, default=7856, help="waters; one Zn2+ for every 54 of them")
    parser.add_argument("--pairs", type=int, default=3, help="live runs with and without analyses")
    parser.add_argument("--duration", type=float, default=1.0, help="of a live run, ps")
    parser.add_argument("--megabytes", type=float, default=150.0, help="size of the XTC")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "observables")
    parser.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "hexaqua")
    parser.add_argument("--skip", default="", help="parts to leave out: live, steady, parts, offline")
    parser.add_argument("--record", action="store_true", help="write benches/results/observables.md")
    args = parser.parse_args()
    program, out, skip = args.program, args.out, args.skip.split(",")
    out.mkdir(parents=True, exist_ok=True)
    zinc = args.water // 54
    atoms = 3 * args.water + 3 * zinc
    counts = {"water": f", molecules = {args.water}", "zinc": f", count = {zinc}", "chloride": f", count = {2 * zinc}"}

    def write(name, geometry, *parts):
        path = out / f"{name}.toml"
        words = dict.fromkeys(counts, "") if geometry.startswith("structure") else counts  # a structure says how many there are
        path.write_text(HEAD.format(**words, geometry=geometry) + "".join(parts))
        return path

    def run(path, name):
        folder = out / name
        if folder.exists():
            subprocess.run(["rm", "-r", folder], check=True)
        return spent([program, "run", path, "--backend", "cpu", "--out", folder])

    start = out / "start" / "final.gro"
    if not start.exists():
        run(write("start", 'density = "1.10 g/cm3"', RELAX), "start")
    structure = 'structure = "start/final.gro"'
    frames = out / "frames" / "trajectory.xtc"
    if not frames.exists():
        kept = 'trajectory = { every = "0.02 ps", format = "xtc" }'
        run(write("frames", structure, STAGE.format(duration=0.5, trajectory=kept)), "frames")
    lines = []

    def say(line):
        print(line, flush=True)
        lines.append(line)

    if "live" not in skip:
        stage = STAGE.format(duration=args.duration, trajectory="")
        plain = write("plain", structure, stage)
        measured = write("measured", structure, stage, ALL)
        build = spent([program, "build", plain, "--out", out / "build.gro"])[1]
        ratios, steps = [], []
        for _ in range(args.pairs):
            without, with_all = run(plain, "plain")[1] - build, run(measured, "measured")[1] - build
            ratios.append(with_all / without)
            steps.append(1e3 * without / (500 * args.duration))
        ratios.sort()
        step = sorted(steps)[len(steps) // 2]
        say(f"| live, {args.duration:g} ps: processor time with all over without, {args.pairs} pairs in turn | "
            f"median {ratios[len(ratios) // 2]:.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f}) |")
        say(f"| processor time of one step | {step:.1f} ms |")
    if "steady" not in skip:
        xtc = out / "steady.xtc"
        n_frames, _ = copies(frames, xtc, 1e12, 400, 0.1)
        idle = '\n[[analysis]]\n[analysis.density-profile]\ngroups = ["Zn2+"]\nevery = "1 ns"\n'
        nothing = spent([program, "analyze", write("idle", structure, STAGE.format(duration=1, trajectory=""), idle), xtc])[1]

        def cost(name, analyses):
            path = write(name, structure, STAGE.format(duration=1, trajectory=""), analyses)
            return 1e3 * (spent([program, "analyze", path, xtc])[1] - nothing) / n_frames

        together = cost("steady", ALL)
        beside = f", {100 * together / (50 * step):.1f} % of 50 steps" if "live" not in skip else ""
        say(f"| all together, one frame, all origins in use | {together:.1f} ms{beside} |")
        if "parts" not in skip:
            for name, text in PARTS:
                say(f"| {name} alone | {cost('part', chr(10) + '[[analysis]]' + chr(10) + text):.2f} ms |")
    if "offline" not in skip:
        xtc = out / "large.xtc"
        n_frames, n_bytes = copies(frames, xtc, args.megabytes * 1e6, 10**9, 0.1)
        xtc.read_bytes()  # into the page cache: the reading of the disk is not what is measured
        path = write("shell", structure, STAGE.format(duration=1, trajectory=""), SHELL)
        wall, processor = min(spent([program, "analyze", path, xtc]) for _ in range(2))
        build = spent([program, "build", path, "--out", out / "build.gro"])
        say(f"| g(r) and coordination of Zn-O over {n_bytes / 1e6:.0f} MB of XTC ({n_frames} frames), wall clock | "
            f"{n_bytes / 1e6 / (wall - build[0]):.0f} MB/s |")
        say(f"| the same for each second of processor time | {n_bytes / 1e6 / (processor - build[1]):.0f} MB/s |")
    if args.record:
        commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
                     platform.processor())
        page = ROOT / "benches" / "results" / "observables.md"
        page.write_text(
            f"# What observables cost\n\nWritten by `benches/observables/observables.py --record`: {datetime.date.today()}, commit {commit}, {model}, "
            f"{os.cpu_count()} threads, backend `cpu`, {atoms} atoms of 1 mol/L ZnCl2. What is measured is in that file.\n\n| | |\n| --- | --- |\n"
            + "\n".join(lines) + "\n")
        print(page)


main()
