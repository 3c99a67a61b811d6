use super::*;
use std::io::Write;

async fn read(body: Vec<u8>, compression: Compression, limits: &Limits) -> Result<Vec<u8>, String> {
    let chunks: Vec<_> = body.chunks(1000).map(|c| Ok::<_, io::Error>(Bytes::copy_from_slice(c))).collect();
    let mut stream = stream(Body::from_stream(futures::stream::iter(chunks)), compression, limits);
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk.map_err(|e| e.to_string())?);
    }
    Ok(all)
}

fn text() -> Vec<u8> {
    (0..20_000).flat_map(|i| format!("{i},row {}\n", i * 7 % 1013).into_bytes()).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn packed(format: Compression, data: &[u8]) -> Vec<u8> {
    match format {
        Compression::None => data.to_vec(),
        Compression::Gzip => gzip(data),
        Compression::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(data, 1).unwrap(),
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
    }
}

const FORMATS: [Compression; 4] = [Compression::Gzip, Compression::Deflate, Compression::Zstd, Compression::Lz4];

#[tokio::test]
async fn every_format_round_trips_also_in_several_frames() {
    let limits = Limits::default();
    for format in FORMATS {
        assert_eq!(read(packed(format, &text()), format, &limits).await.unwrap(), text(), "{format:?}");
    }
    for format in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
        let twice = [packed(format, b"ab"), packed(format, b"cd")].concat();
        assert_eq!(read(twice, format, &limits).await.unwrap(), b"abcd", "{format:?}");
    }
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    raw.write_all(&text()).unwrap();
    assert_eq!(read(raw.finish().unwrap(), Compression::Deflate, &limits).await.unwrap(), text());
}

#[tokio::test]
async fn a_truncated_or_foreign_body_is_an_error() {
    for format in FORMATS {
        let mut body = packed(format, &text());
        body.truncate(body.len() / 2);
        let error = read(body, format, &Limits::default()).await.unwrap_err();
        assert!(error.contains("cannot decompress"), "{format:?}: {error}");
        assert!(read(b"these are no compressed bytes".to_vec(), format, &Limits::default()).await.is_err());
    }
}

#[tokio::test]
async fn bombs_and_large_bodies_stop_early() {
    let limits = Limits { load_body_bytes_max: 1 << 30, ..Limits::default() };
    let bomb = zstd::encode_all(&vec![0u8; 64 << 20][..], 1).unwrap();
    assert!(read(bomb, Compression::Zstd, &limits).await.unwrap_err().contains("decompression_ratio_max"));
    let small = Limits { load_body_bytes_max: 5000, ..Limits::default() };
    let error = read(text(), Compression::None, &small).await.unwrap_err();
    assert!(error.contains("limit of 5000 bytes"), "{error}");
    let error = read(gzip(&vec![b'x'; 100_000]), Compression::Gzip, &small).await.unwrap_err();
    assert!(error.contains("load_body_bytes_max"), "{error}");
}

#[tokio::test]
async fn a_silent_or_dribbling_client_is_not_waited_for() {
    let limits = Limits { body_chunk_timeout: Duration::from_millis(1), ..Limits::default() };
    let silent = Body::from_stream(futures::stream::pending::<io::Result<Bytes>>());
    assert_eq!(collect(silent, &limits).await, Err(BodyError::Stalled { limit_secs: 0 }));
    let mut pace = Pace::new(Body::empty(), &limits, 100, "x");
    assert!(pace.check_pace(Duration::from_secs(20), 10).is_ok());
    assert!(matches!(pace.check_pace(Duration::from_secs(20), 10), Err(BodyError::TooSlow { .. })));
}

#[tokio::test]
async fn collected_bodies_have_a_limit() {
    let limits = Limits { query_body_bytes_max: 10, ..Limits::default() };
    assert_eq!(collect(Body::from("0123456789"), &limits).await.unwrap(), "0123456789");
    let error = collect(Body::from("0123456789a"), &limits).await.unwrap_err();
    assert!(error.to_string().contains("query_body_bytes_max"), "{error}");
}
