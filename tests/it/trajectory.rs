//! Structures and trajectories: exact where the format is, continued where a run was killed, doubted where cut off.

use crate::support::templates::zinc_chloride;
use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::io::structure::{StructureError, read_structure, write_gro, write_gro_with_decimals};
use hexaqua::io::trajectory::{Format, TrajectoryError, TrajectoryFrame, TrajectoryReader, TrajectoryWriter};
use hexaqua::random::{Draws, Stream};
use hexaqua::system::{State, Topology};
use std::fs;
use std::path::{Path, PathBuf};

const COUNTS: [usize; 3] = [1, 2, 9];

fn cell(k: u64) -> Cell {
    // Changes from frame to frame, as under a barostat; values with an exact decimal in ångström.
    let grow = 0.001 * k as f64;
    Cell::new(DVec3::X * (2.1 + grow), DVec3::new(0.5, 2.0, 0.0), DVec3::new(-0.4, 0.7, 2.2 + grow)).expect("valid")
}

/// Frame `k` of a made-up run: molecules whole but spread over many cells, as unwrapped positions are.
fn state(topology: &Topology, k: u64) -> State {
    let mut draws = Draws::new(k, Stream::Build, 1);
    let mut random = |scale: f64| DVec3::new(draws.normal(), draws.normal(), draws.normal()) * scale;
    let mut positions = Vec::new();
    for m in 0..topology.molecules.len() {
        let center = random(4.0);
        let offsets = [DVec3::ZERO, DVec3::new(0.08, 0.06, 0.0), DVec3::new(-0.08, 0.06, 0.0)];
        positions.extend(offsets[..topology.atoms_of(m).len()].iter().map(|&o| center + o));
    }
    let velocities = positions.iter().map(|_| random(0.5)).collect();
    State { step: 500 * k, time: k as f64, cell: cell(k), positions, velocities }
}

fn write_frames(writer: &mut TrajectoryWriter, topology: &Topology, frames: std::ops::Range<u64>) {
    for k in frames {
        let s = state(topology, k);
        writer.write(s.step, s.time, &s.cell, &s.positions).expect("writes");
    }
}

fn read(path: &Path, n_atoms: usize) -> Result<Vec<TrajectoryFrame>, TrajectoryError> {
    TrajectoryReader::open(&[path.to_path_buf()], n_atoms, None)?.collect()
}

/// Rounding of positions in the file, nm.
fn resolution(format: Format) -> f64 {
    match format {
        Format::Xtc | Format::Gro => 0.5e-3,
        Format::Trr | Format::Dcd => 3e-7,
        Format::Pdb => 0.5e-4,
        // six significant digits of at most 100 Å
        Format::Xyz => 0.5e-5,
    }
}

fn assert_frame(format: Format, topology: &Topology, frame: &TrajectoryFrame, k: u64) {
    let s = state(topology, k);
    let step = if format == Format::Dcd { k } else { s.step };
    assert_eq!(frame.step, step, "{format:?}");
    let time = frame.time.expect("all formats hold the time");
    assert!((time - s.time).abs() <= 1e-6 * s.time.max(1e-30), "{format:?}: {time} for {}", s.time);
    // XTC, TRR: f32; PDB and DCD: lengths and angles, PDB with two decimals of a degree
    let cell_limit = if format == Format::Pdb { 5e-4 } else { 1e-5 };
    let difference = frame.cell.vectors() - s.cell.vectors();
    assert!(difference.to_cols_array().iter().all(|d| d.abs() < cell_limit), "{format:?}: {difference}");
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let first = frame.positions[atoms.start];
        let inside = s.cell.to_fractional(first);
        assert!(inside.min_element() > -1e-3 && inside.max_element() < 1.001, "{format:?}: {inside}");
        for i in atoms.clone() {
            let (found, expected) = (frame.positions[i] - first, s.positions[i] - s.positions[atoms.start]);
            let limit = 2.001 * resolution(format);
            assert!((found - expected).abs().max_element() < limit, "{format:?}: molecules are whole");
        }
        let moved = s.cell.minimum_image(first - s.positions[atoms.start]);
        assert!(moved.abs().max_element() < 1.001 * resolution(format), "{format:?}: {moved}");
    }
}

