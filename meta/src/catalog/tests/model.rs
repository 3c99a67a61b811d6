//! Random changes against a plain model, with reopening, pinned readers, time travel and garbage collection between.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

const SEEDS: u64 = 6;
const STEPS: usize = 250;
/// Read seeds from here instead of drawing them, to repeat a failure.
const SEED_VARIABLE: &str = "BASALT_SEED";

/// A table of the model.
#[derive(Debug, Clone, PartialEq)]
struct ModelTable {
    name: String,
    schema_version: u64,
    columns: usize,
    breaking: u64,
    dropped: bool,
    changed_at: Version,
    created: Version,
    floor: Version,
    /// Rows and deleted rows of each live segment.
    segments: BTreeMap<SegmentId, (u64, BTreeSet<u32>)>,
}

/// Everything the model knows at one version.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    tables: BTreeMap<TableId, ModelTable>,
    settings: BTreeMap<String, String>,
    /// The last writing commit of each, under kind and name.
    entities: BTreeMap<(EntityKind, String), Version>,
    labels: BTreeMap<String, u64>,
    garbage: BTreeMap<SegmentId, (TableId, Version)>,
}

struct Run {
    random: StdRng,
    fixture: Fixture,
    model: Model,
    /// The model after each version.
    past: BTreeMap<Version, Model>,
    pinned: Vec<Snapshot>,
    next_name: u64,
}

#[test]
fn random_changes_agree_with_the_model() {
    let given: Option<u64> = std::env::var(SEED_VARIABLE).ok().map(|text| text.parse().unwrap());
    let seeds: Vec<u64> = given.map_or_else(|| (0..SEEDS).map(|_| rand::rng().random()).collect(), |seed| vec![seed]);
    for seed in seeds {
        println!("{SEED_VARIABLE}={seed}");
        let mut run = Run {
            random: StdRng::seed_from_u64(seed),
            fixture: Fixture::new(),
            model: Model::default(),
            past: BTreeMap::new(),
            pinned: Vec::new(),
            next_name: 0,
        };
        for _ in 0..STEPS {
            run = run.step();
        }
        run.check_all();
    }
}

impl Run {
    fn step(mut self) -> Self {
        match self.random.random_range(0..100) {
            0..8 => self.create(),
            8..35 => self.append(),
            35..50 => self.delete(),
            50..60 => self.merge(),
            60..67 => self.alter(),
            67..72 => self.drop_or_undrop(),
            72..74 => self.purge(),
            74..77 => self.setting(),
            77..79 => self.entity(),
            79..84 => self.label(),
            84..88 => self.collect(),
            88..91 => self.refused(),
            91..94 => self.pinned.push(self.fixture.catalog.snapshot()),
            94..97 => drop((!self.pinned.is_empty()).then(|| self.pinned.remove(0))),
            _ => return self.reopen(),
        }
        self.check_head();
        self.check_one_of_the_past();
        self
    }

    fn reopen(mut self) -> Self {
        let end = if self.random.random_bool(0.5) { End::Clean } else { End::Sudden };
        self.check_pinned();
        // Pins are memory only: readers of the old process do not hold back the new one.
        self.pinned.clear();
        self.fixture = self.fixture.reopen(end);
        self.check_all();
        self
    }

    fn commit(&mut self, edits: Vec<Edit>) -> Version {
        self.fixture.commit(edits).unwrap()
    }

    fn pick(&mut self, wanted: impl Fn(&ModelTable) -> bool) -> Option<TableId> {
        let ids: Vec<TableId> = self.model.tables.iter().filter(|(_, t)| wanted(t)).map(|(id, _)| *id).collect();
        ids.choose(&mut self.random).copied()
    }

    fn change(&mut self, version: Version, change: impl FnOnce(&mut Model)) {
        change(&mut self.model);
        self.past.insert(version, self.model.clone());
    }

    fn create(&mut self) {
        self.next_name += 1;
        let name = format!("t{}", self.next_name);
        let table = self.fixture.new_table(self.fixture.default_database(), &name);
        let id = table.id;
        let version = self.commit(vec![Edit::CreateTable(table)]);
        let table = ModelTable {
            name,
            schema_version: 1,
            columns: 2,
            breaking: 1,
            dropped: false,
            changed_at: version,
            created: version,
            floor: version,
            segments: BTreeMap::new(),
        };
        self.change(version, |model| drop(model.tables.insert(id, table)));
    }

