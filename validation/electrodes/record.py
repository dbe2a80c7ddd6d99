#!/usr/bin/env python3
"""Charges and forces of a graphene capacitor at constant potential, by LAMMPS (ELECTRODE) and OpenMM (ConstantPotentialForce).

The configuration is that of ../engines/graphene_slab_ew3dc: two graphene sheets, ZnCl2(aq) between them. Lennard-Jones is left out:
what is compared is electrostatics. Both sheets carry Gaussians exp(-r^2/w^2) with w = 0.0505 nm and are held 1 V apart.

    python3 record.py        # needs numpy, openmm >= 8.4 and LAMMPS with its ELECTRODE package (`lmp` on the path)

* lammps_slab.csv    potentials -0.5 and 0.5 V, EW3DC, Ewald sum: `fix electrode/conp`, two boxes apart in vacuum
* openmm_periodic.csv  the same potentials in the three-dimensional periodic cell, Reference platform (double precision)
* openmm_field.csv   equal potentials and a field of 1 V over the height of the cell: the finite-field form

Columns: atom (from 1), charge (e), force (kJ/mol/nm; on electrode atoms not comparable between engines: LAMMPS leaves it out).
"""

import pathlib
import subprocess
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
CASE = HERE.parent / "engines" / "graphene_slab_ew3dc"
CHARGE = {"ZN": [2.0], "CL": [-1.0], "SOL": [-0.8476, 0.4238, 0.4238]}
WIDTH = 0.0505  # nm
CUTOFF = 1.0  # nm
BETA = 4.0  # 1/nm, erfc(beta cutoff) = 1.5e-8
VOLT = 96.48533212331002  # kJ/mol/e
CELL_LAMMPS = 4.0  # nm; with `slab 3.0` the 12 nm of the case


def read():
    lines = (CASE / "system.gro").read_text().splitlines()
    n = int(lines[1])
    residues = [line[5:10].strip() for line in lines[2 : 2 + n]]
    width = len(lines[2][20:].rstrip()) // 3
    positions = np.array([[float(line[20 + k * width : 20 + (k + 1) * width]) for k in range(3)] for line in lines[2 : 2 + n]])
    charges, k = np.zeros(n), 0
    molecules = []
    while k < n:
        own = CHARGE.get(residues[k], [0.0])
        charges[k : k + len(own)] = own
        molecules.append(range(k, k + len(own)))
        k += len(own)
    box = [float(x) for x in lines[2 + n].split()]
    electrodes = [[i for i in range(n) if residues[i] == name] for name in ("GRP", "GRN")]
    return positions, charges, molecules, box, electrodes


def write(name, comment, charges, forces):
    with open(HERE / name, "w") as out:
        out.write(f"# {comment}\natom,charge,fx,fy,fz\n")
        for i, (q, f) in enumerate(zip(charges, forces)):
            out.write(f"{i + 1},{q:.9e},{f[0]:.8e},{f[1]:.8e},{f[2]:.8e}\n")


def openmm(name, potentials, field):
    import openmm as mm

    positions, charges, molecules, box, electrodes = read()
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*[mm.Vec3(*row) for row in np.diag(box)])
    force = mm.ConstantPotentialForce()
    for q in charges:
        system.addParticle(0.0 if q == 0.0 else 1.0)
        force.addParticle(q)
    for molecule in molecules:
        for i in molecule:
            for j in molecule:
                if i < j:
                    force.addException(i, j, 0.0)
    for atoms, volts in zip(electrodes, potentials):
        force.addElectrode(atoms, volts * VOLT, WIDTH, 0.0)
    force.setCutoffDistance(CUTOFF)
    force.setPMEParameters(BETA, 90, 96, 432)
    force.setConstantPotentialMethod(mm.ConstantPotentialForce.Matrix)
    force.setUseChargeConstraint(True)
    force.setChargeConstraintTarget(0.0)
    # OpenMM's field acts as E on charges: the energy is -q E z
    force.setExternalField(mm.Vec3(0, 0, field * VOLT))
    system.addForce(force)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(getForces=True, getEnergy=True)
    forces = state.getForces(asNumpy=True)._value
    found = [q._value if hasattr(q, "_value") else float(q) for q in force.getCharges(context)]
    energy = state.getPotentialEnergy()._value
    comment = f"OpenMM {mm.__version__} Reference, potentials {potentials} V, field {field:.9g} V/nm, energy {energy:.9f} kJ/mol"
    write(name, comment, found, forces)
    print(comment, "upper sheet", sum(np.array(found)[electrodes[1]]))


