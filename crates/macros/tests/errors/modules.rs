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

fn main() {}
