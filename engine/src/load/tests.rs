//! Text to records to arrays, against plain reference readers; and the same rows however the input is cut.

use super::{
    column::{self, BadRows, Conversion, FieldTarget},
    csv::CsvScanner,
    json::{JsonReader, KeyOrder, Stopped},
    records::{CellKind, Records},
    rejected::Rejected,
    split::{Piece, PieceReader, Splitter},
    *,
};
use crate::Error;
use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType, Int64Type},
};
use bytes::Bytes;
use futures::StreamExt;
use rand::{Rng, SeedableRng, rngs::StdRng};

type Row = Vec<Option<String>>;

fn options() -> CsvOptions {
    CsvOptions {
        column_separator: b",".to_vec(),
        row_delimiter: b"\n".to_vec(),
        enclose: None,
        escape: None,
        skip_header: 0,
        trim_space: false,
        null_text: "\\N".into(),
        empty_as_null: false,
    }
}

fn body(text: &[u8], step: usize) -> ByteStream {
    let pieces: Vec<_> = text.chunks(step.max(1)).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    futures::stream::iter(pieces).boxed()
}

/// Good rows and the number of bad ones.
fn read_csv(scanner: &CsvScanner, text: &str, width: usize, rows_max: usize) -> (Vec<Row>, u64) {
    let mut records = Records::new(text, width, 16);
    let mut bad = Rejected::default();
    let mut rows = Vec::new();
    let mut at = 0;
    while at < text.len() {
        records.clear();
        at = scanner.read(&mut records, at, width, rows_max, &mut bad);
        rows.extend(rows_of(&records, width));
    }
    (rows, bad.rows())
}

fn rows_of(records: &Records, width: usize) -> Vec<Row> {
    let value = |row: usize, field: usize| {
        let cell = records.cell(row, field);
        (!matches!(cell.kind(), CellKind::Null | CellKind::Missing)).then(|| records.str(cell).to_string())
    };
    (0..records.rows()).map(|row| (0..width).map(|field| value(row, field)).collect()).collect()
}

/// Reads the input in pieces of about `chunk_bytes` that arrive `step` bytes at a time.
async fn read_pieces(splitter: Splitter, text: &[u8], chunk_bytes: usize, step: usize) -> Vec<Bytes> {
    let mut reader = PieceReader::new(body(text, step), splitter, 1 << 20).with_chunk_bytes(chunk_bytes);
    let mut pieces = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        match piece {
            Piece::Records(bytes) => pieces.push(bytes),
            Piece::Malformed { text, .. } => pieces.push(text),
        }
    }
    pieces
}

/// One character at a time, as the module of the scanner describes the format.
fn reference(text: &str, options: &CsvOptions, width: usize) -> (Vec<Row>, u64) {
    let separator = std::str::from_utf8(&options.column_separator).unwrap();
    let delimiter = std::str::from_utf8(&options.row_delimiter).unwrap();
    let (enclose, escape) = (options.enclose.map(char::from), options.escape.map(char::from));
    let (mut rows, mut bad) = (Vec::new(), 0);
    let mut rest = text;
    while !rest.is_empty() {
        let mut row: Row = Vec::new();
        let begin = rest;
        loop {
            let (mut value, mut raw) = (String::new(), String::new());
            let quoted = enclose.is_some_and(|c| rest.starts_with(c));
            let mut inside = quoted;
            if quoted {
                rest = &rest[1..];
            }
            let mut ended = None;
            while let Some(c) = rest.chars().next() {
                let after = &rest[c.len_utf8()..];
                if !inside && rest.starts_with(delimiter) {
                    ended = Some(true);
                    break;
                }
                if !inside && rest.starts_with(separator) {
                    ended = Some(false);
                    break;
                }
                raw.push(c);
                if Some(c) == escape {
                    rest = after;
                    if let Some(next) = rest.chars().next() {
                        value.push(next);
                        raw.push(next);
                        rest = &rest[next.len_utf8()..];
                    } else {
                        value.push(c);
                    }
                } else if inside && Some(c) == enclose {
                    if after.chars().next() == enclose {
                        value.push(c);
                        rest = &after[1..];
                    } else {
                        inside = false;
                        rest = after;
                    }
                } else {
                    value.push(c);
                    rest = after;
                }
            }
            if inside {
                bad += 1;
                return (rows, bad);
            }
            row.push((quoted || raw != options.null_text).then_some(value));
            match ended {
                Some(false) => rest = &rest[separator.len()..],
                Some(true) => {
                    let blank = begin.len() == rest.len();
                    rest = &rest[delimiter.len()..];
                    finish(row, blank, width, &mut rows, &mut bad);
                    break;
                }
                None => {
                    finish(row, begin.is_empty(), width, &mut rows, &mut bad);
                    break;
                }
            }
        }
    }
    (rows, bad)
}

