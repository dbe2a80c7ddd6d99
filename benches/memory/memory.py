#!/usr/bin/env python3
"""Peak host memory of `hexaqua bench` by size of the box: what a run takes beyond a fixed 100 MB, per atom.

    python3 benches/memory/memory.py [--atoms 100000,1000000] [--systems water,zncl2_1M] [--backend cpu] [--record]

The peak is that of a process of its own: box, minimisation, and steps over several neighbor lists. It hardly depends on who
else uses the machine. `--record` writes benches/results/memory-<backend>.md. Linux only: the figure is VmHWM.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEPS = 60  # three lists
FIXED = 100e6  # bytes
GOAL = 1024  # bytes per atom beyond that


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: [x.strip() for x in text.split(",") if x.strip()]
    parser.add_argument("--atoms", type=lambda t: [int(x) for x in listed(t)], default=[100_000, 1_000_000])
    parser.add_argument("--systems", type=listed, default=["water", "zncl2_1M"])
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--hexaqua", type=Path, default=ROOT / "target" / "release" / "hexaqua")
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    rows = ["| box | atoms | peak, MB | bytes per atom beyond 100 MB |", "| --- | ---: | ---: | ---: |"]
    device = ""
    for system in args.systems:
        for atoms in args.atoms:
            command = [args.hexaqua, "bench", "--backend", args.backend, "--systems", system, "--atoms", str(atoms),
                       "--steps", str(STEPS), "--warm-up", "0", "--json"]
            done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)[0]
            if done["peak_memory"] is None:
                sys.exit("this system does not tell the peak of a process")
            beyond = max(0.0, done["peak_memory"] - FIXED) / done["atoms"]
            rows.append(f"| {system} | {done['atoms']} | {1e-6 * done['peak_memory']:.1f} | {beyond:.0f} |")
            print(rows[-1], file=sys.stderr, flush=True)
            device = done["device"]
    table = "\n".join(rows)
    print(table)
    if args.record:
        git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
        changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        page = ROOT / "benches" / "results" / f"memory-{args.backend}.md"
        page.write_text(f"""# Peak host memory on the `{args.backend}` backend

Written by `python3 benches/memory/memory.py --record` on {datetime.date.today()}, commit {git("rev-parse", "--short=12", "HEAD")}{changed}; {device}.

Largest resident size of `hexaqua bench` over {STEPS} steps with a list every 20, cutoff 0.9 nm, PME with splines of order 5 on a
0.12 nm mesh. Goal: at most {GOAL} bytes per atom beyond 100 MB.

{table}
""")


if __name__ == "__main__":
    main()
