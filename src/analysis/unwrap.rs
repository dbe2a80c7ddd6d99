//! Positions followed through the periodic boundary, whatever the frames do about wrapping.

use super::AnalysisError;
use super::codec::{Reader, Writer};
use super::msd::{restore_points, save_points};
use crate::system::Frame;
use glam::DVec3;

/// Sums minimum-image steps: the continued path of every atom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unwrapper {
    /// As in the last frame, nm
    last: Vec<DVec3>,
    /// nm
    path: Vec<DVec3>,
}

impl Unwrapper {
    /// Follows the atoms to `frame`. The first frame is taken as it is.
    pub fn advance(&mut self, frame: &Frame) {
        if self.last.is_empty() {
            self.last = frame.positions.to_vec();
            self.path = frame.positions.to_vec();
            return;
        }
        // A step shorter than half the cell is its own nearest image.
        let short = frame.cell.half_height().powi(2) * (1.0 - 1e-9);
        for ((path, last), &now) in self.path.iter_mut().zip(&mut self.last).zip(frame.positions) {
            let step = now - *last;
            *path += if step.length_squared() < short { step } else { frame.cell.minimum_image(step) };
            *last = now;
        }
    }

    /// A new run begins: its first frame is taken as it is.
    pub fn restart(&mut self) {
        self.last.clear();
        self.path.clear();
    }

    /// `[n_atoms]`, nm
    pub fn positions(&self) -> &[DVec3] {
        &self.path
    }

    pub fn save(&self, writer: &mut Writer) {
        writer.u64(self.last.len() as u64);
        save_points(writer, &self.last);
        save_points(writer, &self.path);
    }

    pub fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        let n = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        if n > 1 << 32 {
            return Err(AnalysisError::Checkpoint("it names too many atoms".to_string()));
        }
        self.last = restore_points(reader, n)?;
        self.path = restore_points(reader, n)?;
        Ok(())
    }
}