    fn append(&mut self) {
        let Some(id) = self.pick(|table| !table.dropped) else { return };
        let count = if self.random.random_bool(0.1) { 40 } else { self.random.random_range(1..4) };
        let mut edits = Vec::new();
        let mut added = Vec::new();
        for _ in 0..count {
            let rows = self.random.random_range(1..20);
            if self.random.random_bool(0.5) {
                let (segment, edit) = add_inline(id, rows, b"inline rows");
                added.push((segment, rows));
                edits.push(edit);
            } else {
                let segment = object(rows);
                added.push((segment.id, rows));
                edits.push(add(id, Operation::Append, vec![segment]));
            }
        }
        let version = self.commit(edits);
        self.change(version, |model| {
            let table = model.tables.get_mut(&id).unwrap();
            table.changed_at = version;
            table.segments.extend(added.into_iter().map(|(segment, rows)| (segment, (rows, BTreeSet::new()))));
        });
    }

    fn delete(&mut self) {
        let Some(id) = self.pick(|table| !table.dropped && !table.segments.is_empty()) else { return };
        let segments: Vec<SegmentId> = self.model.tables[&id].segments.keys().copied().collect();
        let segment = *segments.choose(&mut self.random).unwrap();
        let (rows, mut deleted) = self.model.tables[&id].segments[&segment].clone();
        deleted.insert(self.random.random_range(0..rows) as u32);
        let version = self.commit(vec![delete_rows(id, segment, &deleted.iter().copied().collect::<Vec<_>>())]);
        self.change(version, |model| {
            let table = model.tables.get_mut(&id).unwrap();
            table.changed_at = version;
            table.segments.insert(segment, (rows, deleted));
        });
    }

    fn merge(&mut self) {
        let Some(id) = self.pick(|table| !table.dropped && !table.segments.is_empty()) else { return };
        let share = self.random.random_range(0.1..1.0);
        let segments = self.model.tables[&id].segments.clone();
        let inputs: Vec<SegmentId> = segments.keys().copied().filter(|_| self.random.random_bool(share)).collect();
        let rows: u64 = inputs.iter().map(|s| segments[s].0 - segments[s].1.len() as u64).sum();
        let output = object(rows.max(1));
        let output_id = output.id;
        let operation = if self.random.random_bool(0.5) { Operation::Fold } else { Operation::Compact };
        let version = self.commit(vec![remove(id, operation, &inputs), add(id, operation, vec![output])]);
        self.change(version, |model| {
            let table = model.tables.get_mut(&id).unwrap();
            for input in inputs {
                table.segments.remove(&input);
                model.garbage.insert(input, (id, version));
            }
            table.segments.insert(output_id, (rows.max(1), BTreeSet::new()));
        });
    }

    fn alter(&mut self) {
        let Some(id) = self.pick(|table| !table.dropped) else { return };
        let breaking = self.random.random_bool(0.3) && self.model.tables[&id].columns > 1;
        self.next_name += 1;
        let name = format!("t{}", self.next_name);
        let table = self.fixture.altered(id, |table| {
            table.name.clone_from(&name);
            if breaking {
                table.columns.pop();
            } else {
                table.last_column.0 += 1;
                table.columns.push(column(table.last_column.0, "x"));
            }
        });
        let version = self.commit(vec![Edit::AlterTable { table, breaking }]);
        self.change(version, |model| {
            let table = model.tables.get_mut(&id).unwrap();
            table.name = name;
            table.schema_version += 1;
            if breaking {
                table.columns -= 1;
                table.breaking = table.schema_version;
                table.changed_at = version;
            } else {
                table.columns += 1;
            }
        });
    }

    fn drop_or_undrop(&mut self) {
        let Some(id) = self.pick(|_| true) else { return };
        let dropped = self.model.tables[&id].dropped;
        let edit = if dropped { Edit::UndropTable { table: id } } else { Edit::DropTable { table: id } };
        let version = self.commit(vec![edit]);
        self.change(version, |model| model.tables.get_mut(&id).unwrap().dropped = !dropped);
    }

    fn purge(&mut self) {
        let Some(id) = self.pick(|table| table.dropped) else { return };
        let version = self.commit(vec![Edit::PurgeTables { tables: vec![id] }]);
        self.change(version, |model| {
            let table = model.tables.remove(&id).unwrap();
            model.garbage.extend(table.segments.keys().map(|segment| (*segment, (id, version))));
        });
    }

