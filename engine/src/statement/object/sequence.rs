//! Sequences: numbers that are given out once. A sequence's record says which number comes next; taking some moves it
//! on durably before any of them is seen, so a crash may leave gaps and never repeats.

use super::{super::Outcome, put};
use crate::{Error, Result, parts::Parts, plan::StatementContext, sql::CreateMode};
use basalt_meta::{Changes, Edit, Entity, EntityKind, Error as MetaError, Precondition};
use datafusion::sql::sqlparser::ast::Ident;
use serde::{Deserialize, Serialize};

/// How often taking numbers is tried when others take some at the same time.
const ATTEMPTS_MAX: usize = 100;

/// A sequence as the catalogue keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SequenceBody {
    pub start: u64,
    pub increment: u64,
    /// The number that comes next.
    pub next: u64,
    #[serde(default)]
    pub comment: String,
}

impl SequenceBody {
    pub fn of(entity: &Entity) -> Result<Self> {
        serde_json::from_slice(&entity.body)
            .map_err(|source| Error::internal(format!("sequence `{}` cannot be read", entity.name), source))
    }
}

pub(super) async fn create(
    context: &mut StatementContext,
    name: &Ident,
    create: CreateMode,
    start: i64,
    increment: i64,
    comment: String,
) -> Result<Outcome> {
    let name = super::super::database::new_name(name)?;
    let invalid = |what: &str, value: i64| Error::InvalidArgument {
        message: format!("{what} of sequence `{name}` must be positive, not {value}"),
    };
    let start = u64::try_from(start).map_err(|_| invalid("START", start))?;
    let step = u64::try_from(increment).ok().filter(|step| *step > 0);
    let increment = step.ok_or_else(|| invalid("INCREMENT", increment))?;
    let body = SequenceBody { start, increment, next: start, comment };
    put(context, EntityKind::Sequence, name, create, &body).await
}

/// The edit that makes a sequence for an AUTOINCREMENT column.
pub(crate) fn new_sequence(context: &StatementContext, name: &str, start: i64, step: i64) -> Result<Edit> {
    let invalid = || Error::InvalidArgument {
        message: format!("AUTOINCREMENT needs a start of 0 or more and a step of 1 or more, not ({start}, {step})"),
    };
    let start = u64::try_from(start).map_err(|_| invalid())?;
    let increment = u64::try_from(step).ok().filter(|step| *step > 0).ok_or_else(invalid)?;
    let body = SequenceBody { start, increment, next: start, comment: String::new() };
    let now = context.parts.catalog.clock().now();
    Ok(Edit::PutEntity(Entity {
        kind: EntityKind::Sequence,
        name: name.to_owned(),
        id: context.parts.catalog.next_id(),
        created: now,
        updated: now,
        changed_at: Default::default(),
        body: super::encode(&body)?,
    }))
}

pub(super) fn describe(context: &StatementContext, name: &Ident) -> Result<Outcome> {
    let name = crate::sql::ident_name(name);
    let entity = context.snapshot.entity(EntityKind::Sequence, &name);
    let entity = entity.ok_or(Error::UnknownEntity { kind: EntityKind::Sequence, name })?;
    crate::system::sequence_rows([&*entity].into_iter()).map(Outcome::batch)
}

/// The next `count` numbers of a sequence. Blocks until they are durably taken.
pub(crate) fn take_numbers(parts: &Parts, name: &str, count: u64) -> Result<Vec<u64>> {
    let kind = EntityKind::Sequence;
    if count == 0 {
        return Ok(Vec::new());
    }
    for _ in 0..ATTEMPTS_MAX {
        let found = parts.catalog.snapshot().entity(kind, name);
        let entity = found.ok_or_else(|| Error::UnknownEntity { kind, name: name.to_owned() })?;
        let body = SequenceBody::of(&entity)?;
        let exhausted = || Error::Evaluation { message: format!("sequence `{name}` has no more numbers") };
        let span = body.increment.checked_mul(count).ok_or_else(exhausted)?;
        let next = body.next.checked_add(span).ok_or_else(exhausted)?;
        let now = parts.catalog.clock().now();
        let record = super::encode(&SequenceBody { next, ..body.clone() })?;
        let changed = Entity { updated: now, body: record, ..Entity::clone(&entity) };
        let unchanged = Precondition::EntityUnchanged { kind, name: name.to_owned(), since: entity.changed_at };
        let changes = Changes { preconditions: vec![unchanged], edits: vec![Edit::PutEntity(changed)], at: now };
        match parts.catalog.commit_blocking(changes) {
            Ok(_) => return Ok((0..count).map(|n| body.next + n * body.increment).collect()),
            Err(MetaError::EntityChanged { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Error::Conflict { message: format!("sequence `{name}` is used by too many statements at once") })
}
