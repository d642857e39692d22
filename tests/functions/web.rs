//! Files of the web, from a server of this machine.

use crate::{Place, finish};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers by the path; gives where it is, and how often it was asked.
fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let told = match path.as_str() {
                "/a/file.txt" | "/a/file.txt?token=hunter2" => {
                    "200 OK\r\nContent-Length: 5\r\n\r\nhello".into()
                }
                "/count" => format!("200 OK\r\n\r\n{number:4}"),
                "/moved" => "302 Found\r\nContent-Length: 0\r\nLocation: /a/file.txt\r\n\r\n".into(),
                "/circle" => "302 Found\r\nContent-Length: 0\r\nLocation: /circle\r\n\r\n".into(),
                "/elsewhere" => {
                    "302 Found\r\nContent-Length: 0\r\nLocation: file:///etc/passwd\r\n\r\n".into()
                }
                "/huge" => "200 OK\r\nContent-Length: 99999999999999\r\n\r\n".into(),
                "/short" => "200 OK\r\nContent-Length: 10\r\n\r\nhello".into(),
                "/secret" => "401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into(),
                "/broken" => "500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".into(),
                _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(
                format!("HTTP/1.1 {}", told.replacen("\r\n", "\r\nConnection: close\r\n", 1)).as_bytes(),
            );
        }
    });
    (address, asked)
}

const CODE: &str = r#"
import rootlet
from rootlet import dag, function, object_type

@object_type
class Test:
    @function
    def get(self, url: str, name: str | None = None, permissions: int | None = None, checksum: str | None = None) -> rootlet.File:
        return dag.http(url, name=name, permissions=permissions, checksum=checksum)

    @function
    async def twice(self, url: str) -> bool:
        return await dag.http(url).contents() == await dag.directory().with_file("x", dag.http(url)).file("x").contents()
"#;

#[test]
fn files_are_fetched() {
    let place = Place::with(CODE);
    let (address, asked) = server();
    let url = |path: &str| format!("--url=http://{address}{path}");
    let get = |path: &str, words: &[&str]| place.does(&[&["call", "get", &url(path)][..], words].concat());
    assert_eq!(get("/a/file.txt", &["contents"]), "hello\n");
    assert_eq!(get("/moved", &["contents"]), "hello\n");
    assert_eq!(get("/a/file.txt?token=hunter2", &["name"]), "file.txt\n");
    assert_eq!(get("/a/file.txt", &["--name=other", "name"]), "other\n");
    assert!(get("/a/file.txt", &["stat"]).contains("384"));
    assert!(get("/a/file.txt", &["--permissions=493", "stat"]).contains("493"));
    // As sha256sum(1) has it.
    let sum = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(get("/a/file.txt", &["digest"]), format!("{sum}\n"));
    assert_eq!(get("/a/file.txt", &[&format!("--checksum={sum}"), "contents"]), "hello\n");
    place.does(&["call", "get", &url("/moved"), "export", "--path=got/"]);
    assert_eq!(std::fs::read_to_string(place.at("got/moved")).unwrap(), "hello");
    // Once in a session, so that it is the same for all; anew in the next one.
    let before = asked.load(Ordering::SeqCst);
    assert_eq!(place.does(&["call", "twice", &url("/count")]), "true\n");
    assert_eq!(asked.load(Ordering::SeqCst), before + 1);
    assert_ne!(get("/count", &["contents"]), get("/count", &["contents"]));
}

#[test]
fn what_cannot_be_fetched_is_told() {
    let place = Place::with(CODE);
    let (address, _) = server();
    let refused = |url: &str, more: &[&str], said: &[&str]| {
        let url = format!("--url={url}");
        let ran = finish(&mut place.command(&[&["call", "get", &url][..], more, &["contents"]].concat()));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""), "{url}: {}", ran.stderr);
        said.iter().for_each(|text| assert!(ran.stderr.contains(text), "no `{text}` in: {}", ran.stderr));
        assert!(ran.stderr.contains("hint: ") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    };
    let here = |path: &str| format!("http://{address}{path}");
    for (path, said) in [
        ("/none", "404"),
        ("/secret", "401"),
        ("/broken", "500"),
        ("/circle", "without end"),
        ("/huge", "it has more than"),
        ("/none?token=hunter2", "404"),
    ] {
        refused(&here(path), &[], &["failed to fetch http://127.0.0.1", said]);
    }
    refused(&here("/short"), &[], &["failed to fetch"]);
    refused(&here("/elsewhere"), &[], &["failed to fetch"]);
    refused(&format!("http://sam:hunter2@{address}/none"), &[], &["failed to fetch", "404"]);
    refused(&here("/a/file.txt"), &["--checksum=sha256:00"], &["is not what was promised", "sha256:00"]);
    refused("http://127.0.0.1:1/x", &[], &["failed to fetch http://127.0.0.1:1/x", "refused"]);
    for url in ["file:///etc/passwd", "ftp://host/x", "nothing", "http://"] {
        refused(url, &[], &["is no URL of a file"]);
    }
}
