"""Writes observables_fixture.json: what MDAnalysis, freud, solvation-analysis and others find in zncl2.xtc.

zncl2.xtc: 8 Zn2+, 16 Cl-, 190 SPC/E waters, 25 frames 0.1 ps apart in a cube, wrapped here per atom; made by `hexaqua run zncl2.toml`.
Settings below are those of the test `observables_fixture` in tests/it; "by" names the routine behind every number, and says where that is plain
numpy because none of these programs has one. What to install: fixture.py.
"""

import re
from importlib.metadata import version

import freud
import MDAnalysis as mda
import numpy as np
import periodictable
import tidynamics
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis
from MDAnalysis.analysis.lineardensity import LinearDensity
from MDAnalysis.analysis.msd import EinsteinMSD
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.correlations import correct_intermittency
from MDAnalysis.lib.distances import calc_angles, capped_distance, distance_array, minimize_vectors, self_capped_distance
from MDAnalysis.transformations import nojump, unwrap
from pymbar.timeseries import statistical_inefficiency
from solvation_analysis.residence import Residence
from solvation_analysis.solute import Solute
from waterdynamics import AngularDistribution

from fixture import DT, Record, Stored, line, weighted

HALF = 0.8  # nm, range of the g(r)
N_LAGS = 11

s = Stored("zncl2.xtc", 8, 16, 190)
universe, n_frames, edge, raw = s.universe, s.n_frames, s.edge, s.raw
trajectory = universe.trajectory
programs = ["MDAnalysis", "freud-analysis", "solvation-analysis", "waterdynamics", "tidynamics", "periodictable", "pymbar", "numpy"]
out = Record(", ".join(f"{p} {version(p)}" for p in programs), s)

# --- paths: MDAnalysis continues them through the boundary ---------------------------------------------------------------------------
free = Stored("zncl2.xtc", 8, 16, 190).universe
free.trajectory.add_transformations(nojump.NoJump())
path = s.without_drift(np.array([ts.positions.copy() for ts in free.trajectory], dtype=np.float64) / 10.0)
still = s.universe_of(path)
com = np.array([still.atoms.center_of_mass(compound="residues") for _ in still.trajectory]) / 10.0
whole = Stored("zncl2.xtc", 8, 16, 190).universe
whole.trajectory.add_transformations(unwrap(whole.atoms))

# --- g(r), partial and between centres of mass, and n(r) --------------------------------------------------------------------------------
rdf = InterRDF(s.zn, s.ow, nbins=40, range=(0.0, 10 * HALF)).run()
out.add("rdf_zn_ow", "MDAnalysis InterRDF", rdf.results.rdf)
out.add("running_zn_ow", "MDAnalysis InterRDF, its counts summed", np.cumsum(rdf.results.count) / (s.n_zn * n_frames))
rdf = InterRDF(s.ow, s.h, nbins=40, range=(0.0, 10 * HALF), exclude_same="residue").run()
# MDAnalysis leaves the pairs out but normalises by all of them
scale = s.n_water / (s.n_water - 1)
out.add("rdf_ow_h_between", "MDAnalysis InterRDF, exclude_same, normalised by the pairs that are counted", rdf.results.rdf * scale)
between = freud.density.RDF(40, HALF, normalization_mode="finite_size")
for t, _ in enumerate(whole.trajectory):
    box = freud.box.Box.from_box(edge[t])
    centers = whole.select_atoms("resname SOL").center_of_mass(compound="residues") / 10
    between.compute((box, box.wrap(centers)), reset=False)
out.add("rdf_water_com", "freud RDF, finite_size, of MDAnalysis center_of_mass", between.rdf)

# --- angles in the first shell ----------------------------------------------------------------------------------------------------------
found = []
for ts in trajectory:
    pairs = capped_distance(s.zn.positions, s.ow.positions, 3.0, box=ts.dimensions, return_distances=False)
    for z in range(s.n_zn):
        near = pairs[pairs[:, 0] == z, 1]
        i, j = np.triu_indices(len(near), 1)
        o, center = s.ow.positions[near], np.tile(s.zn.positions[z], (len(i), 1))
        found.extend(np.degrees(calc_angles(o[i], center, o[j], box=ts.dimensions)))
