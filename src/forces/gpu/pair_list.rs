//! Pair lists as they lie on the device.
//!
//! * full: `list` = (first, end) of each i cluster, then the entries (j cluster, mask); `masks` as in
//!   [`crate::neighbor::full`]
//! * half: `list` = one header (number of rows, word of the first entry, bits of the squared inner radius in nm², 0), the rows
//!   (super-cluster, first entry, end, 0), then the entries in two words each: four j clusters, and (mask, exclusions) of
//!   both halves. The masks there are what is left after pruning; `outer` keeps those of the host.

use super::device::Context;
use crate::neighbor::full::FullClusterList;
use crate::neighbor::packed::PackedList;

/// A list on the device.
pub enum DeviceList {
    Full {
        list: wgpu::Buffer,
        masks: wgpu::Buffer,
    },
    Half {
        list: wgpu::Buffer,
        exclusions: wgpu::Buffer,
        outer: wgpu::Buffer,
        n_rows: u32,
        /// Is there anything to prune?
        prunes: bool,
    },
}

impl DeviceList {
    pub fn full(context: &Context, list: &FullClusterList) -> Self {
        let head = list.ranges.len() as u32 - 1;
        let ranges = list.ranges.windows(2).map(|w| [head + w[0], head + w[1]]);
        let words: Vec<[u32; 2]> = ranges.chain(list.entries.iter().map(|&(j, mask)| [j, mask])).collect();
        let masks: Vec<[u32; 4]> = (list.masks.iter())
            .map(|m| [m.listed as u32, (m.listed >> 32) as u32, m.free as u32, (m.free >> 32) as u32])
            .collect();
        DeviceList::Full { list: context.storage_of("list", &words), masks: context.storage_of("masks", &masks) }
    }

    /// * `inner_radius` – nm; `None`: it is never pruned
    pub fn half(context: &Context, list: &PackedList, inner_radius: Option<f64>) -> Self {
        let n_rows = list.rows.len() as u32;
        let inner = inner_radius.filter(|&inner| inner < list.radius);
        let inner_sq = inner.unwrap_or(list.radius).powi(2) as f32;
        let mut words: Vec<[u32; 4]> = Vec::with_capacity(1 + list.rows.len() + 2 * list.entries.len());
        words.push([n_rows, 1 + n_rows, inner_sq.to_bits(), 0]);
        words.extend(list.rows.iter().map(|r| [r.super_cluster, r.first, r.end, 0]));
        words.extend_from_slice(bytemuck::cast_slice(&list.entries));
        let outer: Vec<[u32; 2]> = list.entries.iter().map(|e| e.halves.map(|h| h.meets)).collect();
        DeviceList::Half {
            list: context.storage_of("list", &words),
            exclusions: context.storage_of("exclusions", &list.exclusions),
            outer: context.storage_of("outer masks", &outer),
            n_rows,
            prunes: inner.is_some(),
        }
    }
}

/// Masks of both halves of every entry, as pruning left them.
///
/// * `words` – `list` of a half list
pub fn masks_of(words: &[[u32; 4]]) -> Vec<[u32; 2]> {
    let first = words[0][1] as usize;
    words[first..].chunks_exact(2).map(|entry| [entry[1][0], entry[1][2]]).collect()
}
