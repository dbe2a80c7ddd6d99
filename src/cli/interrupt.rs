//! What a run says when it is interrupted from the keyboard.
//!
//! Files of a run are whole at any moment up to the last checkpoint, so there is nothing to save: it is told how to go on.

/// Ends the process at SIGINT with exit code 130 and words on how to continue; elsewhere the system's own way stays.
#[cfg(unix)]
pub fn say_how_to_continue() {
    extern "C" fn ended(_: libc::c_int) {
        let words = b"\ninterrupted; the last checkpoint is kept: the same command with --resume continues from it\n";
        // SAFETY: both calls are allowed in a signal handler
        unsafe {
            libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len());
            libc::_exit(130);
        }
    }
    let handler = ended as extern "C" fn(libc::c_int);
    // SAFETY: the handler touches nothing of the program
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
}

#[cfg(not(unix))]
pub fn say_how_to_continue() {}
