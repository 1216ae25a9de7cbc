//! Whoever is told: an HTTP server that keeps every request.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// What people would have got: every request's path and body.
pub struct Receiver {
    pub address: String,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    got: Mutex<Vec<(String, Value)>>,
    /// What goes wrong: with requests whose path contains this, one after the other.
    trouble: Mutex<VecDeque<(&'static str, Trouble)>>,
}

/// How a request may go wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// A status with headers of its own.
    Status(&'static str),
    /// Taken, and never answered.
    Silence,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Heard> = Arc::default();
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let heard = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream.unwrap(), &heard));
            }
        });
        Self { address, heard }
    }

    /// The next request to a path that contains this goes wrong.
    pub fn fails(&self, path: &'static str, trouble: Trouble) {
        self.heard.trouble.lock().unwrap().push_back((path, trouble));
    }

    /// Bodies of the requests whose path contains this.
    pub fn got(&self, path: &str) -> Vec<Value> {
        let got = self.heard.got.lock().unwrap();
        got.iter().filter(|(to, _)| to.contains(path)).map(|(_, body)| body.clone()).collect()
    }
}

/// One request a connection, which the answer says. What goes wrong counts as not heard.
fn answer(mut stream: TcpStream, heard: &Heard) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let head_end = loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&piece[..read]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        let read = stream.read(&mut piece).unwrap();
        body.extend_from_slice(&piece[..read]);
    }
    let path = head.split(' ').nth(1).unwrap_or("").to_string();
    let trouble = {
        let mut trouble = heard.trouble.lock().unwrap();
        let at = trouble.iter().position(|(about, _)| path.contains(about));
        at.and_then(|at| trouble.remove(at)).map(|(_, trouble)| trouble)
    };
    match trouble {
        Some(Trouble::Status(status)) => {
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        Some(Trouble::Silence) => {
            // Until the other side has had enough.
            let _ = stream.read(&mut piece);
            return;
        }
        None => {}
    }
    let (status, text) = if path.contains("enqueue") {
        ("202 Accepted", r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#)
    } else {
        ("200 OK", "ok")
    };
    heard.got.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap_or(Value::Null)));
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
}