#[test]
fn every_format_gives_back_what_was_written() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    for format in Format::ALL {
        let path = scratch.path().join("trajectory").with_extension(format.name());
        let mut writer = TrajectoryWriter::create(&path, format, &topology).expect("creates");
        write_frames(&mut writer, &topology, 0..5);
        assert_eq!(writer.flush().expect("syncs"), fs::metadata(&path).expect("exists").len());
        let frames = read(&path, topology.n_atoms()).expect("reads");
        assert_eq!(frames.len(), 5, "{format:?}");
        frames.iter().zip(0..).for_each(|(frame, k)| assert_frame(format, &topology, frame, k));
        assert_eq!(Format::parse(&format!(".{}", format.name().to_uppercase())).expect("known"), format);
    }
    let files = fs::read_dir(scratch.path()).expect("lists").count();
    assert_eq!(files, Format::ALL.len(), "no scratch file is left");
    let unknown = Format::parse("mp4").expect_err("unknown").to_string();
    assert!(unknown.contains("mp4") && unknown.contains("xtc, trr, dcd"), "{unknown}");
}

#[test]
fn a_resumed_trajectory_equals_an_unbroken_one() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    for format in Format::ALL {
        for stored in [0, 1, 3] {
            let path = |name: &str| scratch.path().join(format!("{name}{stored}")).with_extension(format.name());
            let (whole, broken) = (path("whole"), path("broken"));
            write_frames(&mut TrajectoryWriter::create(&whole, format, &topology).expect("creates"), &topology, 0..6);
            let mut writer = TrajectoryWriter::create(&broken, format, &topology).expect("creates");
            write_frames(&mut writer, &topology, 0..stored);
            let length = writer.flush().expect("syncs");
            // Frames after the checkpoint and half of one more, as a kill leaves them.
            write_frames(&mut writer, &topology, stored..5);
            drop(writer);
            let mut bytes = fs::read(&broken).expect("reads");
            bytes.extend([7; 333]);
            fs::write(&broken, bytes).expect("writes");
            let mut writer = TrajectoryWriter::resume(&broken, format, &topology, length).expect("resumes");
            write_frames(&mut writer, &topology, stored..6);
            let same = fs::read(&broken).expect("reads") == fs::read(&whole).expect("reads");
            assert!(same, "{format:?} after {stored} frames");
        }
    }
}

#[test]
fn lengths_that_cannot_be_resumed_are_refused() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    for format in [Format::Dcd, Format::Pdb] {
        let path = scratch.path().join("t").with_extension(format.name());
        let mut writer = TrajectoryWriter::create(&path, format, &topology).expect("creates");
        write_frames(&mut writer, &topology, 0..2);
        let length = writer.len_bytes();
        let resume = |length| TrajectoryWriter::resume(&path, format, &topology, length).err();
        let longer = resume(length + 1).expect("longer than the file");
        assert!(longer.to_string().contains("checkpoint expects"), "{longer}");
        assert!(matches!(resume(length - 1), Some(TrajectoryError::NotAtFrame { .. })), "{format:?}");
    }
}

#[test]
fn several_files_are_read_one_after_the_other() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    let paths: Vec<PathBuf> = ["a.xtc", "b.gro", "c.dcd"].iter().map(|n| scratch.path().join(n)).collect();
    for (path, frames) in paths.iter().zip([0..2, 2..4, 4..7]) {
        let format = Format::parse(path.extension().expect("named").to_str().expect("ascii")).expect("known");
        write_frames(&mut TrajectoryWriter::create(path, format, &topology).expect("creates"), &topology, frames);
    }
    let reader = TrajectoryReader::open(&paths, topology.n_atoms(), None).expect("opens");
    let times: Vec<f64> = reader.map(|f| f.expect("reads").time.expect("holds the time")).collect();
    assert_eq!(times.len(), 7);
    times.iter().zip(0..).for_each(|(t, k)| assert!((t - f64::from(k)).abs() < 1e-6, "{times:?}"));
}

