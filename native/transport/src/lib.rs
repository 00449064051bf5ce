//! Unary gRPC calls over HTTP/2, with a blocking face; see [`Channel`].
//!
//! `e6data-http2` speaks HTTP/2 and rustls TLS. There is no runtime and no thread: whoever waits for
//! an answer drives the connection. Nothing here knows Python, Arrow or what is called.
#![forbid(unsafe_code)]

mod answer;
mod buffers;
mod channel;
mod compression;
mod dial;
mod engine;
mod link;
mod reactor;
mod slot;
mod socket;
mod status;
mod tls;
mod validity;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

pub use crate::answer::Outcome;
pub use crate::buffers::Message;
pub use crate::channel::{Channel, Exchange, Waited};
pub use crate::dial::Proxy;
pub use crate::link::Keepalive;
pub use crate::slot::Call;
pub use crate::status::{Code, Failure};
pub use crate::tls::TlsOptions;

/// Everything that a channel is made of.
#[derive(Clone)]
pub struct Options {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name that the server goes by, in its certificate and in requests, instead of host and port.
    pub server_name: Option<String>,
    /// How TLS is spoken, if it is.
    pub tls: Option<TlsOptions>,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// What servers log beside each call.
    pub user_agent: String,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// The largest message to send and to accept.
    pub max_message_bytes: usize,
    /// The most bytes of headers that an answer may have; of trailers, what is above is left out.
    pub max_header_bytes: u32,
    /// When a silent connection is asked for a sign of life.
    pub keepalive: Keepalive,
    /// Returns the id of the process, of which a call asks some ten times.
    pub process: fn() -> u32,
}

impl Options {
    /// Those for *host* and *port* in plaintext.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            server_name: None,
            tls: None,
            proxy: None,
            user_agent: concat!("e6data-transport/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(20),
            max_message_bytes: 256 * 1024 * 1024,
            max_header_bytes: 64 * 1024,
            keepalive: Keepalive::default(),
            process: std::process::id,
        }
    }
}

/// Returns the channel that *options* describe, which opens nothing yet; the error says what cannot be used.
pub fn open(options: Options) -> Result<Channel, String> {
    let name = options.server_name;
    let bracketed = |host: &str| {
        if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        }
    };
    let authority =
        name.clone().unwrap_or_else(|| format!("{}:{}", bracketed(&options.host), options.port));
    let tls = match &options.tls {
        None => None,
        Some(tls) => {
            let expected = name.unwrap_or_else(|| options.host.clone());
            let expected = ServerName::try_from(expected)
                .map_err(|_| "the host is no name that a certificate can have")?;
            Some((tls::client_config(tls)?, expected))
        }
    };
    let settings = engine::Settings {
        target: Arc::new(dial::Target {
            host: options.host,
            port: options.port,
            tls,
            proxy: options.proxy,
            max_header_bytes: options.max_header_bytes,
        }),
        authority,
        agent: Some(options.user_agent)
            .filter(|agent| slot::is_value(agent))
            .ok_or("the user agent does not fit a header")?,
        connect_timeout: options.connect_timeout,
        max_message_bytes: options.max_message_bytes,
        keepalive: options.keepalive,
        process: options.process,
    };
    Channel::new(settings).map_err(|error| error.to_string())
}
