//! A bare client: asks for response after response and looks at none, to show what the server can deliver.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

use crate::{cpu_seconds, proto, Result};

const WINDOW: u32 = 64 << 20;
const FRAME: u32 = 1 << 20;

pub fn run(address: &str, query: &str, protocol: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(receive(address, query, protocol))
}

async fn receive(address: &str, query: &str, protocol: &str) -> Result<()> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (mut client, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME)
        .handshake(socket)
        .await?;
    tokio::spawn(connection);

    let mut request = Vec::new();
    proto::put_text(&mut request, 3, query);
    let prepared = call(&mut client, "prepareStatement", &request).await?;
    let id = proto::text(&prepared.first, 2).ok_or("the server prepared nothing")?.to_owned();
    let mut about = Vec::new();
    proto::put_text(&mut about, 3, &id);
    call(&mut client, "executeStatement", &about).await?;

    let method = if protocol == "V2" { "getNextResultBatchV2" } else { "getNextResultBatch" };
    let (started, cpu) = (std::time::Instant::now(), cpu_seconds());
    let (mut bytes, mut responses) = (0, 0u64);
    loop {
        let answer = call(&mut client, method, &about).await?;
        // The end flag alone, or nothing at all.
        if answer.length <= 2 {
            break;
        }
        bytes += answer.length;
        responses += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    call(&mut client, "clearOrCancelQuery", &about).await?;
    println!(
        "{}",
        serde_json::json!({"bytes": bytes, "responses": responses, "seconds": seconds, "cpu": cpu})
    );
    Ok(())
}

struct Answer {
    /// The first part of the message, which is all of a short one.
    first: Vec<u8>,
    length: usize,
}

async fn call(client: &mut SendRequest<Bytes>, method: &str, message: &[u8]) -> Result<Answer> {
    let request = Request::post(format!("http://bench/QueryEngineService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    std::future::poll_fn(|context| client.poll_ready(context)).await?;
    let (response, mut send) = client.send_request(request, false)?;
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
    framed.extend_from_slice(message);
    send.send_data(framed.into(), true)?;
    let mut body = response.await?.into_body();
    let (mut first, mut length) = (Vec::new(), 0);
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        length += part.len();
        if first.len() < 1024 {
            first.extend_from_slice(&part[..part.len().min(1024)]);
        }
    }
    let trailers: HeaderMap = body.trailers().await?.unwrap_or_default();
    if trailers.get("grpc-status").is_none_or(|status| status != "0") {
        return Err(format!("{method} failed: {trailers:?}").into());
    }
    first.drain(..first.len().min(5));
    Ok(Answer { first, length: length.saturating_sub(5) })
}
