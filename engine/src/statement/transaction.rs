//! SQL transactions: one snapshot for all their reads, their own writes on top of it, and one commit for everything.
//!
//! Written rows are durable but unpublished segments; the transaction lives in memory and dies with the process (the
//! segments are then orphans that garbage collection removes). At COMMIT the preconditions of all staged writes are
//! checked by the catalogue: when another commit touched the same segments (or, for tables with a unique key, the same
//! table) nothing is applied.

use super::{Outcome, once};
use crate::{
    Error, Principal, Result, Session, TransactionId, TransactionState,
    parts::Parts,
    plan::StatementContext,
    sql::Statement,
    write::{Staged, discard, publish, replaced_rows},
};
use basalt_meta::{Edit, EntityKind, Precondition, SegmentId, Snapshot, TableId, TableSnapshot};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Open transactions by id.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: Mutex<HashMap<TransactionId, Arc<Transaction>>>,
}

/// One open transaction: its snapshot and its staged writes.
#[derive(Debug)]
pub(crate) struct Transaction {
    id: TransactionId,
    principal: Principal,
    /// Client session it was begun in; empty when the client has none.
    session_id: String,
    snapshot: Snapshot,
    idle_max: Duration,
    work: Mutex<Work>,
    /// Statements that write take their turn, so that each sees the writes of the one before.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Work {
    /// In the order of the statements.
    staged: Vec<Staged>,
    /// The same writes as reads see them.
    edits: Vec<Edit>,
    last_used: Instant,
    ended: bool,
}

impl Transactions {
    /// The open transaction of a session; `None` in autocommit mode, and when it is gone.
    pub fn of(&self, session: &Session) -> Option<Arc<Transaction>> {
        let TransactionState::Active(id) = session.transaction else {
            return None;
        };
        let found = self.open.lock().get(&id).cloned()?;
        let mut work = found.work.lock();
        if found.principal != session.principal || work.ended || work.last_used.elapsed() > found.idle_max {
            return None;
        }
        work.last_used = Instant::now();
        drop(work);
        Some(found)
    }

    fn take(&self, id: TransactionId, principal: &Principal) -> Option<Arc<Transaction>> {
        let mut open = self.open.lock();
        if open.get(&id)?.principal != *principal {
            return None;
        }
        open.remove(&id)
    }

    fn take_of_session(&self, principal: &Principal, session_id: &str) -> Vec<Arc<Transaction>> {
        let mut open = self.open.lock();
        let of_session = |t: &&Arc<Transaction>| t.principal == *principal && t.session_id == session_id;
        let ids: Vec<TransactionId> = open.values().filter(of_session).map(|t| t.id).collect();
        ids.iter().filter_map(|id| open.remove(id)).collect()
    }

    fn take_idle(&self) -> Vec<Arc<Transaction>> {
        let mut open = self.open.lock();
        let is_idle = |t: &Transaction| t.work.lock().last_used.elapsed() > t.idle_max && t.turn.try_lock().is_ok();
        let idle: Vec<TransactionId> = open.values().filter(|t| is_idle(t)).map(|t| t.id).collect();
        idle.iter().filter_map(|id| open.remove(id)).collect()
    }
}

impl Transaction {
    /// What all its statements read.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// `table` with this transaction's writes on top.
    pub fn overlay(&self, table: &TableSnapshot) -> Result<TableSnapshot> {
        let work = self.work.lock();
        if work.edits.is_empty() { Ok(table.clone()) } else { Ok(table.overlay(&work.edits)?) }
    }

    /// Whether a statement of this transaction has put this entity.
    pub fn has_put(&self, kind: EntityKind, name: &str) -> bool {
        let put = |e: &Edit| matches!(e, Edit::PutEntity(entity) if entity.kind == kind && entity.name == name);
        self.work.lock().edits.iter().any(put)
    }

    /// Waits until no other statement of this transaction writes.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Segments this transaction has written itself.
    pub fn own_segments(&self) -> HashSet<SegmentId> {
        let work = self.work.lock();
        work.staged.iter().flat_map(|s| s.written.segments.iter().map(|(segment, _)| segment.id)).collect()
    }

    /// Adds a statement's writes; gives them back when the transaction has ended meanwhile. `replaced` are the rows that
    /// they replace by key, as this transaction sees them.
    fn stage(&self, staged: Staged, replaced: Vec<Edit>) -> Option<Staged> {
        let mut work = self.work.lock();
        if work.ended {
            return Some(staged);
        }
        work.edits.extend(staged.edits.iter().cloned());
        work.edits.extend(staged.written.edit(staged.table_id(), staged.operation));
        work.edits.extend(replaced);
        work.staged.push(staged);
        work.last_used = Instant::now();
        None
    }

    fn end(&self) -> Vec<Staged> {
        let mut work = self.work.lock();
        work.ended = true;
        work.edits.clear();
        mem::take(&mut work.staged)
    }
}

/// Publishes a statement's writes: at once, or into the open transaction.
pub(super) async fn keep(context: &StatementContext, staged: Staged) -> Result<()> {
    keep_all(context, vec![staged]).await
}

/// [`keep`] for writes of several tables, or several of one.
pub(super) async fn keep_all(context: &StatementContext, staged: Vec<Staged>) -> Result<()> {
    let Some(transaction) = &context.transaction else {
        let (mut extra, mut preconditions) = (Vec::new(), Vec::new());
        if let Some(label) = once::label(context)? {
            let rows = staged.iter().map(|s| s.written.rows).sum();
            let (edit, precondition) = once::finish(context, label, rows)?;
            extra.push(edit);
            preconditions.push(precondition);
        }
        publish(&context.parts, staged, extra, preconditions).await?;
        return Ok(());
    };
    for staged in staged {
        keep_in(context, transaction, staged).await?;
    }
    Ok(())
}

