//! The past as it was: segments, deletions, columns, names, steps and times.

use super::*;

#[test]
fn every_version_of_a_table_is_as_it_was() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let mut past: Vec<TableSnapshot> = vec![fixture.table(table)];
    let mut keep = |fixture: &Fixture| past.push(fixture.table(table));
    let first = fixture.append(table);
    keep(&fixture);
    let second = fixture.append(table);
    keep(&fixture);
    fixture.commit(vec![delete_rows(table, first, &[1])]).unwrap();
    keep(&fixture);
    fixture.commit(vec![delete_rows(table, first, &[1, 2]), delete_rows(table, second, &[0])]).unwrap();
    keep(&fixture);
    let dropped = fixture.altered(table, |table| drop(table.columns.pop()));
    fixture.commit(vec![Edit::AlterTable { table: dropped, breaking: true }]).unwrap();
    keep(&fixture);
    let renamed = fixture.altered(table, |table| table.name = "u".into());
    fixture.commit(vec![Edit::AlterTable { table: renamed, breaking: false }]).unwrap();
    keep(&fixture);
    let merged =
        vec![remove(table, Operation::Compact, &[first, second]), add(table, Operation::Compact, vec![object(17)])];
    fixture.commit(merged).unwrap();
    keep(&fixture);
    fixture.append(table);
    let fixture = fixture.reopen(End::Sudden);
    let now = fixture.table(table);
    for then in &past {
        let found = now.at(then.version()).unwrap();
        assert_eq!(contents(&found), contents(then), "{}", then.version());
        assert_eq!(found.table(), then.table());
        assert_eq!(
            (found.rows(), found.changed_at(), found.version()),
            (then.rows(), then.changed_at(), then.version())
        );
        assert!(found.iter().all(|view| view.segment.removed_at.is_none()));
    }
    let created = past[0].version();
    let before = now.at(Version(created.0 - 1)).unwrap_err();
    assert!(matches!(before, Error::NotYet { created: c, .. } if c == created));
    assert!(matches!(now.at(Version(now.version().0 + 1)), Err(Error::Invalid { .. })));
}

#[test]
fn a_version_of_a_later_commit_can_be_asked_of_an_older_snapshot() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let old = fixture.table(table);
    fixture.append(table);
    let newest = fixture.catalog.snapshot().version();
    assert_eq!(old.at(newest).unwrap().rows(), 10);
    assert_eq!(old.rows(), 0);
}

#[test]
fn a_table_cannot_be_read_at_a_version_where_it_was_dropped() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    fixture.append(table);
    let dropped = fixture.commit(vec![Edit::DropTable { table }]).unwrap();
    fixture.commit(vec![Edit::UndropTable { table }]).unwrap();
    let now = fixture.table(table);
    assert!(matches!(now.at(dropped), Err(Error::NoTable { .. })));
    assert_eq!(now.at(Version(dropped.0 - 1)).unwrap().rows(), 10);
}

#[test]
fn a_reader_of_the_past_holds_back_garbage_collection() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    let then = fixture.catalog.snapshot().version();
    fixture.commit(vec![remove(table, Operation::Truncate, &[segment])]).unwrap();
    let reader = fixture.table(table).at(then).unwrap();
    fixture.append(table);
    assert_eq!(fixture.catalog.min_pinned(), then);
    assert_eq!(reader.rows(), 10);
    drop(reader);
    assert_eq!(fixture.catalog.min_pinned(), fixture.catalog.snapshot().version());
}

#[test]
fn raising_the_floor_forgets_what_only_the_past_needs() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    let mut versions = Vec::new();
    for row in 0..5u32 {
        let rows: Vec<u32> = (0..=row).collect();
        versions.push(fixture.commit(vec![delete_rows(table, segment, &rows)]).unwrap());
    }
    let floor = versions[2];
    fixture.commit(vec![Edit::ForgetSegments { table, segments: vec![], floor }]).unwrap();
    let fixture = fixture.reopen(End::Sudden);
    let now = fixture.table(table);
    for (row, version) in versions.iter().enumerate() {
        match now.at(*version) {
            Ok(then) => assert!(*version >= floor && then.rows() == 10 - (row as u64 + 1)),
            Err(Error::HistoryGone { oldest, .. }) => assert!(*version < floor && oldest == floor),
            Err(other) => panic!("{other}"),
        }
    }
    let steps: Vec<Version> = fixture.catalog.history(table).unwrap().iter().map(|step| step.version).collect();
    assert_eq!(steps, versions[2..]);
    let vectors = crate::keys::prefix::deletions_of(table, segment);
    let rocks = &fixture.catalog.core().rocks;
    assert_eq!(rocks.view().scan_all(crate::keys::Family::Segments, vectors).count(), 3);
}

#[test]
fn history_tells_what_was_done() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let first = fixture.append(table);
    fixture.commit(vec![delete_rows(table, first, &[1])]).unwrap();
    let update = vec![
        Edit::SetDeletions { table, operation: Operation::Update, segment: first, rows: (0..3).collect() },
        add(table, Operation::Update, vec![object(2)]),
    ];
    fixture.commit(update).unwrap();
    let altered = fixture.altered(table, |table| table.comment = "x".into());
    fixture.commit(vec![Edit::AlterTable { table: altered, breaking: false }]).unwrap();
    let changed_at = fixture.table(table).changed_at();
    fixture
        .commit(vec![remove(table, Operation::Compact, &[first]), add(table, Operation::Compact, vec![object(7)])])
        .unwrap();
    assert_eq!(fixture.table(table).changed_at(), changed_at);
    fixture.commit(vec![Edit::DropTable { table }]).unwrap();
    let steps = fixture.catalog.history(table).unwrap();
    let told: Vec<_> = steps.iter().map(|s| (s.operation, s.rows, s.segments, s.schema_version)).collect();
    assert_eq!(
        told,
        [
            (Operation::Create, 0, 0, 1),
            (Operation::Append, 10, 1, 1),
            (Operation::Delete, 9, 1, 1),
            (Operation::Update, 9, 2, 1),
            (Operation::Alter, 9, 2, 2),
            (Operation::Compact, 9, 2, 2),
            (Operation::Drop, 9, 2, 2),
        ]
    );
    assert!(steps.is_sorted_by_key(|step| (step.version, step.at)));
}

#[test]
fn a_time_names_the_newest_commit_made_by_then() {
    let fixture = Fixture::new();
    let commit = |at: i64| {
        let edits = vec![Edit::PutSetting { name: "s".into(), value: at.to_string() }];
        let changes = Changes { edits, at: Timestamp(at), ..Changes::default() };
        fixture.catalog.commit_blocking(changes).unwrap().version
    };
    let first = fixture.catalog.snapshot().version();
    // The clock goes back once; the commit counts as made when the one before it was.
    let versions: Vec<Version> = [2_000, 3_000, 2_500, 4_000].map(commit).into();
    let at = |at: i64| fixture.catalog.version_at(Timestamp(at)).unwrap();
    assert_eq!(at(999), Version(0));
    assert_eq!(at(1_000), first);
    assert_eq!(at(2_999), versions[0]);
    assert_eq!(at(3_000), versions[2]);
    assert_eq!(at(3_999), versions[2]);
    assert_eq!(at(i64::MAX), versions[3]);
}
