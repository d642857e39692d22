//! The bases of the store, and what leaves it.

use super::root::{Pull, RecipeFile, StoreArg};
use clap::{Args, Subcommand};
use rootlet_spec::duration;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum Base {
    /// Get bases into the store
    #[command(after_help = "Example:\n  rootlet base pull alpine:3.20 debian:13-slim")]
    Pull {
        /// What `run --base` takes
        #[arg(required = true, value_name = "BASE")]
        bases: Vec<String>,
        /// Which of an image's platforms, such as linux/arm64 [default: this machine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
        /// No progress
        #[arg(short, long)]
        quiet: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// List the bases of the store
    #[command(visible_alias = "ls")]
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Show a base: its layers, and the user, variables and command it sets
    Show {
        /// What `run --base` takes
        base: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArg,
    },
    /// Remove bases from the store; one that is in use stays
    Rm {
        /// As `rootlet base list` prints them
        #[arg(required = true, value_name = "BASE")]
        bases: Vec<String>,
        #[command(flatten)]
        store: StoreArg,
    },
}

/// Hand a base to other tools: docker, podman, skopeo, tar
///
/// Prints the digest of the image's manifest; of docker-archive: the image's id, and of tar: the digest of the file. The same
/// base gives the same bytes. A file, a tag or an image that is there already is replaced when all is written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rootlet export alpine:3.20 --to docker://localhost:5000/alpine:3.20
  rootlet export snapshot:warm --to oci:./images:warm
  rootlet export dir:./rootfs --to docker-archive:-:me/root:1 | docker load
  rootlet export tar:rootfs.tar.xz --to tar:flat.tar")]
pub struct Export {
    /// A recipe of the project's rootlet.toml, else what `run --base` takes
    #[arg(value_name = "BASE")]
    pub base: String,
    #[command(flatten)]
    pub recipes: RecipeFile,
    /// oci:PATH[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], tar:FILE, or [docker://]HOST/NAME:TAG
    ///
    /// oci: an OCI image layout, a directory that is made or added to. tar: the whole root as one tar. docker://: a registry.
    /// A FILE - is standard output, and the digest is not printed then.
    #[arg(long, value_name = "TARGET")]
    pub to: String,
    #[command(flatten)]
    pub pull: Pull,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// Remove what is neither in use nor recent from the store
///
/// Bases that were not used for some time go, then the layers and downloads that no other base needs, and what killed
/// runs left half-made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rootlet gc\n  rootlet gc --keep 0        only what is in use stays")]
pub struct Gc {
    /// Keep what was used within this time
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "14d")]
    pub keep: Duration,
    #[command(flatten)]
    pub store: StoreArg,
}
