use super::*;
use arrow::array::*;
use proptest::prelude::*;
use std::sync::Arc;

fn stats_of(arrays: &[ArrayRef]) -> ColumnStats {
    let mut builder = StatsBuilder::default();
    arrays.iter().for_each(|array| builder.add(array).unwrap());
    builder.finish(ColumnId(7))
}

fn stats(array: impl Array + 'static) -> ColumnStats {
    stats_of(&[Arc::new(array)])
}

fn text(bound: &Option<StatValue>) -> &str {
    let Some(StatValue::Utf8(text)) = bound else { panic!("no text: {bound:?}") };
    text
}

/// Characters at the borders of UTF-8's lengths, of the surrogates and of everything.
fn characters() -> impl Strategy<Value = char> {
    prop_oneof![
        Just('\u{10ffff}'),
        Just('\u{d7ff}'),
        Just('\u{e000}'),
        Just('\u{7f}'),
        Just('\u{7ff}'),
        Just('\u{ffff}'),
        any::<char>(),
    ]
}

proptest! {
    #[test]
    fn string_bounds_hold(values in prop::collection::vec(
        prop::option::of(prop::collection::vec(characters(), 0..90).prop_map(|c| c.into_iter().collect::<String>())), 0..8
    )) {
        let stats = stats(StringViewArray::from_iter(values.iter().map(|v| v.as_deref())));
        let present: Vec<&String> = values.iter().flatten().collect();
        prop_assert_eq!(stats.nulls as usize, values.len() - present.len());
        prop_assert_eq!(stats.min.is_some(), !present.is_empty());
        for value in &present {
            prop_assert!(text(&stats.min) <= value.as_str());
            prop_assert!(stats.max.is_none() || value.as_str() <= text(&stats.max));
        }
        if stats.exact && !present.is_empty() {
            prop_assert!(present.iter().any(|v| v.as_str() == text(&stats.min)));
            prop_assert!(present.iter().any(|v| v.as_str() == text(&stats.max)));
        }
        for bound in stats.min.iter().chain(&stats.max) {
            let StatValue::Utf8(bound) = bound else { panic!() };
            // A raised character may be a byte longer.
            prop_assert!(bound.len() <= BOUND_BYTES_MAX + 1);
        }
    }

    #[test]
    fn binary_bounds_hold(values in prop::collection::vec(prop::collection::vec(prop_oneof![Just(255u8), any::<u8>()], 0..90), 1..8)) {
        let stats = stats(BinaryViewArray::from_iter_values(values.iter()));
        let Some(StatValue::Binary(min)) = stats.min else { panic!() };
        for value in &values {
            prop_assert!(&min <= value);
            if let Some(StatValue::Binary(max)) = &stats.max {
                prop_assert!(value <= max);
            }
        }
    }

    #[test]
    fn number_bounds_are_the_ends(values in prop::collection::vec(prop::option::of(any::<i64>()), 0..20), cut in 0usize..20) {
        let (a, b) = values.split_at(cut.min(values.len()));
        let arrays: [ArrayRef; 2] = [Arc::new(Int64Array::from(a.to_vec())), Arc::new(Int64Array::from(b.to_vec()))];
        let stats = stats_of(&arrays);
        prop_assert_eq!(stats.min, values.iter().flatten().min().map(|&v| StatValue::Int(v)));
        prop_assert_eq!(stats.max, values.iter().flatten().max().map(|&v| StatValue::Int(v)));
        prop_assert!(stats.exact);
    }

    #[test]
    fn float_bounds_hold_or_are_unknown(values in prop::collection::vec(any::<f64>(), 0..6)) {
        let stats = stats(Float64Array::from(values.clone()));
        let with_nan = values.iter().any(|v| v.is_nan());
        prop_assert_eq!(stats.min.is_none(), with_nan || values.is_empty());
        prop_assert_eq!(stats.exact, !with_nan);
        if let (Some(StatValue::Float(min)), Some(StatValue::Float(max))) = (stats.min, stats.max) {
            prop_assert!(values.iter().all(|v| min.total_cmp(v).is_le() && v.total_cmp(&max).is_le()));
        }
    }

    #[test]
    fn decimal256_bounds_order_by_value(values in prop::collection::vec(any::<i128>(), 1..6)) {
        let values: Vec<i256> = values.into_iter().map(i256::from_i128).collect();
        let stats = stats(Decimal256Array::from_iter_values(values.clone()));
        prop_assert_eq!(stats.min, values.iter().min().map(|v| StatValue::Decimal256(v.to_le_bytes())));
        prop_assert_eq!(stats.max, values.iter().max().map(|v| StatValue::Decimal256(v.to_le_bytes())));
    }
}

#[test]
fn every_simple_type_has_bounds_in_its_storage_width() {
    let date = stats(Date32Array::from(vec![3, -1]));
    assert_eq!((date.min, date.max), (Some(StatValue::Int(-1)), Some(StatValue::Int(3))));
    let time = stats(TimestampMicrosecondArray::from(vec![Some(5), None]));
    assert_eq!((time.min, time.nulls), (Some(StatValue::Int(5)), 1));
    let unsigned = stats(UInt64Array::from(vec![u64::MAX, 0]));
    assert_eq!(unsigned.max, Some(StatValue::UInt(u64::MAX)));
    let decimal = stats(Decimal128Array::from(vec![i128::MIN / 4, 1]).with_precision_and_scale(38, 2).unwrap());
    assert_eq!(decimal.min, Some(StatValue::Decimal128(i128::MIN / 4)));
    let booleans = stats(BooleanArray::from(vec![true, false]));
    assert_eq!((booleans.min, booleans.max), (Some(StatValue::Bool(false)), Some(StatValue::Bool(true))));
    let small = stats(Float32Array::from(vec![0.5, -2.0]));
    assert_eq!(small.min, Some(StatValue::Float(-2.0)));
}

#[test]
fn a_bound_of_largest_characters_cannot_be_raised() {
    let stats = stats(StringArray::from(vec!["\u{10ffff}".repeat(40)]));
    assert_eq!(stats.max, None);
    assert!(!stats.exact);
}