#[test]
fn a_cut_file_names_the_frame_after_the_good_ones() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    for format in [Format::Xtc, Format::Dcd, Format::Gro, Format::Pdb, Format::Trr] {
        let path = scratch.path().join("cut").with_extension(format.name());
        let mut writer = TrajectoryWriter::create(&path, format, &topology).expect("creates");
        write_frames(&mut writer, &topology, 0..3);
        let three = writer.len_bytes();
        write_frames(&mut writer, &topology, 3..4);
        let four = writer.len_bytes();
        drop(writer);
        let good = fs::read(&path).expect("reads");
        for length in [three + 60, (three + four) / 2, four - 8] {
            fs::write(&path, &good[..length as usize]).expect("writes");
            let mut reader =
                TrajectoryReader::open(std::slice::from_ref(&path), topology.n_atoms(), None).expect("opens");
            let good_frames = reader.by_ref().take_while(Result::is_ok).count();
            assert_eq!(good_frames, 3, "{format:?} cut at {length}");
            assert!(reader.next().is_none(), "nothing follows an error");
            let error = read(&path, topology.n_atoms()).expect_err("cut off");
            assert!(matches!(error, TrajectoryError::Truncated { frame: 4, .. }), "{format:?} at {length}: {error}");
            assert!(error.to_string().contains(&format!("cut.{}, frame 4", format.name())), "{error}");
        }
    }
}

#[test]
fn what_does_not_fit_the_system_is_an_error() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    let path = scratch.path().join("t.xtc");
    let mut writer = TrajectoryWriter::create(&path, Format::Xtc, &topology).expect("creates");
    write_frames(&mut writer, &topology, 0..1);
    let length = writer.len_bytes();
    let mut s = state(&topology, 1);
    s.positions[4].y = f64::NAN;
    let error = writer.write(500, 1.0, &s.cell, &s.positions).expect_err("NaN");
    assert!(
        error.to_string().contains("step 500") && error.to_string().contains("HW1 of SPC/E (molecule 4)"),
        "{error}"
    );
    writer.write(500, 1.0, &s.cell, &s.positions[1..]).expect_err("one atom is missing");
    assert_eq!(writer.len_bytes(), length, "nothing was written");

    let error = read(&path, 31).expect_err("another system");
    assert!(matches!(error, TrajectoryError::AtomCount { frame: 1, found: 30, expected: 31, .. }), "{error}");
    let missing = read(&scratch.path().join("none.xtc"), 30).expect_err("missing").to_string();
    assert!(missing.contains("none.xtc"), "{missing}");
    fs::write(scratch.path().join("text.xtc"), "this is no trajectory, whatever it is called").expect("writes");
    assert!(read(&scratch.path().join("text.xtc"), 30).is_err());
    fs::write(scratch.path().join("plain.xyz"), "1\nno cell\nZn 1 2 3\n").expect("writes");
    let plain = scratch.path().join("plain.xyz");
    assert!(matches!(read(&plain, 1), Err(TrajectoryError::NoCell { frame: 1, .. })));
    let given = Cell::cubic(2.0).expect("valid");
    let mut reader = TrajectoryReader::open(&[plain], 1, Some(given)).expect("opens");
    let frame = reader.next_frame().expect("reads").expect("one frame");
    assert_eq!((frame.cell, frame.positions[0], frame.time), (given, DVec3::new(1.0, 2.0, 3.0) / 10.0, None));
}

#[test]
fn gro_files_come_back_to_the_last_digit_and_the_last_byte() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    let s = state(&topology, 3);
    let (first, second) = (scratch.path().join("a.gro"), scratch.path().join("b.gro"));
    write_gro(&first, &topology, &s, "Zn in water").expect("writes");
    write_gro(&second, &topology, &s, "Zn in water").expect("writes");
    assert_eq!(fs::read(&first).expect("reads"), fs::read(&second).expect("reads"));

    let structure = read_structure(&first).expect("reads");
    assert_eq!(structure.n_atoms(), topology.n_atoms());
    for i in 0..topology.n_atoms() {
        let (species, local) = topology.site(i);
        assert_eq!(structure.names[i], species.atoms[local].name);
        assert_eq!(structure.residue_names[i], species.residue);
        assert_eq!(structure.residue_ids[i], i64::from(topology.molecule_of[i]) + 1);
        let moved = s.cell.minimum_image(structure.positions[i] - s.positions[i]);
        assert!(moved.abs().max_element() <= 0.5001e-6);
        let v = structure.velocities.as_ref().expect("velocities are written")[i] - s.velocities[i];
        assert!(v.abs().max_element() <= 0.5001e-7);
    }
    let difference = structure.cell.vectors() - s.cell.vectors();
    assert!(difference.to_cols_array().iter().all(|d| d.abs() < 1e-9));
    assert!(structure.title.ends_with("t= 3.000000 step= 1500"), "{}", structure.title);

    // What was read, written again, is the same file: no digit is lost on the way.
    let again = State {
        cell: structure.cell,
        positions: structure.positions,
        velocities: structure.velocities.expect("has"),
        ..s
    };
    write_gro(&second, &topology, &again, "Zn in water").expect("writes");
    assert_eq!(fs::read_to_string(&first).expect("reads"), fs::read_to_string(&second).expect("reads"));
}

