struct Module;

#[rootlet_macros::module]
impl Module {
    #[function]
    fn without_itself() {}
}

struct Borrowing;

#[rootlet_macros::module]
impl Borrowing {
    #[function]
    fn borrows(&self, text: &str) {}
}

struct Mutable;

#[rootlet_macros::module]
impl Mutable {
    #[function]
    fn changes(&mut self) {}
}

#[rootlet_macros::module]
impl Clone for Mutable {
    fn clone(&self) -> Self {
        Mutable
    }
}

struct Keeping;

#[rootlet_macros::module]
impl Keeping {
    #[function(cache = "forever")]
    fn keeps(&self) {}
}

struct Named;

#[rootlet_macros::module]
impl Named {
    #[function(name = "other")]
    fn named(&self) {}
}

fn main() {}
