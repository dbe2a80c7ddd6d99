"""Boxes that every engine runs: built, minimised and equilibrated by hexaqua, then read from one .gro file.

Knows the files and what hexaqua prints about charges and pairs; knows no other engine.
"""

import csv
import json
import math
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

MASSES = {"OW": 15.9994, "HW1": 1.008, "HW2": 1.008, "ZN": 65.4, "CL": 35.453}  # u
TYPES = {"OW": "OW", "HW1": "HW", "HW2": "HW", "ZN": "ZN", "CL": "CL"}
D_OH, D_HH = 0.1, 0.16329931618554522  # nm, SPC/E
CUTOFF, DT, TEMPERATURE = 0.9, 0.002, 298.15  # nm, ps, K
TOLERANCE, SPACING, ORDER = 1e-5, 0.12, 5  # erfc(beta * cutoff), nm, order of the splines

INPUT = """
title = "{name}"
[system]
{system}
[nonbonded]
cutoff = "{cutoff} nm"
dispersion_correction = false
[nonbonded.coulomb.pme]
tolerance = {tolerance}
spacing = "{spacing} nm"
order = {order}
[dynamics]
timestep = "2 fs"
constraints = "rigid-water"
[dynamics.thermostat.csvr]
temperature = "{temperature} K"
time_constant = "{time_constant} ps"
{stages}
"""

EQUILIBRATE = """
[[stage]]
name = "minimise"
[stage.minimise]
max_force = "1000 kJ/mol/nm"
[[stage]]
name = "equilibrate"
duration = "{duration} ps"
"""

PRODUCE = """
[[stage]]
name = "production"
duration = "1 ps"
"""


@dataclass
class Box:
    name: str
    folder: Path
    gro: Path = None
    top: Path = None  # as hexaqua writes it
    names: list = field(default_factory=list)  # of atoms
    molecules: list = field(default_factory=list)  # first atom of each
    positions: list = field(default_factory=list)  # nm, molecules whole
    velocities: list = field(default_factory=list)  # nm/ps
    edge: float = 0.0  # nm
    charges: dict = field(default_factory=dict)  # by atom name, e
    pairs: dict = field(default_factory=dict)  # (type, type) -> (sigma nm, epsilon kJ/mol)

    @property
    def n_atoms(self):
        return len(self.names)

    @property
    def beta(self):
        """erfc(beta * cutoff) = TOLERANCE, 1/nm."""
        low, high = 0.0, 20.0
        for _ in range(100):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if math.erfc(middle * CUTOFF) > TOLERANCE else (low, middle)
        return low

    @property
    def grid(self):
        """Points along an edge: the smallest product of 2, 3, 5 and 7 with a spacing of at most SPACING."""
        n = max(16, math.ceil(self.edge / SPACING - 1e-9))
        while True:
            rest = n
            for p in (2, 3, 5, 7):
                while rest % p == 0:
                    rest //= p
            if rest == 1:
                return n
            n += 1

    @property
    def waters(self):
        return [first for first in self.molecules if self.names[first] == "OW"]


