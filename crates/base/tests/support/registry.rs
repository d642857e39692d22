//! Debian's docker-registry on a free port of the loopback, and a connection to it that breaks.

use super::{has, run};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub struct Registry {
    process: Child,
    pub address: SocketAddr,
    pub storage: PathBuf,
}

/// How a registry is set up.
#[derive(Default)]
pub struct Setup<'a> {
    /// A password file of htpasswd.
    pub passwords: Option<&'a Path>,
    /// Certificate and key.
    pub tls: Option<(&'a Path, &'a Path)>,
    /// Another address than the loopback's.
    pub address: Option<IpAddr>,
}

impl Registry {
    /// `None` where docker-registry is not installed.
    pub fn start(directory: &Path, setup: &Setup<'_>) -> Option<Self> {
        if !has("docker-registry") {
            return None;
        }
        // A port that is free may be somebody else's a moment later.
        Some(std::iter::repeat_with(|| Self::try_start(directory, setup)).take(10).flatten().next().unwrap())
    }

    /// `None` when it ended before it answered.
    fn try_start(directory: &Path, setup: &Setup<'_>) -> Option<Self> {
        let ip = setup.address.unwrap_or(IpAddr::from([127, 0, 0, 1]));
        let address = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
        let storage = directory.join(format!("registry-{}", address.port()));
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: \
                {{enabled: true}}}}\nhttp:\n  addr: {address}\n",
            storage.display()
        );
        if let Some((certificate, key)) = setup.tls {
            config += &format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
        }
        if let Some(passwords) = setup.passwords {
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", passwords.display());
        }
        let file = directory.join(format!("registry-{}.yml", address.port()));
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { process, address, storage };
        let since = Instant::now();
        // One who connects to a port of his own hears himself.
        let answers = || TcpStream::connect(address).is_ok_and(|to| to.local_addr().unwrap() != address);
        while !answers() {
            if registry.process.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "docker-registry does not answer");
            super::pause(Duration::from_millis(20));
        }
        registry.process.try_wait().unwrap().is_none().then_some(registry)
    }

    /// `HOST:PORT/NAME`
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Copies an image into it; the source and `arguments` are skopeo's.
    pub fn fill(&self, source: &str, name: &str, arguments: &[&str]) {
        let mut all = vec!["copy", "-q", "--dest-tls-verify=false"];
        all.extend(arguments);
        let destination = format!("docker://{}", self.image(name));
        all.extend([source, &destination]);
        run("skopeo", &all);
    }

    /// The largest blob: file and bytes.
    pub fn largest_blob(&self) -> PathBuf {
        let mut blobs = Vec::new();
        let root = self.storage.join("docker/registry/v2/blobs/sha256");
        for two in root.read_dir().unwrap() {
            for blob in two.unwrap().path().read_dir().unwrap() {
                blobs.push(blob.unwrap().path().join("data"));
            }
        }
        blobs.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address of this machine that is not the loopback's; it need not lead anywhere.
pub fn other_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// Stands before a registry, and lets each of the first `breaks` connections that carry much break after
/// `after` bytes.
pub struct Flaky {
    pub address: SocketAddr,
    /// Bytes that came from the registry.
    pub bytes: Arc<AtomicU64>,
}

impl Flaky {
    pub fn start(registry: SocketAddr, breaks: usize, after: u64, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = Arc::new(AtomicU64::new(0));
        let (total, breaks) = (bytes.clone(), Arc::new(AtomicUsize::new(breaks)));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (total, breaks) = (total.clone(), breaks.clone());
                std::thread::spawn(move || {
                    let Ok(server) = TcpStream::connect(registry) else { return };
                    let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut up_from, &mut up_to);
                        let _ = up_to.shutdown(std::net::Shutdown::Write);
                    });
                    down(server, client, &total, &breaks, after, pause);
                });
            }
        });
        Self { address, bytes }
    }
}

/// Stands before a registry; the first `breaks` connections that carry more than `after` bytes to it break then. How many did.
pub fn flaky_uploads(registry: SocketAddr, breaks: usize, after: u64) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, broke) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = broke.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let counted = counted.clone();
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(registry) else { return };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut &server, &mut &client);
                    let _ = client.shutdown(std::net::Shutdown::Both);
                });
                let one_more = |so_far: usize| (so_far < breaks).then_some(so_far + 1);
                let _ = std::io::copy(&mut (&from).take(after), &mut &to);
                let breaks_now = from.peek(&mut [0]).is_ok_and(|n| n > 0)
                    && counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
                if !breaks_now {
                    let _ = std::io::copy(&mut &from, &mut &to);
                }
                let _ = to.shutdown(std::net::Shutdown::Both);
                let _ = from.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, broke)
}

fn down(
    mut from: TcpStream,
    mut to: TcpStream,
    total: &AtomicU64,
    breaks: &AtomicUsize,
    after: u64,
    pause: Duration,
) {
    let (mut buffer, mut here) = (vec![0; 32 << 10], 0);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        here += n as u64;
        total.fetch_add(n as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        super::pause(pause);
        let one_less = |left: usize| left.checked_sub(1);
        if here > after && breaks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

/// Stands before a registry, and holds back whatever asks for `what`, until it is opened.
pub struct Gate {
    pub address: SocketAddr,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    pub fn start(registry: SocketAddr, what: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self { address: listener.local_addr().unwrap(), open: Arc::default() };
        let (open, what) = (gate.open.clone(), Arc::new(what.as_bytes().to_vec()));
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (open, what) = (open.clone(), what.clone());
                std::thread::spawn(move || {
                    let Ok(mut server) = TcpStream::connect(registry) else { return };
                    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                    let mut request = vec![0; 32 << 10];
                    while let Ok(n @ 1..) = client.read(&mut request) {
                        if request[..n].windows(what.len()).any(|part| part == *what) {
                            let (is_open, opened) = &*open;
                            drop(opened.wait_while(is_open.lock().unwrap(), |open| !*open));
                        }
                        let _ = server.write_all(&request[..n]);
                    }
                    let _ = server.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        gate
    }

    pub fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
}
