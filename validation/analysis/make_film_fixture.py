"""Writes film_fixture.json: what MDAnalysis, solvation-analysis, GROMACS and others find in film.xtc.

film.xtc: 10 Zn2+, 20 Cl-, 150 SPC/E waters, 31 frames 0.1 ps apart, a film between two vacuums in a cell of 1.83 x 1.83 x 4.27 nm, with contact
pairs; made by `hexaqua run film.toml`. Settings below are those of the test `film_fixture` in tests/it; "by" names the routine behind every
number. What to install: fixture.py, and GROMACS's `gmx` for the potential.
"""

import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from MDAnalysis.analysis.density import DensityAnalysis
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis
from MDAnalysis.analysis.lineardensity import LinearDensity
from MDAnalysis.analysis.msd import EinsteinMSD
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.distances import calc_angles, capped_distance, distance_array, minimize_vectors
from MDAnalysis.transformations import nojump, wrap
from solvation_analysis.networking import Networking
from solvation_analysis.solute import Solute

from fixture import DT, Record, Stored, line, weighted

N_LAGS = 11
make = lambda: Stored("film.xtc", 10, 20, 150)
s = make()
universe, n_frames, edge, raw, trajectory = s.universe, s.n_frames, s.edge, s.raw, s.universe.trajectory
height = edge[0, 2]
version_of_gmx = subprocess.run(["gmx", "--version"], capture_output=True, text=True, check=True).stdout
version_of_gmx = next(l.split(":", 1)[1].strip() for l in version_of_gmx.splitlines() if l.startswith("GROMACS version"))
programs = ["MDAnalysis", "solvation-analysis", "numpy"]
out = Record(", ".join([f"{p} {version(p)}" for p in programs] + [f"GROMACS {version_of_gmx}"]), s)

# --- g(r) in a cell that is no cube -----------------------------------------------------------------------------------------------------
rdf = InterRDF(s.zn, s.cl, nbins=45, range=(0.0, 9.0)).run()
out.add("rdf_zn_cl", "MDAnalysis InterRDF", rdf.results.rdf)
out.add("running_zn_cl", "MDAnalysis InterRDF, its counts summed", np.cumsum(rdf.results.count) / (s.n_zn * n_frames))
# a group that is chosen anew in every frame: MDAnalysis counts, the pairs of the frame normalise
low = universe.select_atoms("name OW and prop z < 14", updating=True)
shell = 4 / 3 * np.pi * np.diff(np.linspace(0, 0.9, 46) ** 3)
g = np.zeros(45)
for t in range(n_frames):
    counts = InterRDF(s.zn, low, nbins=45, range=(0.0, 9.0), norm="none").run(start=t, stop=t + 1).results.count
    trajectory[t]
    g += counts * edge[t].prod() / (s.n_zn * low.n_atoms * shell * n_frames)
out.add("rdf_zn_low", "MDAnalysis InterRDF, counts with an updating group, over the pairs of every frame", g)

# --- profiles along z -----------------------------------------------------------------------------------------------------------------------
n_bins = 60
PER_NM3 = 602.214076  # of 1 mol/cm3


def profile(atoms, n=n_bins):
    return LinearDensity(atoms, grouping="atoms", binsize=s.boxes[0, 2] / n * 0.9999999).run().results.z


for name, atoms, mass in [("zn", s.zn, 65.38), ("cl", s.cl, 35.45), ("ow", s.ow, 15.999)]:
    out.add(f"number_density_{name}", "MDAnalysis LinearDensity, over the mass", profile(atoms).mass_density * PER_NM3 / mass)
everything = profile(universe.atoms)
out.add("mass_density", "MDAnalysis LinearDensity", everything.mass_density)
charge = everything.charge_density * PER_NM3
out.add("charge_density", "MDAnalysis LinearDensity", charge)
# phi(z) = -(4 pi k / A) sum over the charges below z of q (z - z'), of the charges themselves: no bins; V nm/e
K = 4 * np.pi * 138.935457644 / 96.48533212
limits = np.linspace(0, height, n_bins + 1)
centers = 0.5 * (limits[1:] + limits[:-1])
inside = np.mod(raw[:, :, 2], edge[:, None, 2])
area = edge[:, 0] * edge[:, 1]


