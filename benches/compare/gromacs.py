"""GROMACS: `gmx` on the path, one rank, as many threads as asked for."""

import os
import re
import shutil

from boxes import CUTOFF, D_HH, D_OH, DT, MASSES, TEMPERATURE, TOLERANCE, TYPES, run

MDP = """
integrator = md
dt = {dt}
nsteps = {n_steps}
nstlog = 0
nstenergy = {nstenergy}
nstcalcenergy = 100
cutoff-scheme = Verlet
coulombtype = PME
rcoulomb = {cutoff}
vdwtype = Cut-off
vdw-modifier = None
coulomb-modifier = None
rvdw = {cutoff}
DispCorr = no
ewald-rtol = {tolerance}
fourier-nx = {grid}
fourier-ny = {grid}
fourier-nz = {grid}
pme-order = {order}
constraint-algorithm = Lincs
constraints = none
continuation = yes
tcoupl = v-rescale
tc-grps = System
tau-t = 0.5
ref-t = {temperature}
"""

MOLECULE = """
[ moleculetype ]
{0} {1}
[ atoms ]
{2}
"""


def topology(box):
    """Text of a topology with every pair as hexaqua printed it."""
    text = ["[ defaults ]", "1 2 no 1.0 1.0", "[ atomtypes ]"]
    present = list(dict.fromkeys(TYPES[n] for n in box.names))
    mass = {TYPES[n]: m for n, m in MASSES.items()}
    for t in present:
        text.append(f"{t} {mass[t]} 0.0 A {box.pairs[t, t][0]} {box.pairs[t, t][1]}")
    text.append("[ nonbond_params ]")
    for k, a in enumerate(present):
        text += [f"{a} {b} 1 {box.pairs[a, b][0]} {box.pairs[a, b][1]}" for b in present[k:]]
    residues = {"ZN": "ZN", "CL": "CL", "OW": "SOL"}
    counts = []
    for first in box.molecules:
        name = residues[box.names[first]]
        if counts and counts[-1][0] == name:
            counts[-1][1] += 1
        else:
            counts.append([name, 1])
    for name in dict.fromkeys(n for n, _ in counts):
        atoms = ["OW", "HW1", "HW2"] if name == "SOL" else [name]
        rows = "\n".join(f"{i} {TYPES[a]} 1 {name} {a} {i} {box.charges[a]} {MASSES[a]}" for i, a in enumerate(atoms, 1))
        text.append(MOLECULE.format(name, 2 if name == "SOL" else 1, rows))
        if name == "SOL":
            text += ["[ settles ]", f"1 1 {D_OH} {D_HH}", "[ exclusions ]", "1 2 3", "2 1 3", "3 1 2"]
    text += ["[ system ]", box.name, "[ molecules ]"] + [f"{n} {c}" for n, c in counts]
    return "\n".join(text) + "\n"


class Gromacs:
    def __init__(self, threads, order):
        self.name = f"GROMACS, PME order {order}"
        self.threads, self.order = threads, order
        self.program = shutil.which("gmx")
        if self.program is None:
            raise LookupError("`gmx` is not on the path (Debian: package gromacs)")
        text = run([self.program, "--version"])
        find = lambda key: re.search(key + r":\s*(.*)", text).group(1).strip()
        self.version = f"GROMACS {find('GROMACS version')}"
        self.device = f"{find('SIMD instructions')} on {threads} threads"

    def folder(self, box):
        return box.folder / f"gromacs{self.order}"

    def prepare(self, box):
        self.folder(box).mkdir()
        (self.folder(box) / "box.top").write_text(topology(box))

    def mdrun(self, box, n_steps, nstenergy, *options):
        folder = self.folder(box)
        (folder / "md.mdp").write_text(MDP.format(
            dt=DT, n_steps=n_steps, nstenergy=nstenergy, cutoff=CUTOFF, tolerance=TOLERANCE, grid=box.grid,
            order=self.order, temperature=TEMPERATURE))
        run([self.program, "-quiet", "-nobackup", "grompp", "-f", "md.mdp", "-c", box.gro, "-p", "box.top", "-o", "md.tpr",
             "-maxwarn", "3"], cwd=folder)
        run([self.program, "-quiet", "-nobackup", "mdrun", "-s", "md.tpr", "-deffnm", "md", "-ntmpi", "1", "-ntomp",
             self.threads, "-pin", "off", "-noconfout", *options], cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": str(self.threads)})
        return (folder / "md.log").read_text()

    def energy(self, box):
        self.mdrun(box, 0, 1)
        text = run([self.program, "-quiet", "-nobackup", "energy", "-f", "md.edr", "-o", "e.xvg", "-dp"],
                   cwd=self.folder(box), input="Potential\n0\n")
        del text
        return float((self.folder(box) / "e.xvg").read_text().split()[-1])

    def total_steps(self, n_steps):
        """Steps that `time` takes in all."""
        return 2 * n_steps

    def time(self, box, n_steps):
        """ms/step of the second half of the steps: load balancing and tuning are over by then."""
        log = self.mdrun(box, self.total_steps(n_steps), 0, "-resethway")
        ns_per_day = float(re.search(r"Performance:\s+(\S+)", log).group(1))
        return 86400.0 * DT / ns_per_day
