use super::*;
use arrow_schema::{DataType, Field, TimeUnit};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key() -> Vec<u8> {
    Key::Segment(TableId(7), SegmentId(9)).encode()
}

fn round_trip<R: Record + PartialEq + std::fmt::Debug>(record: R) {
    let key = key();
    assert_eq!(decode::<R>(&key, &encode(&key, &record)).unwrap(), record);
}

fn rich_table() -> Table {
    let types = [
        DataType::Int64,
        DataType::Decimal128(38, 9),
        DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        DataType::List(Field::new("item", DataType::Utf8View, true).into()),
        DataType::Struct(vec![Field::new("a", DataType::Float64, true)].into()),
    ];
    let column = |(i, data_type): (usize, DataType)| Column {
        id: ColumnId(i as u32),
        name: format!("c{i}"),
        physical_name: format!("p{i}"),
        data_type,
        nullable: i % 2 == 0,
        default: (i == 1).then(|| "1 + 1".to_owned()),
        comment: "ü".into(),
        computed: None,
        identity: None,
    };
    Table {
        id: TableId(u64::MAX),
        database: DatabaseId(1),
        name: "täble".into(),
        kind: TableKind::View { query: "select 1".into(), database: "default".into() },
        columns: types.into_iter().enumerate().map(column).collect(),
        last_column: ColumnId(9),
        key_model: KeyModel::Unique { key: vec![ColumnId(0)] },
        sort_key: vec![ColumnId(1)],
        partition_by: Some("to_yyyymm(ts)".into()),
        options: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        comment: String::new(),
        engine: Default::default(),
        transient: false,
        cluster_by: Vec::new(),
        checks: Vec::new(),
        schema_version: 3,
        created_at: Timestamp(-1),
        updated_at: Timestamp(i64::MAX),
        dropped: Some(Dropped { at: Timestamp(4), version: Version(5) }),
    }
}

fn rich_segment() -> Segment {
    let bounds = [
        StatValue::Bool(true),
        StatValue::Int(i64::MIN),
        StatValue::UInt(u64::MAX),
        StatValue::Float(-0.0),
        StatValue::Decimal128(i128::MIN),
        StatValue::Decimal256([0xAB; 32]),
        StatValue::Utf8("ß".into()),
        StatValue::Binary(vec![0, 255]),
    ];
    let stats = |(i, bound): (usize, StatValue)| ColumnStats {
        column: ColumnId(i as u32),
        min: Some(bound.clone()),
        max: Some(bound),
        nulls: 1,
        distinct: None,
        exact: false,
    };
    Segment {
        id: SegmentId(u128::MAX),
        location: Location::Object("data/1/ab/x.seg".into()),
        partition: Some(String::new()),
        level: 1,
        rows: 10,
        bytes: 20,
        memory_bytes: 30,
        checksum: u128::MAX - 1,
        schema_version: 2,
        sorted_by: vec![ColumnId(1)],
        stats: bounds.into_iter().enumerate().map(stats).collect(),
        added_at: Version(1),
        removed_at: None,
    }
}

#[test]
fn every_record_round_trips() {
    let label = LabelRecord {
        label: Label { database: DatabaseId(1), name: "ł".into() },
        state: LabelState::Finished { report: "{}".into() },
        load_id: 1,
        finished_at: Timestamp(2),
        version: Version(3),
    };
    round_trip(rich_table());
    round_trip(TableRecord { table: rich_table(), created: Version(1), breaking_version: 2, floor: Version(3) });
    round_trip(rich_segment());
    round_trip(SegmentDetail { block_crcs: vec![0, u32::MAX], block_bytes: 1 << 20 });
    round_trip(label);
    round_trip(CommitSeq { version: Version(1), at: Timestamp(-2) });
    round_trip(CommitTimes { commits: vec![(Version(1), Timestamp(2))] });
    round_trip(ObjectOwner { table: TableId(1), segment: SegmentId(u128::MAX) });
    round_trip(HistoryRow {
        operation: Operation::Merge,
        at: Timestamp(1),
        live_rows: 1,
        rows: 2,
        segments: 3,
        bytes: 4,
        state_hash: u128::MAX,
        schema_version: 5,
        changed_at: Version(6),
    });
    round_trip(u64::MAX);
    round_trip(());
}

#[test]
fn a_field_added_later_with_a_default_is_read() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        block_crcs: Vec<u32>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        #[serde(default)]
        added: u32,
        block_crcs: Vec<u32>,
    }
    impl Record for Old {}
    impl Record for New {}
    let key = key();
    let old = encode(&key, &Old { block_crcs: vec![1] });
    assert_eq!(decode::<New>(&key, &old).unwrap(), New { added: 0, block_crcs: vec![1] });
    let new = encode(&key, &New { added: 1, block_crcs: vec![2] });
    assert_eq!(decode::<Old>(&key, &new).unwrap().block_crcs, vec![2]);
}

#[test]
fn a_newer_value_version_is_refused() {
    let key = key();
    let value = seal(&key, vec![VALUE_VERSION + 1, 0xC0]);
    assert!(matches!(decode::<()>(&key, &value), Err(Error::NewerFormat { found: 2, supported: 1 })));
}

proptest! {
    #[test]
    fn any_flipped_bit_is_damage(position in any::<prop::sample::Index>(), bit in 0u8..8) {
        let key = key();
        let mut value = encode(&key, &rich_segment());
        let position = position.index(value.len());
        value[position] ^= 1 << bit;
        let error = decode::<Segment>(&key, &value).unwrap_err();
        let named = matches!(error, Error::Damaged { kind: "segment", .. });
        prop_assert!(named);
    }

    #[test]
    fn a_value_under_another_key_is_damage(other in any::<u64>()) {
        let value = encode(&key(), &rich_segment());
        let other = Key::Segment(TableId(7), SegmentId(u128::from(other) + 10)).encode();
        prop_assert!(decode::<Segment>(&other, &value).is_err());
    }

    #[test]
    fn cut_values_are_damage(length in any::<prop::sample::Index>(), payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let key = key();
        let value = encode_raw(&key, &payload);
        prop_assert_eq!(decode_raw(&key, &value).unwrap(), &payload[..]);
        let cut = &value[..length.index(value.len())];
        prop_assert!(decode_raw(&key, cut).is_err());
    }
}