# bins centred on 0, 2, …, 180 degrees; the first and the last are half as wide
limits = np.r_[0, np.arange(1, 180, 2), 180]
by = "MDAnalysis capped_distance and calc_angles"
out.add("angles", by, np.histogram(found, limits, density=True)[0])
out.add("angles_trans", by, np.mean(np.array(found) > 135))

# --- coordination and ion pairs ---------------------------------------------------------------------------------------------------------
def solute(radius):
    solvents, radii = {"water": s.ow, "chloride": s.cl}, {"water": 10 * radius, "chloride": 10 * radius}
    made = Solute.from_atoms(s.zn, solvents, radii=radii)
    made.run()
    return made


def histogram(fractions, n):
    """P(CN = 0 … n-1) by solvation-analysis."""
    table = np.zeros(n)
    np.add.at(table, fractions["count"].to_numpy(), fractions["fraction"].to_numpy())
    return table


near, wide = solute(0.3), solute(0.45)
by = "solvation-analysis Solute"
out.add("cn_o", by + ".coordination", near.coordination.coordination_numbers["water"])
out.add("cn_cl", by + ".coordination", near.coordination.coordination_numbers.get("chloride", 0.0))
for name, key in [("water", "o"), ("chloride", "cl")]:
    out.add(f"cn_{key}_wide", by + ".coordination", wide.coordination.coordination_numbers[name])
    counts = wide.speciation.speciation_fraction.rename(columns={name: "count"})
    out.add(f"p_cn_{key}_wide", by + ".speciation", histogram(counts, 24))
states, shells = np.zeros(5), {}
for ts in trajectory:
    to_o = distance_array(s.zn.positions, s.ow.positions, box=ts.dimensions) / 10
    to_cl = distance_array(s.zn.positions, s.cl.positions, box=ts.dimensions) / 10
    assert (to_cl > 0.3).all()
    for z in range(s.n_zn):
        states[2 if to_cl[z].min() < 0.5 else (1 if to_cl[z].min() < 0.7 else 0)] += 1
        key = f"{(to_o[z] < 0.3).sum()},0"
        shells[key] = shells.get(key, 0) + 1
out.add("ion_pair_states", "MDAnalysis distance_array; none of these programs has SSIP and 2SIP", states / states.sum())
out.add("shells", "MDAnalysis distance_array", {k: v / (n_frames * s.n_zn) for k, v in shells.items()})

# --- hydrogen bonds: MDAnalysis with the angle at the hydrogen; at the donor by hand ---------------------------------------------------------
def bonds(acceptors):
    found = HydrogenBondAnalysis(
        universe, donors_sel="name OW", hydrogens_sel="name HW1 HW2", acceptors_sel=acceptors, d_a_cutoff=3.5, d_h_a_angle_cutoff=150
    )
    return found.run().results.hbonds


found = bonds("name OW")
out.add("hydrogen_bonds_at_hydrogen", "MDAnalysis HydrogenBondAnalysis", len(found) / n_frames)
alive = [{(int(h), int(a)) for _, _, h, a, *_ in found[found[:, 0] == t]} for t in range(n_frames)]
continuous = weighted(alive, N_LAGS)
out.add("hydrogen_bond_continuous", "MDAnalysis HydrogenBondAnalysis and autocorrelation, origins weighted", continuous)
intermittent = [
    sum(len(alive[o] & alive[o + lag]) for o in range(n_frames - lag)) / sum(len(alive[o]) for o in range(n_frames - lag))
    for lag in range(N_LAGS)
]
out.add("hydrogen_bond_intermittent", "MDAnalysis HydrogenBondAnalysis, correlated by numpy", intermittent)


def integral(curve):
    """By trapezoids, and behind the end the exponential through the second half of the curve."""
    t = DT * np.arange(len(curve))
    late = t >= 0.5 * t[-1]
    return np.trapezoid(curve, t) - curve[-1] / line(t[late], np.log(np.array(curve)[late]))


out.add("hydrogen_bond_lifetime", "numpy: trapezoids and an exponential tail", integral(continuous))

NAMES = [(2, 2), (2, 1), (1, 2), (1, 1)]


def classes(donated, accepted):
    named = [np.sum((donated == d) & (accepted == a)) for d, a in NAMES]
    return np.array(named + [len(donated) - sum(named)], dtype=float)