def potential(z):
    return -K * np.mean((s.charges * np.maximum(z - inside, 0.0)).sum(axis=1) / area)


phi = np.array([potential(z) for z in centers])
by = "numpy: Poisson's equation in closed form, on the charges where they are"
out.add("potential_open", by, phi)
out.add("potential_periodic", by, phi - potential(height) * centers / height)
# heights from the mean height of the water oxygens
shifted = np.zeros(n_bins)
for t in range(n_frames):
    z = np.mod(raw[t, :, 2] - raw[t, s.oxygen, 2].mean(), edge[t, 2])
    shifted += np.histogram(z, n_bins, (0, edge[t, 2]), weights=s.charges)[0] / (edge[t].prod() / n_bins)
out.add("charge_density_from_water", "numpy: LinearDensity counts from the bottom of the cell", shifted / n_frames)

# GROMACS integrates by trapezoids between the centres of slices: fine slices, of which every 35th is kept
TOP = """[ defaults ]
1 2 no 1.0 1.0
[ atomtypes ]
X 1.0 0.0 A 0.0 0.0
{kinds}
[ system ]
film
[ molecules ]
ZN {s.n_zn}
CL {s.n_cl}
SOL {s.n_water}
"""
KIND = "[ moleculetype ]\n{name} 0\n[ atoms ]\n{atoms}\n"
kinds = [("ZN", [("ZN", 2.0, 65.38)]), ("CL", [("CL", -1.0, 35.45)])]
kinds.append(("SOL", [("OW", -0.8476, 15.999), ("HW1", 0.4238, 1.008), ("HW2", 0.4238, 1.008)]))
rows = lambda name, atoms: "\n".join(f"{k} X 1 {name} {a} {k} {q} {m}" for k, (a, q, m) in enumerate(atoms, 1))
N_SLICES = 2100
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    text = "".join(KIND.format(name=name, atoms=rows(name, atoms)) for name, atoms in kinds)
    (folder / "film.top").write_text(TOP.format(kinds=text, s=s))
    (folder / "film.mdp").write_text("integrator = md\ncutoff-scheme = verlet\nrcoulomb = 0.8\nrvdw = 0.8\n")
    (folder / "film.ndx").write_text("[ System ]\n" + "\n".join(str(k) for k in range(1, s.n_atoms + 1)) + "\n")
    here = Path(__file__).parent

    def gmx(*words):
        subprocess.run(["gmx", *map(str, words)], cwd=folder, check=True, capture_output=True)

    gmx("grompp", "-f", "film.mdp", "-c", here / "film.gro", "-p", "film.top", "-o", "film.tpr", "-maxwarn", 3)
    gmx("potential", "-s", "film.tpr", "-n", "film.ndx", "-f", here / "film.xtc", "-sl", N_SLICES, "-d", "Z")
    xvg = {}
    for name in ["charge", "field", "potential"]:
        lines = [l.split() for l in (folder / f"{name}.xvg").read_text().splitlines() if l and l[0] not in "#@"]
        xvg[name] = np.array([float(l[1]) for l in lines])
out.add("gromacs_potential", "gmx potential, 2100 slices, V", xvg["potential"][::35])

# --- maps over x and z ------------------------------------------------------------------------------------------------------------------------
wrapped = make().universe
wrapped.trajectory.add_transformations(wrap(wrapped.atoms))
n_x, n_z = 9, 21
lengths = s.boxes[0, :3].astype(float)
# one width for all axes: the cell is made for it
delta = max(lengths[0] / n_x, lengths[2] / n_z)
assert abs(lengths[2] / n_z - lengths[0] / n_x) < 1e-4
grid = DensityAnalysis(
    wrapped.select_atoms("name OW"), delta=delta * (1 + 1e-7), gridcenter=lengths / 2, xdim=lengths[0], ydim=lengths[1], zdim=lengths[2]
).run().results.density
grid.convert_density("nm^{-3}")
assert grid.grid.shape == (n_x, n_x, n_z), grid.grid.shape
out.add("map_ow", "MDAnalysis DensityAnalysis, averaged over y", grid.grid.mean(axis=1).ravel())