def lammps(name, potentials):
    positions, charges, molecules, box, electrodes = read()
    types = np.zeros(len(charges), dtype=int)
    for k, atoms in enumerate(electrodes):
        types[atoms] = k + 1
    kinds = {2.0: 3, -1.0: 4, -0.8476: 5, 0.4238: 6}
    for i, q in enumerate(charges):
        if types[i] == 0:
            types[i] = kinds[q]
    bonds, angles = [], []
    for molecule in molecules:
        if len(molecule) == 3:
            o, a, b = molecule
            bonds += [(o, a), (o, b)]
            angles.append((a, o, b))
    data = [
        "graphene capacitor", "", f"{len(charges)} atoms", f"{len(bonds)} bonds", f"{len(angles)} angles", "6 atom types",
        "1 bond types", "1 angle types", "", f"0 {10 * box[0]} xlo xhi", f"0 {10 * box[1]} ylo yhi",
        f"0 {10 * CELL_LAMMPS} zlo zhi", "", "Masses", "", *[f"{t} 10.0" for t in range(1, 7)], "", "Atoms # full", "",
    ]  # fmt: skip
    number = {i: m + 1 for m, molecule in enumerate(molecules) for i in molecule}
    for i, (r, q) in enumerate(zip(positions, charges)):
        data.append(f"{i + 1} {number[i]} {types[i]} {q} {10 * r[0]:.8f} {10 * r[1]:.8f} {10 * r[2]:.8f}")
    data += ["", "Bonds", "", *[f"{k + 1} 1 {i + 1} {j + 1}" for k, (i, j) in enumerate(bonds)]]
    data += ["", "Angles", "", *[f"{n + 1} 1 {i + 1} {j + 1} {k + 1}" for n, (i, j, k) in enumerate(angles)], ""]
    script = f"""
units real
atom_style full
boundary p p f
pair_style coul/long {10 * CUTOFF}
bond_style zero
angle_style zero
special_bonds coul 0.0 0.0 0.0
read_data system.data
pair_coeff * *
pair_modify table 0
bond_coeff *
angle_coeff *
kspace_style ewald/electrode 1e-10
kspace_modify slab 3.0 gewald {BETA / 10}
group lower type 1
group upper type 2
fix held lower electrode/conp {potentials[0]} {0.1 / WIDTH} couple upper {potentials[1]} symm on
thermo_style custom step pe ecoul elong
thermo_modify format float %.10f
dump all all custom 1 out.dump id q fx fy fz
dump_modify all sort id format float %.12g
run 0
print "version $(version)"
"""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "system.data").write_text("\n".join(data))
        pathlib.Path(folder, "in.lmp").write_text(script)
        done = subprocess.run(["lmp", "-in", "in.lmp"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
        version = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("version"))
        rows = pathlib.Path(folder, "out.dump").read_text().split("ITEM: ATOMS")[-1].splitlines()[1:]
    table = np.array([[float(x) for x in row.split()] for row in rows])
    # kcal/mol/A to kJ/mol/nm
    write(name, f"LAMMPS {version} ELECTRODE, potentials {potentials} V, EW3DC", table[:, 1], 41.84 * table[:, 2:])
    print(name, "upper sheet", table[electrodes[1], 1].sum())


if __name__ == "__main__":
    openmm("openmm_periodic.csv", [-0.5, 0.5], 0.0)
    openmm("openmm_field.csv", [0.0, 0.0], 1.0 / 12.0)
    lammps("lammps_slab.csv", [-0.5, 0.5])
