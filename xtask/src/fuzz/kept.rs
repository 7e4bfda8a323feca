//! The inputs that the checkout keeps, in fuzz/corpus. In: what the seeds do not reach. Out: the first
//! inputs of a run, and more to keep. Source: LLVM's documentation of libFuzzer, "Corpus".

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::seeds;
use super::target::Target;
use super::tools::Tools;
use crate::workspace::Workspace;

/// The longest input that is kept, bytes: the checkout is no place for large ones.
const MAX_BYTES: usize = 2 << 10;

/// Writes the seeds and the kept inputs of a target to a corpus. Other inputs in it stay.
///
/// # Errors
/// When one cannot be read or written.
pub(super) fn write_first(
    workspace: &Workspace,
    tools: &Tools,
    target: Target,
    corpus: &Path,
) -> Result<()> {
    seeds::write(workspace, target, corpus)
        .with_context(|| format!("write the seeds of {}", target.name()))?;
    copy(&tools.kept_corpus(target), corpus, |_| true)?;
    Ok(())
}

/// Keeps the inputs of the target's corpus that reach what its seeds and kept inputs do not. Returns
/// how many.
///
/// # Errors
/// When libFuzzer fails, or a file cannot be read or written.
pub(super) fn add(workspace: &Workspace, tools: &Tools, target: Target) -> Result<usize> {
    let merged = tools.corpus(target).with_extension("merged");
    let _ = fs::remove_dir_all(&merged);
    write_first(workspace, tools, target, &merged)?;
    let before = names(&merged)?;
    let status = tools
        .program(target)
        .arg("-merge=1")
        .arg(format!("-max_len={MAX_BYTES}"))
        .args([&merged, &tools.corpus(target)])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("run {}", target.name()))?;
    ensure!(
        status.success(),
        "libFuzzer cannot merge the corpus of {}: {status}",
        target.name()
    );
    let kept = tools.kept_corpus(target);
    fs::create_dir_all(&kept).with_context(|| format!("create {}", kept.display()))?;
    copy(&merged, &kept, |name| !before.contains(name))
}

/// Copies the files of a directory whose names are wanted. Returns how many.
fn copy(from: &Path, to: &Path, is_wanted: impl Fn(&OsString) -> bool) -> Result<usize> {
    let wanted: Vec<_> = names(from)?.into_iter().filter(is_wanted).collect();
    for name in &wanted {
        let file = from.join(name);
        fs::copy(&file, to.join(name)).with_context(|| format!("copy {}", file.display()))?;
    }
    Ok(wanted.len())
}

/// The names in a directory; none if it does not exist.
fn names(directory: &Path) -> Result<BTreeSet<OsString>> {
    if !directory.is_dir() {
        return Ok(BTreeSet::new());
    }
    fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .with_context(|| format!("read {}", directory.display()))
}
