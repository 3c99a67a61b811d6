use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn segment() -> impl Strategy<Value = SegmentId> {
    any::<u128>().prop_map(SegmentId)
}

fn table() -> impl Strategy<Value = TableId> {
    prop_oneof![any::<u64>(), 0u64..3].prop_map(TableId)
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![any::<u64>(), 0u64..3].prop_map(Version)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), -2i64..3].prop_map(Timestamp)
}

fn label() -> impl Strategy<Value = Label> {
    (any::<u64>(), ".*").prop_map(|(database, name)| Label { database: DatabaseId(database), name })
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        prop_oneof![Just(Key::Format), Just(Key::Epoch), Just(Key::CommitSeq), Just(Key::NextId)],
        any::<u64>().prop_map(|id| Key::Database(DatabaseId(id))),
        table().prop_map(Key::Table),
        ".*".prop_map(Key::Setting),
        label().prop_map(Key::Label),
        (time(), label()).prop_map(|(at, label)| Key::LabelByTime(at, label)),
        (0..EntityKind::ALL.len(), ".*").prop_map(|(kind, name)| Key::Entity(EntityKind::ALL[kind], name)),
        (table(), segment()).prop_map(|(t, s)| Key::Segment(t, s)),
        (table(), segment()).prop_map(|(t, s)| Key::SegmentDetail(t, s)),
        (table(), segment(), version()).prop_map(|(t, s, v)| Key::Deletions(t, s, v)),
        (version(), table(), segment()).prop_map(|(v, t, s)| Key::Garbage(v, t, s)),
        ".*".prop_map(Key::ObjectPath),
        (table(), version(), segment()).prop_map(|(t, v, s)| Key::Removed(t, v, s)),
        (table(), segment()).prop_map(|(t, s)| Key::RemovedAt(t, s)),
        (table(), segment()).prop_map(|(t, s)| Key::InlineRows(t, s)),
        (table(), version()).prop_map(|(t, v)| Key::History(t, v)),
        (table(), version()).prop_map(|(t, v)| Key::Definition(t, v)),
        (time(), version()).prop_map(|(at, v)| Key::CommitTimes(at, v)),
    ]
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(key in key()) {
        prop_assert_eq!(Key::decode(&key.encode()), Some(key));
    }

    #[test]
    fn encoded_keys_sort_as_their_fields(a in key(), b in key()) {
        prop_assert_eq!(a.cmp(&b), a.encode().cmp(&b.encode()));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(key) = Key::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes);
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_of_it(prefix in proptest::collection::vec(any::<u8>(), 1..6), tail in any::<[u8; 3]>()) {
        let mut inside = prefix.clone();
        inside.extend(tail);
        match prefix::end_of(&prefix) {
            Some(end) => prop_assert!(inside < end && !end.starts_with(&prefix)),
            None => prop_assert!(prefix.iter().all(|&byte| byte == u8::MAX)),
        }
    }
}

#[test]
fn tags_are_unique_and_none_is_retired() {
    let (t, s, v) = (TableId(1), SegmentId(2), Version(3));
    let label = Label { database: DatabaseId(1), name: "l".into() };
    let all = [
        Key::Format,
        Key::Epoch,
        Key::CommitSeq,
        Key::NextId,
        Key::Database(DatabaseId(1)),
        Key::Table(t),
        Key::Setting("x".into()),
        Key::Label(label.clone()),
        Key::LabelByTime(Timestamp(1), label),
        Key::Entity(EntityKind::Stage, "e".into()),
        Key::Segment(t, s),
        Key::SegmentDetail(t, s),
        Key::Deletions(t, s, v),
        Key::Garbage(v, t, s),
        Key::ObjectPath("p".into()),
        Key::Removed(t, v, s),
        Key::RemovedAt(t, s),
        Key::InlineRows(t, s),
        Key::History(t, v),
        Key::Definition(t, v),
        Key::CommitTimes(Timestamp(1), v),
    ];
    let tags: BTreeSet<u8> = all.iter().map(Key::tag).collect();
    assert_eq!(tags.len(), all.len());
    assert!(RETIRED_TAGS.iter().all(|tag| !tags.contains(tag)));
    let kinds: BTreeSet<&str> = all.iter().map(Key::kind).collect();
    assert_eq!(kinds.len(), all.len());
}
