//! A real registry.
mod support;
