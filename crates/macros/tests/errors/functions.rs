#[rootlet_macros::test]
fn no_rootlet() {}

#[rootlet_macros::test]
fn owned(root: u8) {}

#[rootlet_macros::test(inside)]
fn inside_takes_nothing(root: &u8) {}

#[rootlet_macros::test(inside, leaves = [])]
fn inside_leaves() {}

#[rootlet_macros::test]
fn generic<T>(root: &T) {}

#[rootlet_macros::test]
#[test]
fn twice(root: &u8) {}

#[rootlet_macros::test]
struct NoFunction;

fn main() {}
