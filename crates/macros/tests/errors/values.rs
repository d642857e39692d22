#[rootlet_macros::test(net = "bridge")]
fn network(root: &u8) {}

#[rootlet_macros::test(user = "sam:1:2:3")]
fn user(root: &u8) {}

#[rootlet_macros::test(users = ["root", ""])]
fn users(root: &u8) {}

#[rootlet_macros::test(faults = ["full-dsk"])]
fn fault(root: &u8) {}

#[rootlet_macros::test(cap_drop = ["EVERYTHING"])]
fn capability(root: &u8) {}

#[rootlet_macros::test(read_only = "yes")]
fn boolean(root: &u8) {}

#[rootlet_macros::test(env = ["A=b"])]
fn variables(root: &u8) {}

fn main() {}