async fn keep_in(context: &StatementContext, transaction: &Arc<Transaction>, mut staged: Staged) -> Result<()> {
    let mut replaced = Vec::new();
    if staged.is_unique() && !staged.written.segments.is_empty() {
        let since = transaction.snapshot.version();
        staged.preconditions.push(Precondition::TableUnchanged { table: staged.table_id(), since });
        let view = seen_after(transaction, &staged)?;
        replaced = replaced_rows(&context.parts, &view, &staged.written).await?;
    }
    match transaction.stage(staged, replaced) {
        None => Ok(()),
        Some(staged) => {
            discard(&context.parts, [staged.written]).await;
            Err(Error::TransactionGone { id: transaction.id.0 })
        }
    }
}

/// The table as the transaction sees it, with the deletions of `staged` but not its rows.
fn seen_after(transaction: &Transaction, staged: &Staged) -> Result<TableSnapshot> {
    let id: TableId = staged.table_id();
    let base = transaction.snapshot.table_by_id(id);
    let base = base.ok_or_else(|| Error::Conflict { message: format!("table {id} was dropped") })?;
    Ok(transaction.overlay(&base)?.overlay(&staged.edits)?)
}

/// Whether a statement may run in the state the session's transaction is in.
pub(crate) fn admit(context: &mut StatementContext, statement: &Statement) -> Result<()> {
    let ends = matches!(statement, Statement::Commit | Statement::Rollback);
    match context.session.transaction {
        TransactionState::AutoCommit => Ok(()),
        TransactionState::Failed(_) if ends => Ok(()),
        TransactionState::Failed(_) => Err(Error::TransactionFailed),
        TransactionState::Active(_) if ends || context.transaction.is_some() => Ok(()),
        TransactionState::Active(id) => {
            context.session.transaction = TransactionState::Failed(id);
            Err(Error::TransactionGone { id: id.0 })
        }
    }
}

pub(super) fn begin(context: &mut StatementContext) -> Result<Outcome> {
    if context.transaction.is_some() {
        // As in the systems whose clients come here: BEGIN inside a transaction changes nothing.
        return Ok(Outcome::Done);
    }
    let id = TransactionId(context.parts.catalog.next_id());
    let transaction = Arc::new(Transaction {
        id,
        principal: context.session.principal.clone(),
        session_id: context.session.id.clone(),
        snapshot: context.parts.catalog.snapshot(),
        idle_max: context.settings.transaction_idle_max.min(context.parts.settings.transaction_idle_max),
        work: Mutex::new(Work { staged: Vec::new(), edits: Vec::new(), last_used: Instant::now(), ended: false }),
        turn: tokio::sync::Mutex::new(()),
    });
    context.parts.transactions.open.lock().insert(id, Arc::clone(&transaction));
    context.session.transaction = TransactionState::Active(id);
    context.transaction = Some(transaction);
    Ok(Outcome::Done)
}

/// Applies everything, or nothing and says why. A failed transaction is rolled back.
pub(super) async fn commit(context: &mut StatementContext) -> Result<Outcome> {
    let state = mem::replace(&mut context.session.transaction, TransactionState::AutoCommit);
    context.transaction = None;
    let TransactionState::Active(id) = state else {
        return rollback_state(context, state).await;
    };
    let taken = context.parts.transactions.take(id, &context.session.principal);
    let transaction = taken.ok_or(Error::TransactionGone { id: id.0 })?;
    let _turn = transaction.turn().await;
    let staged = transaction.end();
    publish(&context.parts, staged, Vec::new(), Vec::new()).await?;
    Ok(Outcome::Done)
}

pub(super) async fn rollback(context: &mut StatementContext) -> Result<Outcome> {
    let state = mem::replace(&mut context.session.transaction, TransactionState::AutoCommit);
    context.transaction = None;
    rollback_state(context, state).await
}

async fn rollback_state(context: &StatementContext, state: TransactionState) -> Result<Outcome> {
    if let TransactionState::Active(id) | TransactionState::Failed(id) = state {
        roll_back(&context.parts, &context.session.principal, id).await;
    }
    Ok(Outcome::Done)
}

/// After an error: nothing of the transaction will be published, and only COMMIT and ROLLBACK are accepted.
pub(crate) async fn fail(context: &mut StatementContext) {
    if let TransactionState::Active(id) = context.session.transaction {
        context.session.transaction = TransactionState::Failed(id);
        context.transaction = None;
        roll_back(&context.parts, &context.session.principal, id).await;
    }
}

/// Ends a transaction without a trace. One that is gone already is fine.
pub(crate) async fn roll_back(parts: &Arc<Parts>, principal: &Principal, id: TransactionId) {
    if let Some(transaction) = parts.transactions.take(id, principal) {
        discard(parts, transaction.end().into_iter().map(|s| s.written)).await;
    }
}

/// Ends the open transactions of a client session.
pub(crate) async fn roll_back_session(parts: &Arc<Parts>, principal: &Principal, session_id: &str) {
    for transaction in parts.transactions.take_of_session(principal, session_id) {
        discard(parts, transaction.end().into_iter().map(|s| s.written)).await;
    }
}

/// Rolls back transactions that nobody used for longer than they may be idle.
pub(crate) async fn roll_back_idle(parts: Arc<Parts>) -> Result<()> {
    for transaction in parts.transactions.take_idle() {
        tracing::info!(transaction = transaction.id.0, "idle transaction rolled back");
        discard(&parts, transaction.end().into_iter().map(|s| s.written)).await;
    }
    crate::session::temporary::end_silent(&parts).await
}