# --- coordination by layer, angles, pairs, clusters ---------------------------------------------------------------------------------------------
n_layers = 14
sums = np.zeros((n_layers, 3))
found = []
for t, ts in enumerate(trajectory):
    to_o = (distance_array(s.zn.positions, s.ow.positions, box=ts.dimensions) < 4.5).sum(1)
    to_cl = (distance_array(s.zn.positions, s.cl.positions, box=ts.dimensions) < 4.5).sum(1)
    layer = (np.mod(s.zn.positions[:, 2], ts.dimensions[2]) / ts.dimensions[2] * n_layers).astype(int)
    np.add.at(sums, layer, np.c_[np.ones(s.n_zn), to_o, to_cl])
    both = s.ow + s.cl
    pairs = capped_distance(s.zn.positions, both.positions, 3.0, box=ts.dimensions, return_distances=False)
    for z in range(s.n_zn):
        near = pairs[pairs[:, 0] == z, 1]
        i, j = np.triu_indices(len(near), 1)
        p, center = both.positions[near], np.tile(s.zn.positions[z], (len(i), 1))
        found.extend(np.degrees(calc_angles(p[i], center, p[j], box=ts.dimensions)))
filled = sums[:, 0] > 0
by = "MDAnalysis distance_array, by layer of the cation"
out.add("layers_z", by, ((np.arange(n_layers) + 0.5) * height / n_layers)[filled])
out.add("layers_cn_o", by, (sums[:, 1] / sums[:, 0].clip(1))[filled])
out.add("layers_cn_cl", by, (sums[:, 2] / sums[:, 0].clip(1))[filled])
by = "MDAnalysis capped_distance and calc_angles"
out.add("angles", by, np.histogram(found, np.r_[0, np.arange(1, 180, 2), 180], density=True)[0])
out.add("angles_trans", by, np.mean(np.array(found) > 135))


def solute(radius):
    solvents, radii = {"water": s.ow, "chloride": s.cl}, {"water": 10 * radius, "chloride": 10 * radius}
    made = Solute.from_atoms(s.zn, solvents, radii=radii)
    made.run()
    return made


near = solute(0.3)
shells = {f"{int(r.water)},{int(r.chloride)}": float(f"{r.fraction:.8g}") for r in near.speciation.speciation_fraction.itertuples()}
out.add("shells", "solvation-analysis Solute.speciation", shells)
numbers = near.coordination.coordination_numbers
out.add("cn", "solvation-analysis Solute.coordination, of water and Cl", [numbers["water"], numbers["chloride"]])
out.add("contact_pairs", "solvation-analysis Networking, paired", Networking.from_solute(near, "chloride").solute_status["paired"])
sizes = Networking.from_solute(solute(0.44), "chloride").network_sizes.sum()
clusters = np.zeros(24)
for n, count in sizes.items():
    clusters[int(n) - 1] += n * count
n_ions = (s.n_zn + s.n_cl) * n_frames
clusters[0] = n_ions - clusters.sum()
clusters = clusters[: clusters.nonzero()[0][-1] + 1]
out.add("clusters", "solvation-analysis Networking, ions by size of their network, contacts below 0.44 nm", clusters / n_ions)
for radius, name in [(0.3, "states"), (0.44, "states_wide")]:
    states = np.zeros(5)
    for ts in trajectory:
        d = distance_array(s.zn.positions, s.cl.positions, box=ts.dimensions) / 10
        contact = d < radius
        for z in range(s.n_zn):
            touched = np.flatnonzero(contact[z])
            if len(touched) == 0:
                states[2 if d[z].min() < 0.6 else (1 if d[z].min() < 0.8 else 0)] += 1
            else:
                states[3 if len(touched) == 1 and contact[:, touched[0]].sum() == 1 else 4] += 1
    out.add(name, f"MDAnalysis distance_array: free, 2SIP, SSIP, CIP, aggregate; contacts below {radius} nm", states / states.sum())

