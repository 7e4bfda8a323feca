//! Builds the kernel programs as a part of `cargo build`.

use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    // Not of the build: another checkout may have built this script.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("cargo runs this script")?;
    let workspace = Path::new(&package)
        .parent()
        .context("tracer-user is not in a workspace")?;
    println!("cargo:rerun-if-env-changed={}", ebpf_toolchain::OVERRIDE);
    println!("cargo:rerun-if-changed=../tracer-common");
    let found = ebpf_toolchain::find(workspace)?;
    println!("cargo:rerun-if-changed={}", found.linker.path.display());
    found.apply_to_env();
    // aya-build prints every line of the inner cargo as a warning; this leaves only cargo's own
    // warnings. SAFETY: a build script has one thread here.
    unsafe { std::env::set_var("CARGO_TERM_QUIET", "true") };
    // aya-build runs `cargo build --package NAME` in the current directory; tracer-ebpf is a
    // workspace of its own.
    let programs = workspace.join("tracer-ebpf");
    std::env::set_current_dir(&programs)
        .with_context(|| format!("enter {}", programs.display()))?;
    aya_build::build_ebpf(
        [aya_build::Package {
            name: "tracer-ebpf",
            root_dir: &programs.display().to_string(),
            ..Default::default()
        }],
        aya_build::Toolchain::Custom(&found.toolchain.name),
    )
}
