//! Compiles the nursery (`program/`): a static program without libc, by the same rustc, for the same target, and leaves
//! it where the library embeds it. A plain call of rustc rather than a crate of the workspace: it must have no unwinding,
//! no std and no start files, whatever profile the user of the library has chosen.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=program");
    println!("cargo:rerun-if-changed=src/wire.rs");
    println!("cargo:rerun-if-changed=src/one_id.rs");
    println!("cargo:rerun-if-changed=build.rs");
    let var = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let out = PathBuf::from(var("OUT_DIR")).join("nursery");
    // The host of a cross build may have another linker for the target; cargo tells it to build scripts.
    let linker = env::var("RUSTC_LINKER").ok();
    let mut rustc = Command::new(var("RUSTC"));
    rustc.args([
        "--edition",
        "2024",
        "--crate-type",
        "bin",
        "--crate-name",
        "nursery",
        "--target",
        &var("TARGET"),
    ]);
    rustc.args([
        "-C",
        "panic=abort",
        "-C",
        "opt-level=2",
        "-C",
        "relocation-model=static",
        "-C",
        "strip=symbols",
    ]);
    // Atomic operations that look for better ones first would ask the C library which there are.
    let atomics = if var("CARGO_CFG_TARGET_ARCH") == "aarch64" { ",-outline-atomics" } else { "" };
    rustc.arg("-C").arg(format!("target-feature=+crt-static{atomics}"));
    rustc.args(["-C", "codegen-units=1", "-C", "force-unwind-tables=no"]);
    for arg in ["-nostartfiles", "-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,-z,noexecstack"] {
        rustc.arg("-C").arg(format!("link-arg={arg}"));
    }
    if var("CARGO_CFG_TARGET_ENV") == "musl" {
        // There rustc brings start files of its own.
        rustc.args(["-C", "link-self-contained=no"]);
    }
    if let Some(linker) = linker {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    rustc.arg("-o").arg(&out).arg("program/main.rs");
    // The flags of the outer build (coverage, sanitizers) are not for a program without a runtime.
    rustc.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = rustc.status().expect("rustc, which runs this build, can be started again");
    assert!(status.success(), "rustc could not compile the nursery: {status}");
    let size = fs::metadata(&out).expect("rustc has written the nursery").len();
    println!("cargo:rustc-env=ROOTLET_NURSERY_SIZE={size}");
}
