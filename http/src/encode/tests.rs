use super::*;
use arrow::{array::*, datatypes::*, record_batch::RecordBatch};
use proptest::prelude::*;
use std::sync::Arc;

fn encode(column: ArrayRef, display: &Display) -> Vec<Option<String>> {
    let field = Field::new("c", column.data_type().clone(), true);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
    let mut out = vec![b'['];
    rows_as_text_arrays(&mut out, &[batch], display).unwrap();
    out.push(b']');
    let rows: Vec<Vec<Option<String>>> = serde_json::from_slice(&out).unwrap();
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

fn cell(column: impl Array + 'static) -> String {
    encode(Arc::new(column), &Display::default()).remove(0).expect("not null")
}

fn float(value: f64) -> String {
    cell(Float64Array::from(vec![value]))
}

#[test]
fn floats_have_their_own_spelling() {
    for (value, text) in [
        (300.0, "300.0"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (3.69e16, "3.69e+16"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (3.1e-6, "3.1e-6"),
        (1e-5, "0.00001"),
        (1.25e-5, "0.0000125"),
        (-9.9e-6, "-9.9e-6"),
        (0.0, "0.0"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(float(value), text);
    }
    for (value, text) in [(1e14f32, "100000000000000.0"), (1.5f32, "1.5"), (1e16, "1e+16"), (1.17e-5, "0.0000117")] {
        assert_eq!(cell(Float32Array::from(vec![value])), text);
    }
}

#[test]
fn scalars() {
    assert_eq!(cell(BooleanArray::from(vec![true])), "1");
    assert_eq!(cell(Int64Array::from(vec![i64::MIN])), "-9223372036854775808");
    assert_eq!(cell(UInt64Array::from(vec![u64::MAX])), "18446744073709551615");
    assert_eq!(cell(BinaryArray::from(vec![&b"\x0a\xff"[..]])), "0AFF");
    assert_eq!(cell(StringViewArray::from(vec!["a\"b"])), "a\"b");
    assert_eq!(encode(Arc::new(NullArray::new(2)), &Display::default()), [None, None]);
    let as_text = Display { null_as_text: true, ..Display::default() };
    assert_eq!(encode(Arc::new(Int8Array::from(vec![None])), &as_text), [Some("NULL".to_string())]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y")].into_iter().collect();
    assert_eq!(encode(Arc::new(dictionary), &Display::default()), [Some("x".into()), None, Some("y".into())]);
}

#[test]
fn decimals_have_exactly_their_scale() {
    let decimal =
        |value: i128, scale| cell(Decimal128Array::from(vec![value]).with_precision_and_scale(20, scale).unwrap());
    assert_eq!(decimal(12345, 2), "123.45");
    assert_eq!(decimal(-5, 2), "-0.05");
    assert_eq!(decimal(0, 3), "0.000");
    assert_eq!(decimal(7, 0), "7");
    assert_eq!(decimal(-100, 2), "-1.00");
    let wide = Decimal256Array::from(vec![i256::from_i128(-12345)]).with_precision_and_scale(50, 4).unwrap();
    assert_eq!(cell(wide), "-1.2345");
}

#[test]
fn dates_and_instants() {
    assert_eq!(cell(Date32Array::from(vec![19782])), "2024-02-29");
    assert_eq!(cell(Date32Array::from(vec![-1])), "1969-12-31");
    assert_eq!(cell(Date32Array::from(vec![-719_162])), "0001-01-01");
    let micros = 1_709_168_523_000_004;
    assert_eq!(cell(TimestampMicrosecondArray::from(vec![micros])), "2024-02-29 01:02:03.000004");
    assert_eq!(cell(TimestampSecondArray::from(vec![-1])), "1969-12-31 23:59:59.000000");
    let tokyo = Display { timezone: chrono_tz::Asia::Tokyo, ..Display::default() };
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![micros, micros + 86_400_000_000]));
    assert_eq!(encode(column, &tokyo)[0].as_deref(), Some("2024-02-29 10:02:03.000004"));
    let numbers = Display { epoch_numbers: true, ..Display::default() };
    assert_eq!(encode(Arc::new(TimestampNanosecondArray::from(vec![5_000])), &numbers)[0].as_deref(), Some("5"));
}

#[test]
fn instants_follow_the_zones_rules_across_a_change() {
    let berlin = Display { timezone: chrono_tz::Europe::Berlin, ..Display::default() };
    let change = 1_711_846_800; // 2024-03-31 01:00 UTC
    let column: ArrayRef = Arc::new(TimestampSecondArray::from(vec![change - 1, change]));
    let texts = encode(column, &berlin);
    assert_eq!(texts[0].as_deref(), Some("2024-03-31 01:59:59.000000"));
    assert_eq!(texts[1].as_deref(), Some("2024-03-31 03:00:00.000000"));
}

#[test]
fn intervals() {
    let interval = |months, days, micros: i64| {
        cell(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(months, days, micros * 1000)]))
    };
    let micros = (4 * 3600 + 5 * 60 + 6) * 1_000_000 + 500_000;
    assert_eq!(interval(14, 3, micros), "1 year 2 months 3 days 4:05:06.5");
    assert_eq!(interval(0, 0, 0), "00:00:00");
    assert_eq!(interval(-1, 0, -1_000_000), "-1 month -0:00:01");
    assert_eq!(interval(24, 0, 0), "2 years");
}

#[test]
fn special_types() {
    use basalt_engine::types::{Special, from_bytes, geometry, timestamp_tz, variant};
    let json = variant::from_text("{\"a\": [1, \"x\"]}").unwrap();
    assert_eq!(cell(LargeBinaryArray::from(vec![&json[..]])), r#"{"a":[1,"x"]}"#);
    assert_eq!(
        encode(from_bytes(Special::Bitmap, BinaryArray::from(vec![&b""[..]])), &Display::default()),
        [Some("<bitmap binary>".into())]
    );
    let point = geometry::parse("SRID=4326;POINT(1 2)", Special::Geometry).unwrap();
    let shapes = || from_bytes(Special::Geometry, BinaryArray::from(vec![Some(&point[..]), None]));
    for (format, text) in [
        (geometry::GeometryFormat::GeoJson, r#"{"type": "Point", "coordinates": [1,2]}"#),
        (geometry::GeometryFormat::Wkt, "POINT(1 2)"),
        (geometry::GeometryFormat::Ewkt, "SRID=4326;POINT(1 2)"),
        (geometry::GeometryFormat::Wkb, "0101000000000000000000F03F0000000000000040"),
        (geometry::GeometryFormat::Ewkb, "0101000020E6100000000000000000F03F0000000000000040"),
    ] {
        let display = Display { geometry: format, ..Display::default() };
        assert_eq!(encode(shapes(), &display), [Some(text.into()), None]);
    }
    let zoned = timestamp_tz::parse("2024-02-29 01:02:03.000004 -0530", chrono_tz::UTC).unwrap();
    let column = || timestamp_tz::array([Some(zoned), None]);
    assert_eq!(encode(column(), &Display::default()), [Some("2024-02-29 01:02:03.000004 -0530".into()), None]);
    let numbers = Display { epoch_numbers: true, ..Display::default() };
    assert_eq!(encode(column(), &numbers)[0].as_deref(), Some("1709188323000004 -19800"));
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    let vector = FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(vec![1.0, 0.5])), None);
    assert_eq!(cell(vector), "[1,0.5]");
    let binaries = BinaryArray::from(vec![&b"\xff"[..]]);
    assert_eq!(cell(binaries), "FF");
}

#[test]
fn nested_values() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)]), Some(vec![])]);
    assert_eq!(encode(Arc::new(list), &Display::default()), [Some("[1,NULL,3]".into()), Some("[]".into())]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    assert_eq!(cell(map.finish()), r#"{"k":1}"#);
    let tuple = StructArray::from(vec![
        (Arc::new(Field::new("1", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        (Arc::new(Field::new("2", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x\"y"])) as ArrayRef),
        (Arc::new(Field::new("3", DataType::Date32, true)), Arc::new(Date32Array::from(vec![0])) as ArrayRef),
        (Arc::new(Field::new("4", DataType::Binary, true)), Arc::new(BinaryArray::from(vec![None])) as ArrayRef),
    ]);
    assert_eq!(cell(tuple), r#"(1,"x\"y","1970-01-01",NULL)"#);
}

#[test]
fn sliced_arrays_show_their_own_rows() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>((0..4).map(|i| Some(vec![Some(i)])));
    assert_eq!(encode(list.slice(2, 1).into_array(), &Display::default()), [Some("[2]".into())]);
    let fixed =
        FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>((0..4).map(|i| Some(vec![Some(i), Some(i)])), 2);
    assert_eq!(encode(fixed.slice(1, 1).into_array(), &Display::default()), [Some("[1,1]".into())]);
    let strings = StringArray::from(vec![Some("a"), None, Some("c")]);
    assert_eq!(encode(strings.slice(1, 2).into_array(), &Display::default()), [None, Some("c".into())]);
}

trait IntoArray {
    fn into_array(self) -> ArrayRef;
}

impl<T: Array + 'static> IntoArray for T {
    fn into_array(self) -> ArrayRef {
        Arc::new(self)
    }
}

#[test]
fn binary_formats() {
    let column = || Arc::new(BinaryArray::from(vec![&b"a\"\xff"[..]])) as ArrayRef;
    let shown = |binary| encode(column(), &Display { binary, ..Display::default() }).remove(0).unwrap();
    assert_eq!(shown(BinaryFormat::Base64), "YSL/");
    assert_eq!(shown(BinaryFormat::Utf8Lossy), "a\"\u{fffd}");
    let batch = RecordBatch::try_from_iter([("b", column())]).unwrap();
    let strict = Display { binary: BinaryFormat::Utf8, ..Display::default() };
    let error = rows_as_text_arrays(&mut Vec::new(), &[batch], &strict).unwrap_err();
    assert_eq!(error, EncodeError::NotUtf8 { row: 0, column: "b".into() });
}

proptest! {
    #[test]
    fn floats_read_back(bits: u64) {
        let value = f64::from_bits(bits);
        let back: f64 = float(value).parse().unwrap();
        prop_assert!(back == value || (back.is_nan() && value.is_nan()));
    }

    #[test]
    fn small_floats_read_back(bits: u32) {
        let value = f32::from_bits(bits);
        let back: f32 = cell(Float32Array::from(vec![value])).parse().unwrap();
        prop_assert!(back == value || (back.is_nan() && value.is_nan()));
    }

    #[test]
    fn any_text_is_valid_json(text: String, control in proptest::collection::vec(0u8..0x80, 0..40)) {
        for text in [text, String::from_utf8(control).unwrap()] {
            let mut out = Vec::new();
            json_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn dates_agree_with_chrono(days in -1_000_000i32..2_000_000) {
        let expected = chrono::NaiveDate::from_num_days_from_ce_opt(days + 719_163).unwrap();
        if (0..=9999).contains(&chrono::Datelike::year(&expected)) {
            prop_assert_eq!(cell(Date32Array::from(vec![days])), expected.format("%Y-%m-%d").to_string());
        }
    }
}