    fn setting(&mut self) {
        let name = format!("s{}", self.random.random_range(0..5));
        if self.random.random_bool(0.3) {
            let version = self.commit(vec![Edit::DeleteSetting { name: name.clone() }]);
            self.change(version, |model| drop(model.settings.remove(&name)));
        } else {
            let value = self.random.random::<u32>().to_string();
            let version = self.commit(vec![Edit::PutSetting { name: name.clone(), value: value.clone() }]);
            self.change(version, |model| drop(model.settings.insert(name, value)));
        }
    }

    fn entity(&mut self) {
        let kind = EntityKind::ALL[self.random.random_range(0..3)];
        let name = format!("e{}", self.random.random_range(0..4));
        let known = self.model.entities.get(&(kind, name.clone())).copied();
        if self.random.random_bool(0.3) {
            match (self.fixture.commit(vec![Edit::DeleteEntity { kind, name: name.clone() }]), known) {
                (Ok(version), Some(_)) => {
                    self.change(version, |model| assert!(model.entities.remove(&(kind, name)).is_some()))
                }
                (Err(Error::NoEntity { .. }), None) => {}
                (result, known) => panic!("{result:?} for {known:?}"),
            }
            return;
        }
        let now = Timestamp(1);
        let body = self.random.random::<u64>().to_be_bytes().to_vec();
        let entity =
            Entity { kind, name: name.clone(), id: 7, created: now, updated: now, changed_at: Version(0), body };
        let since = Version(self.random.random_range(0..=known.map_or(1, |at| at.0)));
        let relied = if self.random.random_bool(0.5) {
            Precondition::EntityAbsent { kind, name: name.clone() }
        } else {
            Precondition::EntityUnchanged { kind, name: name.clone(), since }
        };
        let holds = match &relied {
            Precondition::EntityAbsent { .. } => known.is_none(),
            _ => known.is_some_and(|at| at <= since),
        };
        let changes = Changes { preconditions: vec![relied], edits: vec![Edit::PutEntity(entity)], at: now };
        match self.fixture.catalog.commit_blocking(changes).map(|done| done.version) {
            Ok(version) => {
                assert!(holds);
                self.change(version, |model| assert_eq!(model.entities.insert((kind, name), version), known));
            }
            Err(Error::EntityExists { .. } | Error::EntityChanged { .. }) => assert!(!holds),
            Err(error) => panic!("{error}"),
        }
    }

