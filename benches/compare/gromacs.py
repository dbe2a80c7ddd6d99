"""GROMACS: `gmx` on the path, one rank, as many threads as asked for."""

import os
import re
import shutil

from boxes import CUTOFF, DT, TEMPERATURE, TOLERANCE, run

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
        self.folder(box).mkdir(exist_ok=True)

    def mdrun(self, box, n_steps, nstenergy, *options):
        folder = self.folder(box)
        (folder / "md.mdp").write_text(MDP.format(
            dt=DT, n_steps=n_steps, nstenergy=nstenergy, cutoff=CUTOFF, tolerance=TOLERANCE, grid=box.grid,
            order=self.order, temperature=TEMPERATURE))
        run([self.program, "-quiet", "-nobackup", "grompp", "-f", "md.mdp", "-c", box.gro, "-p", box.top, "-o", "md.tpr",
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
