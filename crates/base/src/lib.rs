//! Where a root comes from: sources, layers and the store.
