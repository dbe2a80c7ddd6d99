#!/usr/bin/env python3
"""Charges and forces of a graphene capacitor at constant potential, by LAMMPS (ELECTRODE) and OpenMM (ConstantPotentialForce).

The configuration is that of ../engines/graphene_slab_ew3dc: two graphene sheets, ZnCl2(aq) between them. Lennard-Jones is left out:
what is compared is electrostatics. Both sheets carry Gaussians exp(-r^2/w^2) with w = 0.0505 nm and are held 1 V apart.

    python3 record.py        # needs numpy, openmm >= 8.4 and LAMMPS with its ELECTRODE package (`lmp` on the path)
    python3 record.py gold LAMMPS/examples/PACKAGES/electrode OPENMM/tests      # the published cases, see README.md

* lammps_slab.csv    potentials -0.5 and 0.5 V, EW3DC, Ewald sum: `fix electrode/conp`, two boxes apart in vacuum
* openmm_periodic.csv  the same potentials in the three-dimensional periodic cell, Reference platform (double precision)
* openmm_field.csv   equal potentials and a field of 1 V over the height of the cell: the finite-field form

Columns: atom (from 1), charge (e), force (kJ/mol/nm; on electrode atoms not comparable between engines: LAMMPS leaves it out).
"""

import pathlib
import re
import subprocess
import sys
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


def lammps_atoms(path):
    """Number, molecule, type and coordinates (Angstrom) of every atom of a data file of style full, by number."""
    section = path.read_text().split("Atoms # full")[1].split("Velocities")[0].split("Bonds")[0]
    rows = [line.split("#")[0].split() for line in section.splitlines()]
    return sorted((int(r[0]), int(r[1]), int(r[2]), *map(float, r[4:7])) for r in rows if len(r) >= 7)


def table(name, comments, header, rows):
    text = "".join(f"# {comment}\n" for comment in comments)
    (HERE / name).write_text(text + header + "\n" + "\n".join(rows) + "\n")


def numbers(values):
    return ",".join(f"{x:.6f}" for x in values)


def gold(examples, openmm_tests):
    """Coordinates of the published cases, MetalWalls' charges, and what LAMMPS converges to."""
    text = (openmm_tests / "conp_positions.dat").read_text()
    positions = [[float(x) for x in row.split(",")] for row in re.findall(r"Vec3\(([^)]*)\)", text)]
    charges = []
    for name in ("conp_ref_charges_tf.dat", "conp_ref_charges.dat"):
        charges.append([float(x) for x in re.findall(r"=\s*([-+\d.e]+);", (openmm_tests / name).read_text())])
    rows = [numbers(r) + "".join(f",{q[i]:.10e}" for q in charges if i < len(q)) for i, r in enumerate(positions)]
    table(
        "metalwalls_water.csv",
        [
            "OpenMM tests/conp_positions.dat, conp_ref_charges_tf.dat, conp_ref_charges.dat: charges by MetalWalls",
            "cell 3 x 2 x 2 nm; atoms 0 to 299 are electrodes (x below 1.5 nm: the first), then 222 SPC/E waters O H H",
            "x, y, z (nm), charge with Thomas-Fermi terms (e), charge in the field (e)",
        ],
        "x,y,z,thomas_fermi,field",
        rows,
    )
    source = "LAMMPS examples/PACKAGES/electrode"
    plates = sorted(lammps_atoms(examples / "planar/data.au-vac"), key=lambda r: r[1])
    comments = [f"{source}/planar/data.au-vac: 288 Au atoms, the lower electrode first", "x, y, z (Angstrom)"]
    table("lammps_au_vac.csv", comments, "x,y,z", [numbers(r[3:]) for r in plates])
    for name, file, what in (
        ("graph_il", "graph-il", "the charged atoms"),
        ("au_aq", "au-aq", "the electrolyte; the gold is ten layers of 9 x 9 squares on each side"),
    ):
        kinds = {
            "graph_il": "type (1-3 BMI, 4 PF6, 5 C of the innermost layers), x, y, z (Angstrom)",
            "au_aq": "type (4 Na, 5 Cl, 1 O, 2 and 3 H), x, y, z (Angstrom)",
        }[name]
        rows = [f"{r[2]},{numbers(r[3:])}" for r in lammps_atoms(examples / file / f"data.{file}") if r[2] < 6]
        table(f"lammps_{name}.csv", [f"{source}/{file}/data.{file}: {what}", kinds], "type,x,y,z", rows)
    plate = "fix conp bot electrode/conp 0 1.979 couple top 1.0 symm on"
    liquid = "fix conp bot electrode/conp -1.0 1.979 couple top 1.0 symm on"
    for folder, kspace, slab, electrodes in (
        ("planar", "ewald/electrode 1e-11", "slab ew2d", plate),
        ("planar", "ewald/electrode 1e-11", "slab 3.0", plate),
        ("graph-il", "pppm/electrode 1e-10", "slab 3.0 order 7 gewald 0.25", liquid),
    ):
        script = f"""
boundary p p f
include settings.mod
kspace_style {kspace}
kspace_modify {slab}
pair_modify table 0
{electrodes}
thermo_style custom ecoul elong c_qbot c_qtop
thermo_modify format float %.12f
run 0
"""
        with tempfile.TemporaryDirectory() as scratch:
            pathlib.Path(scratch, "in.lmp").write_text(script)
            for file in (examples / folder).iterdir():
                pathlib.Path(scratch, file.name).write_bytes(file.read_bytes())
            done = subprocess.run(["lmp", "-in", "in.lmp"], cwd=scratch, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        at = next(k for k, line in enumerate(lines) if line.split()[:2] == ["E_coul", "E_long"])
        print(folder, slab, "E_coul, E_long (kcal/mol), charges (e):", lines[at + 1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["gold"]:
        gold(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
        sys.exit()
    openmm("openmm_periodic.csv", [-0.5, 0.5], 0.0)
    openmm("openmm_field.csv", [0.0, 0.0], 1.0 / 12.0)
    lammps("lammps_slab.csv", [-0.5, 0.5])
