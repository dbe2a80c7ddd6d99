//! Frames on their way from files to analyses: one thread reads, all unpack and look at single frames, and the caller gets what they found in order.

use super::CliError;
use super::frame_charges::{Found, FrameCharges};
use super::joined::COMPARED;
use crate::analysis::ahead::{Ahead, Foresight, Readings};
use crate::cell::Cell;
use crate::io::trajectory::{PackedFrame, TrajectoryError, TrajectoryReader, Wanted};
use crate::system::{Charges, Frame};
use glam::DVec3;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

/// Atoms of the frames that go from thread to thread together: many small frames at once, large ones one by one.
const ATOMS_TOGETHER: usize = 100_000;
const MOST_TOGETHER: usize = 64;

/// What is read, and for whom.
pub struct Relay<'a> {
    pub paths: &'a [PathBuf],
    pub n_atoms: usize,
    /// For formats that hold none.
    pub cell: Cell,
    /// `[n_atoms]`, name and element
    pub atoms: Vec<(String, String)>,
    /// Interval at which frames without times are taken to come, ps.
    pub every: f64,
    /// Of a system with electrodes.
    pub electrodes: Option<&'a FrameCharges<'a>>,
    pub ahead: Ahead,
    pub foresight: Foresight,
}

/// A frame that has been looked at.
pub struct Seen {
    pub frame: PackedFrame,
    /// ps; counted where the format holds no times.
    pub time: f64,
    /// Number of its file, from 1.
    pub file: usize,
    /// Bytes read so far, and of all files.
    pub bytes: (u64, u64),
    pub readings: Readings,
    pub positions: Positions,
    /// What electrodes have, of a frame that was wanted.
    pub electrodes: Option<Found>,
}

/// nm
pub enum Positions {
    /// `[n_atoms]`
    All(Vec<DVec3>),
    /// Of the first atoms: the rest has been read, or nobody was thought to want it.
    First(Vec<DVec3>),
}

impl Positions {
    pub fn known(&self) -> &[DVec3] {
        match self {
            Positions::All(positions) | Positions::First(positions) => positions,
        }
    }
}

/// A frame that cannot be read.
pub struct Fault {
    /// Number of its file, from 1.
    pub file: usize,
    pub error: Box<TrajectoryError>,
}

/// A frame that waits to be looked at.
struct Task {
    frame: PackedFrame,
    time: f64,
    file: usize,
    bytes: (u64, u64),
    /// By analysis: does it want the frame?
    wanted: Vec<bool>,
    /// Is it the first of its file? Its bonds are compared.
    is_first: bool,
}

/// Frames that go together, and their place in the order.
struct Batch<T> {
    number: usize,
    frames: Vec<Result<T, Fault>>,
}

/// Calls `take` with one frame after the other, and with the errors among them. Behind a file that is cut off or damaged the next one is read; frames of
/// the same file may follow the error if it was found late. Any other error is the last.
///
/// * `threads` – that unpack and look
/// * `take` – gives back the frame, whose memory is used again
pub fn run(
    relay: Relay,
    threads: usize,
    mut take: impl FnMut(Result<Seen, Fault>) -> Result<Option<Seen>, CliError>,
) -> Result<(), CliError> {
    let Relay { paths, n_atoms, cell, atoms, every, electrodes, ahead, foresight } = relay;
    let eyes = Eyes {
        of_gauges: ahead
            .atoms()
            .filter(|_| electrodes.is_none())
            .map(|atoms| Wanted::new(n_atoms, atoms.into_iter().chain(0..COMPARED.min(n_atoms) as u32))),
        of_none: Wanted::new(n_atoms, 0..COMPARED.min(n_atoms) as u32),
        ahead,
        electrodes,
        spare: Mutex::default(),
    };
    let (to_eyes, tasks) = sync_channel(threads);
    let (to_caller, batches) = sync_channel(threads);
    let (give_back, used) = channel();
    let (tasks, is_over) = (Mutex::new(tasks), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (tasks, eyes, is_over) = (&tasks, &eyes, &is_over);
        scope.spawn(move || {
            let mut reader = match TrajectoryReader::open(paths, n_atoms, Some(cell)) {
                Ok(reader) => reader,
                Err(error) => {
                    return drop(
                        to_eyes.send(Batch { number: 0, frames: vec![Err(Fault { file: 1, error: error.into() })] }),
                    );
                }
            };
            reader.expect_atoms(atoms);
            read_all(reader, n_atoms, every, foresight, (&to_eyes, &used, is_over));
        });
        for _ in 0..threads {
            let to_caller = to_caller.clone();
            scope.spawn(move || eyes.look_at_all(tasks, &to_caller));
        }
        drop(to_caller);
        let result = in_order(batches, |seen| {
            if let Some(seen) = take(seen)? {
                if let Positions::All(positions) = seen.positions {
                    eyes.keep(positions);
                }
                // The reader has gone when this was one of the last frames.
                let _ = give_back.send(seen.frame);
            }
            Ok(())
        });
        // The reader may still wait for a place in the queue.
        is_over.store(true, Relaxed);
        while receive(tasks).is_some() {}
        result
    })
}

fn receive<T>(tasks: &Mutex<Receiver<T>>) -> Option<T> {
    let tasks = tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tasks.recv().ok()
}