#[test]
fn chemfiles_reads_the_classic_gro() {
    let scratch = tempfile::tempdir().expect("scratch");
    let topology = zinc_chloride(COUNTS);
    let s = state(&topology, 3);
    let path = scratch.path().join("classic.gro");
    write_gro_with_decimals(&path, &topology, &s, "Zn in water", 3).expect("writes");
    let ours = read_structure(&path).expect("reads");
    let mut frame = chemfiles::Frame::new();
    chemfiles::Trajectory::open(&path, 'r').expect("opens").read(&mut frame).expect("reads");
    assert_eq!(frame.size(), topology.n_atoms());
    let velocities = ours.velocities.expect("has");
    for (i, &velocity) in velocities.iter().enumerate() {
        assert!((DVec3::from_array(frame.positions()[i]) - ours.positions[i] * 10.0).length() < 1e-9);
        assert!((DVec3::from_array(frame.velocities().expect("has")[i]) - velocity * 10.0).length() < 1e-9);
        assert_eq!(frame.atom(i).name(), ours.names[i]);
        let residue = frame.topology().residue_for_atom(i).expect("has one").name();
        assert_eq!(residue, ours.residue_names[i]);
    }
    let matrix = frame.cell().matrix();
    for (k, v) in
        [ours.cell.vectors().x_axis, ours.cell.vectors().y_axis, ours.cell.vectors().z_axis].iter().enumerate()
    {
        assert!((DVec3::new(matrix[0][k], matrix[1][k], matrix[2][k]) - *v * 10.0).length() < 1e-9);
    }
}

#[test]
fn gro_files_of_any_width_are_exact() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join("wide.gro");
    // 3, 6 and 9 decimals, with and without velocities, numbers that touch their neighbors
    for (line, position, velocity) in [
        (
            "    1SOL     OW    1   0.155-999.594   1.635 -0.2772 -0.1930  0.3301",
            [0.155, -999.594, 1.635],
            Some([-0.2772, -0.1930, 0.3301]),
        ),
        ("    1GRP      C    1   0.123000  -0.071013   0.400001", [0.123, -0.071013, 0.400001], None),
        (
            "    1SOL     MW    1   0.362027309   0.759521370-999.076638766",
            [0.362027309, 0.759521370, -999.076638766],
            None,
        ),
        (
            "    1ZN      ZN    1   1.123456   2.123456   3.123456  0.1234567 -0.1234567  0.0000001",
            [1.123456, 2.123456, 3.123456],
            Some([0.1234567, -0.1234567, 0.0000001]),
        ),
    ] {
        fs::write(&path, format!("title\n    1\n{line}\n   2.00000   3.00000   4.00000\n")).expect("writes");
        let structure = read_structure(&path).expect("reads");
        assert_eq!(structure.positions, [DVec3::from_array(position)], "{line}");
        assert_eq!(structure.velocities, velocity.map(|v| vec![DVec3::from_array(v)]), "{line}");
    }
}

#[test]
fn structures_in_other_formats_are_converted() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join("one.pdb");
    fs::write(
        &path,
        "CRYST1   21.000   22.000   23.000  90.00  90.00  90.00 P 1           1\n\
         HETATM    1  OW  SOL     7      12.345  -0.001   1.635  1.00  0.00           O\n\
         HETATM    2 ZN    ZN     8      13.345   1.001   2.635  1.00  0.00          Zn\n\
         END\n",
    )
    .expect("writes");
    let structure = read_structure(&path).expect("reads");
    // chemfiles reads decimals to within a unit in the last place
    let expected = [DVec3::new(1.2345, -0.0001, 0.1635), DVec3::new(1.3345, 0.1001, 0.2635)];
    assert!(structure.positions.iter().zip(expected).all(|(a, b)| (*a - b).length() < 1e-15));
    assert_eq!(structure.cell, Cell::orthorhombic(2.1, 2.2, 2.3).expect("valid"), "no trace of cos 90°");
    assert_eq!((structure.names[1].as_str(), structure.residue_names[0].as_str()), ("ZN", "SOL"));
    assert_eq!(structure.residue_ids, [7, 8]);
    assert_eq!(structure.velocities, None);
}

