#!/usr/bin/env python3
"""Steps at constant potential beside the same steps with fixed charges: hexaqua, LAMMPS (ELECTRODE), OpenMM (ConstantPotentialForce).

    python3 benches/compare/electrode.py        # with the interpreter that has numpy, openmm >= 8.4 and LAMMPS beside it

The box is electrode.toml: two sheets of graphene 1 V apart with water between them. All engines start from coordinates that hexaqua has
minimised and run for 0.4 ps, and take steps of 2 fs at constant energy with rigid water on one thread. What is compared is processor time
per step, from runs of two lengths whose difference leaves the start and the matrix out, so that a busy machine does the least harm.

Equal: coordinates, charges, Lennard-Jones of water with itself and with carbon, cutoff 0.9 nm, Ewald beta, splines or stencils of order 5.
Not equal: LAMMPS in double precision with a mesh of its own for the same accuracy (1e-4 relative force) and its slab correction by
three heights; OpenMM has no slab correction and sums over the periodic cell. Both use their matrix of fixed electrodes.
"""

import json
import math
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INPUT = HERE / "electrode.toml"
CUTOFF, BETA, WIDTH = 0.9, 3.470, 0.0505  # nm, 1/nm, nm
VOLT = 96.48533212331002  # kJ/mol/e
CHARGE = {"OW": -0.8476, "HW1": 0.4238, "HW2": 0.4238}
MASS = {"OW": 15.9994, "HW1": 1.008, "HW2": 1.008, "C": 12.011}
SIGMA_O, EPSILON_O = 0.3165719505039882, 0.6497752  # SPC/E, nm and kJ/mol
SIGMA_C, EPSILON_C = 0.319, 0.392  # carbon with the oxygen of SPC/E
STEPS = (20, 80)


def processor(command, **options):
    """Output and processor time (s) of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", OPENMM_CPU_THREADS="1")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read(path):
    lines = pathlib.Path(path).read_text().splitlines()
    n = int(lines[1])
    rows = lines[2 : 2 + n]
    names = [row[10:15].strip() for row in rows]
    residues = [row[5:10].strip() for row in rows]
    width = rows[0].index(".", rows[0].index(".") + 1) - rows[0].index(".")
    positions = np.array([[float(row[20 + k * width : 20 + (k + 1) * width]) for k in range(3)] for row in rows])
    return names, residues, positions, [float(x) for x in lines[2 + n].split()[:3]]


def hexaqua(binary):
    text, _ = processor([binary, "bench", str(INPUT), "--backend", "cpu", "--steps", "220", "--warm-up", "40", "--fixed-charges", "--json"])
    return tuple(json.loads(text[text.index("[") :])[0]["constant_potential"]["processor"][:2])


def lammps(names, residues, positions, box, held):
    types = [{"C": 1 if r == "LOW" else 2, "OW": 3, "HW1": 4, "HW2": 4}[n] for n, r in zip(names, residues)]
    first = names.index("OW")
    waters = range(first, len(names), 3)
    low = positions[:, 2].min() - 0.3
    high = positions[:, 2].max() + 0.3
    data = [
        "graphene", "", f"{len(names)} atoms", f"{2 * len(waters)} bonds", f"{len(waters)} angles", "4 atom types", "1 bond types",
        "1 angle types", "", f"0 {10 * box[0]} xlo xhi", f"0 {10 * box[1]} ylo yhi", f"{10 * low} {10 * high} zlo zhi", "", "Masses", "",
        "1 12.011", "2 12.011", "3 15.9994", "4 1.008", "", "Atoms # full", "",
    ]  # fmt: skip
    for i, (t, r) in enumerate(zip(types, positions)):
        molecule = 1 if i < first else 2 + (i - first) // 3
        q = CHARGE.get(names[i], 0.0 if held else (0.001 if t == 2 else -0.001))
        data.append(f"{i + 1} {molecule} {t} {q} {10 * r[0]:.8f} {10 * r[1]:.8f} {10 * r[2]:.8f}")
    data += ["", "Bonds", ""] + [f"{2 * k + m + 1} 1 {o + 1} {o + 2 + m}" for k, o in enumerate(waters) for m in (0, 1)]
    data += ["", "Angles", ""] + [f"{k + 1} 1 {o + 2} {o + 1} {o + 3}" for k, o in enumerate(waters)] + [""]
    style = "pppm/electrode 1e-4" if held else "pppm 1e-4"
    fix = f"fix held lower electrode/conp -0.5 {0.1 / WIDTH} couple upper 0.5 symm on" if held else ""
    script = f"""
