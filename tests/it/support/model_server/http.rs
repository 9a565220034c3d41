//! As much of HTTP/1.1 as the clients use: one request a connection.

use std::io::{BufRead as _, BufReader, Error, ErrorKind, Read as _, Result, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// More than any client sends.
const LONGEST_BODY: usize = 64 << 20;

/// A request.
pub(super) struct Request {
    pub(super) method: String,
    target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one, and gives the connection back for the answer.
    pub(super) fn read(stream: TcpStream) -> Result<(Self, TcpStream)> {
        let mut reader = BufReader::new(stream);
        let mut words = line(&mut reader)?;
        let mut request = Self {
            method: String::new(),
            target: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        if let Some((method, rest)) = words.split_once(' ') {
            method.clone_into(&mut request.method);
            rest.split(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut request.target);
        }
        loop {
            words = line(&mut reader)?;
            let Some((name, value)) = words.split_once(':') else {
                break;
            };
            request
                .headers
                .push((name.to_lowercase(), value.trim().to_owned()));
        }
        if request.header("expect").is_some() {
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = request.read_body(&mut reader)?;
        Ok((request, reader.into_inner()))
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The key that it shows.
    pub(super) fn key(&self) -> Option<String> {
        let bearer = self
            .header("authorization")
            .map(|value| value.trim_start_matches("Bearer "));
        self.header("x-api-key").or(bearer).map(str::to_owned)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    fn read_body(&self, reader: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            loop {
                let size = line(reader)?;
                let size = size.split(';').next().unwrap_or_default();
                let size = usize::from_str_radix(size, 16).map_err(bad)?;
                let chunk = exactly(reader, size)?;
                body.extend(chunk);
                line(reader)?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let length = self.header("content-length").unwrap_or("0");
        exactly(reader, length.parse().map_err(bad)?)
    }
}

fn bad(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

fn line(reader: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn exactly(reader: &mut BufReader<TcpStream>, length: usize) -> Result<Vec<u8>> {
    if length > LONGEST_BODY {
        return Err(bad("a body without end"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Answers with a status and JSON.
pub(super) fn answer(
    stream: &mut TcpStream,
    (status, body): (u16, Value),
    headers: &[(&'static str, String)],
    head: bool,
) -> Result<()> {
    let body = body.to_string();
    let mut said = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n",
        if status < 400 { "OK" } else { "Error" },
        body.len()
    );
    for (name, value) in headers {
        said += &format!("{name}: {value}\r\n");
    }
    said += "\r\n";
    if !head {
        said += &body;
    }
    stream.write_all(said.as_bytes())
}

/// Begins a stream of events, which lasts as long as the connection.
pub(super) fn begin_events(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n",
    )
}

/// Sends one event, with its name where the format has names.
pub(super) fn event(stream: &mut TcpStream, name: Option<&str>, data: &str) -> Result<()> {
    let name = name
        .map(|name| format!("event: {name}\n"))
        .unwrap_or_default();
    stream.write_all(format!("{name}data: {data}\n\n").as_bytes())
}
