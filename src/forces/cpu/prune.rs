//! The inner list: what of a part's entries comes close enough to matter during the next few steps.
//!
//! A list that lives for many steps reaches far beyond the cutoff; most of what it holds out there never comes inside.
//! Now and then a copy without those entries is made from the present positions (the dual list of S. Páll et al.,
//! J. Chem. Phys. 153, 134110 (2020)), and the pair kernel walks the copy.

use super::kernel::{Block, Entry, InnerRows, load_rows};
use super::lanes::{Four, Lanes, Portable};
use super::simd::SimdLevel;
use crate::neighbor::clusters::HALF;
use crate::neighbor::half::{HalfList, Part, Row, Rows, offset};

/// Copies to `inner` what of a part has a pair closer than √`radius_sq` (nm²) now, in the same order.
///
/// * `blocks` – `[n_clusters]`, the present positions
pub(super) fn prune(
    level: SimdLevel,
    list: &HalfList,
    part: &Part,
    blocks: &[Block],
    radius_sq: f32,
    inner: &mut InnerRows,
) {
    assert!(blocks.len() == list.origins.len() && part.clusters.end <= blocks.len());
    assert!(part.list.rows.len() == 2 * part.clusters.len());
    inner.rows.clear();
    inner.entries.clear();
    inner.masks.clear();
    // SAFETY: lengths checked above; entries and rows come from HalfList::build, whose indices are below the numbers
    // of clusters, shifts, entries and masks; SimdLevel::available has checked the instructions.
    unsafe {
        match level {
            SimdLevel::Portable => prune_rows::<Portable>(list, part, blocks, radius_sq, inner),
            SimdLevel::Four => prune_rows::<Four>(list, part, blocks, radius_sq, inner),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => avx2(list, part, blocks, radius_sq, inner),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => avx512(list, part, blocks, radius_sq, inner),
            #[cfg(not(target_arch = "x86_64"))]
            SimdLevel::Avx2 | SimdLevel::Avx512 => prune_rows::<Portable>(list, part, blocks, radius_sq, inner),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(list: &HalfList, part: &Part, blocks: &[Block], radius_sq: f32, inner: &mut InnerRows) {
    unsafe { prune_rows::<super::lanes::Avx2>(list, part, blocks, radius_sq, inner) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(list: &HalfList, part: &Part, blocks: &[Block], radius_sq: f32, inner: &mut InnerRows) {
    unsafe { prune_rows::<super::lanes::Avx512>(list, part, blocks, radius_sq, inner) }
}

#[inline(always)]
unsafe fn prune_rows<L: Lanes>(list: &HalfList, part: &Part, blocks: &[Block], radius_sq: f32, inner: &mut InnerRows) {
    let Rows { rows, entries, masks } = &part.list;
    for (index, row) in rows.iter().enumerate() {
        let (cluster, half) = (part.clusters.start + index / 2, HALF * (index % 2));
        let mut kept = Row { first: inner.entries.len() as u32, masks: inner.masks.len() as u32, ..*row };
        unsafe {
            let block = blocks.get_unchecked(cluster);
            let own = [
                load_rows::<L>(block.x.as_ptr().add(half)),
                load_rows::<L>(block.y.as_ptr().add(half)),
                load_rows::<L>(block.z.as_ptr().add(half)),
            ];
            let origin = list.origins.get_unchecked(cluster);
            // room for all, written one behind the other: the next one overwrites what is not kept
            inner.entries.reserve((row.end - row.first) as usize);
            let mut n = inner.entries.len();
            for k in row.first..row.end {
                if k == row.plain {
                    kept.plain = n as u32;
                }
                let entry = entries.get_unchecked(k as usize);
                let shift = list.shifts.get_unchecked(entry.shift as usize);
                let [x, y, z, _] = offset(origin, list.origins.get_unchecked(entry.j as usize), shift);
                let entry = Entry { offset: [x, y, z], j: entry.j, local: u32::from(entry.local) };
                inner.entries.as_mut_ptr().add(n).write(entry);
                let keep = near::<L>(&own, blocks.get_unchecked(entry.j as usize), &entry.offset, radius_sq);
                if keep && k < row.plain {
                    inner.masks.push(*masks.get_unchecked((row.masks + k - row.first) as usize));
                }
                n += usize::from(keep);
            }
            if row.plain == row.end {
                kept.plain = n as u32;
            }
            inner.entries.set_len(n);
            kept.end = n as u32;
        }
        inner.rows.push(kept);
    }
}

/// Does a pair come closer than √`radius_sq`? A function and no closure, which would not be compiled for the
/// instructions of its caller.
#[inline(always)]
unsafe fn near<L: Lanes>([x, y, z]: &[[L::V; HALF]; 3], other: &Block, offset: &[f32; 3], radius_sq: f32) -> bool {
    unsafe {
        let limit = L::splat(radius_sq);
        let mut nearest = limit;
        for part in 0..L::PARTS {
            let jx = L::add(L::load_lanes(other.x.as_ptr(), part), L::splat(offset[0]));
            let jy = L::add(L::load_lanes(other.y.as_ptr(), part), L::splat(offset[1]));
            let jz = L::add(L::load_lanes(other.z.as_ptr(), part), L::splat(offset[2]));
            macro_rules! vector {
                ($r:literal) => {
                    if $r < L::ROW_VECTORS {
                        let (dx, dy, dz) = (L::sub(x[$r], jx), L::sub(y[$r], jy), L::sub(z[$r], jz));
                        let r_sq = L::mul_add(dz, dz, L::mul_add(dy, dy, L::mul(dx, dx)));
                        nearest = L::min(nearest, r_sq);
                    }
                };
            }
            vector!(0);
            vector!(1);
            vector!(2);
            vector!(3);
        }
        L::any(L::less(nearest, limit))
    }
}
