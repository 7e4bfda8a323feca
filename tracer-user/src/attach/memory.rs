//! Returns memory to the kernel after the start of the agent.

/// Returns freed memory to the kernel: that of the kernel's types, the object and the verifier's
/// logs. glibc keeps it otherwise, because it raises its threshold (M_MMAP_THRESHOLD) when large
/// blocks are freed. Other C libraries return it themselves.
pub fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions and leaves allocated memory alone.
    let _ = unsafe { libc::malloc_trim(0) };
}