def run(command, **options):
    """Runs a program; a failure shows what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(c) for c in command)} ended with {done.returncode}:\n"
                           f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def composition(kind, n_atoms):
    """Lines of [system] for about `n_atoms`: `water`, or `zncl2_1M`, which has 166 atoms per zinc ion."""
    if kind == "water":
        return f'water = {{ model = "SPC/E", molecules = {n_atoms // 3} }}\ndensity = "0.997 g/cm3"\nseed = 2026'
    zinc = round(n_atoms / 166)
    return (f'water = {{ model = "SPC/E", molecules = {n_atoms // 3 - zinc} }}\n'
            f'solutes = [{{ name = "Zn2+", model = "li-merz-iod", count = {zinc} }}, '
            f'{{ name = "Cl-", model = "joung-cheatham", count = {2 * zinc} }}]\n'
            f'density = "1.115 g/cm3"\nseed = 2026')


def imported(kind):
    ions = ('solutes = [{ name = "Zn2+", model = "li-merz-iod" }, { name = "Cl-", model = "joung-cheatham" }]\n'
            if kind != "water" else "")
    return f'water = {{ model = "SPC/E" }}\n{ions}structure = "box.gro"'


def write_input(path, kind, system, stages, time_constant):
    path.write_text(INPUT.format(name=kind, system=system, cutoff=CUTOFF, tolerance=TOLERANCE, spacing=SPACING,
                                 order=ORDER, temperature=TEMPERATURE, time_constant=time_constant, stages=stages))


def build(hexaqua, kind, n_atoms, folder, duration):
    """A liquid of about `n_atoms`, equilibrated for `duration` ps; also writes `box.toml`, which imports it.

    A `box.gro` that is there already is taken as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_input(folder / "build.toml", kind, composition(kind, n_atoms), EQUILIBRATE.format(duration=duration), 0.1)
    printed = run([hexaqua, "build", folder / "build.toml"])
    box = Box(kind, folder, folder / "box.gro")
    if not box.gro.exists():
        run([hexaqua, "run", folder / "build.toml", "--out", folder / "equilibration", "--backend", "cpu"])
        box.gro.write_text((folder / "equilibration" / "final.gro").read_text())
    write_input(folder / "box.toml", kind, imported(kind), PRODUCE, 0.5)
    box.top = folder.resolve() / "box.top"
    run([hexaqua, "build", folder / "box.toml", "--top", box.top])
    read_gro(box)
    for line in printed.splitlines():
        words = line.split()
        if len(words) >= 5 and words[0] in TYPES.values() and words[1] in TYPES.values():
            a, b = words[:2]
            box.pairs[a, b] = box.pairs[b, a] = (0.0, 0.0) if words[2] == "-" else (float(words[2]), float(words[3]))
    if len(box.pairs) != len({TYPES[n] for n in box.names}) ** 2:
        raise RuntimeError(f"hexaqua build printed no table of pairs that can be read:\n{printed}")
    charges = folder / "charges.csv"
    run([hexaqua, "energy", folder / "box.toml", "--backend", "cpu", "--charges", charges])
    with charges.open() as rows:
        for name, row in zip(box.names, csv.DictReader(rows)):
            box.charges[name] = float(row["charge"])
    return box


def read_gro(box):
    lines = box.gro.read_text().splitlines()
    n = int(lines[1])
    residue = None
    box.edge = float(lines[2 + n].split()[0])
    for i, line in enumerate(lines[2:2 + n]):
        if line[:10] != residue:
            residue = line[:10]
            box.molecules.append(i)
        box.names.append(line[10:15].strip())
        numbers = [float(x) for x in line[20:].split()]
        box.positions.append(numbers[:3])
        box.velocities.append(numbers[3:6])


WARM_UP = 100  # untimed steps of hexaqua


class Hexaqua:
    """The engine at home."""

    name = "hexaqua"

    def __init__(self, program, backend, threads, commit, adapter=None):
        self.program = program
        self.executor = ["--backend", backend, "--threads", threads]
        self.executor += ["--adapter", adapter] if adapter else []
        # so that its records name the version that the page names
        self.environment = {**os.environ, "HEXAQUA_COMMIT": commit}
        self.version = run([program, "--version"]).strip()
        self.device, self.steps = "", 0

    def prepare(self, box):
        pass

    def energy(self, box):
        text = run([self.program, "energy", box.folder / "box.toml", *self.executor, "--json"], env=self.environment)
        record = json.loads(text)
        self.device = record["device"]
        return record["total"]

    def total_steps(self, n_steps):
        return n_steps + WARM_UP

    def time(self, box, n_steps):
        """ms/step; `None` steps lets hexaqua choose."""
        steps = [] if n_steps is None else ["--steps", n_steps]
        text = run([self.program, "bench", box.folder / "box.toml", *self.executor, "--warm-up", WARM_UP, "--json",
                    *steps], env=self.environment)
        record = json.loads(text)[0]
        self.device, self.steps = record["device"], record["steps"]
        return record["ms_per_step"]
