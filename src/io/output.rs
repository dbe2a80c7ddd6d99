//! The output folder: who may write into it, and how a file gets there in one piece.
//!
//! Whole files are written under a temporary name, synced and renamed, so a reader never sees half of one. Streams
//! (trajectory, log) grow in place; a checkpoint stores their lengths and a resumed run cuts them back to those.
//! Knows names and bytes, nothing of what is in the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Files whose presence means "a run lives here".
pub const RUN_FILES: [&str; 4] =
    ["run.toml", "log.csv", super::checkpoint::FILE_NAME, super::checkpoint::PREVIOUS_FILE_NAME];

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(
        "the folder {} already holds a run ({found}); continue it with --resume, choose another folder with --out, or remove it first",
        .folder.display()
    )]
    HoldsRun { folder: PathBuf, found: &'static str },
    #[error("there is no run to resume in {}: it has no {} file", .folder.display(), super::checkpoint::FILE_NAME)]
    NothingToResume { folder: PathBuf },
    #[error("{} is not a folder; choose another one with --out", .path.display())]
    NotAFolder { path: PathBuf },
    #[error("the disk is full: could not {action} {}; free some space and continue with --resume", .path.display())]
    DiskFull { action: &'static str, path: PathBuf },
    #[error("could not {action} {}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} has {found} bytes, the checkpoint expects at least {expected}: the file was changed after the run stopped",
        .path.display()
    )]
    StreamTooShort { path: PathBuf, found: u64, expected: u64 },
}

impl OutputError {
    /// The error for `path`; a full disk gets its own variant.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OutputError::DiskFull { action, path },
            _ => OutputError::Io { action, path, source },
        }
    }
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFolder {
    path: PathBuf,
}

impl OutputFolder {
    /// Would [`OutputFolder::create`] accept this folder? Touches nothing.
    pub fn check_free(path: &Path) -> Result<(), OutputError> {
        if path.exists() && !path.is_dir() {
            return Err(OutputError::NotAFolder { path: path.to_path_buf() });
        }
        match RUN_FILES.into_iter().find(|name| path.join(name).exists()) {
            Some(found) => Err(OutputError::HoldsRun { folder: path.to_path_buf(), found }),
            None => Ok(()),
        }
    }

    /// A folder for a new run. Refuses one that already holds a run; other files in it are left alone.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        Self::check_free(path)?;
        fs::create_dir_all(path).map_err(|e| OutputError::io("create the folder", path, e))?;
        Ok(OutputFolder { path: path.to_path_buf() })
    }

    /// The folder of a run that is to be continued.
    pub fn resume(path: &Path) -> Result<Self, OutputError> {
        let has = |name| path.join(name).exists();
        if has(super::checkpoint::FILE_NAME) || has(super::checkpoint::PREVIOUS_FILE_NAME) {
            Ok(OutputFolder { path: path.to_path_buf() })
        } else {
            Err(OutputError::NothingToResume { folder: path.to_path_buf() })
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the file or subfolder `name`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes the whole file `name` (which may hold `/`: missing subfolders are made) in one piece.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, OutputError> {
        let path = self.file(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| OutputError::io("create the folder", parent, e))?;
        }
        write_atomic(&path, bytes)?;
        Ok(path)
    }

    /// Cuts streams back to the lengths (bytes) that a checkpoint stored: `(file name, length)`.
    ///
    /// All lengths are checked before the first file is touched. A stream of length zero may be missing.
    pub fn truncate_streams(&self, lengths: &[(String, u64)]) -> Result<(), OutputError> {
        let mut cuts = Vec::new();
        for (name, expected) in lengths {
            let path = self.file(name);
            let found = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if *expected == 0 {
                        continue;
                    }
                    0
                }
                Err(e) => return Err(OutputError::io("read the length of", &path, e)),
            };
            if found < *expected {
                return Err(OutputError::StreamTooShort { path, found, expected: *expected });
            }
            cuts.push((path, *expected));
        }
        for (path, length) in cuts {
            open_stream_at(&path, length)?;
        }
        Ok(())
    }
}

/// Opens a stream for appending after cutting it to `length` bytes.
pub(crate) fn open_stream_at(path: &Path, length: u64) -> Result<File, OutputError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| OutputError::io("open", path, e))?;
    let found = file.metadata().map_err(|e| OutputError::io("read the length of", path, e))?.len();
    if found < length {
        return Err(OutputError::StreamTooShort { path: path.to_path_buf(), found, expected: length });
    }
    file.set_len(length).map_err(|e| OutputError::io("truncate", path, e))?;
    Ok(file)
}

/// Writes `bytes` to `path` in one piece: temporary name, sync, rename.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Writes `path` in one piece with what `fill` writes; on failure the old file, if any, stays and the temporary goes.
///
/// A link is followed: the file it points at is replaced, not the link. What is there and is no file (`/dev/null`, a named
/// pipe) is written into as it stands, and so is an open file of the process (`/dev/stdout`), behind what it holds: a rename
/// would put a file in the place of the device.
pub fn write_atomic_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), OutputError> {
    let failed = |e| OutputError::io("write", path, e);
    let is_device = fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    if is_device || is_open_file(path) {
        let opened = OpenOptions::new().append(true).open(path);
        return opened.and_then(|file| write_through(file, fill)).map(drop).map_err(failed);
    }
    let target = &link_target(path).map_err(failed)?;
    let temporary = temporary_name(target);
    let result = write_synced(&temporary, fill).map_err(failed).and_then(|()| {
        fs::rename(&temporary, target).map_err(|e| OutputError::io("rename a temporary file to", path, e))?;
        sync_parent(target)
    });
    if result.is_err() {
        // The write error is what the user has to know; a leftover temporary is harmless.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Does a path lead through the open files of a process?
fn is_open_file(path: &Path) -> bool {
    let mut next = path.to_path_buf();
    // as many links as systems follow
    for _ in 0..40 {
        let folder = next.parent().and_then(|p| fs::canonicalize(p).ok());
        if folder.as_deref().is_some_and(|f| f.starts_with("/proc") || f.ends_with("fd") && f.starts_with("/dev")) {
            return true;
        }
        let Ok(link) = fs::read_link(&next) else { return false };
        next = next.parent().unwrap_or(Path::new("")).join(link);
    }
    false
}

/// The file to replace: behind all links, the last of which may lead to one that is not there yet.
fn link_target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("its links lead nowhere"))
}