found = bonds("name OW CL")
regions = {"shell": np.zeros(8), "bulk": np.zeros(8)}
for t, ts in enumerate(trajectory):
    of_frame = found[found[:, 0] == t]
    donated = np.bincount(of_frame[:, 1].astype(int), minlength=s.n_atoms)
    accepted = np.bincount(of_frame[:, 3].astype(int), minlength=s.n_atoms)
    inside = universe.select_atoms("name OW and around 2.8 name ZN").indices
    for name, atoms in [("shell", inside), ("bulk", np.setdiff1d(s.oxygen, inside))]:
        regions[name] += np.r_[len(atoms), donated[atoms].sum(), accepted[atoms].sum(), classes(donated[atoms], accepted[atoms])]
for name, sums in regions.items():
    # donated and accepted per water, then the five classes
    out.add(f"water_{name}_at_hydrogen", "MDAnalysis HydrogenBondAnalysis and select_atoms", sums[1:] / sums[0])
total, sums = 0, np.zeros(5)
for t in range(n_frames):
    o = raw[t, s.oxygen]
    d = s.image(o[None] - o[:, None], t)
    r = np.sqrt((d**2).sum(-1))
    donated, accepted = np.zeros(s.n_water, int), np.zeros(s.n_water, int)
    for k in (1, 2):
        u = s.image(raw[t, s.oxygen + k] - o, t)
        cos = np.einsum("ix,ijx->ij", u, d) / (np.linalg.norm(u, axis=1)[:, None] * np.where(r > 0, r, 1))
        bond = (r > 0) & (r < 0.35) & (cos >= np.cos(np.radians(30)))
        donated += bond.sum(1)
        accepted += bond.sum(0)
    total += donated.sum()
    sums += classes(donated, accepted)
by = "numpy: none of these programs takes the angle at the donor"
out.add("hydrogen_bonds_at_donor", by, total / n_frames)
out.add("water_classes", by, sums / sums.sum())

# --- displacements: MDAnalysis on the continued paths ---------------------------------------------------------------------------------------
for label, atoms in [("zn", slice(0, s.n_zn)), ("cl", slice(s.n_zn, s.first)), ("ow", slice(s.first, None, 3))]:
    for kind in ["xyz", "xy", "z"]:
        msd = EinsteinMSD(still.atoms[atoms], msd_type=kind, fft=False).run()
        name = f"msd_{label}" if kind == "xyz" else f"msd_{label}_{kind}"
        out.add(name, "MDAnalysis NoJump and EinsteinMSD", msd.results.timeseries[:N_LAGS] / 100)
msd = np.mean([tidynamics.msd(com[:, m])[:N_LAGS] for m in range(s.first, com.shape[1])], axis=0)
out.add("msd_water_com", "MDAnalysis center_of_mass and tidynamics msd", msd)
moments = np.einsum("tmx,m->tx", com, np.bincount(s.molecule, s.charges))
of_charge = tidynamics.msd(moments)[:N_LAGS]
out.add("msd_charge", "MDAnalysis center_of_mass and tidynamics msd", of_charge)
# slopes between 0.2 and 1 ps; 1 nm2/ps = 1000 in units of 1e-9 m2/s
lags = DT * np.arange(N_LAGS)
window = slice(2, None)
slope = {k: line(lags[window], np.array(out.values[f"msd_{k}"])[window]) for k in ["zn", "cl", "zn_xy", "zn_z"]}
slope["water"] = line(lags[window], msd[window])
by = "numpy polyfit of MDAnalysis or tidynamics msd"
out.add("diffusion", by, [1000 * slope["zn"] / 6, 1000 * slope["cl"] / 6, 1000 * slope["water"] / 6])
out.add("diffusion_zn_xy_z", by, [1000 * slope["zn_xy"] / 4, 1000 * slope["zn_z"] / 2])
KT, E, NM = 1.380649e-23 * 298.15, 1.602176634e-19, 1e-9
volume = edge.prod(axis=1).mean()
carriers = 4 * s.n_zn * slope["zn"] / 6 + s.n_cl * slope["cl"] / 6
to_si = E**2 * NM**2 / 1e-12 / (volume * NM**3 * KT)
out.add("conductivity", "formulae of Nernst-Einstein and Einstein-Helfand at 298.15 K, S/m", [to_si * carriers, to_si * line(lags[window], of_charge[window]) / 6])
out.add("yeh_hummer", "formula of Yeh and Hummer, 0.5 mPa s, 1e-9 m2/s", 2.837297 * KT / (6 * np.pi * 0.5e-3 * volume ** (1 / 3) * NM) / 1e-9)
qs = np.array([0.5, 1.0, 1.5])  # 1/angstrom
hydrogens = path[:, [i for i, e in enumerate(s.elements) if e == "H"]]
moved = [np.linalg.norm(hydrogens[lag:] - hydrogens[: n_frames - lag], axis=2) for lag in range(N_LAGS)]
by = "numpy: none of these programs averages exp(iqr) over all directions"
curves = np.array([[np.sinc(10 * q * d / np.pi).mean() for d in moved] for q in qs])
out.add("fsqt", by, curves)
rates = np.array([line(lags[1:], -np.log(curve[1:])) for curve in curves])
out.add("gamma", by + "; slope between 0.1 and 1 ps, meV", 0.6582119569 * rates)
# weights: equal shares of the rates
fit = np.polyfit(1 / (10 * qs) ** 2, 1 / rates, 1, w=rates)
out.add("jump_diffusion", by + "; D (1e-9 m2/s) and time (ps)", [1000 / fit[0], fit[1]])

