//! A thousand tests that are as small as a test can be, with the attribute and without: what `cargo xtask bench suites` measures. Run in
//! a directory with `tree-0.tar`.

use rootlet::{Base, Rootlet, Store};
use std::sync::LazyLock;

fn trivial(root: &Rootlet) {
    assert!(root.command("/bin/true").status().expect("it starts").success());
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    Base::resolve("tar:tree-0.tar", &Store::open_default().expect("a store")).expect("a base")
});

macro_rules! plain_tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                trivial(&Rootlet::builder(&BASE).user("sam").spawn().expect("a rootlet"));
            }
        )*
    };
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[rootlet::test(base = "tar:tree-0.tar", user = "sam")]
            fn $name(root: &Rootlet) {
                trivial(root);
            }
        )*
    };
}

macro_rules! inside_tests {
    ($($name:ident)*) => {
        $(
            #[rootlet::test(inside)]
            fn $name() {}
        )*
    };
}

/// Ten modules of what another macro makes.
macro_rules! ten {
    ($inner:ident) => {
        ten!($inner a b c d e f g h i j);
    };
    ($inner:ident $($name:ident)*) => {
        $(mod $name { use super::*; $inner!(); })*
    };
}

macro_rules! ten_tests {
    () => {
        tests!(a b c d e f g h i j);
    };
}

macro_rules! hundred {
    () => {
        ten!(ten_tests);
    };
}

macro_rules! ten_plain_tests {
    () => {
        plain_tests!(a b c d e f g h i j);
    };
}

macro_rules! hundred_plain {
    () => {
        ten!(ten_plain_tests);
    };
}

macro_rules! ten_inside_tests {
    () => {
        inside_tests!(a b c d e f g h i j);
    };
}

macro_rules! hundred_inside {
    () => {
        ten!(ten_inside_tests);
    };
}

mod inside {
    use super::*;
    ten!(hundred_inside);
}

mod attribute {
    use super::*;
    ten!(hundred);
}

mod plain {
    use super::*;
    ten!(hundred_plain);
}
