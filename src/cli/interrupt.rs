//! What happens when a run is interrupted, from the keyboard or by a queueing system.
//!
//! SIGINT and SIGTERM are remembered while steps are taken: the engine stops at the next neighbor list and writes a checkpoint; behind the last list of a stage
//! the next stage does not begin. At any other moment, and at a second signal two seconds later, the process ends at once: files of a run are whole up to the
//! last checkpoint.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::SeqCst};

/// The signal that came, or 0.
static ASKED: AtomicI32 = AtomicI32::new(0);
/// When it came, s.
static SINCE: AtomicI64 = AtomicI64::new(0);
/// Does somebody look at it?
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Exit code of a process that a signal ended, less the signal.
pub const SIGNALLED: u8 = 128;

/// From here on a signal ends the process with exit code 128 + signal and words on how to continue, or is remembered; elsewhere the system's own way stays.
#[cfg(target_os = "linux")]
pub fn listen() {
    extern "C" fn asked(signal: libc::c_int) {
        // SAFETY: both are allowed in a signal handler
        let (errno, now) = unsafe { (*libc::__errno_location(), libc::time(std::ptr::null_mut())) };
        let first = ASKED.compare_exchange(0, signal, SeqCst, SeqCst).is_ok();
        if first {
            SINCE.store(now, SeqCst);
        }
        // what sends a signal to a process and to its group sends two
        let later = IS_WATCHED.load(SeqCst) && (first || now - SINCE.load(SeqCst) < 2);
        if later && !first {
            return;
        }
        let words: &[u8] = match later {
            true => b"\ninterrupted: a checkpoint is written first; once more ends the run at once\n",
            false => b"\ninterrupted; the last checkpoint is kept: the same command with --resume continues from it\n",
        };
        // SAFETY: both calls are allowed in a signal handler
        unsafe {
            libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len());
            if !later {
                libc::_exit(libc::c_int::from(SIGNALLED) + signal);
            }
            *libc::__errno_location() = errno;
        }
    }
    let handler = asked as extern "C" fn(libc::c_int);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler touches nothing of the program but atomics
        unsafe {
            let before = libc::signal(signal, handler as libc::sighandler_t);
            // a job that a script sends to the background is to live on
            if before == libc::SIG_IGN {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn listen() {}

/// Remembers signals that come while `work` is done, which looks at [`asked`].
pub fn watched<T>(work: impl FnOnce() -> T) -> T {
    IS_WATCHED.store(true, SeqCst);
    let done = work();
    IS_WATCHED.store(false, SeqCst);
    done
}

/// The signal that asked the run to stop.
pub fn asked() -> Option<u8> {
    u8::try_from(ASKED.load(SeqCst)).ok().filter(|signal| *signal > 0)
}
