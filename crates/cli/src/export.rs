//! `rootlet export`.

use crate::args::Export;
use crate::failure::Failure;
use crate::output::print;
use crate::recipe;
use crate::store;
use rootlet::base::ExportTarget;

/// Exports, and prints the digest of what was made.
pub fn export(args: &Export) -> Result<(), Failure> {
    // A mistyped target is told before anything is pulled.
    let target: ExportTarget = args.to.parse()?;
    let resolver = store::resolver(&store::open(&args.store)?, &args.pull, args.quiet)?;
    let exported = recipe::or_base(&args.base, &args.recipes, &resolver)?.export(&target)?;
    match target.is_standard_output() {
        true => Ok(()),
        false => print(&format!("{}\n", exported.digest)),
    }
}
