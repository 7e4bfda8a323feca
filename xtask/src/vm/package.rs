//! Debian's packages as archives: fetched with apt and unpacked below target/vm, never installed.
//! In: package names. Out: directories. Knows nothing of their contents.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::series::Series;
use crate::progress;

/// A kernel is a hundred megabytes, and mirrors can be slow.
const FETCH_LIMIT: Duration = Duration::from_secs(15 * 60);
const UNPACK_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The package of a series' newest kernel, by apt's lists.
///
/// # Errors
/// When there is no apt, or it has no such kernel.
pub(super) fn newest_kernel(series: Series) -> Result<String> {
    let output = Command::new("apt-cache")
        .args(["search", "--names-only", "^linux-image-[0-9].*-amd64$"])
        .stdin(Stdio::null())
        .output()
        .context("run apt-cache: the kernels are Debian's, run this on Debian")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let newest = series.newest(names).with_context(|| {
        format!(
            "apt has no package linux-image-{series}.*-amd64\n  \
             run apt-get update; Debian 12 with its security updates has 6.1 and 6.12"
        )
    })?;
    Ok(newest.to_owned())
}

/// Fetches a package and unpacks it into `into`. Removes what an earlier failure has left there.
///
/// # Errors
/// When apt or dpkg-deb fails; the message has the end of its output.
pub(super) fn unpack(package: &str, into: &Path, log_dir: &Path) -> Result<()> {
    let download = into.with_extension("download");
    for dir in [into, &download] {
        if dir.exists() {
            fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
    }
    fs::create_dir_all(&download).with_context(|| format!("create {}", download.display()))?;
    progress::run(
        &format!("fetching {package}"),
        &log_dir.join("fetch.log"),
        FETCH_LIMIT,
        Command::new("apt-get")
            .args(["download", package])
            .current_dir(&download),
    )
    .context("fetch a package: when apt's lists are old, run apt-get update")?;
    progress::run(
        &format!("unpacking {package}"),
        &log_dir.join("unpack.log"),
        UNPACK_LIMIT,
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(archive_in(&download)?)
            .arg(into),
    )?;
    fs::remove_dir_all(&download).with_context(|| format!("remove {}", download.display()))
}

/// The archive in a directory; its name contains the version.
fn archive_in(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    let found = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    match found {
        Some(archive) => Ok(archive),
        None => bail!("apt-get has put no package into {}", dir.display()),
    }
}
