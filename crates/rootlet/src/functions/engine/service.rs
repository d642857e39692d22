//! Services: containers that serve while others run, each in a network of its own, and reached by name through this process.
//!
//! ```text
//! client's network                      this process            service's network
//! /etc/hosts: 127.0.1.1 www
//! 127.0.1.1:80 ── accepted here ──────▶ a thread each ──────▶ connected in there, 127.0.0.1:80
//! ```

use super::cache::Caches;
use super::capture::Capture;
use super::exec::{told, words};
use super::memo::key;
use super::state::State;
use super::{Engine, Result};
use crate::functions::{ExecFailed, Failed, FailedKind};
use crate::{Child, Error, Rootlet, Stdio};
use rootlet_spec::Net;
use rootlet_spec::pipeline::{Exec, Service};
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a service may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service that runs.
pub(super) struct Running {
    root: Arc<Rootlet>,
    child: Mutex<Child>,
    capture: Mutex<Option<Capture>>,
    command: Vec<String>,
    pub ports: Vec<u16>,
    /// What it stands on runs as long as it does.
    _bound: Vec<Forward>,
    _caches: Caches,
}

impl Engine {
    /// A service, started by the first who needs it.
    pub(super) fn service(&self, service: &Service) -> Result<Arc<Running>> {
        self.0.services.get_or(key(service), || self.start(service).map(Arc::new))
    }

    fn start(&self, service: &Service) -> Result<Running> {
        let state = self.state(&service.container)?;
        let exec = Exec {
            args: service.args.clone().unwrap_or_default(),
            use_entrypoint: service.use_entrypoint,
            insecure_root_capabilities: service.insecure_root_capabilities,
            expand: service.expand,
            ..Exec::default()
        };
        let command = words(&state, &exec)?;
        let caches = self.caches(&state)?;
        let mut builder = self.builder(&state, &exec, &caches)?.net(Net::Private);
        builder.spec.hostname = Some(self.hostname(service));
        let root = Arc::new(builder.spawn()?);
        self.0.lives(&root);
        self.fill_caches(&root, &state)?;
        let bound = self.bind_services(&root, &state.services)?;
        let mut started = root.command(&command[0]);
        started.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, secret) in &state.secrets {
            started.env(name, self.0.secrets.plaintext(secret, &self.0.directory)?);
        }
        let id = self.0.begin(&format!("service {}", told(&command)));
        let mut child = started.spawn()?;
        let capture = Capture::begin(&mut child, &self.0.secrets.scrubber(), &self.0.hears, id);
        let ports = ports(&state);
        let running = Running {
            root,
            child: Mutex::new(child),
            capture: Mutex::new(Some(capture)),
            command,
            ports,
            _bound: bound,
            _caches: caches,
        };
        running.wait_until_it_listens()?;
        Ok(running)
    }

    /// The name that a service calls itself by.
    pub(super) fn hostname(&self, service: &Service) -> String {
        service.hostname.clone().unwrap_or_else(|| format!("service-{}", &key(service).hex()[..12]))
    }

    /// Makes services reachable from a root, by their names.
    pub(super) fn bind_services(
        &self,
        root: &Arc<Rootlet>,
        services: &[(String, Service)],
    ) -> Result<Vec<Forward>> {
        let mut forwards = Vec::new();
        if services.is_empty() {
            return Ok(forwards);
        }
        let mut hosts = root.read_to_string("/etc/hosts").unwrap_or_default();
        for (n, (alias, service)) in services.iter().enumerate() {
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if alias.is_empty() || !alias.chars().all(name) {
                return Err(Failed::query(format!(
                    "`{}` is not a host name",
                    rootlet_spec::printable(alias)
                )));
            }
            let running = self.service(service)?;
            let n = n as u32 + 1;
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 0).to_bits() + n);
            hosts += &format!("{address}\t{alias} {}\n", self.hostname(service));
            for &port in &running.ports {
                let failed =
                    |e| Error::io(format!("failed to reach port {port} of the service `{alias}`"), e);
                let listener = root.listen(address, port).map_err(failed)?;
                let to = running.root.clone();
                forwards.push(Forward::begin(listener, move || to.connect(port)).map_err(failed)?);
            }
        }
        root.write("/etc/hosts", hosts)
            .map_err(|e| Error::io("failed to name the services in /etc/hosts", e))?;
        Ok(forwards)
    }

    /// Serves ports of this machine from a service, until it ends or somebody ends this.
    pub(super) fn up(&self, service: &Service, wanted: &[(u16, u16)]) -> Result<()> {
        let running = self.service(service)?;
        let own: Vec<(u16, u16)> = running.ports.iter().map(|&port| (port, port)).collect();
        let mut forwards = Vec::new();
        for &(outside, inside) in if wanted.is_empty() { &own } else { wanted } {
            let failed = |e| Error::io(format!("failed to listen on port {outside} of this machine"), e);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, outside)).map_err(failed)?;
            let to = running.root.clone();
            forwards.push(Forward::begin(listener, move || to.connect(inside)).map_err(failed)?);
        }
        let mut child = running.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.wait()?;
        Ok(())
    }
}

/// The TCP ports that a container says it serves on.
fn ports(state: &State) -> Vec<u16> {
    let tcp = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    state.config.exposed_ports.iter().filter_map(tcp).collect()
}

impl Running {
    fn wait_until_it_listens(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        for &port in &self.ports {
            loop {
                const A_WHILE: Duration = Duration::from_millis(200);
                match self.root.wait_for_port(port, A_WHILE) {
                    Ok(()) => break,
                    Err(e) if Instant::now() >= end => {
                        return Err(Failed::from(e).within(told(&self.command)));
                    }
                    Err(_) => {}
                }
                let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(status) = child.try_wait()? {
                    drop(child);
                    return Err(self.failed(status.code().unwrap_or(128)));
                }
            }
        }
        Ok(())
    }

    fn failed(&self, exit_code: i32) -> Failed {
        let _ = self.root.signal_all(libc::SIGKILL);
        let capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (stdout, stderr, _) = capture.map(Capture::end).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(stdout), text(stderr));
        Failed {
            kind: FailedKind::Exec,
            message: format!(
                "the service {} ended with exit code {exit_code} before it listened",
                told(&self.command)
            ),
            exec: Some(Box::new(ExecFailed { command: self.command.clone(), exit_code, stdout, stderr })),
            ..Failed::default()
        }
    }

    /// Ends it.
    pub fn stop(&self) {
        let _ = self.root.signal_all(libc::SIGKILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Connections that are passed on. Dropping it ends what comes later; what is connected goes on.
pub(super) struct Forward {
    listener: TcpListener,
}

impl Forward {
    fn begin(
        listener: TcpListener,
        connect: impl Fn() -> io::Result<TcpStream> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let accepting = listener.try_clone()?;
        let connect = Arc::new(connect);
        std::thread::Builder::new().spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                let connect = connect.clone();
                let passed = std::thread::Builder::new().spawn(move || {
                    // Whoever is refused there is refused here: the connection ends.
                    connect().map_or((), |server| pass(&client, &server))
                });
                if passed.is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { listener })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Wakes the thread that waits for the next connection.
        let _ = rustix::net::shutdown(self.listener.as_fd(), rustix::net::Shutdown::Both);
    }
}

/// Passes bytes on, both ways, until both are done.
fn pass(client: &TcpStream, server: &TcpStream) {
    let one_way = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(client, server));
        one_way(server, client);
    });
}
