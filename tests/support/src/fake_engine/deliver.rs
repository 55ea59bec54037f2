//! Writes an answer, truly or spoilt.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::controls::Controls;
use super::fault::{ErrorBody, Kind};
use super::message::{Answer, Body};

/// Long enough for a client to take a piece before the next one arrives.
const APART: Duration = Duration::from_millis(15);
/// What every answer of Docker 20.10 says.
const OWN_HEADERS: &str = "Api-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n\
     Server: Docker/20.10.24 (linux)\r\n";
const DRIP_SIZE: usize = 24;

/// Writes the answer as a sound engine does.
pub(crate) async fn truly<W: AsyncWrite + Unpin>(
    out: &mut W,
    answer: Answer,
    controls: &Controls,
) -> io::Result<()> {
    out.write_all(&head(&answer)).await?;
    match answer.body {
        Body::Empty => {}
        Body::Full(body) => out.write_all(&body).await?,
        Body::Stream(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                controls.thawed().await;
                if piece.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                out.write_all(&chunk(&piece)).await?;
            }
            out.write_all(b"0\r\n\r\n").await?;
        }
    }
    out.flush().await
}

/// Writes the answer with a fault. Returns the status if a whole answer went out.
pub(crate) async fn spoilt<W: AsyncWrite + Unpin>(
    out: &mut W,
    answer: Answer,
    kind: &Kind,
    controls: &Controls,
) -> io::Result<Option<u16>> {
    let status = answer.status;
    match kind {
        Kind::Cut => return Ok(None),
        Kind::Silence => std::future::pending().await,
        Kind::Garbage => {
            out.write_all(b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n")
                .await?;
            return Ok(None);
        }
        Kind::CutMidBody => {
            half(out, answer).await?;
            return Ok(None);
        }
        Kind::Stall => {
            half(out, answer).await?;
            std::future::pending().await
        }
        Kind::Status(code, body) => {
            truly(out, false_status(*code, body), controls).await?;
            return Ok(Some(*code));
        }
        Kind::Drip(pause) => drip(out, answer, *pause).await?,
        Kind::Reworded(words) => truly(out, reworded(answer, words.clone()), controls).await?,
        Kind::Late(by) => truly(out, late(answer, *by), controls).await?,
        Kind::SplitCrlf => split_crlf(out, answer).await?,
        Kind::ThenRefuse => {
            // Before the answer: a client that has it may connect again at once.
            controls.shut().await;
            truly(out, answer, controls).await?
        }
        Kind::MissingFields => {
            truly(out, rewritten(answer, without_fields).await, controls).await?
        }
        Kind::UnknownStatus => {
            truly(out, rewritten(answer, unknown_status).await, controls).await?
        }
    }
    Ok(Some(status))
}

fn head(answer: &Answer) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nConnection: close\r\n",
        answer.status,
        reason(answer.status)
    );
    if answer.headers.is_empty() {
        head.push_str(OWN_HEADERS);
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let framing = match &answer.body {
        Body::Empty if matches!(answer.status, 204 | 304) => String::new(),
        Body::Empty => "Content-Length: 0\r\n".to_owned(),
        Body::Full(body) => {
            let (kind, size) = (&answer.content_type, body.len());
            format!("Content-Type: {kind}\r\nContent-Length: {size}\r\n")
        }
        Body::Stream(_) => {
            let kind = &answer.content_type;
            format!("Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n")
        }
    };
    head.push_str(&framing);
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn false_status(code: u16, body: &ErrorBody) -> Answer {
    match body {
        ErrorBody::Json(message) => Answer::error(code, message.as_str()),
        ErrorBody::Plain(text) => Answer::text(code, text),
    }
}

/// The head and half of the body, or half of the head where there is no body.
async fn half<W: AsyncWrite + Unpin>(out: &mut W, answer: Answer) -> io::Result<()> {
    let head = head(&answer);
    match answer.body {
        Body::Empty => out.write_all(&head[..head.len() / 2]).await?,
        Body::Full(body) => {
            out.write_all(&head).await?;
            out.write_all(&body[..body.len() / 2]).await?;
        }
        Body::Stream(mut pieces) => {
            out.write_all(&head).await?;
            if let Some(piece) = pieces.recv().await {
                let framed = chunk(&piece);
                out.write_all(&framed[..framed.len() / 2]).await?;
            }
        }
    }
    out.flush().await
}

async fn drip<W: AsyncWrite + Unpin>(
    out: &mut W,
    answer: Answer,
    pause: Duration,
) -> io::Result<()> {
    let mut bytes = head(&answer);
    let mut pieces = match answer.body {
        Body::Empty => None,
        Body::Full(body) => {
            bytes.extend_from_slice(&body);
            None
        }
        Body::Stream(pieces) => Some(pieces),
    };
    drip_bytes(out, &bytes, pause).await?;
    if let Some(pieces) = &mut pieces {
        while let Some(piece) = pieces.recv().await {
            drip_bytes(out, &chunk(&piece), pause).await?;
        }
        drip_bytes(out, b"0\r\n\r\n", pause).await?;
    }
    Ok(())
}

async fn drip_bytes<W: AsyncWrite + Unpin>(
    out: &mut W,
    bytes: &[u8],
    pause: Duration,
) -> io::Result<()> {
    for drop in bytes.chunks(DRIP_SIZE) {
        out.write_all(drop).await?;
        out.flush().await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Each line's CRLF in a chunk of its own, a moment later.
async fn split_crlf<W: AsyncWrite + Unpin>(out: &mut W, answer: Answer) -> io::Result<()> {
    let Answer {
        status,
        content_type,
        headers,
        ..
    } = answer;
    let (_sender, no_pieces) = mpsc::channel(1);
    let mut pieces = as_stream(answer.body);
    let body = Body::Stream(no_pieces);
    let streamed = Answer {
        status,
        content_type,
        headers,
        body,
    };
    out.write_all(&head(&streamed)).await?;
    while let Some(piece) = pieces.recv().await {
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            let text = line.trim_ascii_end();
            out.write_all(&chunk(text)).await?;
            out.flush().await?;
            tokio::time::sleep(APART).await;
            if text.len() < line.len() {
                out.write_all(&chunk(&line[text.len()..])).await?;
                out.flush().await?;
                tokio::time::sleep(APART).await;
            }
        }
    }
    out.write_all(b"0\r\n\r\n").await
}

fn as_stream(body: Body) -> mpsc::Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::channel(1);
    match body {
        Body::Stream(pieces) => return pieces,
        Body::Full(body) => sender.try_send(body).expect("the channel is empty"),
        Body::Empty => {}
    }
    pieces
}

/// Every piece as long after its time; their order and the pauses between them stay.
fn late(answer: Answer, by: Duration) -> Answer {
    let mut pieces = as_stream(answer.body);
    let (stamped_in, mut stamped) = mpsc::unbounded_channel();
    let (late_in, late) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            if stamped_in.send((Instant::now() + by, piece)).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, piece)) = stamped.recv().await {
            sleep_until(due).await;
            if late_in.send(piece).await.is_err() {
                return;
            }
        }
    });
    Answer {
        body: Body::Stream(late),
        ..answer
    }
}

