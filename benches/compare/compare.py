#!/usr/bin/env python3
"""hexaqua beside GROMACS, OpenMM and LAMMPS: the same boxes and settings, interleaved, in one run.

    python3 benches/compare/compare.py [--atoms 3000,24000,96000] [--systems water,zncl2_1M] [--repeats 3] [--record]

`--record` merges what was measured into benches/results/<device>.json, box by box, so that a comparison can be made in
pieces, and writes benches/results/<device>.md from all of it; the device is the processor and its number of threads, or the
adapter that hexaqua ran on. `--render` only writes the pages, of every device.

Peers come from the path (GROMACS) and from a private environment that is made on first use (OpenMM, LAMMPS); one that
cannot be had is reported as absent. See README.md in this folder for what is equal and what is not.
"""

import argparse
import ctypes
import datetime
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boxes
from gromacs import Gromacs
from lammps import Lammps
from openmm import OpenMM

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benches" / "results"
# how much longer than hexaqua a peer is expected to take, so that all are timed for about as long
PACE = {"GROMACS": 1.5, "OpenMM": 5.0, "LAMMPS": 8.0}


def main():
    args = arguments()
    if args.render:
        for path in sorted(RESULTS.glob("*.json")):
            render(path)
        return
    commit = revision()
    python, failures = environment(args)
    present, absent = [], []
    makers = [
        ("hexaqua", lambda: boxes.Hexaqua(args.hexaqua.resolve(), args.backend, args.threads, commit, args.adapter)),
        ("GROMACS", lambda: Gromacs(args.threads, boxes.ORDER)),
        ("GROMACS", lambda: Gromacs(args.threads, 4)),
        ("OpenMM CPU", lambda: OpenMM(python, args.threads)),
        ("OpenMM CUDA mixed", lambda: OpenMM(python, args.threads, "CUDA", "mixed")),
        ("OpenMM CUDA single", lambda: OpenMM(python, args.threads, "CUDA", "single")),
        ("LAMMPS", lambda: Lammps(python, args.threads)),
    ]
    for name, make in makers:
        if name != "hexaqua" and not any(p in name.lower() for p in args.peers):
            continue
        try:
            present.append(make())
        except LookupError as error:
            why = "; ".join([str(error), *failures.get(name.split()[0], [])])
            absent.append(f"{name}: absent ({why})")
    pages = set()
    scratch = args.boxes or Path(tempfile.mkdtemp(prefix="hexaqua-compare-"))
    try:
        for kind in args.systems:
            for n in args.atoms:
                box = boxes.build(args.hexaqua.resolve(), kind, n, scratch / f"{kind}-{n}", args.equilibration)
                say(f"{kind}, {box.n_atoms} atoms: built")
                if args.prepare:
                    continue
                record = {"date": str(datetime.date.today()), "commit": commit, **measure(args, box, present), "absent": absent}
                # at once: whoever ends a comparison that takes too long keeps what is there
                print(table(record), flush=True)
                if args.record:
                    pages.add(merge(args, record))
    finally:
        if args.keep or args.boxes:
            say(f"files kept in {scratch}")
        else:
            shutil.rmtree(scratch)
    for path in pages:
        render(path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: [x.strip() for x in text.split(",") if x.strip()]
    parser.add_argument("--atoms", type=lambda t: [int(x) for x in listed(t)], default=[3000, 24000, 96000])
    parser.add_argument("--systems", type=listed, default=["water", "zncl2_1M"])
    parser.add_argument("--peers", type=lambda t: [x.lower() for x in listed(t)], default=["gromacs", "openmm", "lammps"])
    parser.add_argument("--repeats", type=int, default=3, help="rounds, at least")
    parser.add_argument("--spread", type=float, default=1.15,
                        help="take further rounds until so many of each engine are within this factor of its fastest")
    parser.add_argument("--rounds", type=int, default=6, help="no more rounds than that")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each measurement")
    parser.add_argument("--steps", type=int, help="of hexaqua's first, untold run; default: a few seconds' worth")
    parser.add_argument("--fewest", type=int, default=100, help="steps of a measurement, however slow the engine")
    parser.add_argument("--equilibration", type=float, default=4.0, help="ps before anything is measured")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every engine")
    parser.add_argument("--hexaqua", type=Path, default=ROOT / "target" / "release" / "hexaqua")
    parser.add_argument("--backend", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--adapter", help="of the gpu backend: number or part of the name in `hexaqua devices`")
    parser.add_argument("--tries", type=int, default=6, help="repeat a measurement that others disturbed, at most so often")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall",
                        help="processor: processor time of one thread, for a machine that is shared")
    parser.add_argument("--no-install", dest="install", action="store_false", help="do not make the private environment")
    parser.add_argument("--record", action="store_true", help="merge into benches/results/<device>.json, and write the .md")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the .md from the .json")
    parser.add_argument("--boxes", type=Path, help="folder of boxes that are built once and used again")
    parser.add_argument("--prepare", action="store_true", help="only build the boxes")
    parser.add_argument("--keep", action="store_true", help="leave the inputs of all engines")
    args = parser.parse_args()
    if not args.hexaqua.exists():
        parser.error(f"{args.hexaqua} is not there: cargo build --release")
    if args.clock == "processor":
        args.threads = 1  # threads that wait in a loop would count
    return args


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(args):
    """(the Python of the private environment, made on first use; what could not be installed, by engine)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "hexaqua-peers"
    python = folder / "bin" / "python"
    failures = {}
    cuda = cuda_extra()
    wanted = []
    if not python.exists():
        # one that cannot be had must not take the other along
        wanted += [("OpenMM", ["openmm"]), ("LAMMPS", ["lammps", "mpich"])]
    if cuda and any(p.startswith("openmm") for p in args.peers) and not has_distribution(python, f"OpenMM-CUDA-{cuda[4:]}"):
        wanted.append(("OpenMM", [f"openmm[{cuda}]"]))
    if not args.install:
        for engine, packages in wanted:
            failures.setdefault(engine, []).append(f"{' '.join(packages)} is not installed and --no-install forbids it")
        return python, failures
    try:
        if not python.exists():
            say(f"making {folder} with OpenMM and LAMMPS")
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for engine, packages in wanted:
            say(f"installing {' '.join(packages)}")
            done = subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False)
            if done.returncode != 0:
                failures.setdefault(engine, []).append(f"{' '.join(packages)} could not be installed")
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"no private environment: {error}")
    return python, failures


def cuda_extra():
    """The extra of the PyPI package openmm that suits the NVIDIA driver of this machine; `None` where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return "cuda13" if version.value >= 13000 else "cuda12"


def has_distribution(python, name):
    code = f"import importlib.metadata as m; m.version({name!r})"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def measure(args, box, engines):
    """Record of one box."""
    energies, failed = {}, {}
    for engine in engines:
        try:
            engine.prepare(box)
            energies[engine.name] = engine.energy(box)
        except (OSError, RuntimeError) as error:
            failed[engine.name] = str(error)
            say(f"{engine.name} failed:\n{error}")
    home = engines[0]
    if home.name in failed:
        raise RuntimeError(failed[home.name])
    times = {e.name: [] for e in engines if e.name not in failed}
    first = home.time(box, None if args.steps is None else args.steps)
    disturbed = dict.fromkeys(times, 0.0)
    for number in range(1, max(args.repeats, args.rounds) + 1):
        if number > args.repeats and not uneven(times, args):
            break
        for engine in engines:
            if engine.name not in times:
                continue
            pace = PACE.get(engine.name.split()[0].rstrip(","), 1.0) * first
            n = max(args.fewest, round(1e3 * args.seconds / pace / 20) * 20)
            if args.clock == "processor":
                t, others = processor_time(engine, box, n), 0.0
            else:
                t, others = undisturbed(args.tries, lambda: engine.time(box, n))
            times[engine.name].append(t)
            disturbed[engine.name] = max(disturbed[engine.name], others)
            busy = f", others took {100 * others:.0f} %" if others else ""
            say(f"  round {number} {engine.name}: {t:.3f} ms/step{busy}")
    for name in uneven(times, args):
        say(f"  {name}: still uneven after {len(times[name])} rounds")
    rows = []
    for engine in engines:
        row = {"name": engine.name, "version": engine.version, "device": engine.device}
        if engine.name in failed:
            row["failed"] = failed[engine.name].splitlines()[0]
        else:
            row.update(ms_per_step=times[engine.name], energy=energies[engine.name], others=disturbed[engine.name])
        rows.append(row)
    return {"system": box.name, "atoms": box.n_atoms, "grid": box.grid, "threads": args.threads, "clock": args.clock,
            "engines": rows}


def uneven(times, args):
    """Engines of which fewer than `args.repeats` rounds agree: took at most `args.spread` times as long as the fastest."""
    return [name for name, t in times.items() if sum(x <= args.spread * min(t) for x in t) < args.repeats]


def table(record):
    """Section of the report about one box."""
    home = record["engines"][0]
    lines = [f"### {record['system']}, {record['atoms']} atoms, mesh {record['grid']}³", "",
             f"{record['date']}, commit {record['commit']}.", "",
             "| engine | fastest, ms/step | mean | slowest | ns/day, fastest | hexaqua is faster by: fastest | mean | energy differs by | others took |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for row in record["engines"]:
        if "failed" in row:
            lines.append(f"| {row['name']} | failed | | | | | | | |")
            continue
        t, own = row["ms_per_step"], home["ms_per_step"]
        best, mean = min(t), statistics.fmean(t)
        ratios = "| " if row is home else f"{best / min(own):.2f} | {mean / statistics.fmean(own):.2f}"
        difference = "" if row is home else f"{abs(row['energy'] / home['energy'] - 1.0):.1e}"
        others = f"{100.0 * row['others']:.0f} %" if record["clock"] == "wall" else "–"
        lines.append(f"| {row['name']} | {best:.3f} | {mean:.3f} | {max(t):.3f} | {86400.0 * boxes.DT / best:.2f} | {ratios} | "
                     f"{difference} | {others} |")
    return "\n".join(lines) + "\n"


def merge(args, record):
    """Puts the record in the place of an older one of the same box; the file that holds it."""
    RESULTS.mkdir(exist_ok=True)
    title, stem = device_name(args, record["engines"][0]["device"])
    path = RESULTS / f"{stem}.json"
    whole = json.loads(path.read_text()) if path.exists() else {"records": []}
    whole = {"title": title, "processor": processor(), "records": whole["records"]}
    key = lambda r: (r["system"], r["atoms"])
    whole["records"] = sorted([r for r in whole["records"] if key(r) != key(record)] + [record], key=key)
    path.write_text(json.dumps(whole, indent=1) + "\n")
    return path


def render(path):
    page = path.with_suffix(".md")
    page.write_text(report(json.loads(path.read_text())))
    say(f"wrote {page.relative_to(ROOT)}")


# share of the processor time that others may take before a measurement counts as disturbed
QUIET = 0.03


def undisturbed(tries, measure):
    """(result, share of the processors' time that other programs took) of the quietest of a few tries.

    Engines suffer differently from a busy machine: GROMACS, whose threads wait for each other in a loop, can lose a
    factor of ten. The share is known on Linux only.
    """
    best = None
    for _ in range(tries):
        wait_until_quiet(30.0)
        own, busy, wall = children_time(), busy_time(), time.monotonic()
        value = measure()
        own, busy, wall = children_time() - own, busy_time() - busy, time.monotonic() - wall
        others = max(0.0, busy - own) / (wall * (os.cpu_count() or 1))
        if best is None or others < best[1]:
            best = (value, others)
        if others < QUIET:
            break
    return best


def processor_time(engine, box, n_steps):
    """Processor time per step, ms: what a long run takes beyond a short one.

    It hardly depends on who else uses the machine, but only means something with one thread: waiting in a loop counts.
    """
    short = max(20, n_steps // 5 // 20 * 20)
    marks = [children_time()]
    for n in (short, n_steps):
        engine.time(box, n)
        marks.append(children_time())
    return 1e3 * (marks[2] - 2.0 * marks[1] + marks[0]) / (engine.total_steps(n_steps) - engine.total_steps(short))


def wait_until_quiet(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = busy_time()
        time.sleep(0.2)
        if busy_time() - before < 0.2 * 2.0 * QUIET * (os.cpu_count() or 1):
            return


def children_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def busy_time():
    """Processor time of everybody since the machine started, s."""
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return children_time()
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
        return re.search(r"model name\s*:\s*(.*)", text).group(1).strip()
    except (OSError, AttributeError):
        return platform.processor() or platform.machine()


def device_name(args, device):
    """(title, stem of the file) of what was measured: the processor and its threads, or the adapter.

    * `device` – as hexaqua names it: adapter (interface, driver)
    """
    if args.backend == "cpu":
        threads = f"{args.threads} thread{'s' if args.threads > 1 else ''}"
        title, name = f"{processor()}, {threads}", f"{processor()}-{args.threads}core"
    else:
        title, name = device, f"{device.split(' (')[0]}-compared"
    return title, re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def revision():
    """Commit of the working tree, as it is when the comparison starts."""
    def git(*command):
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with uncommitted changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short=12", "HEAD") + changed


def report(whole):
    records = whole["records"]
    versions, absent = {}, {}
    for record in records:
        for row in record["engines"]:
            versions[f"{row['name']}: {row['version']}, {row['device']}"] = None
        absent.update(dict.fromkeys(record["absent"]))
    clocks = {
        "wall": "Last column: the largest share of the processors' time that other programs took during a measurement; above "
                f"{100 * QUIET:.0f} % the machine was not idle and the row is to be taken with care.",
        "processor": "Times are processor time of one thread, not wall time: the machine was shared with other work.",
    }
    title = whole.get("title") or f"{whole['processor']}, {records[0]['threads']} threads"
    repeats = sorted({len(row["ms_per_step"]) for r in records for row in r["engines"] if "ms_per_step" in row})
    lines = [
        f"# {title}", "",
        "Written by `python3 benches/compare/compare.py --record`; what is equal and what is not: `benches/compare/README.md`.", "",
        f"NVT, rigid SPC/E, {1e3 * boxes.DT:g} fs, cutoff {boxes.CUTOFF} nm, PME with erfc(β r_cut) = {boxes.TOLERANCE:g}, spacing at "
        f"most {boxes.SPACING} nm, splines of order {boxes.ORDER} unless said otherwise. "
        f"{' or '.join(str(n) for n in repeats)} interleaved rounds; ratios of the fastest rounds of both engines, which other programs "
        f"disturb least, and of the means. {' '.join(clocks[c] for c in sorted({r['clock'] for r in records}))}", "",
        *[f"- {v}" for v in versions], *[f"- {a}" for a in absent], "", *[table(r) for r in records],
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
