use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

/// Both ends of a connection: the frames of the client, and the bare stream of the server.
async fn pair(raw: &[u8]) -> (Frames, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    (Frames::new(Box::new(client.unwrap()), BytesMut::from(raw)), accepted.unwrap().0)
}

/// A frame as a server sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        size @ ..126 => frame.push(u8::try_from(size).unwrap()),
        size @ ..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(size).unwrap().to_be_bytes());
        }
        size => {
            frame.push(127);
            frame.extend((size as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// The next frame of a client, unmasked.
async fn received(server: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    server.read_exact(&mut head).await.unwrap();
    assert_ne!(head[1] & 0x80, 0, "a client masks");
    let size = match head[1] & 0x7f {
        126 => server.read_u16().await.unwrap().into(),
        127 => server.read_u64().await.unwrap(),
        size => size.into(),
    };
    let mut mask = [0; 4];
    server.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; usize::try_from(size).unwrap()];
    server.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (head[0], payload)
}

async fn refused(bytes: &[u8]) -> String {
    let (mut frames, mut server) = pair(b"").await;
    server.write_all(bytes).await.unwrap();
    frames.read_u8().await.unwrap_err().to_string()
}

#[tokio::test]
async fn bytes_are_the_same_in_frames_of_any_size_and_however_they_arrive() {
    let all: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut sent = frame(0x82, &all[..100]);
    sent.extend(frame(0x02, &all[100..400]));
    sent.extend(frame(0x89, b"between the pieces"));
    sent.extend(frame(0x00, b""));
    sent.extend(frame(0x80, &all[400..70_000]));
    sent.extend(frame(0x8a, b"a pong that nobody asked for"));
    sent.extend(frame(0x82, &all[70_000..]));
    // Some arrived together with the answer to the handshake.
    let (mut frames, mut server) = pair(&sent[..1]).await;
    let sending = tokio::spawn(async move {
        for piece in sent[1..].chunks(997) {
            server.write_all(piece).await.unwrap();
        }
        let pong = received(&mut server).await;
        assert_eq!(pong, (0x8a, b"between the pieces".to_vec()));
        server
    });
    let mut read = vec![0; all.len()];
    frames.read_exact(&mut read).await.unwrap();
    assert!(read == all);
    let mut server = sending.await.unwrap();
    let writing = tokio::spawn(async move {
        frames.write_all(&all).await.unwrap();
        frames.flush().await.unwrap();
        (frames, all)
    });
    let mut written = Vec::new();
    while written.len() < 200_000 {
        let (first, payload) = received(&mut server).await;
        assert_eq!(first, 0x82);
        written.extend(payload);
    }
    let (mut frames, all) = writing.await.unwrap();
    assert!(written == all);
    frames.shutdown().await.unwrap();
    assert_eq!(received(&mut server).await, (0x88, vec![3, 0xe8]));
}

#[tokio::test]
async fn a_frame_larger_than_any_memory_is_handed_on_as_it_comes() {
    let (mut frames, mut server) = pair(b"").await;
    server.write_all(&[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let piece = vec![7; 1_000_000];
    let sending = tokio::spawn(async move {
        for _ in 0..32 {
            server.write_all(&piece).await.unwrap();
        }
        server
    });
    let mut left = 32_000_000;
    let mut chunk = vec![0; 100_000];
    while left > 0 {
        left -= frames.read(&mut chunk).await.unwrap();
    }
    assert!(frames.raw.capacity() <= 4 * READ_CHUNK, "{}", frames.raw.capacity());
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn pings_pile_up_nothing_while_nobody_reads_the_answers() {
    let (mut frames, mut server) = pair(b"").await;
    let pings: Vec<u8> = (0..1000).flat_map(|_| frame(0x89, &[b'x'; CONTROL_BYTES])).collect();
    let flooding = tokio::spawn(async move {
        for _ in 0..200 {
            server.write_all(&pings).await.unwrap();
        }
        server.write_all(&frame(0x82, b"!")).await.unwrap();
        server
    });
    assert_eq!(frames.read_u8().await.unwrap(), b'!');
    assert!(frames.out.capacity() <= 2 * WRITE_CHUNK, "{}", frames.out.capacity());
    assert!(frames.raw.capacity() <= 4 * READ_CHUNK, "{}", frames.raw.capacity());
    // And once somebody reads, what is written arrives.
    let mut server = flooding.await.unwrap();
    let writing = tokio::spawn(async move {
        frames.write_all(b"data").await.unwrap();
        frames.flush().await.unwrap();
        frames
    });
    let found = async { while received(&mut server).await != (0x82, b"data".to_vec()) {} };
    timeout(Duration::from_secs(20), found).await.unwrap();
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn a_write_waits_while_the_other_side_takes_nothing() {
    let (mut frames, _server) = pair(b"").await;
    let large = vec![0; 64 * 1024 * 1024];
    let writing = timeout(Duration::from_millis(300), frames.write_all(&large));
    assert!(writing.await.is_err());
    assert!(frames.out.capacity() <= 2 * WRITE_CHUNK, "{}", frames.out.capacity());
}

#[tokio::test]
async fn a_close_is_answered_and_its_reason_told() {
    let (mut frames, mut server) = pair(b"").await;
    server.write_all(&frame(0x88, &[3, 0xe8])).await.unwrap();
    assert_eq!(frames.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(received(&mut server).await, (0x88, vec![3, 0xe8]));
    let reason = refused(&frame(0x88, b"\x03\xf1too\nlarge")).await;
    assert_eq!(reason, "the broker closed the WebSocket with code 1009: too\\nlarge");
}

#[tokio::test]
async fn what_a_server_must_not_send_is_an_error_that_says_so() {
    for (bytes, word) in [
        (frame(0x81, b"text"), "a text frame"),
        (frame(0xc2, b"x"), "an extension"),
        (vec![0x82, 0x81, 0, 0, 0, 0, 1], "masked"),
        (frame(0x83, b"x"), "not defined"),
        (frame(0x80, b"x"), "inside each other"),
        ([frame(0x02, b""), frame(0x82, b"x")].concat(), "inside each other"),
        (frame(0x09, b"x"), "in pieces"),
        (frame(0x89, &[0; 126]), "too large"),
        (vec![0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0], "cannot be"),
    ] {
        let reason = refused(&bytes).await;
        assert!(reason.contains(word), "{bytes:x?}: {reason}");
    }
}
