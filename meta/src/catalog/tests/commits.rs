//! Commits: all or nothing, one after the other, refused when what they rely on has changed.

use super::*;
use std::thread;

fn conflict(result: Result<Version>) -> &'static str {
    match result {
        Err(Error::Conflict { reason, .. }) => reason,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn is_invalid(result: Result<Version>) -> bool {
    matches!(result, Err(Error::Invalid { .. }))
}

#[test]
fn a_refused_change_leaves_nothing_behind_and_does_not_disturb_its_group() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let before = fixture.catalog.snapshot().version();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let changes = |i: u64| {
        let mut edits = vec![add(table, Operation::Append, vec![object(10)])];
        edits.push(Edit::PutSetting { name: format!("s{i}"), value: "x".into() });
        if i.is_multiple_of(3) {
            edits.push(remove(table, Operation::Truncate, &[SegmentId(999)]));
        }
        Changes { edits, at: Timestamp(1), ..Changes::default() }
    };
    // On one thread all of them are queued before the first answer is looked at, so they share groups.
    let results = runtime.block_on(async {
        let spawn = |i| {
            let (catalog, changes) = (fixture.catalog.clone(), changes(i));
            tokio::spawn(async move { catalog.commit(changes).await })
        };
        let tasks: Vec<_> = (0..60).map(spawn).collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    });
    let versions: Vec<u64> = results.iter().flatten().map(|committed| committed.version.0).collect();
    assert_eq!(versions, (before.0 + 1..=before.0 + 40).collect::<Vec<_>>());
    assert!(results.iter().step_by(3).all(|result| matches!(result, Err(Error::Conflict { .. }))));
    let check = |fixture: &Fixture| {
        assert_eq!(fixture.table(table).segments(), 40);
        assert_eq!(fixture.catalog.snapshot().settings().len(), 40);
    };
    check(&fixture);
    check(&fixture.reopen(End::Sudden));
}

