use super::*;
use crate::types::Special;
use datafusion::arrow::{
    array::{Float64Array, Int64Array, StringArray},
    datatypes::Field,
};

fn text(values: &ArrayRef) -> Vec<Option<String>> {
    let texts = cast_array(values, &DataType::Utf8View, CastRules::new(Tz::UTC)).unwrap();
    texts.as_string_view().iter().map(|t| t.map(str::to_owned)).collect()
}

fn read(texts: &[&str], to: &DataType) -> Result<ArrayRef> {
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    cast_array(&texts, to, CastRules::new(Tz::UTC))
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

#[test]
fn texts_of_every_special_type_round_trip() {
    for (special, written) in [
        (Special::Variant, "{\"a\":[1,null]}"),
        (Special::Bitmap, "1,2,3"),
        (Special::Geometry, "SRID=4326;POINT(1 2)"),
        (Special::Geography, "SRID=4326;POINT(1 2)"),
        (Special::TimestampTz, "2024-02-29 01:02:03.000004 +0800"),
        (Special::Interval, "1 year 2 days"),
        (Special::Vector(3), "[1,2.5,3]"),
    ] {
        let array = read(&[written], &special.arrow()).unwrap();
        assert_eq!(text(&array), [Some(written.to_owned())]);
        let bad: ArrayRef = Arc::new(StringArray::from(vec!["]nonsense"]));
        assert!(cast_array(&bad, &special.arrow(), CastRules::new(Tz::UTC)).is_err());
        let null = cast_array(&bad, &special.arrow(), CastRules::new(Tz::UTC).or_null()).unwrap();
        assert_eq!((null.null_count(), null.data_type()), (1, &special.arrow()));
    }
}

#[test]
fn nested_texts_are_read_in_both_spellings() {
    let strings = list(DataType::Utf8View);
    for (written, shown) in [
        ("[1, 2,null]", "[\"1\",\"2\",NULL]"),
        ("['a', \"b\\\"c\", 'it''s']", "[\"a\",\"b\\\"c\",\"it's\"]"),
        ("[]", "[]"),
    ] {
        assert_eq!(text(&read(&[written], &strings).unwrap()), [Some(shown.to_owned())], "{written}");
    }
    let tuple = DataType::Struct(
        vec![Field::new("a", DataType::Int32, true), Field::new("b", list(DataType::Date32), true)].into(),
    );
    for written in ["(1,['2024-01-02'])", "{\"b\":[\"2024-01-02\"],\"a\":1}"] {
        assert_eq!(text(&read(&[written], &tuple).unwrap()), [Some("(1,[\"2024-01-02\"])".to_owned())]);
    }
    let map = crate::plan::map_type(DataType::Utf8View, DataType::LargeBinary);
    let written = "{\"k\":{\"x\":[1]},\"l\":\"t\"}";
    assert_eq!(text(&read(&[written], &map).unwrap()), [Some(written.to_owned())]);
    for bad in ["[1", "1]", "[1 2", "{1}", "[,]"] {
        assert!(read(&[bad], &strings).is_err(), "{bad}");
    }
}

#[test]
fn fractions_round_half_away_from_zero() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.5, -1.5, 2.4, -0.4]));
    let whole = cast_array(&floats, &DataType::Int64, CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(whole.as_ref(), &Int64Array::from(vec![2, -2, 2, 0]));
    let decimals = read(&["1.50", "-1.50", "2.49", "-0.40"], &DataType::Decimal128(5, 2)).unwrap();
    let whole = cast_array(&decimals, &DataType::Int64, CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(whole.as_ref(), &Int64Array::from(vec![2, -2, 2, 0]));
    let wide = read(&["1.50", "-1.50", "2.49", "-0.40"], &DataType::Decimal256(50, 2)).unwrap();
    let whole = cast_array(&wide, &DataType::Int64, CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(whole.as_ref(), &Int64Array::from(vec![2, -2, 2, 0]));
}

#[test]
fn variants_become_what_they_hold() {
    let variants = read(&["[1,2]", "null"], &DataType::LargeBinary).unwrap();
    let lists = cast_array(&variants, &list(DataType::Int8), CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(text(&lists), [Some("[1,2]".to_owned()), None]);
    let numbers = read(&["1.6", "\"7\"", "true"], &DataType::LargeBinary).unwrap();
    let whole = cast_array(&numbers, &DataType::Int64, CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(whole.as_ref(), &Int64Array::from(vec![2, 7, 1]));
    let back = cast_array(&lists, &DataType::LargeBinary, CastRules::new(Tz::UTC)).unwrap();
    assert_eq!(text(&back)[0].as_deref(), Some("[1,2]"));
}