# --- residence -------------------------------------------------------------------------------------------------------------------------------
def within(radius):
    sets = []
    for ts in trajectory:
        pairs = capped_distance(s.zn.positions, s.ow.positions, 10 * radius, box=ts.dimensions, return_distances=False)
        sets.append({(int(a), int(b)) for a, b in pairs})
    return sets


inside = within(0.22)
out.add("residence_0", "MDAnalysis autocorrelation, origins weighted", weighted(inside, N_LAGS))
filled = correct_intermittency(inside, 1)
tolerated, start = np.zeros(N_LAGS), np.zeros(N_LAGS)
for o in range(n_frames):
    for lag in range(min(N_LAGS, n_frames - o)):
        start[lag] += len(inside[o])
        # MDAnalysis counts a pair during a tolerated absence, hexaqua does not
        tolerated[lag] += len(set.intersection(inside[o], inside[o + lag], *filled[o : o + lag]))
out.add("residence_tolerated", "MDAnalysis correct_intermittency, pairs that are present", tolerated / start)
covariance = Residence.from_solute(solute(0.22)).auto_covariances["water"]
assert covariance.argmax() == 0
counts = np.array([len(pairs) for pairs in inside])
# it divides by the pairs of all frames, hexaqua by those at the origins of a lag
share = [covariance[lag] * counts.mean() / counts[: n_frames - lag].mean() for lag in range(N_LAGS)]
out.add("residence_intermittent", "solvation-analysis Residence, normalised by the origins", share)
reactant, before_product = within(0.205), within(0.225)
stable, start = np.zeros(N_LAGS), np.zeros(N_LAGS)
for o in range(n_frames):
    sets = [reactant[o]] + before_product[o + 1 : o + N_LAGS]
    start[: len(sets)] += len(sets[0])
    # only from the first set, which is the reactant
    stable[: len(sets)] += len(sets[0]) * np.array(weighted(sets, len(sets), len(sets)))
out.add("residence_stable", "MDAnalysis autocorrelation of reactant and what has not reached the product", stable / start)
departures, frames_bound = 0, 0
for pair in set.union(*inside):
    presence = "".join(" 1"[pair in frame] for frame in inside)
    # a stay: absences of one frame are tolerated; it begins with its first and ends before the next longer absence
    for stay in re.finditer(r"1( ?1)*", presence):
        if len(stay.group()) >= 2:
            departures += n_frames - stay.end() >= 2
            # the time before the first frame is not known
            frames_bound += stay.group().count("1") - (stay.start() == 0)
out.add("exchanges", "re: stays of two frames or more that an absence of two or more ends", departures)
out.add("pair_time", "re: frames of such stays times the time since the frame before", DT * frames_bound)

# --- profiles along z: MDAnalysis -------------------------------------------------------------------------------------------------------------
n_bins = 20


def profile(atoms):
    return LinearDensity(atoms, grouping="atoms", binsize=s.boxes[0, 2] / n_bins * 0.9999999).run().results.z


PER_NM3 = 602.214076  # of 1 mol/cm3
whole_box = profile(universe.atoms)
out.add("mass_density_z", "MDAnalysis LinearDensity", whole_box.mass_density)
out.add("charge_density_z", "MDAnalysis LinearDensity", whole_box.charge_density * PER_NM3)
out.add("number_density_z_cl", "MDAnalysis LinearDensity, over the mass", profile(s.cl).mass_density * PER_NM3 / 35.45)

