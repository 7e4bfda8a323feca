//! Gives memory back that only the start has used.

/// Returns what was freed to the kernel: the kernel's types, the object, logs of the verifier. glibc
/// keeps it otherwise, because freeing large blocks teaches it to expect more of them; other libraries
/// need no telling.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function has no preconditions; what is in use it leaves alone.
    let _ = unsafe { libc::malloc_trim(0) };
}
