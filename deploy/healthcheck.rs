//! Asks the service in the same container whether it lives: the image has no shell and no curl. Standard library only,
//! compiled by itself (`rustc`), so that the workspace knows nothing of it.
//!
//! Exit 0 for a 200, 1 for anything else. `TRAILHOUND_HEALTH` is another address, for those who bind elsewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);
/// `HTTP/1.1 200 `, with the space after it.
const STATUS_BYTES: usize = 13;

fn status(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; STATUS_BYTES];
    stream.read_exact(&mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn main() -> ExitCode {
    let address = std::env::var("TRAILHOUND_HEALTH").unwrap_or_else(|_| "127.0.0.1:9187".into());
    match status(&address) {
        Ok(line) if line.starts_with("HTTP/1.") && line.ends_with(" 200 ") => ExitCode::SUCCESS,
        Ok(line) => {
            eprintln!("healthcheck: {address} answers {line:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("healthcheck: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
