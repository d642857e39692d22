//! What goes to standard output.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// Makes a file for what is to be written; `-` is standard output.
pub fn create(path: &Path) -> io::Result<File> {
    match path.to_str() {
        Some("-") => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        _ => File::create(path),
    }
}

/// Writes it whole. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("failed to write to standard output").caused_by(e))
        }
        _ => Ok(()),
    }
}

/// Columns as wide as their widest cell, two spaces between them.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column| rows.iter().filter_map(|row| row.get(column)).map(|c: &String| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        })
        .collect()
}

/// Bytes for a person: three digits or so, in powers of 1024.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let rows = [vec!["NAME".into(), "SIZE".into()], vec!["alpine:3.20".into(), "7 MiB".into()]];
        assert_eq!(table(&rows), "NAME         SIZE\nalpine:3.20  7 MiB\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1024 * 1024 * 3 / 2), "1.5 MiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
    }
}