fn in_order(
    batches: Receiver<Batch<Seen>>,
    mut take: impl FnMut(Result<Seen, Fault>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for Batch { number, frames } in batches {
        early.insert(number, frames);
        while let Some(frames) = early.remove(&next) {
            next += 1;
            for frame in frames {
                take(frame)?;
            }
        }
    }
    Ok(())
}

/// Sends all frames, and behind those of a file the error that ended them.
fn read_all(
    mut reader: TrajectoryReader,
    n_atoms: usize,
    every: f64,
    mut foresight: Foresight,
    (to_eyes, used, is_over): (&SyncSender<Batch<Task>>, &Receiver<PackedFrame>, &AtomicBool),
) {
    let together = (ATOMS_TOGETHER / n_atoms.max(1)).clamp(1, MOST_TOGETHER);
    let (mut n_frames, mut last_file) = (0_u64, 0);
    for number in 0.. {
        used.try_iter().filter_map(PackedFrame::into_data).for_each(|data| reader.reuse(data));
        let mut frames = Vec::with_capacity(together);
        let mut is_end = false;
        while frames.len() < together && !is_end {
            match reader.next_packed() {
                Ok(Some(frame)) => {
                    let (file, bytes) = (reader.file_number(), reader.bytes_read());
                    // A format without times is taken as evenly spaced: one frame per sampling interval.
                    let time = frame.time.unwrap_or(n_frames as f64 * every);
                    let is_first = file != last_file;
                    let wanted = foresight.wanted(time, is_first);
                    frames.push(Ok(Task { frame, time, file, bytes, wanted, is_first }));
                    (last_file, n_frames) = (file, n_frames + 1);
                }
                Ok(None) => is_end = true,
                Err(error) => is_end = !leave_file(&mut reader, error, &mut frames),
            }
        }
        if to_eyes.send(Batch { number, frames }).is_err() || is_end || is_over.load(Relaxed) {
            return;
        }
    }
}

/// Notes the error and opens the next file, if that is the remedy; is there one?
fn leave_file(reader: &mut TrajectoryReader, error: TrajectoryError, frames: &mut Vec<Result<Task, Fault>>) -> bool {
    let mut found = error;
    loop {
        let is_damaged = matches!(found, TrajectoryError::Truncated { .. });
        frames.push(Err(Fault { file: reader.file_number(), error: found.into() }));
        if !is_damaged {
            return false;
        }
        match reader.next_file() {
            Ok(is_open) => return is_open,
            Err(next) => found = next,
        }
    }
}

/// Those who look.
struct Eyes<'a> {
    ahead: Ahead,
    /// Atoms that gauges or charges of electrodes look at (`None` = all), and those that are looked at without them.
    of_gauges: Option<Wanted>,
    of_none: Wanted,
    electrodes: Option<&'a FrameCharges<'a>>,
    /// Memory of whole frames, to be used again.
    spare: Mutex<Vec<Vec<DVec3>>>,
}

impl Eyes<'_> {
    fn keep(&self, positions: Vec<DVec3>) {
        self.spare.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(positions);
    }

    fn look_at_all(&self, tasks: &Mutex<Receiver<Batch<Task>>>, to_caller: &SyncSender<Batch<Seen>>) {
        let mut own = Vec::new();
        while let Some(Batch { number, frames }) = receive(tasks) {
            let mut look_at = |task: Result<Task, Fault>| {
                let task = task?;
                let file = task.file;
                self.look_at(task, &mut own).map_err(|error| Fault { file, error: error.into() })
            };
            let frames = frames.into_iter().map(&mut look_at).collect();
            if to_caller.send(Batch { number, frames }).is_err() {
                return;
            }
        }
    }

    /// * `own` – memory for positions that are not handed on; those of atoms that nobody wants are never written there
    fn look_at(&self, task: Task, own: &mut Vec<DVec3>) -> Result<Seen, TrajectoryError> {
        let Task { mut frame, time, file, bytes, wanted, is_first } = task;
        let is_wanted = wanted.contains(&true);
        let is_handed_on = !frame.is_packed() || is_first || (is_wanted && !self.ahead.is_complete());
        let mut whole = Vec::new();
        let positions: &mut Vec<DVec3> = match (is_handed_on, is_wanted) {
            (true, _) => {
                whole = self.spare.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop().unwrap_or_default();
                frame.unpack(None, &mut whole)?;
                &mut whole
            }
            (false, true) => {
                frame.unpack(self.of_gauges.as_ref(), own)?;
                own
            }
            (false, false) => {
                frame.unpack(Some(&self.of_none), own)?;
                own
            }
        };
        let electrodes = self.electrodes.filter(|_| is_wanted).and_then(|e| e.of(&frame.cell, positions));
        let charges = charges_of(self.electrodes.is_some(), electrodes.as_ref());
        let seen = Frame { charges, ..Frame::new(frame.step, time, &frame.cell, positions) };
        let readings = if is_wanted { self.ahead.read(&seen, &wanted) } else { Readings::default() };
        let positions = match is_handed_on {
            true => Positions::All(whole),
            false => Positions::First(own[..COMPARED.min(own.len())].to_vec()),
        };
        Ok(Seen { frame, time, file, bytes, readings, positions, electrodes })
    }
}

/// What a frame has, in a system with electrodes or without.
pub fn charges_of(has_electrodes: bool, found: Option<&Found>) -> Charges<'_> {
    match (has_electrodes, found) {
        (false, _) => Charges::OfTopology,
        (true, Some(found)) => Charges::Current(&found.charges),
        (true, None) => Charges::Unknown,
    }
}
