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

/// Room beyond what a list needs, so that the next one fits in the same buffers.
const ROOM: f64 = 1.15;

/// A list in the words of the device.
pub enum ListWords<'a> {
    Full {
        list: Vec<[u32; 2]>,
        masks: Vec<[u32; 4]>,
    },
    Half {
        /// Header and rows.
        head: Vec<[u32; 4]>,
        /// As they lie on the device.
        list: &'a PackedList,
        prunes: bool,
    },
}

impl<'a> ListWords<'a> {
    pub fn full(list: &FullClusterList) -> Self {
        let head = list.ranges.len() as u32 - 1;
        let ranges = list.ranges.windows(2).map(|w| [head + w[0], head + w[1]]);
        let masks = (list.masks.iter())
            .map(|m| [m.listed as u32, (m.listed >> 32) as u32, m.free as u32, (m.free >> 32) as u32])
            .collect();
        ListWords::Full { list: ranges.chain(list.entries.iter().map(|&(j, mask)| [j, mask])).collect(), masks }
    }

    /// * `inner_radius` – nm; `None`: it is never pruned
    pub fn half(list: &'a PackedList, inner_radius: Option<f64>) -> Self {
        let n_rows = list.rows.len() as u32;
        let inner = inner_radius.filter(|&inner| inner < list.radius);
        let inner_sq = inner.unwrap_or(list.radius).powi(2) as f32;
        let mut head: Vec<[u32; 4]> = Vec::with_capacity(1 + list.rows.len());
        head.push([n_rows, 1 + n_rows, inner_sq.to_bits(), 0]);
        head.extend(list.rows.iter().map(|r| [r.super_cluster, r.first, r.end, 0]));
        ListWords::Half { head, list, prunes: inner.is_some() }
    }

    /// Every part as (words, their place in one of the buffers of [`DeviceList::buffers`]).
    fn parts(&self) -> Vec<(&[u8], usize, u64)> {
        use bytemuck::cast_slice;
        match self {
            ListWords::Full { list, masks } => vec![(cast_slice(list), 0, 0), (cast_slice(masks), 1, 0)],
            ListWords::Half { head, list, .. } => vec![
                (cast_slice(head), 0, 0),
                (cast_slice(&list.entries), 0, size_of_val(&head[..]) as u64),
                (cast_slice(&list.exclusions), 1, 0),
                (cast_slice(&list.outer), 2, 0),
            ],
        }
    }

    /// Bytes that each buffer has to hold.
    fn sizes(&self) -> [u64; 3] {
        let mut sizes = [0; 3];
        for (words, buffer, offset) in self.parts() {
            sizes[buffer] = sizes[buffer].max(offset + words.len() as u64);
        }
        sizes
    }
}

impl DeviceList {
    pub fn new(context: &Context, words: &ListWords) -> Self {
        let sizes = words.sizes();
        let buffer = |label: &str, k: usize| context.storage(label, (ROOM * sizes[k] as f64) as usize);
        let mut made = match words {
            ListWords::Full { .. } => DeviceList::Full { list: buffer("list", 0), masks: buffer("masks", 1) },
            ListWords::Half { prunes, .. } => DeviceList::Half {
                list: buffer("list", 0),
                exclusions: buffer("exclusions", 1),
                outer: buffer("outer masks", 2),
                n_rows: 0,
                prunes: *prunes,
            },
        };
        made.refill(context, words);
        made
    }

    fn buffers(&self) -> Vec<&wgpu::Buffer> {
        match self {
            DeviceList::Full { list, masks } => vec![list, masks],
            DeviceList::Half { list, exclusions, outer, .. } => vec![list, exclusions, outer],
        }
    }

    /// Does another list fit in the same buffers, and is it bound to the same passes?
    pub fn holds(&self, words: &ListWords) -> bool {
        let same = match (self, words) {
            (DeviceList::Full { .. }, ListWords::Full { .. }) => true,
            (DeviceList::Half { prunes: old, .. }, ListWords::Half { prunes: new, .. }) => old == new,
            _ => false,
        };
        same && self.buffers().iter().zip(words.sizes()).all(|(buffer, size)| size <= buffer.size())
    }

    /// Puts a list into the buffers; see [`DeviceList::holds`].
    pub fn refill(&mut self, context: &Context, words: &ListWords) {
        let buffers = self.buffers();
        for (part, buffer, offset) in words.parts() {
            context.write_at(buffers[buffer], offset, part);
        }
        if let (DeviceList::Half { n_rows, .. }, ListWords::Half { list, .. }) = (self, words) {
            *n_rows = list.rows.len() as u32;
        }
    }
}

/// Masks of both halves of every entry, as pruning left them.
///
/// * `words` – `list` of a half list
pub fn masks_of(words: &[[u32; 4]]) -> Vec<[u32; 2]> {
    let first = words[0][1] as usize;
    // the buffer may be longer than the list
    let n_entries = words[1..first].iter().map(|row| row[2]).max().unwrap_or(0) as usize;
    words[first..].chunks_exact(2).take(n_entries).map(|entry| [entry[1][0], entry[1][2]]).collect()
}
