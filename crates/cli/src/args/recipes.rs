//! Recipes and their lock file.

use super::root::{Pull, RecipeFile, StoreArg};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Build recipes of the project's rootlet.toml
///
/// Each step of a recipe is done once and kept: what was not changed is found in the store. Prints the id and the name of each.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rootlet build             all of them\n  rootlet build api\n  rootlet run -r api -- ./test.sh"
)]
pub struct Build {
    /// Which ones [default: all]
    #[arg(value_name = "RECIPE")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub recipes: RecipeFile,
    #[command(flatten)]
    pub pull: Pull,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// What `lock` and `update` take.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// The file of recipes [default: rootlet.toml, here or in a directory above]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub store: StoreArg,
}

/// What `update` takes besides.
#[derive(Debug, Args)]
#[command(after_help = "\
Beside a rootlet.toml it looks for newer images and packages, beside a rootlet.json or dagger.json for newer commits of modules.")]
pub struct UpdateArgs {
    #[command(flatten)]
    pub lock: LockArgs,
    /// Only these modules [default: all]
    #[arg(value_name = "MODULE", conflicts_with = "file")]
    pub modules: Vec<String>,
    /// The module's directory [default: the one of rootlet.json or dagger.json, here or above]
    #[arg(short, long = "mod", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub module: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Recipe {
    /// List the recipes of the project
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        recipes: RecipeFile,
    },
    /// Show the steps of a recipe, and which of them would be done
    Show {
        /// Its name
        name: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        recipes: RecipeFile,
        #[command(flatten)]
        store: StoreArg,
    },
}
