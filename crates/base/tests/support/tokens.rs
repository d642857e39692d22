//! A server that gives access tokens for identity tokens, and a registry behind it that wants them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an honest client has: with characters that a form must escape.
pub const IDENTITY: &str = "id entity+/=&";

pub struct Tokens {
    pub address: SocketAddr,
    /// How many access tokens it has given.
    pub given: Arc<AtomicUsize>,
}

impl Tokens {
    /// An access token of it lasts so many seconds, as it says.
    pub fn start(registry: SocketAddr, lasts: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let given = Arc::new(AtomicUsize::new(0));
        let counter = given.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let given = counter.clone();
                std::thread::spawn(move || {
                    let _gone = serve(client, address, registry, &given, lasts);
                });
            }
        });
        Self { address, given }
    }
}

/// One request; then the connection is closed.
fn serve(
    client: TcpStream,
    me: SocketAddr,
    registry: SocketAddr,
    given: &AtomicUsize,
    lasts: u64,
) -> std::io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let mut to = client;
    let mut first = String::new();
    from.read_line(&mut first)?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    if first.starts_with("POST /token ") {
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        from.read_exact(&mut body)?;
        return exchange(&mut to, &String::from_utf8(body).unwrap(), given, lasts);
    }
    let access = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer access-"));
    let reads = ["GET ", "HEAD "].iter().any(|method| first.starts_with(method));
    let opens = access.and_then(|access| access.split_once('-')).is_some_and(|(number, rights)| {
        let is_given = number.parse().is_ok_and(|n: usize| n < given.load(Ordering::Relaxed));
        is_given && (reads || rights == "pull,push")
    });
    if !opens {
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"http://{me}/token\",service=\"the \\\"test\\\"\"");
        return answer(&mut to, "401 Unauthorized", &challenge, "{}");
    }
    let mut behind = TcpStream::connect(registry)?;
    write!(behind, "{first}Host: {registry}\r\nConnection: close\r\n")?;
    let passed = ["accept", "range", "content-type", "content-length"];
    for (name, value) in headers.iter().filter(|(name, _)| passed.contains(&name.as_str())) {
        write!(behind, "{name}: {value}\r\n")?;
    }
    write!(behind, "\r\n")?;
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    std::io::copy(&mut from.take(length), &mut behind)?;
    std::io::copy(&mut behind, &mut to).map(drop)
}

fn exchange(to: &mut TcpStream, form: &str, given: &AtomicUsize, lasts: u64) -> std::io::Result<()> {
    let fields: HashMap<&str, String> =
        form.split('&').filter_map(|field| field.split_once('=')).map(|(k, v)| (k, unescape(v))).collect();
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|found| found == value);
    let rights = fields.get("scope").and_then(|scope| scope.strip_prefix("repository:x:"));
    let rights = rights.filter(|rights| ["pull", "pull,push"].contains(rights));
    let asked = is("grant_type", "refresh_token")
        && is("service", "the \"test\"")
        && rights.is_some()
        && fields.contains_key("client_id");
    match (asked, is("refresh_token", IDENTITY)) {
        (true, true) => {
            let access = given.fetch_add(1, Ordering::Relaxed);
            let rights = rights.unwrap_or_default();
            let json = format!(
                "{{\"access_token\":\"access-{access}-{rights}\",\"expires_in\":{lasts},\"refresh_token\":\"x\"}}"
            );
            answer(to, "200 OK", "X: x", &json)
        }
        // As an unkind server would: what it got is in the answer.
        (true, false) => answer(to, "401 Unauthorized", "X: x", form),
        (false, _) => answer(to, "501 Not Implemented", "X: x", form),
    }
}

fn answer(to: &mut TcpStream, status: &str, header: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(to, "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
