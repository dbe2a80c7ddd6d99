"""Writes rdf_fixture.json: random points in a triclinic cell and their g(r) by MDAnalysis (InterRDF).

    pip install MDAnalysis && python make_rdf_fixture.py > rdf_fixture.json

Lengths in nm. `a` is atoms 0-19, `b` atoms 20-59; `g_ab`, `g_bb` on `n_bins` bins up to `r_max`.
"""

import json

import MDAnalysis as mda
import numpy as np
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.mdamath import triclinic_box

N_A, N_B, N_FRAMES, N_BINS, R_MAX = 20, 40, 4, 40, 1.0

cell = np.array([[3.0, 0.0, 0.0], [0.9, 2.8, 0.0], [-0.7, 0.6, 2.5]])
rng = np.random.default_rng(2026)
# Up to two boxes outside on purpose; three decimals keep the file small and both programs on the same numbers.
fractional = rng.uniform(-1.0, 2.0, (N_FRAMES, N_A + N_B, 3))
positions = np.round(fractional @ cell, 3)

universe = mda.Universe.empty(N_A + N_B, trajectory=True)
universe.load_new(positions.astype(np.float32) * 10.0, dimensions=triclinic_box(*(10.0 * cell)))
a, b = universe.atoms[:N_A], universe.atoms[N_A:]


def g(first, second, **settings):
    rdf = InterRDF(first, second, nbins=N_BINS, range=(0.0, 10.0 * R_MAX), **settings).run()
    return [round(float(v), 6) for v in rdf.results.rdf]


print(
    json.dumps(
        {
            "program": f"MDAnalysis {mda.__version__}",
            "cell": cell.tolist(),
            "r_max": R_MAX,
            "n_bins": N_BINS,
            "n_a": N_A,
            "g_ab": g(a, b),
            "g_bb": g(b, b, exclusion_block=(1, 1)),
            "positions": positions.tolist(),
        }
    )
)
