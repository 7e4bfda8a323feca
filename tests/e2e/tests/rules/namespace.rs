//! A network namespace for the length of a test, and the programs that write rules into it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a new network namespace, on a thread of its own: a namespace belongs to a thread,
/// and the kernel frees it with the thread and the sockets made there.
pub(crate) fn within<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            test()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a program in the namespace of this thread, with `input` as its standard input.
pub(crate) fn run(program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that fails early does not read all of it, and writes the reason to its standard
    // error.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// The reason to skip a test of the legacy back end: a kernel can have nf_tables only.
pub(crate) fn no_legacy(error: &str) -> String {
    format!("this kernel has no ip_tables, try `modprobe ip_tables`: {error}")
}
