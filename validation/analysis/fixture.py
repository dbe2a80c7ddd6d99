"""What the makers of fixtures share: the universe of a stored trajectory, and how its numbers are kept.

    python -m venv peers && peers/bin/pip install MDAnalysis freud-analysis solvation-analysis tidynamics waterdynamics periodictable pymbar
    peers/bin/python make_observables_fixture.py && peers/bin/python make_film_fixture.py

Both trajectories hold n Zn2+, 2n Cl- and SPC/E waters O H H, in this order. Lengths in nm, times in ps, as in hexaqua; MDAnalysis has Å.
"""

import json
import shutil
import tempfile
import warnings
from pathlib import Path

import MDAnalysis as mda
import numpy as np

warnings.filterwarnings("ignore")

DT = 0.1  # ps between frames
FOLDER = tempfile.TemporaryDirectory()  # MDAnalysis leaves an index beside what it reads


class Stored:
    """A trajectory with all that an analysis may ask for."""

    def __init__(self, file, n_zn, n_cl, n_water):
        self.n_zn, self.n_cl, self.n_water, self.first = n_zn, n_cl, n_water, n_zn + n_cl
        self.elements = ["Zn"] * n_zn + ["Cl"] * n_cl + ["O", "H", "H"] * n_water
        self.masses = np.array([65.38] * n_zn + [35.45] * n_cl + [15.999, 1.008, 1.008] * n_water)
        self.charges = np.array([2.0] * n_zn + [-1.0] * n_cl + [-0.8476, 0.4238, 0.4238] * n_water)
        self.molecule = np.array(list(range(self.first)) + [self.first + k // 3 for k in range(3 * n_water)])
        self.n_atoms = len(self.elements)
        self.universe = self.make()
        copy = Path(FOLDER.name) / file
        shutil.copy(Path(__file__).parent / file, copy)
        self.universe.load_new(str(copy))
        trajectory = self.universe.trajectory
        self.n_frames = len(trajectory)
        self.boxes = np.array([ts.dimensions.copy() for ts in trajectory])
        self.edge = self.boxes[:, :3].astype(np.float64) / 10.0
        self.raw = np.array([ts.positions.copy() for ts in trajectory], dtype=np.float64) / 10.0
        self.oxygen = np.arange(self.first, self.n_atoms, 3)
        select = self.universe.select_atoms
        self.zn, self.cl, self.ow, self.h = select("name ZN"), select("name CL"), select("name OW"), select("name HW1 HW2")

    def make(self):
        names = ["ZN"] * self.n_zn + ["CL"] * self.n_cl + ["OW", "HW1", "HW2"] * self.n_water
        n_molecules = self.molecule[-1] + 1
        universe = mda.Universe.empty(
            self.n_atoms, n_residues=n_molecules, atom_resindex=self.molecule, trajectory=True
        )
        universe.add_TopologyAttr("name", names)
        universe.add_TopologyAttr("type", self.elements)
        universe.add_TopologyAttr("element", self.elements)
        universe.add_TopologyAttr("mass", self.masses)
        universe.add_TopologyAttr("charge", self.charges)
        universe.add_TopologyAttr("resid", [r + 1 for r in range(n_molecules)])
        universe.add_TopologyAttr("resname", ["ZN"] * self.n_zn + ["CL"] * self.n_cl + ["SOL"] * self.n_water)
        bonds = [(self.first + 3 * w, self.first + 3 * w + k) for w in range(self.n_water) for k in (1, 2)]
        universe.add_TopologyAttr("bonds", bonds)
        return universe

    def image(self, d, frame):
        """The nearest image of differences `d` (nm)."""
        return d - self.edge[frame] * np.round(d / self.edge[frame])

    def without_drift(self, path):
        """Paths (frames, atoms, 3) without the motion of the centre of mass of the system."""
        return path - np.einsum("tij,i->tj", path, self.masses)[:, None, :] / self.masses.sum()

    def universe_of(self, path):
        """A universe whose frames are `path` (nm), for routines that must not wrap."""
        universe = self.make()
        universe.load_new((path * 10).astype(np.float64), dimensions=self.boxes)
        return universe


def digits(values, n=8):
    return [float(f"{v:.{n}g}") for v in np.asarray(values, dtype=float).ravel()]


class Record:
    """Numbers by name, each with the routine that made it."""

    def __init__(self, programs, stored):
        self.values = {"programs": programs, "frames": stored.n_frames, "by": {}}

    def add(self, name, by, values):
        assert name not in self.values, name
        if isinstance(values, dict):
            kept = values
        elif np.ndim(values) == 0:
            kept = float(f"{values:.8g}")
        elif np.ndim(values) == 2:
            kept = [digits(row) for row in values]
        else:
            kept = digits(values)
        self.values[name] = kept
        self.values["by"][name] = by

    def write(self, file):
        with open(Path(__file__).parent / file, "w") as out:
            # One name a line: a change of one observable is one line of a diff.
            lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in self.values.items() if k != "by"]
            by = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in self.values["by"].items())
            lines.append(' "by": {\n' + by + "\n }")
            out.write("{\n" + ",\n".join(lines) + "\n}\n")


def weighted(sets, n_lags, window=1):
    """P(t) as one average over all pairs and origins, by MDAnalysis.lib.correlations.autocorrelation.

    That routine averages the share of every origin; here every origin counts with the number of its pairs.
    """
    from MDAnalysis.lib.correlations import autocorrelation

    _, _, shares = autocorrelation(sets, n_lags - 1, window)
    counts = np.array([len(s) for s in sets[::window]], dtype=float)
    assert (counts > 0).all()
    return [1.0] + [np.average(share, weights=counts[: len(share)]) for share in shares]


def line(x, y):
    """Slope of the least-squares line."""
    return np.polyfit(x, y, 1)[0]
