"""Writes observables_fixture.json: what MDAnalysis, freud and plain numpy find in zncl2.xtc.

    pip install MDAnalysis freud-analysis periodictable && python make_observables_fixture.py > observables_fixture.json

zncl2.xtc: 8 Zn2+ (atoms 1-8), 16 Cl- (9-24), 190 SPC/E waters O H H, 25 frames 0.1 ps apart in a cube, wrapped here per atom; made by
`hexaqua run zncl2.toml`. Settings below are those of the test `observables_fixture` in tests/it. Lengths in nm, times in ps.
"""

import json
import warnings

import freud
import MDAnalysis as mda
import numpy as np
import periodictable
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis
from MDAnalysis.analysis.lineardensity import LinearDensity
from MDAnalysis.analysis.msd import EinsteinMSD
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.distances import distance_array, minimize_vectors

warnings.filterwarnings("ignore")
N_ZN, N_CL, N_WATER, DT = 8, 16, 190, 0.1
HALF = 0.8  # nm, range of the g(r)

names = ["ZN"] * N_ZN + ["CL"] * N_CL + ["OW", "HW1", "HW2"] * N_WATER
elements = ["Zn"] * N_ZN + ["Cl"] * N_CL + ["O", "H", "H"] * N_WATER
masses = np.array([65.38] * N_ZN + [35.45] * N_CL + [15.999, 1.008, 1.008] * N_WATER)
charges = np.array([2.0] * N_ZN + [-1.0] * N_CL + [-0.8476, 0.4238, 0.4238] * N_WATER)
residues = list(range(N_ZN + N_CL)) + [N_ZN + N_CL + k // 3 for k in range(3 * N_WATER)]
n_atoms = len(names)
universe = mda.Universe.empty(n_atoms, n_residues=residues[-1] + 1, atom_resindex=residues, trajectory=True)
universe.add_TopologyAttr("name", names)
universe.add_TopologyAttr("type", elements)
universe.add_TopologyAttr("element", elements)
universe.add_TopologyAttr("mass", masses)
universe.add_TopologyAttr("charge", charges)
universe.add_TopologyAttr("resid", [r + 1 for r in range(residues[-1] + 1)])
first = N_ZN + N_CL
universe.add_TopologyAttr(
    "bonds", [(first + 3 * w, first + 3 * w + k) for w in range(N_WATER) for k in (1, 2)]
)
universe.load_new("zncl2.xtc")
ZN, CL = universe.select_atoms("name ZN"), universe.select_atoms("name CL")
OW, H = universe.select_atoms("name OW"), universe.select_atoms("name HW1 HW2")

boxes = np.array([ts.dimensions.copy() for ts in universe.trajectory])
raw = np.array([ts.positions.copy() for ts in universe.trajectory], dtype=np.float64) / 10.0
edge = boxes[:, :3].astype(np.float64) / 10.0
n_frames = len(raw)


def image(d, frame):
    return d - edge[frame] * np.round(d / edge[frame])


# continued through the boundary, without the drift of the centre of mass
path = raw.copy()
for t in range(1, n_frames):
    path[t] = path[t - 1] + image(raw[t] - raw[t - 1], t)
path -= np.einsum("tij,i->tj", path, masses)[:, None, :] / masses.sum()
molecule = np.array(residues)
com = np.zeros((n_frames, residues[-1] + 1, 3))
total = np.zeros(residues[-1] + 1)
np.add.at(total, molecule, masses)
for t in range(n_frames):
    np.add.at(com[t], molecule, path[t] * masses[:, None])
com /= total[None, :, None]


def digits(values, n=8):
    return [float(f"{v:.{n}g}") for v in np.asarray(values, dtype=float).ravel()]


out = {"programs": f"MDAnalysis {mda.__version__}, freud {freud.__version__}, numpy {np.__version__}", "frames": n_frames}

# --- g(r), partial and between centres of mass -----------------------------------------------------------------------
rdf = InterRDF(ZN, OW, nbins=40, range=(0.0, 10 * HALF)).run()
out["rdf_zn_ow"] = digits(rdf.results.rdf)
rdf = InterRDF(OW, H, nbins=40, range=(0.0, 10 * HALF), exclude_same="residue").run()
# MDAnalysis leaves the pairs out but normalises by all of them
out["rdf_ow_h_between"] = digits(rdf.results.rdf * (N_WATER * 2 * N_WATER) / (N_WATER * 2 * (N_WATER - 1)))
edges = np.linspace(0.0, HALF, 41)
counts = np.zeros(40)
for t in range(n_frames):
    water = com[t, N_ZN + N_CL :].copy()
    d = image(water[:, None] - water[None], t)
    r = np.sqrt((d**2).sum(-1))[~np.eye(N_WATER, dtype=bool)]
    counts += np.histogram(r, edges)[0] * edge[t].prod()
shell = 4 / 3 * np.pi * np.diff(edges**3)
out["rdf_water_com"] = digits(counts / (n_frames * N_WATER * (N_WATER - 1) * shell))

# --- coordination and ion pairs ------------------------------------------------------------------------------------------
cn_o, cn_cl, states, shells = [], [], np.zeros(5), {}
for ts in universe.trajectory:
    to_o = distance_array(ZN.positions, OW.positions, box=ts.dimensions) / 10
    to_cl = distance_array(ZN.positions, CL.positions, box=ts.dimensions) / 10
    cn_o.append((to_o < 0.3).sum(1))
    cn_cl.append((to_cl < 0.3).sum(1))
    contact = to_cl < 0.3
    for z in range(N_ZN):
        touched = np.flatnonzero(contact[z])
        if len(touched) == 0:
            state = 2 if to_cl[z].min() < 0.5 else (1 if to_cl[z].min() < 0.7 else 0)
        elif len(touched) == 1 and contact[:, touched[0]].sum() == 1:
            state = 3
        else:
            state = 4
        states[state] += 1
        key = f"{(to_o[z] < 0.3).sum()},{len(touched)}"
        shells[key] = shells.get(key, 0) + 1
out["cn_o"], out["cn_cl"] = float(np.mean(cn_o)), float(np.mean(cn_cl))
out["ion_pair_states"] = digits(states / states.sum())
out["shells"] = {k: v / (n_frames * N_ZN) for k, v in shells.items()}

# --- hydrogen bonds: MDAnalysis with the angle at the hydrogen; at the donor by hand --------------------------------------------
hbonds = HydrogenBondAnalysis(
    universe, donors_sel="name OW", hydrogens_sel="name HW1 HW2", acceptors_sel="name OW", d_a_cutoff=3.5, d_h_a_angle_cutoff=150
).run()
found = hbonds.results.hbonds
out["hydrogen_bonds_at_hydrogen"] = len(found) / n_frames
bonds = [set(zip(found[found[:, 0] == t][:, 2].astype(int), found[found[:, 0] == t][:, 3].astype(int))) for t in range(n_frames)]
n_lags = 11
continuous, intermittent, start = np.zeros(n_lags), np.zeros(n_lags), np.zeros(n_lags)
for origin in range(n_frames):
    alive = set(bonds[origin])
    for lag in range(min(n_lags, n_frames - origin)):
        alive &= bonds[origin + lag]
        start[lag] += len(bonds[origin])
        continuous[lag] += len(alive)
        intermittent[lag] += len(bonds[origin] & bonds[origin + lag])
out["hydrogen_bond_continuous"] = digits(continuous / start)
out["hydrogen_bond_intermittent"] = digits(intermittent / start)
classes, total_bonds = np.zeros(5), 0
for t in range(n_frames):
    o = raw[t, first::3]
    d = image(o[None] - o[:, None], t)
    r = np.sqrt((d**2).sum(-1))
    donated, accepted = np.zeros(N_WATER, int), np.zeros(N_WATER, int)
    for k in (1, 2):
        u = image(raw[t, first + k :: 3] - o, t)
        cos = np.einsum("ix,ijx->ij", u, d) / (np.linalg.norm(u, axis=1)[:, None] * np.where(r > 0, r, 1))
        bond = (r > 0) & (r < 0.35) & (cos >= np.cos(np.radians(30)))
        donated += bond.sum(1)
        accepted += bond.sum(0)
    total_bonds += donated.sum()
    for n, pair in enumerate([(2, 2), (2, 1), (1, 2), (1, 1)]):
        classes[n] += ((donated == pair[0]) & (accepted == pair[1])).sum()
classes[4] = n_frames * N_WATER - classes[:4].sum()
out["hydrogen_bonds_at_donor"] = total_bonds / n_frames
out["water_classes"] = digits(classes / classes.sum())

# --- displacements: MDAnalysis on the continued paths ---------------------------------------------------------------------------
still = mda.Universe.empty(n_atoms, trajectory=True)
still.load_new((path * 10).astype(np.float64), dimensions=boxes)
for label, atoms in [("zn", slice(0, N_ZN)), ("cl", slice(N_ZN, first)), ("ow", slice(first, None, 3))]:
    msd = EinsteinMSD(still.atoms[atoms], msd_type="xyz", fft=False).run()
    out[f"msd_{label}"] = digits(msd.results.timeseries[:n_lags] / 100)
moments = np.einsum("tmx,m->tx", com, np.bincount(molecule, charges))
out["msd_charge"] = digits([((moments[lag:] - moments[: n_frames - lag]) ** 2).sum(1).mean() for lag in range(n_lags)])
qs = [0.5, 1.0, 1.5]
hydrogens = path[:, [i for i, e in enumerate(elements) if e == "H"]]
out["fsqt"] = [
    digits([np.sinc(10 * q * np.linalg.norm(hydrogens[lag:] - hydrogens[: n_frames - lag], axis=2) / np.pi).mean() for lag in range(n_lags)])
    for q in qs
]

# --- residence -------------------------------------------------------------------------------------------------------------------
inside = []
for ts in universe.trajectory:
    inside.append(distance_array(ZN.positions, OW.positions, box=ts.dimensions) / 10 < 0.22)
inside = np.array(inside)
tolerated, plain, start = np.zeros(n_lags), np.zeros(n_lags), np.zeros(n_lags)
for origin in range(n_frames):
    pairs = inside[origin]
    absent, alive, never = np.zeros(pairs.shape, int), pairs.copy(), pairs.copy()
    for lag in range(min(n_lags, n_frames - origin)):
        now = inside[origin + lag]
        back = now & (absent > 0)
        alive &= ~(back & (absent * DT > 0.2 - 1e-9))
        absent = np.where(now, 0, absent + 1)
        never &= now
        start[lag] += pairs.sum()
        plain[lag] += never.sum()
        tolerated[lag] += (alive & now).sum()
out["residence_0"], out["residence_tolerated"] = digits(plain / start), digits(tolerated / start)

# --- profiles along z: MDAnalysis -------------------------------------------------------------------------------------------------
n_bins = 20
binned = LinearDensity(universe.atoms, grouping="atoms", binsize=boxes[0, 2] / n_bins * 0.9999999).run()
out["mass_density_z"] = digits(binned.results.z.mass_density)
# MDAnalysis gives e/Å³ times Avogadro's constant in cm³ and mol
histogram = np.zeros(n_bins)
for t in range(n_frames):
    z = np.mod(raw[t, :, 2], edge[t, 2])
    histogram += np.histogram(z, bins=n_bins, range=(0, edge[t, 2]), weights=charges)[0] / (edge[t].prod() / n_bins)
out["charge_density_z"] = digits(histogram / n_frames)

# --- dipoles against z --------------------------------------------------------------------------------------------------------------
dipoles = np.zeros((n_frames, N_WATER, 3))
for t in range(n_frames):
    for k in (1, 2):
        dipoles[t] += 0.4238 * image(raw[t, first + k :: 3] - raw[t, first::3], t)
cos = dipoles[..., 2] / np.linalg.norm(dipoles, axis=2)
out["dipole_cosine_z"], out["dipole_p2_z"] = float(cos.mean()), float((1.5 * cos**2 - 0.5).mean())
out["dipole_debye"] = float(np.linalg.norm(dipoles, axis=2).mean() * 48.0320471)

# --- shape of the shell: freud's Steinhardt parameters of the six nearest ligands ----------------------------------------------------------
ligands = np.r_[N_ZN:first, first:n_atoms:3]
q4, q6, variance = [], [], []
for t in range(n_frames):
    box = freud.box.Box.from_box(edge[t])
    points = box.wrap(raw[t, ligands] - edge[t] / 2)
    query = box.wrap(raw[t, :N_ZN] - edge[t] / 2)
    nlist = freud.locality.AABBQuery(box, points).query(query, {"num_neighbors": 6, "exclude_ii": False}).toNeighborList()
    # freud takes neighbours among the same points: the six ligands are put around each centre
    for z in range(N_ZN):
        vectors = nlist.vectors[nlist.query_point_indices == z].astype(np.float64)
        own = freud.locality.NeighborList.from_arrays(7, 7, np.zeros(6, int), np.arange(1, 7), vectors.astype(np.float32))
        system = (freud.box.Box.cube(20), np.vstack([np.zeros(3), vectors]))
        q4.append(float(freud.order.Steinhardt(4).compute(system, own).particle_order[0]))
        q6.append(float(freud.order.Steinhardt(6).compute(system, own).particle_order[0]))
        u = vectors / np.linalg.norm(vectors, axis=1)[:, None]
        angles = np.sort(np.degrees(np.arccos(np.clip((u @ u.T)[np.triu_indices(6, 1)], -1, 1))))
        variance.append(((angles[:12] - 90) ** 2).sum() / 11)
out["q4"], out["q6"], out["angle_variance"] = float(np.mean(q4)), float(np.mean(q6)), float(np.mean(variance))

# --- X-ray structure factor: partial g(r) of numpy, form factors of periodictable (Waasmaier and Kirfel) -------------------------------------
kinds = ["Zn", "Cl", "O", "H"]
index = {e: np.array([i for i, x in enumerate(elements) if x == e]) for e in kinds}
width, n_r = 0.004, 200
edges = np.arange(n_r + 1) * width
shell = 4 / 3 * np.pi * np.diff(edges**3)
partial = {}
volume = edge.prod(axis=1).mean()
for t in range(n_frames):
    for i, a in enumerate(kinds):
        for b in kinds[i:]:
            d = image(raw[t, index[a]][:, None] - raw[t, index[b]][None], t)
            r = np.sqrt((d**2).sum(-1))
            if a == b:
                r = r[~np.eye(len(r), dtype=bool)]
            h = np.histogram(r, edges)[0] * edge[t].prod()
            pairs = len(index[a]) * (len(index[b]) - (a == b))
            partial[a, b] = partial.get((a, b), 0) + h / (n_frames * pairs * shell)
q = np.arange(1, 41) * 5.0  # nm^-1
c = {e: len(index[e]) / n_atoms for e in kinds}
rho = n_atoms / volume
f = {e: periodictable.elements.symbol(e).xray.f0(q / 10) for e in kinds}
mean = sum(c[e] * f[e] for e in kinds)
s = np.ones_like(q)
primitive = np.sin(np.outer(q, edges)) / q[:, None] ** 2 - edges * np.cos(np.outer(q, edges)) / q[:, None]
for (a, b), g in partial.items():
    # like pairs: those that exist, by which g is normalised
    share = len(index[a]) * (len(index[a]) - 1) / n_atoms**2 if a == b else 2 * c[a] * c[b]
    weight = share * f[a] * f[b] / mean**2
    s += weight * 4 * np.pi * rho / q * (np.diff(primitive, axis=1) @ (g - 1))
out["structure_factor"] = digits(s)

print(json.dumps(out, indent=1))
