//! What a change relies on, checked against the state with all earlier changes applied.
//!
//! An append relies on little (the table is there and takes its rows), so it goes through whatever else happened. A
//! delete, a merge of segments and an overwrite name what they read and are told to start again when it changed.

use crate::{Error, Precondition, Result, apply::Item, model::*, state::TableState};

impl Item<'_> {
    pub(crate) fn check(&self, precondition: &Precondition) -> Result<()> {
        match precondition {
            Precondition::DatabaseNameFree { name } => self.check_database_name_free(name),
            Precondition::TableNameFree { database, name } => self.check_table_name_free(*database, name),
            Precondition::DatabaseLive { database } => self.check_database_live(*database),
            Precondition::TableSchema { table, schema_version } => {
                let state = self.live_table(*table)?;
                let same = state.table.schema_version == *schema_version;
                same.then_some(()).ok_or_else(|| conflict(state, "its columns or options were changed"))
            }
            Precondition::TableAppendable { table, schema_version } => {
                check_appendable(self.live_table(*table)?, *schema_version)
            }
            Precondition::TableUnchanged { table, since } => {
                let state = self.live_table(*table)?;
                let unchanged = state.changed_at <= *since;
                unchanged.then_some(()).ok_or_else(|| conflict(state, "rows were changed by another commit"))
            }
            Precondition::SegmentsUnchanged { table, segments, since } => {
                let state = self.live_table(*table)?;
                segments.iter().try_for_each(|segment| check_segment_unchanged(state, *segment, *since))
            }
            Precondition::LabelAbsent { label } => self.check_label_absent(label),
            Precondition::EntityAbsent { kind, name } => match self.state.entity(*kind, name) {
                Some(_) => Err(Error::EntityExists { kind: *kind, name: name.clone() }),
                None => Ok(()),
            },
            Precondition::EntityUnchanged { kind, name, since } => {
                let changed_at = self.state.entity(*kind, name).map(|entity| entity.changed_at);
                let unchanged = changed_at.is_some_and(|at| at <= *since);
                unchanged.then_some(()).ok_or_else(|| Error::EntityChanged { kind: *kind, name: name.clone() })
            }
        }
    }

    pub(crate) fn check_database_name_free(&self, name: &str) -> Result<()> {
        match self.state.database_names.get(name) {
            Some(_) => Err(Error::DatabaseExists { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    pub(crate) fn check_database_live(&self, id: DatabaseId) -> Result<()> {
        self.state.live_database(id).map(|_| ()).ok_or(Error::NoDatabase { id })
    }

    pub(crate) fn check_table_name_free(&self, database: DatabaseId, name: &str) -> Result<()> {
        let state = self.state.live_database(database).ok_or(Error::NoDatabase { id: database })?;
        match state.table_names.get(name) {
            Some(_) => Err(Error::TableExists { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    pub(crate) fn check_label_absent(&self, label: &Label) -> Result<()> {
        match self.label(label)? {
            Some(record) => Err(Error::LabelUsed { record: Box::new(record) }),
            None => Ok(()),
        }
    }
}

pub(crate) fn conflict(state: &TableState, reason: &'static str) -> Error {
    Error::Conflict { table: state.table.name.clone(), reason }
}

fn check_appendable(state: &TableState, schema_version: u64) -> Result<()> {
    if schema_version < state.breaking_version {
        return Err(conflict(state, "a column was dropped or retyped"));
    }
    if schema_version > state.table.schema_version {
        return Err(Error::Invalid {
            reason: format!(
                "rows of a schema version that does not exist: table={} version={schema_version}",
                state.table.id
            ),
        });
    }
    Ok(())
}

fn check_segment_unchanged(state: &TableState, segment: SegmentId, since: Version) -> Result<()> {
    match state.segments.find(segment) {
        None => Err(conflict(state, "a segment was removed by another commit")),
        Some((_, deleted_at)) if deleted_at > since => {
            Err(conflict(state, "rows of a segment were deleted by another commit"))
        }
        Some(_) => Ok(()),
    }
}
