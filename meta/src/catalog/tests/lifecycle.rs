//! Opening: first time, again, by two, after damage, after a newer release.

use super::*;
use crate::{
    keys::Key,
    rocks::{Rocks, Write},
};

fn rocks_of(fixture: &Fixture) -> &Rocks {
    &fixture.catalog.core().rocks
}

fn write(rocks: &Rocks, write: Write) {
    let mut batch = rocks.batch();
    batch.apply(&write);
    rocks.write_synced(batch).unwrap();
}

/// Writes a row with one bit of its value flipped.
fn flip_bit(fixture: &Fixture, key: &Key) {
    let family = key.family();
    let key = key.encode();
    let rocks = rocks_of(fixture);
    let (found, mut value) = rocks.view().last_at_or_before(family, &key, &key).unwrap().expect("the row exists");
    assert_eq!(&found[..], &key[..]);
    let middle = value.len() / 2;
    value[middle] ^= 0x10;
    write(rocks, Write::Put { family, key, value: value.into() });
}

#[test]
fn the_first_open_makes_the_default_database_and_nothing_else() {
    let fixture = Fixture::new();
    let names = |f: &Fixture| f.catalog.snapshot().databases().iter().map(|d| d.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&fixture), ["default"]);
    assert_eq!((fixture.catalog.epoch(), fixture.catalog.snapshot().version()), (1, Version(1)));
    let id = fixture.default_database();
    fixture.commit(vec![Edit::DropDatabase { database: id }]).unwrap();
    let fixture = fixture.reopen(End::Clean);
    assert_eq!(names(&fixture), Vec::<String>::new());
    assert_eq!(fixture.catalog.epoch(), 2);
}

#[test]
fn ids_are_never_handed_out_twice() {
    let mut fixture = Fixture::new();
    let mut seen = BTreeSet::new();
    for end in [End::Clean, End::Sudden, End::Sudden, End::Clean] {
        assert!((0..5000).all(|_| seen.insert(fixture.catalog.next_id())));
        fixture = fixture.reopen(end);
    }
}

#[test]
fn a_second_catalogue_on_the_directory_is_refused() {
    let fixture = Fixture::new();
    assert!(matches!(open(fixture.dir.path(), &fixture.clock), Err(Error::Locked { .. })));
    fixture.reopen(End::Sudden);
}

#[test]
fn a_newer_format_is_refused() {
    let fixture = Fixture::new();
    write(rocks_of(&fixture), Write::put(&Key::Format, &99u64));
    let Fixture { dir, clock, catalog } = fixture;
    drop(catalog);
    assert!(matches!(open(dir.path(), &clock), Err(Error::NewerFormat { found: 99, supported: 1 })));
}

#[test]
fn a_history_shorter_than_what_was_acknowledged_is_refused() {
    let fixture = Fixture::new();
    fixture.create_table("t");
    fixture.catalog.close().unwrap();
    let Fixture { dir, clock, catalog } = fixture;
    let newest = catalog.snapshot().version();
    drop(catalog);
    crate::floor::raise(&dir.path().join("meta"), Version(newest.0 + 1)).unwrap();
    let error = open(dir.path(), &clock).unwrap_err();
    assert!(
        matches!(error, Error::CommitsMissing { found, expected } if found == newest && expected.0 == newest.0 + 1)
    );
}

#[test]
fn nothing_is_committed_after_close() {
    let fixture = Fixture::new();
    fixture.catalog.close().unwrap();
    fixture.catalog.close().unwrap();
    let error = fixture.commit(vec![Edit::PutSetting { name: "a".into(), value: "b".into() }]).unwrap_err();
    assert!(matches!(error, Error::Closed));
}

#[test]
fn a_flipped_bit_stops_the_open_and_names_the_record() {
    let keys: [fn(&Fixture, TableId, SegmentId) -> Key; 6] = [
        |_, table, segment| Key::Segment(table, segment),
        |_, table, _| Key::Table(table),
        |fixture, _, _| Key::Database(fixture.default_database()),
        |_, _, _| Key::CommitSeq,
        |fixture, table, segment| Key::Deletions(table, segment, fixture.catalog.snapshot().version()),
        |fixture, table, _| Key::History(table, fixture.catalog.snapshot().version()),
    ];
    for key in keys {
        let fixture = Fixture::new();
        let table = fixture.create_table("t");
        let segment = fixture.append(table);
        fixture.commit(vec![delete_rows(table, segment, &[3])]).unwrap();
        let key = key(&fixture, table, segment);
        flip_bit(&fixture, &key);
        let Fixture { dir, clock, catalog } = fixture;
        drop(catalog);
        match open(dir.path(), &clock) {
            Err(Error::Damaged { kind, key: named }) => {
                assert_eq!((kind, named), (key.kind(), format!("{key:?}")));
            }
            other => panic!("{key:?}: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_what_is_read_later_is_named_when_read() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let (segment, edit) = add_inline(table, 3, b"arrow stream");
    fixture.commit(vec![edit, Edit::FinishLabel(finished("l", 1, Timestamp(5)))]).unwrap();
    flip_bit(&fixture, &Key::InlineRows(table, segment));
    flip_bit(&fixture, &Key::Label(label("l")));
    let error = fixture.catalog.inline_rows(table, segment).unwrap_err();
    assert!(matches!(error, Error::Damaged { kind: "inline rows", .. }));
    assert!(matches!(fixture.catalog.label(&label("l")), Err(Error::Damaged { kind: "label", .. })));
}

#[test]
fn a_lost_segment_record_is_found_at_open() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    write(rocks_of(&fixture), Write::delete(&Key::Segment(table, segment)));
    let Fixture { dir, clock, catalog } = fixture;
    drop(catalog);
    assert!(matches!(open(dir.path(), &clock), Err(Error::Damaged { kind: "table's segments", .. })));
}

#[test]
fn snapshots_outlive_the_catalogue() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    let pinned = fixture.table(table);
    fixture.commit(vec![remove(table, Operation::Truncate, &[segment])]).unwrap();
    let fixture = fixture.reopen(End::Sudden);
    assert_eq!(pinned.rows(), 10);
    assert_eq!(fixture.table(table).rows(), 0);
}
