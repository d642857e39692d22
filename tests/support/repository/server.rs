//! A mirror behind http that can be as bad as real ones.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Without its first slash.
    pub path: String,
    /// From which byte on.
    pub from: Option<u64>,
    /// How often it was asked for before.
    pub before: usize,
    /// The words of its header `Authorization`.
    pub authorization: Option<String>,
}

/// How it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Well.
    Well,
    /// Well, but from the first byte on whatever was asked.
    Whole,
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// After so many bytes nothing comes any more, until the other side gives up.
    Stall(usize),
    /// By this code alone.
    Code(u16),
}

/// A directory behind http; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    root: PathBuf,
    manner: Box<dyn Fn(&Asked) -> Manner + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    over: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Server {
    /// Serves a directory well.
    pub fn new(root: &Path) -> Self {
        Self::with(root, |_| Manner::Well)
    }

    /// Serves a directory, each time as `manner` says.
    pub fn with(root: &Path, manner: impl Fn(&Asked) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            manner: Box::new(manner),
            asked: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL with somebody's name and password.
    pub fn url_as(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}", self.address)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How often each file was asked for.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.asked().into_iter().for_each(|asked| *counts.entry(asked.path).or_default() += 1);
        counts
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Whoever waits for the next one hears of it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let shared = shared.clone();
        // One that breaks off is no failure of the server.
        std::thread::spawn(move || drop(stream.and_then(|stream| answer(stream, &shared))));
    }
}

fn answer(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let Some((method, path)) = first.split_once(" /") else { return Ok(()) };
    let path = path.split(' ').next().unwrap_or_default();
    // Who asks for the head alone gets no file.
    if method == "HEAD" {
        return head(stream, &shared.root.join(path));
    }
    let mut asked = Asked { path: path.into(), from: None, before: 0, authorization: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.from = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok(),
            "authorization" => asked.authorization = Some(value.into()),
            _ => {}
        }
    }
    {
        let mut all = shared.asked.lock().unwrap();
        asked.before = all.iter().filter(|other| other.path == asked.path).count();
        all.push(asked.clone());
    }
    reply(stream, &asked, shared)
}

fn head(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let (code, size) = fs::metadata(file).map_or((404, 0), |m| (200, m.len()));
    write!(stream, "HTTP/1.1 {code} x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n")
}

fn reply(mut stream: TcpStream, asked: &Asked, shared: &Shared) -> io::Result<()> {
    let manner = (shared.manner)(asked);
    let bytes = fs::read(shared.root.join(&asked.path));
    let from = asked.from.filter(|_| manner != Manner::Whole);
    let (code, body) = match (manner, bytes) {
        (Manner::Code(code), _) => (code, Vec::new()),
        (_, Err(_)) => (404, Vec::new()),
        (_, Ok(bytes)) => match from {
            None => (200, bytes),
            Some(from) if from >= bytes.len() as u64 => (416, Vec::new()),
            Some(from) => (206, bytes[from as usize..].to_vec()),
        },
    };
    write!(stream, "HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    match manner {
        Manner::Cut(size) => stream.write_all(&body[..size.min(body.len())]),
        Manner::Stall(size) => {
            stream.write_all(&body[..size.min(body.len())])?;
            // Until the other side has had enough of it.
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
        _ => stream.write_all(&body),
    }
}