#[test]
fn bad_structures_say_what_and_where() {
    let scratch = tempfile::tempdir().expect("scratch");
    let path = scratch.path().join("bad.gro");
    let good = "t\n2\n    1SOL     OW    1   0.155   1.594   1.635\n    2ZN      ZN    2   1.155   0.594   0.635\n 2.0 2.0 2.0\n";
    let fail = |from: &str, to: &str| -> String {
        fs::write(&path, good.replace(from, to)).expect("writes");
        read_structure(&path).expect_err("is bad").to_string()
    };
    fs::write(&path, good).expect("writes");
    read_structure(&path).expect("is good");
    let nan = fail("1.155", "  nan");
    assert!(nan.contains("bad.gro, line 4") && nan.contains("atom 2 (ZN of ZN 2)") && nan.contains("NaN"), "{nan}");
    assert!(fail("1.155", "1.1x5").contains("line 4"));
    assert!(fail(" 2.0 2.0 2.0", " 0.0 0.0 0.0").contains("no periodic cell"));
    assert!(fail(" 2.0 2.0 2.0", " 2.0 -2.0 2.0").contains("line 5"));
    assert!(fail(" 2.0 2.0 2.0", " 2.0 2.0").contains("line 5"));
    let absurd = fail(" 2.0 2.0 2.0", " 0.15 0.15 0.15");
    assert!(absurd.contains("2 atoms") && absurd.contains("unit of the format"), "{absurd}");
    assert!(fail(" 2.0 2.0 2.0", " 2.0 2.0 1e9").contains("cannot be right"));
    assert!(fail("\n2\n", "\n0\n").contains("bad.gro"));
    assert!(fail("\n2\n", "\n3\n").contains("line 5"));
    fs::write(&path, "").expect("writes");
    assert!(read_structure(&path).expect_err("empty").to_string().contains("empty"));
    assert!(matches!(read_structure(&scratch.path().join("no.gro")), Err(StructureError::Unreadable { .. })));
    assert!(matches!(read_structure(&scratch.path().join("no.pdb")), Err(StructureError::Unreadable { .. })));
    fs::write(scratch.path().join("x.xyz"), "1\n\nZn 0 0 0\n").expect("writes");
    assert!(matches!(read_structure(&scratch.path().join("x.xyz")), Err(StructureError::NoCell { .. })));
    fs::write(scratch.path().join("x.xyz"), "1\n\nZn 0 zero 0\n").expect("writes");
    assert!(matches!(read_structure(&scratch.path().join("x.xyz")), Err(StructureError::Unreadable { .. })));
    fs::write(scratch.path().join("x.qqq"), "?").expect("writes");
    assert!(read_structure(&scratch.path().join("x.qqq")).expect_err("unknown").to_string().contains("qqq"));

    let topology = zinc_chloride([1, 0, 0]);
    let blown_up = State { velocities: vec![DVec3::X * 1e5], ..State::at_rest(cell(0), vec![DVec3::ONE]) };
    let error = write_gro(&path, &topology, &blown_up, "t").expect_err("does not fit the columns");
    assert!(error.to_string().contains("ZN of Zn2+ (molecule 1): velocity"), "{error}");
}

/// A file that names its atoms must name those of the system, as far as elements go.
#[test]
fn names_in_a_trajectory_must_be_of_the_same_elements() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path().join("water.gro");
    let line = |name: &str, k: usize, x: f64| format!("    1SOL  {name:>5}{k:5}{x:8.3}   0.100   0.100\n");
    let text = format!(
        "water t= 0.0\n    3\n{}{}{}   2.00000   2.00000   2.00000\n",
        line("OH2", 1, 0.1),
        line("H1", 2, 0.2),
        line("H2", 3, 0.0)
    );
    std::fs::write(&path, text).expect("written");
    let read = |atoms: [(&str, &str); 3]| {
        let mut reader = TrajectoryReader::open(std::slice::from_ref(&path), 3, None).expect("readable");
        reader.expect_atoms(atoms.map(|(name, element)| (name.to_string(), element.to_string())).to_vec());
        reader.next_frame()
    };
    assert!(read([("OW", "O"), ("HW1", "H"), ("HW2", "H")]).is_ok());
    let error = read([("HW1", "H"), ("OW", "O"), ("HW2", "H")]).expect_err("oxygen and hydrogen are exchanged");
    assert!(error.to_string().contains("atom 1 is called `OH2`, but the system has HW1 (H) there"), "{error}");
}
