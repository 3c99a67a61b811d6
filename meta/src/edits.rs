//! The edits: what each does to the state and which rows it writes. Each checks that it is applicable first; a
//! clash with another commit is a conflict (the caller may recompute), nonsense is invalid.

use crate::{
    Edit, Error, InlineRows, Result,
    apply::Item,
    keys::{Family, Key, prefix},
    model::*,
    preconditions::conflict,
    record::ObjectOwner,
    rocks::{Write, key_of},
    segments::{Entry, SegmentList},
    state::TableState,
};
use roaring::RoaringBitmap;
use std::{collections::HashMap, sync::Arc};

/// Names of databases that are computed, never stored.
const COMPUTED_DATABASES: [&str; 2] = ["system", "information_schema"];

/// Most rows of history that one change forgets; the rest waits for the next.
const PRUNE_MAX: usize = 10_000;

impl Item<'_> {
    pub(crate) fn edit(&mut self, edit: Edit) -> Result<()> {
        match edit {
            Edit::CreateDatabase(database) => self.create_database(database),
            Edit::DropDatabase { database } => self.drop_database(database),
            Edit::UndropDatabase { database } => self.undrop_database(database),
            Edit::CreateTable(table) => self.create_table(table),
            Edit::AlterTable { table, breaking } => self.alter_table(table, breaking),
            Edit::DropTable { table } => self.drop_table(table),
            Edit::UndropTable { table } => self.undrop_table(table),
            Edit::AddSegments { table, operation, segments, inline } => {
                self.add_segments(table, operation, segments, inline)
            }
            Edit::RemoveSegments { table, operation, segments } => self.remove_segments(table, operation, &segments),
            Edit::SetDeletions { table, operation, segment, rows } => {
                self.set_deletions(table, operation, segment, rows)
            }
            Edit::FinishLabel(record) => self.finish_label(record),
            Edit::PutSetting { name, value } => {
                self.put(&Key::Setting(name.clone()), &value);
                self.state.settings.insert_mut(name, value);
                Ok(())
            }
            Edit::DeleteSetting { name } => {
                self.state.settings.remove_mut(&name);
                self.delete(&Key::Setting(name));
                Ok(())
            }
            Edit::PutEntity(entity) => {
                self.put_entity(entity);
                Ok(())
            }
            Edit::DeleteEntity { kind, name } => self.delete_entity(kind, name),
            Edit::PurgeTables { tables } => tables.into_iter().try_for_each(|table| self.purge_table(table)),
            Edit::ForgetSegments { table, segments, floor } => self.forget_segments(table, &segments, floor),
            Edit::ForgetLabels { labels } => labels.into_iter().try_for_each(|label| self.forget_label(label)),
        }
    }

    fn put_entity(&mut self, entity: Entity) {
        let entity = Entity { changed_at: self.state.version, ..entity };
        self.put(&Key::Entity(entity.kind, entity.name.clone()), &entity);
        self.state.entities.insert_mut((entity.kind, entity.name.clone()), Arc::new(entity));
    }

    fn delete_entity(&mut self, kind: EntityKind, name: String) -> Result<()> {
        if !self.state.entities.remove_mut(&(kind, name.clone())) {
            return Err(Error::NoEntity { kind, name });
        }
        self.delete(&Key::Entity(kind, name));
        Ok(())
    }

    fn create_database(&mut self, database: Database) -> Result<()> {
        if COMPUTED_DATABASES.contains(&database.name.as_str()) || database.name.is_empty() {
            return invalid(format!("database name is reserved: name=`{}`", database.name));
        }
        if self.state.databases.contains_key(&database.id) || database.dropped.is_some() {
            return invalid(format!("not a new database: id={}", database.id));
        }
        self.check_database_name_free(&database.name)?;
        self.store_database(database);
        Ok(())
    }

    fn drop_database(&mut self, id: DatabaseId) -> Result<()> {
        let state = self.state.live_database(id).ok_or(Error::NoDatabase { id })?.clone();
        for table in state.table_names.values() {
            self.drop_table(*table)?;
        }
        self.store_database(Database { dropped: self.dropped_now(), ..Database::clone(&state.database) });
        Ok(())
    }

    fn undrop_database(&mut self, id: DatabaseId) -> Result<()> {
        let database = self.state.databases.get(&id).ok_or(Error::NoDatabase { id })?.database.clone();
        let Some(dropped) = database.dropped else {
            return invalid(format!("database is not dropped: id={id}"));
        };
        self.check_database_name_free(&database.name)?;
        self.store_database(Database { dropped: None, ..Database::clone(&database) });
        let with_it = |t: &&Arc<TableState>| {
            t.table.database == id && t.table.dropped.is_some_and(|d| d.version == dropped.version)
        };
        let tables: Vec<TableId> = self.state.tables.values().filter(with_it).map(|t| t.table.id).collect();
        tables.into_iter().try_for_each(|table| self.undrop_table(table))
    }

    fn store_database(&mut self, database: Database) {
        self.put(&Key::Database(database.id), &database);
        self.state.put_database(Arc::new(database));
    }

    fn dropped_now(&self) -> Option<Dropped> {
        Some(Dropped { at: self.state.at, version: self.state.version })
    }

    fn create_table(&mut self, table: Table) -> Result<()> {
        if self.state.tables.contains_key(&table.id) || table.dropped.is_some() {
            return invalid(format!("not a new table: id={}", table.id));
        }
        self.check_table_name_free(table.database, &table.name)?;
        let (id, version) = (table.id, self.state.version);
        self.state.put_table(TableState {
            breaking_version: table.schema_version,
            table: Arc::new(table),
            created: version,
            changed_at: version,
            touched_at: version,
            floor: version,
            segments: SegmentList::default(),
        });
        self.put_definition(id);
        self.touch(id, Operation::Create, true);
        Ok(())
    }

    fn alter_table(&mut self, table: Table, breaking: bool) -> Result<()> {
        let old = Arc::clone(self.live_table(table.id)?);
        if table.dropped.is_some() {
            return invalid(format!("altering does not drop: id={}", table.id));
        }
        if table.schema_version != old.table.schema_version + 1 {
            return Err(conflict(&old, "it was altered by another commit"));
        }
        if (table.database, &table.name) != (old.table.database, &old.table.name) {
            self.check_table_name_free(table.database, &table.name)?;
        }
        let breaking_version = if breaking { table.schema_version } else { old.breaking_version };
        self.replace_definition(&old, table, breaking_version);
        self.touch(old.table.id, Operation::Alter, breaking);
        Ok(())
    }

    fn drop_table(&mut self, id: TableId) -> Result<()> {
        let old = Arc::clone(self.live_table(id)?);
        let table = Table { dropped: self.dropped_now(), ..Table::clone(&old.table) };
        self.replace_definition(&old, table, old.breaking_version);
        self.touch(id, Operation::Drop, false);
        Ok(())
    }

    fn undrop_table(&mut self, id: TableId) -> Result<()> {
        let old = Arc::clone(self.state.tables.get(&id).ok_or(Error::NoTable { id })?);
        if old.table.dropped.is_none() {
            return invalid(format!("table is not dropped: id={id}"));
        }
        self.check_table_name_free(old.table.database, &old.table.name)?;
        let table = Table { dropped: None, ..Table::clone(&old.table) };
        self.replace_definition(&old, table, old.breaking_version);
        self.touch(id, Operation::Undrop, false);
        Ok(())
    }

    fn replace_definition(&mut self, old: &TableState, table: Table, breaking_version: u64) {
        let id = table.id;
        self.state.put_table(TableState { table: Arc::new(table), breaking_version, ..old.clone() });
        self.put_definition(id);
    }

    fn add_segments(
        &mut self,
        id: TableId,
        operation: Operation,
        segments: Vec<(Segment, SegmentDetail)>,
        inline: Vec<InlineRows>,
    ) -> Result<()> {
        let state = self.live_table(id)?;
        if state.table.kind != TableKind::Table {
            return invalid(format!("a view holds no rows: id={id}"));
        }
        let schema_version = state.table.schema_version;
        let mut inline: HashMap<SegmentId, InlineRows> = inline.into_iter().map(|rows| (rows.segment, rows)).collect();
        let mut entries = Vec::with_capacity(segments.len());
        for (mut segment, detail) in segments {
            if segment.removed_at.is_some() || segment.schema_version > schema_version {
                return invalid(format!("not a new segment of this table: table={id} segment={}", segment.id));
            }
            if !self.claim_segment(id, segment.id)? {
                return invalid(format!("segment id was used already: table={id} segment={}", segment.id));
            }
            segment.added_at = self.state.version;
            self.write_bytes_of(id, &segment, inline.remove(&segment.id))?;
            self.put(&Key::Segment(id, segment.id), &segment);
            if detail != SegmentDetail::default() {
                self.put(&Key::SegmentDetail(id, segment.id), &detail);
            }
            entries.push(Entry::new(Arc::new(segment)));
        }
        if let Some(rows) = inline.into_values().next() {
            return invalid(format!("inline rows of no inline segment: table={id} segment={}", rows.segment));
        }
        self.table_mut(id).segments.append(entries);
        self.touch(id, operation, changes_rows(operation));
        Ok(())
    }

    fn write_bytes_of(&mut self, table: TableId, segment: &Segment, inline: Option<InlineRows>) -> Result<()> {
        match (&segment.location, inline) {
            (Location::Object(path), None) => {
                let owner = ObjectOwner { table, segment: segment.id };
                self.put(&Key::ObjectPath(path.clone()), &owner);
                Ok(())
            }
            (Location::Inline, Some(rows)) if rows.ipc.len() as u64 == segment.bytes => {
                self.writes.push(Write::put_raw(&Key::InlineRows(table, segment.id), &rows.ipc));
                Ok(())
            }
            _ => invalid(format!("segment's location and bytes do not fit: table={table} segment={}", segment.id)),
        }
    }

    fn remove_segments(&mut self, id: TableId, operation: Operation, segments: &[SegmentId]) -> Result<()> {
        self.live_table(id)?;
        let state = self.table_mut(id);
        let Ok(removed) = state.segments.remove(segments) else {
            return Err(conflict(state, "a segment was removed by another commit"));
        };
        self.bury(id, &removed);
        self.touch(id, operation, changes_rows(operation));
        Ok(())
    }

    /// Moves segments that are no longer live to the garbage queue.
    fn bury(&mut self, table: TableId, removed: &[Entry]) {
        let version = self.state.version;
        for entry in removed {
            let segment = Segment { removed_at: Some(version), ..Segment::clone(&entry.view.segment) };
            self.delete(&Key::Segment(table, segment.id));
            self.put(&Key::Removed(table, version, segment.id), &segment);
            self.put(&Key::RemovedAt(table, segment.id), &version);
            self.put(&Key::Garbage(version, table, segment.id), &());
        }
    }

    fn set_deletions(
        &mut self,
        id: TableId,
        operation: Operation,
        segment: SegmentId,
        rows: RoaringBitmap,
    ) -> Result<()> {
        let state = self.live_table(id)?;
        let Some((view, _)) = state.segments.find(segment) else {
            return Err(conflict(state, "a segment was removed by another commit"));
        };
        if rows.max().is_some_and(|last| u64::from(last) >= view.segment.rows) {
            return invalid(format!("deleted row is not in the segment: table={id} segment={segment}"));
        }
        if view.deleted.as_ref().is_some_and(|old| !old.is_subset(&rows)) {
            return Err(conflict(state, "rows of a segment were deleted by another commit"));
        }
        let mut bytes = Vec::with_capacity(rows.serialized_size());
        rows.serialize_into(&mut bytes).expect("writing to memory does not fail");
        let version = self.state.version;
        self.writes.push(Write::put_raw(&Key::Deletions(id, segment, version), &bytes));
        self.table_mut(id).segments.set_deletions(segment, Arc::new(rows), version);
        self.touch(id, operation, changes_rows(operation));
        Ok(())
    }

    fn finish_label(&mut self, mut record: LabelRecord) -> Result<()> {
        self.check_label_absent(&record.label)?;
        record.version = self.state.version;
        self.put(&Key::Label(record.label.clone()), &record);
        self.put(&Key::LabelByTime(record.finished_at, record.label.clone()), &());
        self.set_label(record.label.clone(), Some(record));
        Ok(())
    }

    fn forget_label(&mut self, label: Label) -> Result<()> {
        let Some(record) = self.label(&label)? else { return Ok(()) };
        self.delete(&Key::LabelByTime(record.finished_at, label.clone()));
        self.delete(&Key::Label(label.clone()));
        self.set_label(label, None);
        Ok(())
    }

    fn purge_table(&mut self, id: TableId) -> Result<()> {
        let state = Arc::clone(self.state.tables.get(&id).ok_or(Error::NoTable { id })?);
        if state.table.dropped.is_none() {
            return invalid(format!("only a dropped table can be purged: id={id}"));
        }
        let segments: Vec<Entry> = state.segments.entries().collect();
        self.bury(id, &segments);
        self.delete(&Key::Table(id));
        for key in [Key::History(id, Version(0)), Key::Definition(id, Version(0))] {
            self.writes.push(Write::delete_all(key.family(), prefix::of_table(&key, id)));
        }
        self.state.tables.remove_mut(&id);
        Ok(())
    }

    fn forget_segments(&mut self, id: TableId, segments: &[SegmentId], floor: Version) -> Result<()> {
        if floor >= self.state.version {
            return invalid(format!("floor lies in the future: table={id} floor={floor}"));
        }
        let mut floor = floor;
        for &segment in segments {
            floor = floor.max(self.forget_segment(id, segment)?);
        }
        if self.state.tables.get(&id).is_some_and(|state| state.floor < floor) {
            self.table_mut(id).floor = floor;
            self.put_table_record(id);
            self.prune_history(id, floor)?;
        }
        Ok(())
    }

    /// Deletes what is stored of a removed segment; returns the version that removed it.
    fn forget_segment(&mut self, table: TableId, segment: SegmentId) -> Result<Version> {
        let Some(removed_at) = self.rocks.get::<Version>(&Key::RemovedAt(table, segment))? else {
            return invalid(format!("only a removed segment can be forgotten: table={table} segment={segment}"));
        };
        if removed_at > self.oldest_pin {
            return invalid(format!("a snapshot can still see the segment: table={table} segment={segment}"));
        }
        let removed = Key::Removed(table, removed_at, segment);
        if let Some(Segment { location: Location::Object(path), .. }) = self.rocks.get(&removed)? {
            self.delete(&Key::ObjectPath(path));
        } else {
            self.delete(&Key::InlineRows(table, segment));
        }
        self.delete(&removed);
        self.delete(&Key::RemovedAt(table, segment));
        self.delete(&Key::Garbage(removed_at, table, segment));
        self.delete(&Key::SegmentDetail(table, segment));
        let view = self.rocks.view();
        for row in view.scan_all(Family::Segments, prefix::deletions_of(table, segment)) {
            self.writes.push(Write::delete_encoded(Family::Segments, &row?.0));
        }
        Ok(removed_at)
    }

    /// Forgets history, definitions and deletion vectors that only versions below `floor` can see.
    fn prune_history(&mut self, table: TableId, floor: Version) -> Result<()> {
        let view = self.rocks.view();
        for at_floor in [Key::History(table, floor), Key::Definition(table, floor)] {
            let begin = prefix::of_table(&at_floor, table);
            let family = at_floor.family();
            let Some((keep, _)) = view.last_at_or_before(family, &begin, &at_floor.encode())? else { continue };
            for row in view.scan_all(family, begin).take(PRUNE_MAX) {
                let (key, _) = row?;
                if key >= keep {
                    break;
                }
                self.writes.push(Write::delete_encoded(family, &key));
            }
        }
        let like = Key::Deletions(table, SegmentId(0), Version(0));
        let mut before: Option<(SegmentId, Box<[u8]>)> = None;
        for row in view.scan_all(Family::Segments, prefix::of_table(&like, table)).take(PRUNE_MAX) {
            let row = row?;
            let Key::Deletions(_, segment, version) = key_of(&row)? else { continue };
            // A vector is needed while it is the newest at or before the floor.
            if let Some((_, older)) = before.take().filter(|(s, _)| *s == segment && version <= floor) {
                self.writes.push(Write::delete_encoded(Family::Segments, &older));
            }
            before = (version <= floor).then_some((segment, row.0));
        }
        Ok(())
    }
}

/// Whether an operation adds, deletes or changes rows, as opposed to storing the same rows differently.
fn changes_rows(operation: Operation) -> bool {
    !matches!(operation, Operation::Fold | Operation::Compact)
}

fn invalid<T>(reason: String) -> Result<T> {
    Err(Error::Invalid { reason })
}
