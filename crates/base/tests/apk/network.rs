//! A mirror behind http.

use crate::alpine::{Apk, entry};
use crate::scene;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Serves a directory; what is larger than `breaks` bytes comes in pieces of so many, each on a connection that breaks.
fn serve(directory: PathBuf, breaks: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (directory, log) = (directory.clone(), log.clone());
            std::thread::spawn(move || answer(connection, &directory, breaks, &log));
        }
    });
    (url, asked)
}

fn answer(
    mut connection: TcpStream,
    directory: &Path,
    breaks: usize,
    log: &Mutex<Vec<String>>,
) -> Option<()> {
    let reader = BufReader::new(connection.try_clone().ok()?);
    let head: Vec<String> =
        reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first()?.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let range = head
        .iter()
        .find_map(|line| line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    log.lock().unwrap().push(format!("{path} {}", range.unwrap_or(0)));
    let Ok(bytes) = fs::read(directory.join(path)) else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok();
    };
    let bytes = &bytes[range.unwrap_or(0)..];
    let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
    let length = bytes.len();
    write!(connection, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").ok()?;
    connection.write_all(&bytes[..length.min(breaks)]).ok()
}

#[test]
fn packages_come_over_http_and_go_on_where_they_broke() {
    let mut scene = scene!();
    let noise: Vec<u8> = (0..100_000_u32)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9).rotate_left(n % 32).to_le_bytes())
        .collect();
    scene.repository.add(Apk::new("large", "1-r0").with(entry("large", b'0', noise, 0o644)));
    scene.repository.publish();
    let size = fs::metadata(scene.repository.file("large-1-r0")).unwrap().len() as usize;
    let (url, asked) = serve(scene.repository.root.join("mirror"), size / 2 + 1);
    let name = format!("apk:v3.20+large?mirror={url}&keys={}", scene.repository.keys().display());
    let base = scene.resolver().resolve(&name).unwrap();
    let asked = asked.lock().unwrap();
    let large: Vec<_> = asked.iter().filter(|line| line.contains("large")).collect();
    assert_eq!(large.len(), 2, "{asked:?}");
    assert!(large[1].ends_with(&format!("large-1-r0.apk {}", size / 2 + 1)), "{large:?}");
    // What the mirror lacks though nobody asked for it by name.
    assert!(asked.iter().any(|line| line.contains("community")));
    let Some(root) = scene.layer(&base) else { return };
    assert_eq!(fs::read_to_string(root.join("etc/apk/repositories")).unwrap(), format!("{url}/v3.20/main\n"));
}