/// Every piece in other words: a line, or the whole of it.
fn reworded(answer: Answer, words: Vec<(String, String)>) -> Answer {
    let reword = move |piece: Vec<u8>| {
        let text = String::from_utf8_lossy(&piece).into_owned();
        let replace = |text: String, (from, to): &(String, String)| text.replace(from, to);
        words.iter().fold(text, replace).into_bytes()
    };
    let body = match answer.body {
        Body::Empty => Body::Empty,
        Body::Full(body) => Body::Full(reword(body)),
        Body::Stream(mut pieces) => {
            let (other_in, other) = mpsc::channel(1);
            tokio::spawn(async move {
                while let Some(piece) = pieces.recv().await {
                    if other_in.send(reword(piece)).await.is_err() {
                        return;
                    }
                }
            });
            Body::Stream(other)
        }
    };
    Answer { body, ..answer }
}

async fn rewritten(answer: Answer, rewrite: fn(Value) -> Value) -> Answer {
    let Body::Full(body) = &answer.body else {
        return answer;
    };
    match serde_json::from_slice(body) {
        Ok(value) => Answer::json(answer.status, &rewrite(value)),
        Err(_) => answer,
    }
}

fn without_fields(value: Value) -> Value {
    match value {
        Value::Array(_) => json!([{}]),
        _ => json!({}),
    }
}

fn unknown_status(mut value: Value) -> Value {
    if let Some(status) = value.pointer_mut("/State/Status") {
        *status = json!("stopped");
    }
    for item in value.as_array_mut().into_iter().flatten() {
        item["State"] = json!("stopped");
    }
    value
}
