//! A server of ready-made results: just enough of the wire, no work for a row.
//!
//! A response is a few bytes of its own around shared chunks, which nobody copies on the way to the socket.
//! Small writes are gathered, because a client that asks for frames of 16 KiB would cost a system call each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls;
use tokio_rustls::TlsAcceptor;

use crate::data::{self, Query, Set};
use crate::{proto, Result};

const GATHER_BYTES: usize = 256 << 10;

struct Open {
    set: Set,
    chunks: usize,
    left: usize,
    per_response: usize,
}

struct Server {
    sets: HashMap<String, Set>,
    queries: Mutex<HashMap<String, Open>>,
    calls: Mutex<HashMap<String, u64>>,
    serial: AtomicU64,
}

enum Reply {
    Parts(Vec<Bytes>),
    Error(u16, String),
}

pub fn run(directory: &str, options: &[&str]) -> Result<()> {
    let option = |name: &str| {
        let at = options.iter().position(|option| *option == name)?;
        Some(&options[at + 1..])
    };
    let first = |name: &str| option(name).and_then(|rest| rest.first().copied());
    let host = first("--host").unwrap_or("127.0.0.1").to_owned();
    let port: u16 = first("--port").unwrap_or("0").parse()?;
    let threads: usize = first("--threads").unwrap_or("1").parse()?;
    let tls = match option("--tls") {
        Some([certificate, key, ..]) => Some(acceptor(certificate, key)?),
        Some(_) => return Err("--tls needs a certificate and a key".into()),
        None => None,
    };
    let server = Arc::new(Server {
        sets: data::load(directory)?,
        queries: Mutex::default(),
        calls: Mutex::default(),
        serial: AtomicU64::new(0),
    });
    crate::exit_with_parent();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(listen(server, host, port, tls))
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor> {
    let certificate = std::fs::read(certificate)?;
    let chain = rustls_pemfile::certs(&mut &certificate[..]).collect::<std::io::Result<_>>()?;
    let key = std::fs::read(key)?;
    let key = rustls_pemfile::private_key(&mut &key[..])?.ok_or("no key in the key file")?;
    let mut config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn listen(
    server: Arc<Server>,
    host: String,
    port: u16,
    tls: Option<TlsAcceptor>,
) -> Result<()> {
    let listener = TcpListener::bind((host, port)).await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (server, tls) = (server.clone(), tls.clone());
        tokio::spawn(async move {
            if let Err(error) = accept(server, socket, tls).await {
                eprintln!("[benchserver] connection: {error}");
            }
        });
    }
}

async fn accept(server: Arc<Server>, socket: TcpStream, tls: Option<TlsAcceptor>) -> Result<()> {
    match tls {
        Some(tls) => connection(server, tls.accept(socket).await?).await,
        None => connection(server, socket).await,
    }
}

async fn connection<S>(server: Arc<Server>, socket: S) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let socket = BufWriter::with_capacity(GATHER_BYTES, socket);
    let mut connection =
        h2::server::Builder::new().max_concurrent_streams(1 << 16).handshake(socket).await?;
    while let Some(incoming) = connection.accept().await {
        // A client may close its socket without a word; that is no failure of ours.
        let Ok((request, respond)) = incoming else { break };
        let server = server.clone();
        tokio::spawn(async move { drop(answer(&server, request, respond).await) });
    }
    Ok(())
}

