//! What the macro says to who uses it wrongly, as rustc prints it.

use std::os::unix::fs::MetadataExt;

#[test]
fn errors_say_what_was_expected() {
    // What the compiler says does not depend on who asks; only who owns the sources can compile here.
    let owner = std::fs::metadata(env!("CARGO_MANIFEST_DIR")).map(|metadata| metadata.uid());
    let me = std::fs::metadata("/proc/self").map(|metadata| metadata.uid());
    if owner.ok() == me.ok() {
        trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
    }
}