fn finish(row: Row, blank: bool, width: usize, rows: &mut Vec<Row>, bad: &mut u64) {
    if row.len() == width {
        rows.push(row);
    } else if !blank {
        *bad += 1;
    }
}

fn dialects() -> Vec<CsvOptions> {
    let plain = options();
    let quoted = CsvOptions { enclose: Some(b'"'), ..options() };
    let escaped = CsvOptions { enclose: Some(b'"'), escape: Some(b'\\'), ..options() };
    let bare_escape = CsvOptions { escape: Some(b'\\'), ..options() };
    let wide = CsvOptions { column_separator: b"ab".to_vec(), row_delimiter: b"\r\n".to_vec(), ..options() };
    let wide_quoted = CsvOptions { enclose: Some(b'"'), ..wide.clone() };
    let overlapping = CsvOptions { column_separator: b",a".to_vec(), row_delimiter: b"aa".to_vec(), ..options() };
    vec![plain, quoted, escaped, bare_escape, wide, wide_quoted, overlapping]
}

#[test]
fn random_csv_reads_as_the_reference_reads_it() {
    let alphabet: Vec<char> = ",,,\n\n\r\"\"\\\0Nab1é€ ".chars().collect();
    for seed in 0..3000u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let length = random.random_range(0..60);
        let text: String = (0..length).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect();
        for dialect in dialects() {
            let scanner = CsvScanner::new(&dialect).unwrap();
            for width in 1..4 {
                let expected = reference(&text, &dialect, width);
                for rows_max in [1, 8192] {
                    let found = read_csv(&scanner, &text, width, rows_max);
                    assert_eq!(found, expected, "seed={seed} text={text:?} dialect={dialect:?} width={width}");
                }
            }
        }
    }
}

#[tokio::test]
async fn csv_rows_are_the_same_wherever_the_input_is_cut() {
    for seed in 0..40u64 {
        let mut random = StdRng::seed_from_u64(seed);
        for dialect in dialects() {
            let text = written(&mut random, &dialect, 12);
            let scanner = CsvScanner::new(&dialect).unwrap();
            let whole = read_csv(&scanner, &text, 3, 8192);
            for chunk_bytes in 1..=text.len() {
                let splitter = Splitter::Csv { scanner: scanner.clone(), headers_left: 0 };
                let pieces = read_pieces(splitter, text.as_bytes(), chunk_bytes, random.random_range(1..9)).await;
                let mut rows = (Vec::new(), 0);
                for piece in &pieces {
                    let (more, bad) = read_csv(&scanner, std::str::from_utf8(piece).unwrap(), 3, 5);
                    rows.0.extend(more);
                    rows.1 += bad;
                }
                assert_eq!(rows, whole, "seed={seed} text={text:?} dialect={dialect:?} chunk_bytes={chunk_bytes}");
            }
        }
    }
}

/// Well-formed CSV with everything inside quotes that may be there.
fn written(random: &mut StdRng, dialect: &CsvOptions, rows: usize) -> String {
    let separator = std::str::from_utf8(&dialect.column_separator).unwrap();
    let delimiter = std::str::from_utf8(&dialect.row_delimiter).unwrap();
    let mut text = String::new();
    for _ in 0..rows {
        for field in 0..3 {
            if field > 0 {
                text.push_str(separator);
            }
            let value: String =
                (0..random.random_range(0..5)).map(|_| ['x', 'é', '7', '\0'][random.random_range(0..4)]).collect();
            match dialect.enclose {
                Some(_) if random.random_bool(0.4) => {
                    text.extend(["\"", &value, separator, "\"\"", delimiter, &value, "\""]);
                }
                _ => text.push_str(&value),
            }
        }
        text.push_str(delimiter);
    }
    text
}

#[tokio::test]
async fn headers_and_the_byte_order_mark_are_no_rows() {
    let scanner = CsvScanner::new(&options()).unwrap();
    for step in 1..20 {
        let splitter = Splitter::Csv { scanner: scanner.clone(), headers_left: 2 };
        let pieces = read_pieces(splitter, "\u{feff}h1\nh2\na,b\nc,d".as_bytes(), 4, step).await;
        assert_eq!(pieces.concat(), b"a,b\nc,d", "step={step}");
    }
    let splitter = Splitter::Csv { scanner: scanner.clone(), headers_left: 5 };
    assert!(read_pieces(splitter, b"only\none", 4, 3).await.concat().is_empty());
}