units real
atom_style full
boundary p p f
pair_style lj/cut/coul/long {10 * CUTOFF}
bond_style harmonic
angle_style harmonic
read_data system.data
pair_coeff * * 0 1
pair_coeff 3 3 {EPSILON_O / 4.184} {10 * SIGMA_O}
pair_coeff 1*2 3 {EPSILON_C / 4.184} {10 * SIGMA_C}
bond_coeff 1 500 1.0
angle_coeff 1 100 109.47122
kspace_style {style}
kspace_modify slab 3.0 gewald {BETA / 10} order 5
group lower type 1
group upper type 2
group water type 3 4
{'' if held else 'neigh_modify exclude type 1 1 exclude type 2 2 exclude type 1 2'}
{fix}
fix rigid water shake 1e-5 50 0 b 1 a 1
fix move water nve
neighbor 2.0 bin
timestep 2.0
thermo 1000
run STEPS
"""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "system.data").write_text("\n".join(data))
        for steps in STEPS:
            pathlib.Path(folder, "in.lmp").write_text(script.replace("STEPS", str(steps)))
            lmp = pathlib.Path(sys.executable).with_name("lmp")
            times.append(processor([str(lmp), "-in", "in.lmp"], cwd=folder)[1])
    return 1e3 * (times[1] - times[0]) / (STEPS[1] - STEPS[0])


def openmm_worker(path, held, steps):
    # openmm.py beside this file is not the package
    sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve() != HERE]
    import openmm as mm

    names, residues, positions, box = read(path)
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*[mm.Vec3(*row) for row in np.diag(box)])
    lj = mm.NonbondedForce()
    lj.setNonbondedMethod(mm.NonbondedForce.CutoffPeriodic if held else mm.NonbondedForce.PME)
    lj.setCutoffDistance(CUTOFF)
    lj.setUseDispersionCorrection(False)
    coulomb = mm.ConstantPotentialForce() if held else None
    # sigma and epsilon of carbon with which Lorentz-Berthelot gives the pair of carbon and oxygen
    carbon = (2 * SIGMA_C - SIGMA_O, EPSILON_C**2 / EPSILON_O)
    for name, residue in zip(names, residues):
        q = CHARGE.get(name, 0.0)
        system.addParticle(0.0 if name == "C" else MASS[name])
        sigma, epsilon = {"OW": (SIGMA_O, EPSILON_O), "C": carbon}.get(name, (0.3, 0.0))
        fixed = q if name != "C" else (0.001 if residue == "UPP" else -0.001)
        lj.addParticle(0.0 if held else fixed, sigma, epsilon)
        if held:
            coulomb.addParticle(q)
    for o in range(names.index("OW"), len(names), 3):
        system.addConstraint(o, o + 1, 0.1)
        system.addConstraint(o, o + 2, 0.1)
        system.addConstraint(o + 1, o + 2, 0.16329931618554522)
        for a, b in ((o, o + 1), (o, o + 2), (o + 1, o + 2)):
            lj.addException(a, b, 0.0, 1.0, 0.0)
            if held:
                coulomb.addException(a, b, 0.0)
    system.addForce(lj)
    grid = [math.ceil(edge / 0.12) for edge in box]
    if held:
        for name, volts in (("LOW", -0.5), ("UPP", 0.5)):
            coulomb.addElectrode([i for i, r in enumerate(residues) if r == name], volts * VOLT, WIDTH, 0.0)
        coulomb.setCutoffDistance(CUTOFF)
        coulomb.setPMEParameters(BETA, *grid)
        coulomb.setConstantPotentialMethod(mm.ConstantPotentialForce.Matrix)
        coulomb.setUseChargeConstraint(True)
        coulomb.setChargeConstraintTarget(0.0)
        system.addForce(coulomb)
    else:
        lj.setPMEParameters(BETA, *grid)
    integrator = mm.VerletIntegrator(0.002)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(positions)
    context.setVelocitiesToTemperature(298.15, 1)
    integrator.step(5)
    start = resource.getrusage(resource.RUSAGE_SELF)
    integrator.step(steps)
    context.getState(getEnergy=True)
    end = resource.getrusage(resource.RUSAGE_SELF)
    print(1e3 * (end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime) / steps)


def openmm(path, held):
    command = [sys.executable, __file__, "--openmm", str(path), str(int(held)), "10"]
    return float(processor(command)[0].split()[-1])


def main():
    if sys.argv[1:2] == ["--openmm"]:
        return openmm_worker(sys.argv[2], sys.argv[3] == "1", int(sys.argv[4]))
    binary = os.environ.get("HEXAQUA", str(ROOT / "target/release/hexaqua"))
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "run")
        processor([binary, "run", str(INPUT), "--backend", "cpu", "--out", str(out)])
        box = read(out / "final.gro")
        rows = [("hexaqua", *hexaqua(binary))]
        rows.append(("LAMMPS", lammps(*box, True), lammps(*box, False)))
        rows.append(("OpenMM", openmm(out / "final.gro", True), openmm(out / "final.gro", False)))
    print(f"{platform.processor() or platform.machine()}, one thread, processor time, {len(box[0])} atoms\n")
    print("| engine | constant potential, ms/step | fixed charges, ms/step | ratio | constant potential beside hexaqua |")
    print("| --- | --- | --- | --- | --- |")
    for name, held, fixed in rows:
        print(f"| {name} | {held:.2f} | {fixed:.2f} | {held / fixed:.2f} | {held / rows[0][1]:.1f} |")


if __name__ == "__main__":
    main()