/// `dir/final.gro` → `dir/.final.gro.tmp`
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

pub(crate) fn write_synced(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    write_through(File::create(path)?, fill)?.sync_all()
}

fn write_through(file: File, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<File> {
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Makes a rename durable. Only Unix lets a folder be opened and synced; elsewhere the rename itself must do.
pub(crate) fn sync_parent(path: &Path) -> Result<(), OutputError> {
    if cfg!(unix) {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|d| d.sync_all()).map_err(|e| OutputError::io("sync the folder", parent, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_run_is_refused_and_left_alone() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("run");
        let folder = OutputFolder::create(&path).expect("new folder");
        folder.write("notes.txt", b"mine").expect("writes");
        OutputFolder::create(&path).expect("other files do not make it a run");
        for name in RUN_FILES {
            fs::write(path.join(name), b"old").expect("writes");
            let error = OutputFolder::create(&path).expect_err("holds a run");
            assert!(error.to_string().contains(name) && error.to_string().contains("--resume"), "{error}");
            assert_eq!(fs::read(path.join(name)).expect("still there"), b"old");
            fs::remove_file(path.join(name)).expect("removes");
        }
        assert!(matches!(OutputFolder::resume(&path), Err(OutputError::NothingToResume { .. })));
        assert!(matches!(OutputFolder::create(&path.join("notes.txt")), Err(OutputError::NotAFolder { .. })));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("final.gro");
        write_atomic(&path, b"old").expect("writes");
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .expect_err("the disk is full");
        assert!(matches!(error, OutputError::DiskFull { .. }));
        assert!(error.to_string().contains("final.gro"), "{error}");
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        assert_eq!(fs::read_dir(scratch.path()).expect("lists").count(), 1, "no temporary is left");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let scratch = tempfile::tempdir().expect("scratch");
        let (file, link) = (scratch.path().join("data.json"), scratch.path().join("latest.json"));
        symlink(&file, &link).expect("links");
        write_atomic(&file, b"old").expect("writes");
        write_atomic(&link, b"new").expect("writes");
        assert_eq!(fs::read(&file).expect("the file behind the link"), b"new");
        // a link to nothing makes the file that it names
        fs::remove_file(&file).expect("removes");
        write_atomic(&link, b"anew").expect("writes");
        assert_eq!(fs::read(&file).expect("the file behind the link"), b"anew");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());

        let pipe = scratch.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is a standard tool");
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).expect("reads")
        });
        write_atomic(&pipe, b"through").expect("writes");
        assert_eq!(reader.join().expect("joins"), b"through");
        assert!(fs::symlink_metadata(&pipe).expect("the pipe").file_type().is_fifo());
        assert_eq!(fs::read_dir(scratch.path()).expect("lists").count(), 3, "no temporary is left");
    }

    /// What `> app.txt` made of the standard output: it keeps what it holds, also when its name is gone.
    #[cfg(target_os = "linux")]
    #[test]
    fn open_files_of_a_process_keep_what_they_hold() {
        use std::io::{Read, Seek};
        use std::os::fd::AsRawFd;
        use std::os::unix::fs::symlink;
        let scratch = tempfile::tempdir().expect("scratch");
        let (file, link) = (scratch.path().join("app.txt"), scratch.path().join("stdout"));
        let mut open = OpenOptions::new().read(true).write(true).create_new(true).open(&file).expect("opens");
        open.write_all(b"old ").expect("writes");
        symlink(format!("/proc/self/fd/{}", open.as_raw_fd()), &link).expect("links");
        write_atomic(&link, b"new ").expect("writes");
        fs::remove_file(&file).expect("removes");
        write_atomic(&link, b"newer").expect("writes");
        let mut text = String::new();
        open.rewind().and_then(|()| open.read_to_string(&mut text)).expect("reads");
        assert_eq!(text, "old new newer");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    }

    #[test]
    fn streams_are_cut_only_when_all_are_long_enough() {
        let scratch = tempfile::tempdir().expect("scratch");
        let folder = OutputFolder::create(scratch.path()).expect("free");
        folder.write("a.xtc", b"0123456789").expect("writes");
        folder.write("log.csv", b"01234").expect("writes");
        let lengths = |a, log| vec![("a.xtc".to_string(), a), ("log.csv".to_string(), log), ("new".to_string(), 0)];
        let error = folder.truncate_streams(&lengths(4, 6)).expect_err("the log is short");
        assert!(matches!(error, OutputError::StreamTooShort { found: 5, expected: 6, .. }));
        assert_eq!(fs::read(folder.file("a.xtc")).expect("reads").len(), 10);
        folder.truncate_streams(&lengths(4, 5)).expect("cuts");
        assert_eq!(fs::read(folder.file("a.xtc")).expect("reads"), b"0123");
    }
}
