//! The files that a guest boots: a kernel, and an initial file system with its modules. In: a
//! kernel series. Out: two files in target/vm, kept for the next run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::package;
use super::series::Series;
use crate::progress;

/// Process 1 of the guest.
const INIT: &str = include_str!("init.sh");

/// The modules that the guest may load: its file system, and what the lab and kube-proxy's rules
/// use. The kernel requests them when they are used, and not every kernel has each of them. After a
/// change here, remove target/vm.
const MODULES: [&str; 17] = [
    "net/9p",
    "net/802",
    "net/llc",
    "net/bridge",
    "net/netfilter",
    "net/ipv4",
    "net/ipv6",
    "drivers/net/veth.ko",
    "drivers/net/veth.ko.xz",
    "drivers/net/vxlan",
    "drivers/virtio",
    "fs/9p",
    "fs/netfs",
    "fs/fscache",
    "lib",
    "crypto",
    "arch/x86/crypto",
];

const LIMIT: Duration = Duration::from_secs(60);

/// A bootable kernel.
#[derive(Debug)]
pub(super) struct Image {
    release: String,
    target_dir: PathBuf,
    dir: PathBuf,
}

impl Image {
    /// The newest stock kernel of a series, fetched unless it is in target/vm.
    ///
    /// # Errors
    /// When it cannot be fetched or unpacked.
    pub(super) fn of(series: Series, target_dir: &Path) -> Result<Self> {
        let vm_dir = target_dir.join("vm");
        let package = package::newest_kernel(series)?;
        let release = package
            .strip_prefix("linux-image-")
            .unwrap_or(&package)
            .to_owned();
        let image = Self {
            dir: vm_dir.join(&release),
            release,
            target_dir: target_dir.to_owned(),
        };
        if !image.root().exists() {
            image.prepare(&package, &vm_dir)?;
        }
        image.pack()?;
        Ok(image)
    }

    /// As `uname -r` prints it.
    pub(super) fn release(&self) -> &str {
        &self.release
    }

    /// The directory of this kernel.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where cargo builds; the directory of this kernel is below it.
    pub(super) fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// The compressed kernel.
    pub(super) fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// The initial file system, an archive.
    pub(super) fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs.cpio")
    }

    /// The initial file system, a directory. It exists only when it is complete.
    fn root(&self) -> PathBuf {
        self.dir.join("initramfs")
    }

    fn prepare(&self, package: &str, vm_dir: &Path) -> Result<()> {
        let busybox = busybox(vm_dir)?;
        let unpacked = self.dir.join("unpacked");
        package::unpack(package, &unpacked, &self.dir)?;
        let boot = format!("boot/vmlinuz-{}", self.release);
        rename(&unpacked.join(boot), &self.kernel())?;

        let root = self.dir.join("initramfs.partial");
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("remove {}", root.display()))?;
        }
        for dir in ["bin", "sbin"] {
            create_dir(&root.join(dir))?;
        }
        copy(&busybox, &root.join("bin/busybox"))?;
        // The kernel runs this to load a module.
        symlink("/bin/busybox", root.join("sbin/modprobe")).context("link modprobe")?;
        self.move_modules(&unpacked, &root)?;
        fs::remove_dir_all(&unpacked).with_context(|| format!("remove {}", unpacked.display()))?;
        index_modules(&busybox, &root, &self.release, &self.dir)?;
        rename(&root, &self.root())
    }

    fn move_modules(&self, from: &Path, to: &Path) -> Result<()> {
        let modules = format!("lib/modules/{}", self.release);
        let (from, to) = (from.join(&modules), to.join(&modules));
        let metadata = ["modules.order", "modules.builtin"].map(PathBuf::from);
        let modules = MODULES.map(|module| Path::new("kernel").join(module));
        for path in metadata.iter().chain(&modules) {
            if !from.join(path).exists() {
                continue;
            }
            if let Some(parent) = to.join(path).parent() {
                create_dir(parent)?;
            }
            rename(&from.join(path), &to.join(path))?;
        }
        Ok(())
    }

    /// Writes the archive, with the init of this build.
    fn pack(&self) -> Result<()> {
        let root = self.root();
        let init = root.join("init");
        fs::write(&init, INIT).with_context(|| format!("write {}", init.display()))?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("make {} executable", init.display()))?;
        progress::run(
            &format!("packing the initial file system of {}", self.release),
            &self.dir.join("pack.log"),
            LIMIT,
            Command::new(root.join("bin/busybox"))
                .args(["sh", "-c"])
                .arg(r#""$0" find . | "$0" cpio -o -H newc > "$1""#)
                .arg(root.join("bin/busybox"))
                .arg(self.initramfs())
                .current_dir(&root),
        )
    }
}

/// The guest's programs in one file. This machine also uses it, to make archives.
fn busybox(vm_dir: &Path) -> Result<PathBuf> {
    let unpacked = vm_dir.join("busybox");
    let program = unpacked.join("bin/busybox");
    if !program.exists() {
        package::unpack("busybox-static", &unpacked, vm_dir)?;
    }
    Ok(program)
}

/// Unpacks the modules, which busybox's modprobe cannot, and writes their dependencies and aliases.
fn index_modules(busybox: &Path, root: &Path, release: &str, log_dir: &Path) -> Result<()> {
    progress::run(
        &format!("preparing the modules of {release}"),
        &log_dir.join("modules.log"),
        LIMIT,
        Command::new(busybox)
            .args(["sh", "-c"])
            .arg(r#""$0" find . -name '*.xz' -exec "$0" unxz {} + && "$0" depmod -b "$PWD" "$1""#)
            .arg(busybox)
            .arg(release)
            .current_dir(root),
    )
}

fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("move {} to {}", from.display(), to.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(|_| ())
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}
