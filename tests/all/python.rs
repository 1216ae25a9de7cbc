//! Programs in Python that stand by while a test runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::readers::python;

/// A program that says one line when it is ready, and ends when its standard input does: at the latest with this process, so
/// that nothing is left behind, however a test fails.
pub struct Python(Child);

impl Python {
    /// Starts it; gives the line, too.
    pub fn start(program: &str, argument: &std::path::Path) -> (Self, String) {
        let mut child = Command::new(python("python"))
            .args(["-W", "ignore", "-c"])
            .arg(program)
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().to_string())
    }

    /// Lets it end, and waits for that.
    pub fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}