# --- dipoles ----------------------------------------------------------------------------------------------------------------------------------------
waters = universe.select_atoms("resname SOL")
cos, size, to_zn = [], [], []
for t, ts in enumerate(trajectory):
    dipole = waters.dipole_vector(compound="residues", unwrap=True) / 10
    length = np.linalg.norm(dipole, axis=1)
    cos.append(dipole[:, 2] / length)
    size.append(length)
    nearest = distance_array(s.ow.positions, s.zn.positions, box=ts.dimensions).argmin(1)
    axis = minimize_vectors(s.ow.positions - s.zn.positions[nearest], box=ts.dimensions)
    to_zn.append(np.einsum("ix,ix->i", dipole, axis) / (length * np.linalg.norm(axis, axis=1)))
cos, to_zn = np.array(cos), np.array(to_zn)
p2 = lambda c: np.mean(1.5 * c**2 - 0.5)
out.add("dipole_cosine_z", "MDAnalysis dipole_vector", cos.mean())
out.add("dipole_p2_z", "MDAnalysis dipole_vector", p2(cos))
out.add("dipole_debye", "MDAnalysis dipole_vector", np.mean(size) * 48.0320471)
distribution = AngularDistribution(whole, "resname SOL", axis="z")
_, _, angles = distribution._getCosTheta(whole, [whole.select_atoms("resname SOL")] * n_frames, "z")
out.add("dipole_distribution_z", "waterdynamics AngularDistribution, its cosines in 50 bins", np.histogram(angles, 50, (-1, 1), density=True)[0])
out.add("dipole_to_zn", "MDAnalysis dipole_vector and minimize_vectors", [to_zn.mean(), p2(to_zn)])
out.add("dipole_distribution_to_zn", "MDAnalysis dipole_vector and minimize_vectors", np.histogram(to_zn, 50, (-1, 1), density=True)[0])

# --- shape of the shell: freud's Steinhardt parameters of the six nearest ligands -------------------------------------------------------------------
ligands = np.r_[s.n_zn : s.first, s.oxygen]
q4, q6, variance, spread = [], [], [], []
for t in range(n_frames):
    box = freud.box.Box.from_box(edge[t])
    points = box.wrap(raw[t, ligands] - edge[t] / 2)
    query = box.wrap(raw[t, : s.n_zn] - edge[t] / 2)
    nlist = freud.locality.AABBQuery(box, points).query(query, {"num_neighbors": 6, "exclude_ii": False}).toNeighborList()
    # freud takes neighbours among the same points: the six ligands are put around each centre
    for z in range(s.n_zn):
        vectors = nlist.vectors[nlist.query_point_indices == z].astype(np.float64)
        own = freud.locality.NeighborList.from_arrays(7, 7, np.zeros(6, int), np.arange(1, 7), vectors.astype(np.float32))
        system = (freud.box.Box.cube(20), np.vstack([np.zeros(3), vectors]))
        q4.append(float(freud.order.Steinhardt(4).compute(system, own).particle_order[0]))
        q6.append(float(freud.order.Steinhardt(6).compute(system, own).particle_order[0]))
        lengths = np.linalg.norm(vectors, axis=1)
        spread.append(lengths.std() / lengths.mean())
        u = vectors / lengths[:, None]
        between = np.sort(np.degrees(np.arccos(np.clip((u @ u.T)[np.triu_indices(6, 1)], -1, 1))))
        variance.append(((between[:12] - 90) ** 2).sum() / 11)
out.add("q4", "freud Steinhardt", np.mean(q4))
out.add("q6", "freud Steinhardt", np.mean(q6))
out.add("q4_distribution", "freud Steinhardt, 100 bins", np.histogram(q4, 100, (0, 1), density=True)[0])
out.add("angle_variance", "numpy on freud's neighbours", np.mean(variance))
out.add("distance_spread", "numpy on freud's neighbours", np.mean(spread))

