#[rootlet_macros::test(recipie = "api")]
fn did_you_mean(root: &u8) {}

#[rootlet_macros::test(colour = "red")]
fn what_there_is(root: &u8) {}

#[rootlet_macros::test(net = "private", net = "none")]
fn said_twice(root: &u8) {}

#[rootlet_macros::test(base = "host", recipe = "api")]
fn two_origins(root: &u8) {}

#[rootlet_macros::test(user = "sam", users = ["root"])]
fn one_user_or_many(root: &u8) {}

#[rootlet_macros::test(users = [])]
fn no_user(root: &u8) {}

#[rootlet_macros::test(user = sam)]
fn not_a_string(root: &u8) {}

fn main() {}