#[tokio::test]
async fn a_record_without_end_is_refused_with_little_memory() {
    let endless = |first: &'static str, again: &'static [u8]| -> ByteStream {
        let start = futures::stream::iter([Ok(Bytes::from_static(first.as_bytes()))]);
        start.chain(futures::stream::repeat_with(move || Ok(Bytes::from_static(again)))).boxed()
    };
    let quoted = CsvScanner::new(&CsvOptions { enclose: Some(b'"'), ..options() }).unwrap();
    let splitters = [
        (Splitter::Csv { scanner: quoted, headers_left: 0 }, endless("1,\"", b"aaaa,bbbb\ncccc")),
        (
            Splitter::Csv { scanner: CsvScanner::new(&options()).unwrap(), headers_left: 0 },
            endless("", b"aaaaaaaaaaaa"),
        ),
        (Splitter::Documents, endless("{\"a\":\"", b"bbbbbbbbbbbb")),
        (Splitter::Documents, endless("", b"{\"a\":")),
        (Splitter::Elements { inside: false }, endless("[", b"{\"a\":")),
    ];
    for (splitter, body) in splitters {
        let shown = format!("{splitter:?}");
        let mut reader = PieceReader::new(body, splitter, 100_000).with_chunk_bytes(1000);
        assert!(matches!(reader.next().await, Err(Error::BadData { .. })), "{shown}");
        assert!(reader.bytes() < 250_000, "{shown}");
    }
}

fn json(options: &JsonOptions, text: &str, names: &[&str]) -> (Vec<Row>, Rejected, bool) {
    let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
    let reader = JsonReader::new(options, &names).unwrap();
    let mut records = Records::new(text, names.len(), 16);
    let (mut bad, mut order) = (Rejected::default(), KeyOrder::default());
    let (mut rows, mut at, mut malformed) = (Vec::new(), 0, false);
    while at < text.len() && !malformed {
        records.clear();
        match reader.read(&mut records, at, 2, &mut order, &mut bad) {
            Stopped::At(end) => at = end,
            Stopped::Malformed => malformed = true,
        }
        rows.extend(rows_of(&records, names.len()));
    }
    (rows, bad, malformed)
}

fn row(values: &[Option<&str>]) -> Row {
    values.iter().map(|v| v.map(str::to_string)).collect()
}