# --- X-ray S(Q) and G(r): partial g(r) of freud, form factors of periodictable (Waasmaier and Kirfel) -------------------------------------------------
kinds = ["Zn", "Cl", "O", "H"]
index = {e: np.array([i for i, x in enumerate(s.elements) if x == e]) for e in kinds}
n_r = 200
edges = np.linspace(0, HALF, n_r + 1)
partial = {}
for i, a in enumerate(kinds):
    for b in kinds[i:]:
        rdf = freud.density.RDF(n_r, HALF, normalization_mode="finite_size" if a == b else "exact")
        for t in range(n_frames):
            box = freud.box.Box.from_box(edge[t])
            points = [box.wrap(raw[t, index[e]] - edge[t] / 2) for e in (a, b)]
            rdf.compute((box, points[1]), query_points=None if a == b else points[0], reset=False)
        partial[a, b] = rdf.rdf.astype(np.float64)
c = {e: len(index[e]) / s.n_atoms for e in kinds}
rho = s.n_atoms / volume
# like pairs: those that exist, by which g is normalised
share = {(a, b): len(index[a]) * (len(index[a]) - 1) / s.n_atoms**2 if a == b else 2 * c[a] * c[b] for a, b in partial}


def form(q):
    f = {e: periodictable.elements.symbol(e).xray.f0(q / 10) for e in kinds}
    return f, sum(c[e] * f[e] for e in kinds)


def structure_factor(q):
    f, mean = form(q)
    primitive = np.sin(np.outer(q, edges)) / q[:, None] ** 2 - edges * np.cos(np.outer(q, edges)) / q[:, None]
    excess = sum(share[p] * f[p[0]] * f[p[1]] * (np.diff(primitive, axis=1) @ (g - 1)) for p, g in partial.items())
    return 1 + 4 * np.pi * rho / q * excess / mean**2


q = np.arange(1, 41) * 5.0  # 1/nm
by = "freud RDF and periodictable f0, transformed by numpy"
out.add("structure_factor", by, structure_factor(q))
# without a histogram: Debye's sum over all pairs below R, less that of a uniform density
f, mean = form(q)
order = np.array([kinds.index(e) for e in s.elements])
table = np.array([f[e] for e in kinds])
debye = np.zeros_like(q)
for ts in trajectory:
    pairs, r = self_capped_distance(universe.atoms.positions, 10 * HALF, box=ts.dimensions)
    for k in range(len(q)):
        debye[k] += 2 * np.sum(table[order[pairs[:, 0]], k] * table[order[pairs[:, 1]], k] * np.sinc(q[k] * r / 10 / np.pi))
uniform = 4 * np.pi * rho * (np.sin(q * HALF) / q**2 - HALF * np.cos(q * HALF) / q) / q
weight = sum(share[a, b] * f[a] * f[b] for a, b in partial)
out.add("structure_factor_debye", "MDAnalysis self_capped_distance, Debye's sum by numpy", 1 + (debye / (n_frames * s.n_atoms) - weight * uniform) / mean**2)
q = np.arange(1, 201) * 1.0
excess = q * (structure_factor(q) - 1)
r = edges[1:]
for name, m in [("pair_distribution", np.ones_like(q)), ("pair_distribution_lorch", np.sinc(q / q[-1]))]:
    integrand = np.r_[0, excess * m]
    g = [2 / np.pi * np.trapezoid(integrand * np.sin(np.r_[0, q] * x), np.r_[0, q]) for x in r]
    # 1/angstrom2
    out.add(name, by, 0.01 * np.array(g))

# --- where a series becomes stationary: pymbar, on a correlated series that relaxes ----------------------------------------------------------------------
rng = np.random.default_rng(5)
series, x = [], 0.0
for k in range(400):
    x = 0.7 * x + rng.normal()
    series.append(round(x + 12 * np.exp(-k / 25), 4))
series = np.array(series)
starts = [k * len(series) // 50 for k in range(50) if len(series) - k * len(series) // 50 >= 10]
# summed to the first autocorrelation below zero, as here; pymbar sums at least three unless it is told otherwise
g = [statistical_inefficiency(series[k:], mintime=0) for k in starts]
effective = [(len(series) - k) / v for k, v in zip(starts, g)]
best = int(np.argmax(effective))
out.add("series", "numpy: autoregressive noise and an exponential relaxation", series)
out.add("series_inefficiency", "pymbar statistical_inefficiency", g[0])
by = "pymbar statistical_inefficiency, at 50 starts"
out.add("series_stationary", by + ": start, inefficiency, independent samples", [starts[best], g[best], effective[best]])

out.write("observables_fixture.json")
