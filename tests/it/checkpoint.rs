//! Checkpoints: exact, and doubted when they should be.

use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::io::checkpoint::{Checkpoint, CheckpointError, FILE_NAME, PREVIOUS_FILE_NAME};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::State;
use std::fs;

fn sample(step: u64) -> Checkpoint {
    let mut draws = Draws::new(step, Stream::Build, 0);
    let mut vectors = |n: usize, scale: f64| -> Vec<DVec3> {
        (0..n).map(|_| DVec3::new(draws.normal(), draws.normal(), draws.normal()) * scale).collect()
    };
    Checkpoint {
        input_hash: 0xdead_beef_0123_4567,
        backend: "cpu".into(),
        stage: 2,
        stage_step: 41,
        state: State {
            step,
            time: 0.1 + 0.2,
            cell: Cell::new(DVec3::X * 3.1, DVec3::new(-0.4, 2.9, 0.0), DVec3::new(0.1, 0.3, 1.0 / 3.0))
                .expect("valid"),
            positions: vectors(50, 1e3),
            velocities: vectors(50, 1e-9),
        },
        list_positions: if step.is_multiple_of(2) { vec![] } else { vectors(50, 1.0) },
        electrodes: vec![
            ("lower".into(), vec![-0.25, f64::MIN_POSITIVE / 8.0, -0.0]),
            ("upper".into(), (0..step).map(|k| 0.1 / (k as f64 + 3.0)).collect()),
        ],
        heat: -1.0e-300,
        streams: vec![("trajectory.xtc".into(), 1 << 40), ("log.csv".into(), 0)],
        analysis: (0..=255).collect(),
        numbers: [("heat of bath".to_string(), 0.1)].into(),
    }
}

#[test]
fn what_is_written_is_read_back_to_the_bit() {
    let scratch = tempfile::tempdir().expect("scratch");
    for checkpoint in [sample(7), sample(8)] {
        checkpoint.write(scratch.path()).expect("writes");
        let loaded = Checkpoint::read(scratch.path()).expect("reads");
        assert_eq!(loaded.warning, None);
        assert_eq!(loaded.checkpoint, checkpoint);
        let bits = |c: &Checkpoint| -> Vec<u64> {
            let vectors = c.state.positions.iter().chain(&c.state.velocities).flat_map(|v| v.to_array());
            vectors.chain(c.electrodes.iter().flat_map(|e| e.1.clone())).map(f64::to_bits).collect()
        };
        assert_eq!(bits(&loaded.checkpoint), bits(&checkpoint));
    }
    let previous = Checkpoint::read_file(&scratch.path().join(PREVIOUS_FILE_NAME)).expect("the one before is kept");
    assert_eq!(previous, sample(7));
    assert_eq!(fs::read_dir(scratch.path()).expect("lists").count(), 2, "no temporary is left");
}

#[test]
fn every_cut_and_every_flipped_byte_is_noticed() {
    let scratch = tempfile::tempdir().expect("scratch");
    sample(1).write(scratch.path()).expect("writes");
    let path = scratch.path().join(FILE_NAME);
    let good = fs::read(&path).expect("reads");
    for length in (0..good.len()).step_by(13) {
        fs::write(&path, &good[..length]).expect("writes");
        let error = Checkpoint::read(scratch.path()).expect_err("cut off");
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{length}: {error}");
    }
    for at in (0..good.len()).step_by(17) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&path, &bad).expect("writes");
        Checkpoint::read(scratch.path()).expect_err("changed");
    }
    fs::write(&path, &good).expect("writes");
    Checkpoint::read(scratch.path()).expect("the unchanged file is good");
}

#[test]
fn foreign_files_and_other_versions_say_so() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join(FILE_NAME);
    fs::write(&path, b"GROMACS checkpoint file, or anything").expect("writes");
    let error = Checkpoint::read(scratch.path()).expect_err("foreign");
    assert!(matches!(error, CheckpointError::Foreign(_)), "{error}");
    sample(1).write(scratch.path()).expect("writes");
    fs::remove_file(scratch.path().join(PREVIOUS_FILE_NAME)).expect("removes");
    // of the future, and one without charges of electrodes
    for version in [99, 2] {
        let mut bytes = fs::read(&path).expect("reads");
        bytes[8] = version;
        fs::write(&path, bytes).expect("writes");
        let error = Checkpoint::read(scratch.path()).expect_err("another version");
        assert!(matches!(error, CheckpointError::Version { found, .. } if found == u32::from(version)), "{error}");
        assert!(error.to_string().contains(&format!("format {version}, this program reads 3")), "{error}");
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let scratch = tempfile::tempdir().expect("scratch");
    sample(1).write(scratch.path()).expect("writes");
    sample(2).write(scratch.path()).expect("writes");
    let path = scratch.path().join(FILE_NAME);
    let good = fs::read(&path).expect("reads");
    fs::write(&path, &good[..good.len() / 2]).expect("writes");
    let loaded = Checkpoint::read(scratch.path()).expect("falls back");
    assert_eq!(loaded.checkpoint, sample(1));
    assert!(loaded.warning.is_some_and(|w| w.contains("damaged") && w.contains(PREVIOUS_FILE_NAME)));
    // Killed between the two renames: only the previous one is there.
    fs::remove_file(&path).expect("removes");
    let loaded = Checkpoint::read(scratch.path()).expect("falls back");
    assert_eq!(loaded.checkpoint, sample(1));
    assert!(loaded.warning.is_some());
    // Both unusable: the error is about the latest.
    fs::write(&path, b"").expect("writes");
    fs::write(scratch.path().join(PREVIOUS_FILE_NAME), b"x").expect("writes");
    assert!(matches!(Checkpoint::read(scratch.path()), Err(CheckpointError::Damaged { .. })));
}
