//! What was found: one row for each requirement.

use crate::contest::Times;
use serde::Serialize;
use std::time::Duration;

/// What a ratio is wanted to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// It is told only because it explains the others.
    None,
}

impl Bound {
    fn keeps(self, ratio: f64) -> Option<bool> {
        match self {
            Self::AtMost(bound) => Some(ratio <= bound),
            Self::AtLeast(bound) => Some(ratio >= bound),
            Self::None => None,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtMost(bound) => format!("≤ {bound:.2}"),
            Self::AtLeast(bound) => format!("≥ {bound:.2}"),
            Self::None => "-".into(),
        }
    }
}

/// A requirement and what was measured of it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What is measured, and against what.
    pub name: String,
    /// Ours, with its spread.
    pub ours: String,
    /// What it is compared with, with its spread.
    pub peer: String,
    /// Ours by the peer's.
    pub ratio: Option<f64>,
    /// What is wanted of the ratio.
    pub bound: Bound,
    /// Whether it is so; `None` where nothing is wanted or measured.
    pub kept: Option<bool>,
    /// Why nothing was measured.
    pub not_measured: Option<String>,
}

impl Row {
    /// Times of ours against a peer's, in milliseconds.
    pub fn times(name: impl Into<String>, ours: &Times, peer: &Times, bound: Bound) -> Self {
        let ratio = ours.median().as_secs_f64() / peer.median().as_secs_f64().max(1e-9);
        Self::values(name, spread(ours), spread(peer), ratio, bound)
    }

    /// Any two numbers, the second of which may be 0.
    pub fn numbers(name: impl Into<String>, ours: f64, peer: f64, bound: Bound) -> Self {
        let ratio = if ours == peer { 1.0 } else { ours / peer.max(1e-9) };
        Self::values(name, number(ours), number(peer), ratio, bound)
    }

    /// Any two values and their ratio.
    pub fn values(name: impl Into<String>, ours: String, peer: String, ratio: f64, bound: Bound) -> Self {
        let (ratio, kept) = (Some(ratio), bound.keeps(ratio));
        Self { name: name.into(), ours, peer, ratio, bound, kept, not_measured: None }
    }

    /// A requirement that could not be measured.
    pub fn not_measured(name: impl Into<String>, why: impl Into<String>) -> Self {
        let (ours, peer) = (String::new(), String::new());
        let (ratio, kept, bound) = (None, None, Bound::None);
        Self { name: name.into(), ours, peer, ratio, bound, kept, not_measured: Some(why.into()) }
    }
}

/// The median, and between what a tenth and nine tenths lie.
fn spread(times: &Times) -> String {
    let [low, middle, high] = [0.1, 0.5, 0.9].map(|part| shown(times.quantile(part)));
    format!("{middle} ({low} to {high})")
}

fn shown(time: Duration) -> String {
    number(time.as_secs_f64() * 1e3)
}

fn number(n: f64) -> String {
    match n {
        _ if n.fract() == 0.0 => format!("{n:.0}"),
        ..0.1 => format!("{n:.3}"),
        ..10.0 => format!("{n:.2}"),
        _ => format!("{n:.0}"),
    }
}

/// Prints rows under a headline, as soon as they are known.
pub fn print(title: &str, rows: &[Row]) {
    println!("\n{:64} {:>22} {:>22} {:>6} {:>7}", title.to_uppercase(), "ours", "peer", "ratio", "wanted");
    for row in rows {
        if let Some(why) = &row.not_measured {
            println!("{:64} NOT MEASURED: {}", row.name, why.lines().next().unwrap_or_default());
            continue;
        }
        let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let verdict = match row.kept {
            Some(true) => "ok",
            Some(false) => "OVER",
            None => "",
        };
        let bound = row.bound.shown();
        println!("{:64} {:>22} {:>22} {ratio:>6} {bound:>7} {verdict}", row.name, row.ours, row.peer);
    }
}