#[test]
fn json_by_name() {
    let text = r#"{"a":1,"b":"x"} {"B":"y\n\u00e9","c":[1],"a":-2.50}
        {"a":null}{"b":{"k": [1, 2]}}{}"#;
    let (rows, bad, malformed) = json(&JsonOptions::default(), text, &["a", "b"]);
    assert_eq!(
        rows,
        vec![
            row(&[Some("1"), Some("x")]),
            row(&[Some("-2.50"), Some("y\né")]),
            row(&[None, None]),
            row(&[None, Some(r#"{"k": [1, 2]}"#)]),
            row(&[None, None]),
        ]
    );
    assert_eq!((bad.rows(), malformed), (0, false));
}

#[test]
fn json_by_path_and_root() {
    let paths = |paths: &[&str]| Some(paths.iter().map(|p| p.to_string()).collect());
    let by_path = JsonOptions { paths: paths(&["$.a.b[1]", "$[\"c d\"]", "$.none"]), ..JsonOptions::default() };
    let (rows, ..) = json(&by_path, r#"{"a":{"b":[1,{"x":2}]},"c d":"t"}"#, &["p", "q", "r"]);
    assert_eq!(rows, vec![row(&[Some(r#"{"x":2}"#), Some("t"), None])]);
    let by_root = JsonOptions { root: Some("$.data.rows".into()), ..JsonOptions::default() };
    let (rows, bad, _) =
        json(&by_root, r#"{"data":{"rows":[{"a":1},{"a":2}]}} {"data":{"rows":{"a":3}}} {"x":1}"#, &["a"]);
    assert_eq!(rows, vec![row(&[Some("1")]), row(&[Some("2")]), row(&[Some("3")])]);
    assert_eq!(bad.rows(), 1);
    assert!(JsonReader::new(&JsonOptions { root: Some("a.b".into()), ..JsonOptions::default() }, &[]).is_err());
}

#[test]
fn json_that_is_not_a_row_is_counted_and_rows_before_it_stay() {
    let (rows, bad, malformed) = json(&JsonOptions::default(), r#"{"a":1} [1] 5 {"a":2} {"a":} {"a":3}"#, &["a"]);
    assert_eq!(rows, vec![row(&[Some("1")]), row(&[Some("2")])]);
    assert_eq!((bad.rows(), malformed), (3, true));
    let deep = format!("{{\"a\":{}1{}}} {{\"a\":2}}", "[".repeat(100_000), "]".repeat(100_000));
    let (rows, bad, malformed) = json(&JsonOptions::default(), &deep, &["a"]);
    assert_eq!(rows, vec![row(&[Some("2")])]);
    assert_eq!((bad.rows(), malformed), (1, false));
}

#[tokio::test]
async fn json_rows_are_the_same_wherever_the_input_is_cut() {
    let documents =
        [r#"{"a":"}{[\"\\","b":[{"c":1},{"d":"\n"}]}"#, r#"{"a":{"b":{}},"b":2}"#, r#"{ }"#, "{\n\"a\": 5\n}"];
    for (between, elements) in [("\n", false), ("", false), (" ", false), (",", true), (" ,\n", true)] {
        let joined = documents.repeat(3).join(between);
        let text = if elements { format!(" [{joined} ] ") } else { joined.clone() };
        let options = JsonOptions { strip_outer_array: elements, ..JsonOptions::default() };
        let (whole, bad, _) = json(&options, &joined, &["a", "b"]);
        assert_eq!((whole.len(), bad.rows()), (12, 0));
        for chunk_bytes in 1..=text.len() {
            let splitter = if elements { Splitter::Elements { inside: false } } else { Splitter::Documents };
            let pieces = read_pieces(splitter, text.as_bytes(), chunk_bytes, 7).await;
            let rows: Vec<Row> =
                pieces.iter().flat_map(|p| json(&options, std::str::from_utf8(p).unwrap(), &["a", "b"]).0).collect();
            assert_eq!(rows, whole, "between={between:?} chunk_bytes={chunk_bytes}");
        }
    }
}

fn array(text: &str, data_type: DataType, strict: bool, empty_as_null: bool) -> (ArrayRef, Vec<String>) {
    let scanner = CsvScanner::new(&CsvOptions { enclose: Some(b'"'), ..options() }).unwrap();
    let mut records = Records::new(text, 1, 16);
    scanner.read(&mut records, 0, 1, 8192, &mut Rejected::default());
    let mut bad = BadRows::default();
    let target = FieldTarget { name: "c".into(), data_type };
    let array =
        column::read(&records, 0, &target, Conversion { strict, empty_as_null, ..Conversion::default() }, &mut bad)
            .unwrap();
    (array, bad.iter().map(|(_, reason)| reason.to_string()).collect())
}

#[test]
fn texts_that_are_no_values_are_null_or_make_their_row_bad() {
    let text = "1\n\\N\nabc\n\n300\n\"\\N\"\n";
    let (values, reasons) = array(text, DataType::Int8, false, false);
    assert_eq!((values.null_count(), values.len()), (5, 6));
    assert!(reasons.is_empty());
    let (_, reasons) = array(text, DataType::Int8, true, false);
    let expected =
        ["abc", "", "300", "\\N"].map(|v| format!("Value '{v}' is out of range. The type of 'c' is TINYINT"));
    assert_eq!(reasons, expected);
    assert_eq!(array(text, DataType::Int8, true, true).1.len(), 3, "an empty field is NULL");
    let (_, reasons) = array("123456\n", DataType::Decimal128(4, 2), true, false);
    assert_eq!(reasons, ["Decimal '123456' is out of range. The type of 'c' is DECIMAL(4,2)"]);
}

#[test]
fn empty_text_and_null_text() {
    let text = "\n\"\"\n\\N\n\"\\N\"\nlonger than twelve bytes\n";
    let texts = |empty_as_null| -> Vec<Option<String>> {
        let (values, _) = array(text, DataType::Utf8View, true, empty_as_null);
        values.as_string_view().iter().map(|v| v.map(str::to_string)).collect()
    };
    let rest = [Some("".to_string()), None, Some("\\N".into()), Some("longer than twelve bytes".into())];
    assert_eq!(texts(false), [vec![Some("".to_string())], rest.to_vec()].concat());
    assert_eq!(texts(true), [vec![None], rest.to_vec()].concat());
}

#[test]
fn nested_values_and_whole_numbers_of_json() {
    let text = r#"{"a":1.0,"b":[1,2]}{"a":1e3,"b":"x"}{"a":1.5,"b":null}"#;
    let reader = JsonReader::new(&JsonOptions::default(), &["a".into(), "b".into()]).unwrap();
    let mut records = Records::new(text, 2, 16);
    reader.read(&mut records, 0, 10, &mut KeyOrder::default(), &mut Rejected::default());
    let conversion = Conversion { strict: true, ..Conversion::default() };
    let mut bad = BadRows::default();
    let target = |name: &str, data_type| FieldTarget { name: name.into(), data_type };
    let whole = column::read(&records, 0, &target("a", DataType::Int64), conversion, &mut bad).unwrap();
    assert_eq!(whole.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), Some(1000), None]);
    let list = DataType::new_list(DataType::Int64, true);
    let lists = column::read(&records, 1, &target("b", list), conversion, &mut bad).unwrap();
    assert_eq!(lists.as_list::<i32>().value(0).len(), 2);
    assert!(lists.is_null(1) && lists.is_null(2));
    assert_eq!(bad.iter().map(|(row, _)| row).collect::<Vec<_>>(), [1, 2]);
}

/// Not a test of correctness: prints how fast lineitem-shaped CSV and flat JSON become arrays on one thread.
/// `cargo test --release -p basalt-engine load::tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let types = "llllddddssDDDsss";
    let line = "1|155190|7706|1|17|21168.23|0.04|0.02|N|O|1996-03-13|1996-02-12|1996-03-22|DELIVER IN PERSON|TRUCK|egular courts above the\n";
    let text = line.repeat((256 << 20) / line.len());
    let scanner = CsvScanner::new(&CsvOptions { column_separator: b"|".to_vec(), ..options() }).unwrap();
    let targets: Vec<FieldTarget> = types
        .chars()
        .map(|c| FieldTarget {
            name: "c".into(),
            data_type: match c {
                'l' => DataType::Int64,
                'd' => DataType::Decimal128(15, 2),
                'D' => DataType::Date32,
                _ => DataType::Utf8View,
            },
        })
        .collect();
    let conversion = Conversion::default();
    let started = std::time::Instant::now();
    let (mut at, mut scanning) = (0, std::time::Duration::ZERO);
    std::str::from_utf8(text.as_bytes()).unwrap();
    let mut records = Records::new(&text, 16, 8192);
    while at < text.len() {
        records.clear();
        let scan = std::time::Instant::now();
        at = scanner.read(&mut records, at, 16, 8192, &mut Rejected::default());
        scanning += scan.elapsed();
        for (field, target) in targets.iter().enumerate() {
            std::hint::black_box(column::read(&records, field, target, conversion, &mut BadRows::default()).unwrap());
        }
    }
    let rate = |bytes: usize, time: std::time::Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    println!("csv: {:.0} MB/s, scan alone {:.0} MB/s", rate(text.len(), started.elapsed()), rate(text.len(), scanning));
    let line = r##"{"time":"2015-09-12T00:46:58.771Z","channel":"#en.wikipedia","cityName":null,"comment":"added project","isAnonymous":false,"page":"Talk:Oswald Tilghman","user":"GELongstreet","delta":36,"added":36,"deleted":0}
"##;
    let text = line.repeat((128 << 20) / line.len());
    let names = ["time", "channel", "cityName", "comment", "isAnonymous", "page", "user", "delta", "added", "deleted"];
    let reader = JsonReader::new(&JsonOptions::default(), &names.map(String::from)).unwrap();
    let json_types = [
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
        DataType::Utf8View,
        DataType::Utf8View,
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Utf8View,
        DataType::Utf8View,
        DataType::Int64,
        DataType::Int64,
        DataType::Int64,
    ];
    let started = std::time::Instant::now();
    let mut records = Records::new(&text, 10, 8192);
    let (mut at, mut order) = (0, KeyOrder::default());
    while at < text.len() {
        records.clear();
        match reader.read(&mut records, at, 8192, &mut order, &mut Rejected::default()) {
            Stopped::At(end) => at = end,
            Stopped::Malformed => panic!("well-formed"),
        }
        for (field, data_type) in json_types.iter().enumerate() {
            let target = FieldTarget { name: "c".into(), data_type: data_type.clone() };
            std::hint::black_box(column::read(&records, field, &target, conversion, &mut BadRows::default()).unwrap());
        }
    }
    println!("json: {:.0} MB/s", rate(text.len(), started.elapsed()));
}
