"""OpenMM from PyPI, in the private environment: this file is the driver's side and, run by that Python, the peer's."""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    # the folder of this file holds a module called `openmm`: itself
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]
    import time

    import openmm
    from openmm import unit

    task = json.loads(sys.stdin.read())
    system = openmm.System()
    edge = task["edge"]
    system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(task["cutoff"])
    force.setPMEParameters(task["beta"], *[task["grid"]] * 3)
    force.setUseDispersionCorrection(False)
    for mass, charge, (sigma, epsilon) in task["atoms"]:
        system.addParticle(mass)
        force.addParticle(charge, sigma or 1.0, epsilon)
    for o in task["waters"]:
        for i, j, d in ((o, o + 1, task["d_oh"]), (o, o + 2, task["d_oh"]), (o + 1, o + 2, task["d_hh"])):
            system.addConstraint(i, j, d)
            force.addException(i, j, 0.0, 1.0, 0.0)
    system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(task["temperature"], 1.0, task["dt"])
    platform = openmm.Platform.getPlatformByName(task["platform"])
    properties = {"Threads": str(task["threads"])} if task["platform"] == "CPU" else {"Precision": task["precision"]}
    context = openmm.Context(system, integrator, platform, properties)
    context.setPositions(task["positions"])
    context.setVelocities(task["velocities"])
    energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    seconds = None
    if task["steps"]:
        integrator.step(task["steps"] // 4 + 20)
        context.getState(getEnergy=True)
        start = time.perf_counter()
        integrator.step(task["steps"])
        context.getState(getEnergy=True)
        seconds = time.perf_counter() - start
    json.dump({"energy": energy, "seconds": seconds, "version": openmm.Platform.getOpenMMVersion()}, sys.stdout)
    sys.exit()

from boxes import CUTOFF, D_HH, D_OH, DT, MASSES, TEMPERATURE, TYPES, run


class OpenMM:
    def __init__(self, python, threads, platform="CPU", precision="mixed"):
        self.python, self.threads, self.platform, self.precision = python, threads, platform, precision
        self.name = f"OpenMM {platform}" + ("" if platform == "CPU" else f" {precision}")
        code = ("import openmm; p = openmm.Platform; "
                "print(p.getOpenMMVersion(), *[p.getPlatform(i).getName() for i in range(p.getNumPlatforms())])")
        try:
            version, *platforms = run([python, "-c", code], cwd="/").split()
        except (OSError, RuntimeError) as error:
            raise LookupError(f"PyPI package openmm cannot be imported: {str(error).splitlines()[-1]}") from error
        if platform not in platforms:
            raise LookupError(f"OpenMM {version} has no platform {platform}")
        self.version = f"OpenMM {version}"
        self.device = f"{platform} platform" + (f", {threads} threads" if platform == "CPU" else f", {precision} precision")

    def prepare(self, box):
        pass

    def call(self, box, n_steps):
        task = {
            "edge": box.edge, "cutoff": CUTOFF, "beta": box.beta, "grid": box.grid, "waters": box.waters,
            "d_oh": D_OH, "d_hh": D_HH, "temperature": TEMPERATURE, "dt": DT, "platform": self.platform,
            "threads": self.threads, "precision": self.precision, "steps": n_steps, "positions": box.positions, "velocities": box.velocities,
            # hexaqua's pairs follow Lorentz and Berthelot here, as OpenMM's do; the energies would tell
            "atoms": [(MASSES[n], box.charges[n], box.pairs[TYPES[n], TYPES[n]]) for n in box.names],
        }
        return json.loads(run([self.python, Path(__file__).resolve()], input=json.dumps(task)))

    def energy(self, box):
        return self.call(box, 0)["energy"]

    def total_steps(self, n_steps):
        """Steps that `time` takes in all."""
        return n_steps + n_steps // 4 + 20

    def time(self, box, n_steps):
        return 1e3 * self.call(box, n_steps)["seconds"] / n_steps
