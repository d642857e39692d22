//! Invariants of the code base, as tests.