#[test]
fn concurrent_commits_are_all_there_each_with_its_own_number() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let before = fixture.catalog.snapshot().version().0;
    let versions: BTreeSet<u64> = thread::scope(|scope| {
        let commit = || {
            let commits =
                (0..50).map(|_| fixture.commit(vec![add(table, Operation::Append, vec![object(1)])]).unwrap().0);
            commits.collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(commit)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(versions, (before + 1..=before + 800).collect());
    assert_eq!(fixture.table(table).rows(), 800);
    assert_eq!(fixture.reopen(End::Sudden).table(table).rows(), 800);
}

#[test]
fn of_many_loads_with_one_label_exactly_one_wins() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let load = |load_id: u64| {
        let edits = vec![
            add(table, Operation::Append, vec![object(10)]),
            Edit::FinishLabel(finished("once", load_id, Timestamp(7))),
        ];
        fixture.commit(edits)
    };
    let results: Vec<Result<Version>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|i| scope.spawn(move || load(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<usize> = (0..32).filter(|&i| results[i].is_ok()).collect();
    assert_eq!(won.len(), 1);
    let version = *results[won[0]].as_ref().unwrap();
    for result in results.iter().filter_map(|result| result.as_ref().err()) {
        let Error::LabelUsed { record } = result else { panic!("{result:?}") };
        assert_eq!((record.load_id, record.version), (won[0] as u64, version));
    }
    assert_eq!(fixture.table(table).rows(), 10);
    let stored = fixture.catalog.label(&label("once")).unwrap().unwrap();
    assert_eq!((stored.load_id, stored.version), (won[0] as u64, version));
}

#[test]
fn labels_are_listed_by_age_and_free_once_forgotten() {
    let fixture = Fixture::new();
    for (name, at) in [("c", 30), ("a", 10), ("b", 20)] {
        fixture.commit(vec![Edit::FinishLabel(finished(name, 1, Timestamp(at)))]).unwrap();
    }
    let before = |at, limit| fixture.catalog.labels_before(Timestamp(at), limit).unwrap();
    assert_eq!(before(30, 9), [label("a"), label("b")]);
    assert_eq!(before(31, 1), [label("a")]);
    let absent = |name| Precondition::LabelAbsent { label: label(name) };
    assert!(matches!(fixture.commit_if(vec![absent("a")], vec![]), Err(Error::LabelUsed { .. })));
    fixture.commit(vec![Edit::ForgetLabels { labels: vec![label("a")] }]).unwrap();
    assert_eq!(before(99, 9), [label("b"), label("c")]);
    fixture.commit_if(vec![absent("a")], vec![Edit::FinishLabel(finished("a", 2, Timestamp(40)))]).unwrap();
    // Within one change, and within one group, a label counts from the moment it is finished.
    let twice =
        vec![Edit::FinishLabel(finished("x", 1, Timestamp(1))), Edit::FinishLabel(finished("x", 2, Timestamp(1)))];
    assert!(matches!(fixture.commit(twice), Err(Error::LabelUsed { .. })));
    assert!(fixture.catalog.label(&label("x")).unwrap().is_none());
}

/// What happened since the base, against what a writer relies on (the matrix of the reliability page).
#[test]
fn writers_are_refused_exactly_when_what_they_rely_on_changed() {
    type Event = fn(&Fixture, TableId, SegmentId);
    let events: [(&str, Event); 9] = [
        ("append", |f, t, _| {
            f.append(t);
        }),
        ("delete", |f, t, s| {
            f.commit(vec![delete_rows(t, s, &[1])]).unwrap();
        }),
        ("compact", |f, t, s| {
            let edits = vec![remove(t, Operation::Compact, &[s]), add(t, Operation::Compact, vec![object(10)])];
            f.commit(edits).unwrap();
        }),
        ("fold elsewhere", |f, t, _| {
            let edits = vec![add(t, Operation::Fold, vec![object(10)])];
            f.commit(edits).unwrap();
        }),
        ("truncate", |f, t, s| {
            f.commit(vec![remove(t, Operation::Truncate, &[s])]).unwrap();
        }),
        ("add column", |f, t, _| {
            let table = f.altered(t, |table| table.columns.push(column(3, "c")));
            f.commit(vec![Edit::AlterTable { table, breaking: false }]).unwrap();
        }),
        ("drop column", |f, t, _| {
            let table = f.altered(t, |table| drop(table.columns.pop()));
            f.commit(vec![Edit::AlterTable { table, breaking: true }]).unwrap();
        }),
        ("drop table", |f, t, _| {
            f.commit(vec![Edit::DropTable { table: t }]).unwrap();
        }),
        ("nothing", |_, _, _| {}),
    ];
    // Which of appendable, schema, unchanged, segments-unchanged still hold afterwards.
    let expected = [
        ("append", [true, true, false, true]),
        ("delete", [true, true, false, false]),
        ("compact", [true, true, true, false]),
        ("fold elsewhere", [true, true, true, true]),
        ("truncate", [true, true, false, false]),
        ("add column", [true, false, true, true]),
        ("drop column", [false, false, false, true]),
        ("drop table", [false, false, false, false]),
        ("nothing", [true, true, true, true]),
    ];
    for ((name, event), (same_name, holds)) in events.into_iter().zip(expected) {
        assert_eq!(name, same_name);
        let fixture = Fixture::new();
        let table = fixture.create_table("t");
        let segment = fixture.append(table);
        let since = fixture.catalog.snapshot().version();
        event(&fixture, table, segment);
        let preconditions = [
            Precondition::TableAppendable { table, schema_version: 1 },
            Precondition::TableSchema { table, schema_version: 1 },
            Precondition::TableUnchanged { table, since },
            Precondition::SegmentsUnchanged { table, segments: vec![segment], since },
        ];
        for (precondition, holds) in preconditions.into_iter().zip(holds) {
            let text = format!("{name}: {precondition:?}");
            let edit = Edit::PutSetting { name: "s".into(), value: "v".into() };
            match fixture.commit_if(vec![precondition], vec![edit]) {
                Ok(_) => assert!(holds, "{text}"),
                Err(Error::Conflict { .. }) => assert!(!holds && name != "drop table", "{text}"),
                Err(Error::NoTable { .. }) => assert!(!holds && name == "drop table", "{text}"),
                Err(other) => panic!("{text}: {other}"),
            }
        }
    }
}

#[test]
fn an_old_append_goes_through_after_a_column_was_added_and_is_not_lent_to_a_namesake() {
    let fixture = Fixture::new();
    let old = fixture.create_table("t");
    fixture.commit(vec![Edit::DropTable { table: old }]).unwrap();
    let new = fixture.create_table("t");
    let result = fixture.commit(vec![add(old, Operation::Append, vec![object(1)])]);
    assert!(matches!(result, Err(Error::NoTable { id }) if id == old));
    assert_eq!(fixture.table(new).rows(), 0);
}

#[test]
fn edits_that_make_no_sense_are_refused() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    let (_, inline) = add_inline(table, 1, b"abc");
    let Edit::AddSegments { segments: inline_segments, .. } = inline.clone() else { unreachable!() };
    let again = Segment { id: segment, ..object(10) };
    let removed = Segment { removed_at: Some(Version(1)), ..object(10) };
    let ahead = Segment { schema_version: 2, ..object(10) };
    let without_bytes =
        Edit::AddSegments { table, operation: Operation::Append, segments: inline_segments, inline: vec![] };
    for edit in [
        add(table, Operation::Append, vec![again]),
        add(table, Operation::Append, vec![removed]),
        add(table, Operation::Append, vec![ahead]),
        without_bytes,
        delete_rows(table, segment, &[10]),
        Edit::UndropTable { table },
        Edit::PurgeTables { tables: vec![table] },
        Edit::ForgetSegments { table, segments: vec![segment], floor: Version(1) },
        Edit::ForgetSegments { table, segments: vec![], floor: Version(1_000) },
        Edit::CreateTable(fixture.altered(table, |table| table.name = "other".into())),
    ] {
        let text = format!("{edit:?}");
        assert!(is_invalid(fixture.commit(vec![edit])), "{text}");
    }
    let stale = Table::clone(fixture.table(table).table());
    assert_eq!(
        conflict(fixture.commit(vec![Edit::AlterTable { table: stale, breaking: false }])),
        "it was altered by another commit"
    );
    fixture.commit(vec![delete_rows(table, segment, &[1, 2])]).unwrap();
    conflict(fixture.commit(vec![delete_rows(table, segment, &[1, 3])]));
    fixture.commit(vec![remove(table, Operation::Truncate, &[segment])]).unwrap();
    conflict(fixture.commit(vec![remove(table, Operation::Truncate, &[segment])]));
    conflict(fixture.commit(vec![delete_rows(table, segment, &[1, 2, 3])]));
    let reused = Segment { id: segment, ..object(10) };
    assert!(is_invalid(fixture.commit(vec![add(table, Operation::Append, vec![reused])])));
}

#[test]
fn names_are_unique_among_the_living_and_dropped_ones_come_back() {
    let fixture = Fixture::new();
    let database = fixture.default_database();
    let first = fixture.create_table("t");
    let segment = fixture.append(first);
    let taken = fixture.commit(vec![Edit::CreateTable(fixture.new_table(database, "t"))]);
    assert!(matches!(taken, Err(Error::TableExists { name }) if name == "t"));
    fixture.commit(vec![Edit::DropTable { table: first }]).unwrap();
    let second = fixture.create_table("t");
    let blocked = fixture.commit(vec![Edit::UndropTable { table: first }]);
    assert!(matches!(blocked, Err(Error::TableExists { .. })));
    let renamed = fixture.altered(second, |table| table.name = "u".into());
    fixture.commit(vec![Edit::AlterTable { table: renamed, breaking: false }]).unwrap();
    fixture.commit(vec![Edit::UndropTable { table: first }]).unwrap();
    let fixture = fixture.reopen(End::Sudden);
    let snapshot = fixture.catalog.snapshot();
    let names: Vec<String> = snapshot.tables(database).iter().map(|table| table.table().name.clone()).collect();
    assert_eq!(names, ["t", "u"]);
    assert_eq!(contents(&snapshot.table(database, "t").unwrap()).keys().collect::<Vec<_>>(), [&segment]);
}

#[test]
fn a_dropped_database_comes_back_with_the_tables_it_had_then() {
    let fixture = Fixture::new();
    let database = fixture.default_database();
    let dropped_before = fixture.create_table("before");
    fixture.commit(vec![Edit::DropTable { table: dropped_before }]).unwrap();
    let kept = fixture.create_table("kept");
    fixture.append(kept);
    fixture.commit(vec![Edit::DropDatabase { database }]).unwrap();
    let snapshot = fixture.catalog.snapshot();
    assert!(snapshot.database("default").is_none() && snapshot.table_by_id(kept).is_none());
    assert_eq!(snapshot.dropped_databases()[0].id, database);
    let dropped: Vec<TableId> = snapshot.dropped_tables(database).iter().map(|table| table.id).collect();
    assert_eq!(dropped, [kept, dropped_before]);
    let undrop = fixture.commit(vec![Edit::UndropTable { table: kept }]);
    assert!(matches!(undrop, Err(Error::NoDatabase { .. })));
    let namesake = Database {
        id: DatabaseId(fixture.catalog.next_id()),
        name: "default".into(),
        comment: String::new(),
        created_at: Timestamp(0),
        dropped: None,
    };
    let namesake_id = namesake.id;
    fixture.commit(vec![Edit::CreateDatabase(namesake)]).unwrap();
    let undrop = fixture.commit(vec![Edit::UndropDatabase { database }]);
    assert!(matches!(undrop, Err(Error::DatabaseExists { .. })));
    fixture.commit(vec![Edit::DropDatabase { database: namesake_id }]).unwrap();
    fixture.commit(vec![Edit::UndropDatabase { database }]).unwrap();
    let fixture = fixture.reopen(End::Clean);
    let names: Vec<String> =
        fixture.catalog.snapshot().tables(database).iter().map(|table| table.table().name.clone()).collect();
    assert_eq!(names, ["kept"]);
    assert_eq!(fixture.table(kept).rows(), 10);
}

#[test]
fn garbage_waits_for_readers_and_then_leaves_no_trace() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let object_segment = fixture.append(table);
    let (inline, edit) = add_inline(table, 3, b"rows");
    fixture.commit(vec![edit, delete_rows(table, object_segment, &[1])]).unwrap();
    let path = format!("data/1/00/{object_segment}.seg");
    let reader = fixture.catalog.snapshot();
    let removed_at = fixture.commit(vec![remove(table, Operation::Compact, &[object_segment, inline])]).unwrap();
    let catalog = &fixture.catalog;
    assert_eq!(catalog.min_pinned(), reader.version());
    assert!(catalog.garbage(removed_at, 9).is_err());
    assert!(catalog.garbage(reader.version(), 9).unwrap().is_empty());
    let forget =
        |segments: &[SegmentId]| Edit::ForgetSegments { table, segments: segments.to_vec(), floor: Version(0) };
    assert!(is_invalid(fixture.commit(vec![forget(&[inline])])));
    drop(reader);
    assert_eq!(catalog.min_pinned(), removed_at);
    assert_eq!(catalog.garbage(removed_at, 1).unwrap().len(), 1);
    let found: BTreeSet<SegmentId> = catalog.garbage(removed_at, 9).unwrap().iter().map(|(_, s)| s.id).collect();
    assert_eq!(found, BTreeSet::from([object_segment, inline]));
    assert!(catalog.refers_to(&path).unwrap());
    assert_eq!(catalog.inline_rows(table, inline).unwrap(), Bytes::from_static(b"rows"));
    assert_eq!(catalog.segment_detail(table, object_segment).unwrap(), detail());
    fixture.commit(vec![forget(&[object_segment, inline])]).unwrap();
    assert!(catalog.garbage(removed_at, 9).unwrap().is_empty());
    assert!(!catalog.refers_to(&path).unwrap());
    assert!(matches!(catalog.inline_rows(table, inline), Err(Error::NoSegment { .. })));
    assert!(matches!(catalog.segment_detail(table, object_segment), Err(Error::NoSegment { .. })));
    let gone = fixture.table(table).at(Version(removed_at.0 - 1)).unwrap_err();
    assert!(matches!(gone, Error::HistoryGone { oldest, .. } if oldest == removed_at));
}

#[test]
fn a_purged_table_leaves_its_segments_to_the_garbage_queue() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let segment = fixture.append(table);
    fixture.commit(vec![Edit::DropTable { table }]).unwrap();
    let purged = fixture.commit(vec![Edit::PurgeTables { tables: vec![table] }]).unwrap();
    assert!(fixture.catalog.snapshot().dropped_tables(fixture.default_database()).is_empty());
    assert!(fixture.catalog.history(table).unwrap().is_empty());
    let fixture = fixture.reopen(End::Sudden);
    let garbage = fixture.catalog.garbage(purged, 9).unwrap();
    assert_eq!(garbage.iter().map(|(t, s)| (*t, s.id)).collect::<Vec<_>>(), [(table, segment)]);
    let forget = Edit::ForgetSegments { table, segments: vec![segment], floor: Version(0) };
    fixture.commit(vec![forget]).unwrap();
    assert!(fixture.catalog.garbage(purged, 9).unwrap().is_empty());
}

#[test]
fn an_overlay_shows_a_transaction_its_own_writes_only() {
    let fixture = Fixture::new();
    let table = fixture.create_table("t");
    let (kept, removed) = (fixture.append(table), fixture.append(table));
    let base = fixture.table(table);
    let added = object(5);
    let added_id = added.id;
    let edits = [
        add(table, Operation::Append, vec![added]),
        remove(table, Operation::Delete, &[removed]),
        delete_rows(table, kept, &[4]),
        add(TableId(999), Operation::Append, vec![object(1)]),
    ];
    let overlay = base.overlay(&edits).unwrap();
    assert_eq!(contents(&overlay), BTreeMap::from([(kept, BTreeSet::from([4])), (added_id, BTreeSet::new())]));
    assert_eq!((overlay.rows(), base.rows(), fixture.table(table).rows()), (14, 20, 20));
    let wrong = base.overlay(&[remove(table, Operation::Delete, &[SegmentId(1)])]).unwrap_err();
    assert!(matches!(wrong, Error::NoSegment { .. }));
}