# --- hydrogen bonds by height -----------------------------------------------------------------------------------------------------------------------
bonds = HydrogenBondAnalysis(
    universe, donors_sel="name OW", hydrogens_sel="name HW1 HW2", acceptors_sel="name OW", d_a_cutoff=3.5, d_h_a_angle_cutoff=150
).run().results.hbonds
regions = {name: np.zeros(8) for name in ["lower", "upper", "bulk"]}
for t, ts in enumerate(trajectory):
    of_frame = bonds[bonds[:, 0] == t]
    donated = np.bincount(of_frame[:, 1].astype(int), minlength=s.n_atoms)
    accepted = np.bincount(of_frame[:, 3].astype(int), minlength=s.n_atoms)
    lower = universe.select_atoms("name OW and prop z < 14").indices
    upper = universe.select_atoms("name OW and prop z >= 26").indices
    for name, atoms in [("lower", lower), ("upper", upper), ("bulk", np.setdiff1d(s.oxygen, np.r_[lower, upper]))]:
        d, a = donated[atoms], accepted[atoms]
        classes = [np.sum((d == x) & (a == y)) for x, y in [(2, 2), (2, 1), (1, 2), (1, 1)]]
        regions[name] += np.r_[len(atoms), d.sum(), a.sum(), classes, len(atoms) - sum(classes)]
for name, sums in regions.items():
    out.add(f"water_{name}", "MDAnalysis HydrogenBondAnalysis and select_atoms", sums[1:] / sums[0])

# --- dipoles by layer --------------------------------------------------------------------------------------------------------------------------------
waters = universe.select_atoms("resname SOL")
n_layers = 21
sums = np.zeros((n_layers, 3))
to_zn = []
for ts in trajectory:
    dipole = waters.dipole_vector(compound="residues", unwrap=True)
    length = np.linalg.norm(dipole, axis=1)
    cos = dipole[:, 2] / length
    layer = (np.mod(s.ow.positions[:, 2], ts.dimensions[2]) / ts.dimensions[2] * n_layers).astype(int)
    np.add.at(sums, layer, np.c_[np.ones(s.n_water), cos, 1.5 * cos**2 - 0.5])
    shell = universe.select_atoms("name OW and around 2.8 name ZN")
    of_shell = np.searchsorted(s.oxygen, shell.indices)
    nearest = distance_array(shell.positions, s.zn.positions, box=ts.dimensions).argmin(1)
    axis = minimize_vectors(shell.positions - s.zn.positions[nearest], box=ts.dimensions)
    to_zn.extend(np.einsum("ix,ix->i", dipole[of_shell], axis) / (length[of_shell] * np.linalg.norm(axis, axis=1)))
filled = sums[:, 0] > 0
by = "MDAnalysis dipole_vector, by layer of the oxygen"
out.add("dipole_layers_z", by, ((np.arange(n_layers) + 0.5) / n_layers)[filled])
out.add("dipole_layers_n", by, sums[filled, 0] / n_frames)
out.add("dipole_layers_cosine", by, sums[filled, 1] / sums[filled, 0])
out.add("dipole_layers_p2", by, sums[filled, 2] / sums[filled, 0])
out.add("dipole_of_shell", "MDAnalysis dipole_vector and select_atoms, towards the nearest Zn", np.mean(to_zn))

# --- displacements ---------------------------------------------------------------------------------------------------------------------------------------
free = make().universe
free.trajectory.add_transformations(nojump.NoJump())
path = s.without_drift(np.array([ts.positions.copy() for ts in free.trajectory], dtype=np.float64) / 10.0)
still = s.universe_of(path)
slopes = []
for kind, dimensions in [("xyz", 3), ("xy", 2), ("z", 1)]:
    msd = EinsteinMSD(still.select_atoms("name OW"), msd_type=kind, fft=False).run().results.timeseries[:N_LAGS] / 100
    out.add(f"msd_ow_{kind}", "MDAnalysis NoJump and EinsteinMSD", msd)
    slopes.append(1000 * line(DT * np.arange(2, N_LAGS), msd[2:]) / (2 * dimensions))
out.add("diffusion_ow", "numpy polyfit of MDAnalysis EinsteinMSD, between 0.2 and 1 ps", slopes)

# --- residence of chloride behind the first shell -----------------------------------------------------------------------------------------------------------
inside = []
for ts in trajectory:
    pairs = capped_distance(s.zn.positions, s.cl.positions, 5.0, box=ts.dimensions, return_distances=False)
    inside.append({(int(a), int(b)) for a, b in pairs})
out.add("residence_cl", "MDAnalysis autocorrelation, origins weighted", weighted(inside, N_LAGS))

out.write("film_fixture.json")
