//! The native half of the benchmarks: what must not be slower than what it measures.
//!
//! ```text
//! benchserver serve DIR [--port N] [--threads N] [--tls CERT KEY]   serve the results in DIR
//! benchserver receive HOST:PORT QUERY V1|V2                         read one result, keep nothing
//! benchserver delay HOST:PORT RTT_MS                                pass bytes on, later
//! ```
//!
//! `serve` and `delay` print the port they listen on and run until standard input is closed, so that they
//! end with whoever started them.

mod data;
mod delay;
mod proto;
mod receive;
mod serve;

use std::io::Read;
use std::process::ExitCode;

/// Whatever went wrong; a benchmark tool has nobody to tell the kinds apart for.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["serve", directory, options @ ..] => serve::run(directory, options),
        ["receive", address, query, protocol] => receive::run(address, query, protocol),
        ["delay", address, milliseconds] => delay::run(address, milliseconds),
        _ => Err("usage: benchserver serve|receive|delay …; see src/main.rs".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("[benchserver] {error}");
            ExitCode::FAILURE
        }
    }
}

/// End the process once standard input is closed.
pub fn exit_with_parent() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}

/// Seconds of processor time of the process, user and system.
pub fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