    fn label(&mut self) {
        let name = format!("l{}", self.random.random_range(0..6));
        let known = self.model.labels.get(&name).copied();
        let load_id = self.random.random();
        match self.fixture.commit(vec![Edit::FinishLabel(finished(&name, load_id, Timestamp(1)))]) {
            Ok(version) => {
                assert_eq!(known, None);
                self.change(version, |model| assert_eq!(model.labels.insert(name, load_id), None));
            }
            Err(Error::LabelUsed { record }) => {
                assert_eq!(known, Some(record.load_id));
                let version = self.commit(vec![Edit::ForgetLabels { labels: vec![label(&name)] }]);
                self.change(version, |model| assert_eq!(model.labels.remove(&name), known));
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn collect(&mut self) {
        let horizon = self.fixture.catalog.min_pinned();
        let limit = self.random.random_range(1..50);
        let mut found: BTreeMap<TableId, Vec<SegmentId>> = BTreeMap::new();
        for (table, segment) in self.fixture.catalog.garbage(horizon, limit).unwrap() {
            let removed_at = segment.removed_at.unwrap();
            assert_eq!(self.model.garbage[&segment.id], (table, removed_at));
            assert!(removed_at <= horizon);
            found.entry(table).or_default().push(segment.id);
        }
        for (table, segments) in found {
            let edit = Edit::ForgetSegments { table, segments: segments.clone(), floor: Version(0) };
            let version = self.commit(vec![edit]);
            self.change(version, |model| {
                let removed = segments.iter().map(|segment| model.garbage.remove(segment).unwrap().1);
                let floor = removed.max().unwrap();
                if let Some(table) = model.tables.get_mut(&table) {
                    table.floor = table.floor.max(floor);
                }
            });
        }
    }

    /// A change whose last edit cannot be applied changes nothing.
    fn refused(&mut self) {
        let Some(id) = self.pick(|table| !table.dropped) else { return };
        let before = self.fixture.catalog.snapshot().version();
        let edits = vec![
            add(id, Operation::Append, vec![object(3)]),
            Edit::PutSetting { name: "refused".into(), value: "x".into() },
            Edit::FinishLabel(finished("refused", 1, Timestamp(1))),
            Edit::DropTable { table: id },
            add(id, Operation::Append, vec![object(3)]),
        ];
        assert!(matches!(self.fixture.commit(edits), Err(Error::NoTable { .. })));
        assert_eq!(self.fixture.catalog.snapshot().version(), before);
        assert!(self.fixture.catalog.label(&label("refused")).unwrap().is_none());
    }

    fn check_all(&mut self) {
        self.check_head();
        self.check_pinned();
        let versions: Vec<Version> = self.past.keys().copied().collect();
        versions.into_iter().for_each(|version| self.check_past(version));
        for name in (0..6).map(|i| format!("l{i}")) {
            let found = self.fixture.catalog.label(&label(&name)).unwrap().map(|record| record.load_id);
            assert_eq!(found, self.model.labels.get(&name).copied());
        }
        let newest = self.fixture.catalog.min_pinned();
        let garbage: BTreeSet<SegmentId> =
            self.fixture.catalog.garbage(newest, usize::MAX).unwrap().iter().map(|(_, s)| s.id).collect();
        let expected = self.model.garbage.iter().filter(|(_, (_, at))| *at <= newest).map(|(segment, _)| *segment);
        assert_eq!(garbage, expected.collect());
    }

    fn check_head(&self) {
        check_snapshot(&self.fixture.catalog.snapshot(), &self.model);
    }

    fn check_pinned(&self) {
        for snapshot in &self.pinned {
            if let Some(model) = self.past.get(&snapshot.version()) {
                check_snapshot(snapshot, model);
            }
        }
    }

    fn check_one_of_the_past(&mut self) {
        let versions: Vec<Version> = self.past.keys().copied().collect();
        if let Some(version) = versions.choose(&mut self.random) {
            self.check_past(*version);
        }
    }

    /// Every table that lives now, at an older version.
    fn check_past(&self, version: Version) {
        let snapshot = self.fixture.catalog.snapshot();
        for (id, now) in self.model.tables.iter().filter(|(_, table)| !table.dropped) {
            let found = snapshot.table_by_id(*id).unwrap().at(version);
            match (found, self.past[&version].tables.get(id)) {
                (Err(Error::NotYet { .. }), None) => assert!(version < now.created),
                (Err(Error::HistoryGone { oldest, .. }), Some(_)) => {
                    assert!(version < now.floor && oldest == now.floor)
                }
                (Err(Error::NoTable { .. }), Some(then)) => assert!(then.dropped && version >= now.floor),
                (Ok(found), Some(then)) => {
                    assert!(version >= now.floor);
                    check_table(&found, then);
                }
                (found, then) => panic!("{id} at {version}: {found:?} but {then:?}"),
            }
        }
    }
}

fn check_snapshot(snapshot: &Snapshot, model: &Model) {
    let database = snapshot.database("default").unwrap().id;
    let live: Vec<(&TableId, &ModelTable)> = model.tables.iter().filter(|(_, table)| !table.dropped).collect();
    let found: BTreeSet<TableId> = snapshot.tables(database).iter().map(|table| table.table().id).collect();
    assert_eq!(found, live.iter().map(|(id, _)| **id).collect());
    for (id, table) in live {
        check_table(&snapshot.table(database, &table.name).unwrap(), table);
        assert_eq!(snapshot.table(database, &table.name).unwrap().table().id, *id);
    }
    let dropped: BTreeSet<TableId> = snapshot.dropped_tables(database).iter().map(|table| table.id).collect();
    assert_eq!(dropped, model.tables.iter().filter(|(_, table)| table.dropped).map(|(id, _)| *id).collect());
    assert_eq!(snapshot.settings().into_iter().collect::<BTreeMap<_, _>>(), model.settings);
    for kind in EntityKind::ALL {
        let found: Vec<(String, Version)> =
            snapshot.entities(kind, "e").map(|e| (e.name.clone(), e.changed_at)).collect();
        let known: Vec<_> =
            model.entities.iter().filter(|(key, _)| key.0 == kind).map(|(key, at)| (key.1.clone(), *at)).collect();
        assert_eq!(found, known);
    }
}

fn check_table(found: &TableSnapshot, model: &ModelTable) {
    let table = found.table();
    assert_eq!(
        (&table.name, table.schema_version, table.columns.len()),
        (&model.name, model.schema_version, model.columns)
    );
    assert_eq!(found.changed_at(), model.changed_at, "{}", model.name);
    let expected: BTreeMap<SegmentId, BTreeSet<u32>> =
        model.segments.iter().map(|(segment, (_, deleted))| (*segment, deleted.clone())).collect();
    assert_eq!(contents(found), expected);
}