async fn answer(
    server: &Server,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<()> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message.extend_from_slice(&part);
    }
    let reply = server.reply(&path, message.get(5..).unwrap_or_default());
    let headers = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut stream = respond.send_response(headers, false)?;
    let mut trailers = HeaderMap::new();
    match reply {
        Reply::Parts(parts) => {
            let length: usize = parts.iter().map(Bytes::len).sum();
            let mut prefix = vec![0];
            prefix.extend_from_slice(&u32::try_from(length)?.to_be_bytes());
            stream.send_data(prefix.into(), false)?;
            for part in parts {
                stream.send_data(part, false)?;
            }
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
        Reply::Error(code, text) => {
            trailers.insert("grpc-status", HeaderValue::from(code));
            trailers.insert("grpc-message", HeaderValue::from_str(&text)?);
        }
    }
    stream.send_trailers(trailers)?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const ENGINE: &str = "127.0.0.1";
const SESSION: &str = "session";

impl Server {
    fn reply(&self, path: &str, request: &[u8]) -> Reply {
        let method = path.rsplit('/').next().unwrap_or_default();
        *lock(&self.calls).entry(method.to_owned()).or_default() += 1;
        match method {
            "authenticate" => message(|out| proto::put_text(out, 1, SESSION)),
            "prepareStatement" => self.prepare(proto::text(request, 3)),
            "prepareStatementV2" => self.prepare(proto::text(request, 4)),
            "executeStatement" | "executeStatementV2" => {
                message(|out| proto::put_text(out, 1, SESSION))
            }
            "getResultMetadata" => self.metadata(request),
            "getNextResultBatch" => self.fetch(request),
            "getNextResultBatchV2" => self.fetch_v2(request),
            "clear" | "cancelQuery" | "clearOrCancelQuery" => self.clear(request),
            "calls" => self.take_calls(),
            _ => Reply::Error(12, format!("no method {method}")),
        }
    }

    fn prepare(&self, text: Option<&str>) -> Reply {
        let query = text.and_then(Query::parse);
        let found = query.and_then(|query| Some((self.sets.get(query.name)?.clone(), query)));
        let Some((set, query)) = found else {
            return Reply::Error(13, "no such result".to_owned());
        };
        let id = format!("q-{}", self.serial.fetch_add(1, Ordering::Relaxed));
        let open = Open {
            set,
            chunks: query.chunks,
            left: query.chunks,
            per_response: query.per_response,
        };
        lock(&self.queries).insert(id.clone(), open);
        message(|out| {
            proto::put_text(out, 1, ENGINE);
            proto::put_text(out, 2, &id);
            proto::put_text(out, 3, SESSION);
        })
    }

    /// What *body* makes of the query that *request* names.
    fn about(&self, request: &[u8], body: impl FnOnce(&mut Open) -> Reply) -> Reply {
        let mut queries = lock(&self.queries);
        match proto::text(request, 3).and_then(|id| queries.get_mut(id)) {
            Some(open) => body(open),
            None => Reply::Error(13, "no such query".to_owned()),
        }
    }

    fn metadata(&self, request: &[u8]) -> Reply {
        self.about(request, |open| {
            let rows = open.set.rows * i64::try_from(open.chunks).unwrap_or(i64::MAX);
            let mut head = Vec::new();
            proto::put_length(&mut head, 1, 8 + open.set.columns.len());
            head.extend_from_slice(&rows.to_be_bytes());
            Reply::Parts(vec![head.into(), open.set.columns.clone()])
        })
    }

    fn fetch(&self, request: &[u8]) -> Reply {
        self.about(request, |open| {
            let mut parts = Vec::new();
            if open.left > 0 {
                open.left -= 1;
                push_chunk(&mut parts, 2, &open.set.chunk);
            }
            Reply::Parts(parts)
        })
    }

    fn fetch_v2(&self, request: &[u8]) -> Reply {
        self.about(request, |open| {
            let mut parts = Vec::new();
            for _ in 0..open.per_response.min(open.left) {
                open.left -= 1;
                push_chunk(&mut parts, 1, &open.set.chunk);
            }
            if open.left == 0 {
                let mut end = Vec::new();
                proto::put_flag(&mut end, 4);
                parts.push(end.into());
            }
            Reply::Parts(parts)
        })
    }

    fn clear(&self, request: &[u8]) -> Reply {
        if let Some(id) = proto::text(request, 3) {
            lock(&self.queries).remove(id);
        }
        message(|out| proto::put_text(out, 1, SESSION))
    }

    /// How often each method was called since the last time; one `method count` a line.
    fn take_calls(&self) -> Reply {
        let calls = std::mem::take(&mut *lock(&self.calls));
        let lines: Vec<String> =
            calls.iter().map(|(method, count)| format!("{method} {count}")).collect();
        Reply::Parts(vec![lines.join("\n").into()])
    }
}

fn message(body: impl FnOnce(&mut Vec<u8>)) -> Reply {
    let mut out = Vec::new();
    body(&mut out);
    Reply::Parts(vec![out.into()])
}

fn push_chunk(parts: &mut Vec<Bytes>, field: u8, chunk: &Bytes) {
    let mut head = Vec::new();
    proto::put_length(&mut head, field, chunk.len());
    parts.push(head.into());
    parts.push(chunk.clone());
}
