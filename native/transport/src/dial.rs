//! Making a connection: names, addresses, a proxy, TLS, and the peer's first settings.

use std::future::{poll_fn, Future};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::ClientConfig;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::link::Link;
use crate::reactor::Reactor;
use crate::socket::{Line, TcpLine};

/// The head start of one address over the next (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// The most that a proxy may say before the connection through it.
const PROXY_BYTES: usize = 16 * 1024;
/// When a connection without traffic is probed by TCP: before routers forget it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Where to, and how.
pub struct Target {
    pub host: String,
    pub port: u16,
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub proxy: Option<Proxy>,
    pub max_header_bytes: u32,
}

/// An HTTP proxy that is asked to CONNECT.
#[derive(Clone)]
pub struct Proxy {
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`.
    pub credentials: Option<String>,
}

/// A connection being made; the error is what follows "last error: " in gRPC's words.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Link, String>> + Send>>;

/// Makes a connection to *target*, up to the peer's settings.
pub fn dial(target: Arc<Target>, reactor: Arc<Reactor>) -> Dialing {
    Box::pin(async move {
        let (host, port) = match &target.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (target.host.as_str(), target.port),
        };
        let addresses = resolve(host, port, &reactor).await?;
        let (socket, address) = race(addresses, &reactor).await?;
        // A small request leaves at once; the probes are a courtesy that not all systems have.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE));
        let mut line = TcpLine::new(socket.clone(), reactor.clone());
        if let Some(proxy) = &target.proxy {
            connect_through(&mut line, &target, proxy).await?;
        }
        let line: Box<dyn Line> = match &target.tls {
            None => Box::new(line),
            Some((config, name)) => {
                let connector = tokio_rustls::TlsConnector::from(config.clone());
                let stream = connector
                    .connect(name.clone(), line)
                    .await
                    .map_err(|error| format!("{address}: TLS handshake failed: {error}"))?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(format!(
                        "{address}: TLS handshake failed: the server does not offer HTTP/2 (ALPN)"
                    ));
                }
                Box::new(stream)
            }
        };
        Link::open(line, socket, &reactor, target.max_header_bytes)
            .await
            .map_err(|error| format!("{address}: {error}"))
    })
}

type Resolved = Arc<Mutex<Option<io::Result<Vec<SocketAddr>>>>>;

/// The addresses of *host*, those of IPv6 and IPv4 by turns.
///
/// The system's resolver blocks, so a name, and only a name, is looked up by a thread that lives as long as that takes.
async fn resolve(host: &str, port: u16, reactor: &Arc<Reactor>) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let resolved: Resolved = Arc::default();
    let (slot, name, bell) = (resolved.clone(), host.to_owned(), reactor.clone());
    let look_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        bell.ring();
    };
    let thread = std::thread::Builder::new().name("e6data-resolver".to_owned());
    thread.spawn(look_up).map_err(|error| format!("{host}: {error}"))?;
    let found = poll_fn(|_| match resolved.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(found) => Poll::Ready(found),
        None => Poll::Pending,
    })
    .await;
    match found {
        Ok(addresses) if addresses.is_empty() => Err(format!("{host}: the name has no address")),
        Ok(addresses) => Ok(by_turns(addresses)),
        Err(error) => Err(format!("{host}: DNS resolution failed: {error}")),
    }
}

fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_v6);
    let mut mixed = Vec::with_capacity(one.len() + other.len());
    one.reverse();
    other.reverse();
    while !one.is_empty() || !other.is_empty() {
        mixed.extend(one.pop());
        mixed.extend(other.pop());
    }
    mixed
}

/// The first of *addresses* that answers, each with a head start over the next.
async fn race(
    addresses: Vec<SocketAddr>,
    reactor: &Arc<Reactor>,
) -> Result<(Arc<Socket>, SocketAddr), String> {
    let mut left = addresses.into_iter();
    let mut running: Vec<(Arc<Socket>, SocketAddr)> = Vec::new();
    let mut next_at = Instant::now();
    let mut last_error = String::new();
    poll_fn(move |_| loop {
        let mut index = 0;
        while let Some((socket, address)) = running.get(index) {
            match connected(socket) {
                Ok(true) => return Poll::Ready(Ok((socket.clone(), *address))),
                Ok(false) => {
                    reactor.want_write(socket);
                    index += 1;
                }
                Err(error) => {
                    last_error = format!("{address}: {error}");
                    running.remove(index);
                    next_at = Instant::now();
                }
            }
        }
        if Instant::now() >= next_at || running.is_empty() {
            if let Some(address) = left.next() {
                match begin(address) {
                    Ok(socket) => {
                        running.push((socket, address));
                        next_at = Instant::now() + HEAD_START;
                    }
                    Err(error) => last_error = format!("{address}: {error}"),
                }
                continue;
            }
        }
        if running.is_empty() {
            return Poll::Ready(Err(std::mem::take(&mut last_error)));
        }
        if left.len() > 0 {
            reactor.want_at(next_at);
        }
        return Poll::Pending;
    })
    .await
}

fn begin(address: SocketAddr) -> io::Result<Arc<Socket>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(Arc::new(socket)),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Asks *proxy* for the connection to *target*.
async fn connect_through(line: &mut TcpLine, target: &Target, proxy: &Proxy) -> Result<(), String> {
    use base64::Engine as _;

    let host = &target.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = format!("{host}:{}", target.port);
    let credentials = proxy.credentials.as_ref().map_or_else(String::new, |credentials| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        format!("Proxy-Authorization: Basic {encoded}\r\n")
    });
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
    let broken = |error: io::Error| format!("the HTTP proxy ended the connection: {error}");
    line.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    // One byte at a time: what follows belongs to TLS, or to HTTP/2.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == PROXY_BYTES {
            return Err("the HTTP proxy answered with too much".to_owned());
        }
        answer.push(line.read_u8().await.map_err(broken)?);
    }
    let status = answer
        .split(|&byte| byte == b' ')
        .nth(1)
        .and_then(|status| std::str::from_utf8(status.get(..3)?).ok()?.parse::<u16>().ok());
    match status {
        Some(200..=299) if answer.starts_with(b"HTTP/1.") => Ok(()),
        Some(status) => Err(format!("HTTP proxy returned response code {status}")),
        None => Err("the HTTP proxy does not speak HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8305: the families alternate, beginning with the one the system prefers.
    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = by_turns(parse(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"]));
        assert_eq!(mixed, parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"]));
    }
}
