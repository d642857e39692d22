//! Tests that cannot run on every machine.

use std::io::Write;

/// Skips the calling test, loudly; with `ROOTLET_MUST_WORK=1` (on a machine that is set up, as CI's is) it fails
/// instead, so that a skipped test cannot pass for a passed one.
///
/// ```
/// # fn newuidmap() -> Option<()> { Some(()) }
/// # fn test() {
/// let Some(program) = newuidmap() else { rootlet_tests::skip!("no newuidmap") };
/// # let () = program;
/// # }
/// ```
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::skipped(&format!($($reason)*));
        return Default::default();
    }};
}

/// The function behind [`skip!`].
#[track_caller]
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("ROOTLET_MUST_WORK").is_none_or(|value| value != "1"), "cannot run: {reason}");
    // Not eprintln: libtest would capture it, and nobody would hear of it.
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {reason}", thread.name().unwrap_or("?"));
}
