//! A delay line: a proxy that passes every byte on after half a round trip, in both directions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Result;

pub fn run(address: &str, milliseconds: &str) -> Result<()> {
    let one_way = Duration::from_secs_f64(milliseconds.parse::<f64>()? / 2e3);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    crate::exit_with_parent();
    for client in listener.incoming() {
        let client = client?;
        let server = TcpStream::connect(address)?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        pass_on(client.try_clone()?, server.try_clone()?, one_way);
        pass_on(server, client, one_way);
    }
    Ok(())
}

/// One direction: one thread notes when bytes came, another writes them when it is time.
fn pass_on(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if send.send((Instant::now() + one_way, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in receive {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
