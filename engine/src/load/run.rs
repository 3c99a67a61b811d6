//! One load from its first byte to its commit.

use super::{
    ByteStream, LoadOutcome, LoadReport, LoadRequest,
    decode::{Decoded, Decoder},
    labels::{Reserved, finished_report},
    plan::LoadPlan,
    records::CHUNK_BYTES_MAX,
    rejected::Rejected,
    rules::FieldRules,
    split::{Piece, PieceReader},
};
use crate::{
    Error, Result,
    access::{Object, Privilege, missing_table},
    parts::Parts,
    plan::StatementContext,
    query::open_context,
    write::{Published, Staged, TableSink, discard, publish_labelled},
};
use basalt_meta::{Edit, Label, LabelRecord, LabelState, Operation, Precondition, TableKind, Version};
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, stream::FuturesOrdered};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const LABEL_BYTES_MAX: usize = 255;

/// Loads a stream of rows into a table, all or none, once per label. A caller that goes away before the rows are
/// published leaves nothing; once they are being published, the load ends whether anyone waits for it or not.
pub(crate) async fn run(parts: &Arc<Parts>, request: LoadRequest, body: ByteStream) -> Result<LoadReport> {
    let slot = parts.loads.admit(parts.settings.load_concurrency_max)?;
    let cancel = CancellationToken::new();
    let gone = cancel.clone().drop_guard();
    let load = Load { parts: Arc::clone(parts), request, cancel, started: Instant::now() };
    let task = async move {
        let _slot = slot;
        load.run(body).await
    };
    let outcome = parts.tasks.run_on("load", parts.runtime.cpu(), task).await?;
    gone.disarm();
    outcome
}

struct Load {
    parts: Arc<Parts>,
    request: LoadRequest,
    cancel: CancellationToken,
    started: Instant,
}

/// Rows on their way, and what was counted.
struct Progress {
    sink: Option<TableSink>,
    rows: u64,
    unselected: u64,
    rejected: Rejected,
    bytes: u64,
    read: Duration,
    write: Duration,
}

impl Load {
    async fn run(self, body: ByteStream) -> Result<LoadReport> {
        let context = open_context(&self.parts, self.request.session.clone())?;
        let name = ast::ObjectName::from(vec![quoted(&self.request.database), quoted(&self.request.table)]);
        let resolved = match context.table(&name) {
            Ok(resolved) => resolved,
            Err(error) => {
                missing_table(&context, &self.request.database, &self.request.table, Privilege::Insert)?;
                return Err(error);
            }
        };
        context.require(Privilege::Insert, &Object::table(&resolved))?;
        if resolved.table.table().kind != TableKind::Table {
            return Err(Error::Unsupported { what: format!("loading into `{}`, which is a view", self.request.table) });
        }
        let label = Label { database: resolved.database.id, name: self.label()? };
        let load_id = self.parts.catalog.next_id();
        let reservation = match self.parts.loads.reserve(&self.parts.catalog, &label, load_id)? {
            Reserved::Yes(reservation) => reservation,
            Reserved::Taken(report) => return Ok(report),
        };
        let decoder = Arc::new(Decoder::new(
            LoadPlan::new(&context, &resolved, &self.request, &FieldRules::default())?,
            &self.request,
        )?);
        let plan_time = self.started.elapsed();
        let mut progress = self.read_within_time(&context, &decoder, body).await?;
        let mut report = LoadReport {
            load_id,
            plan_ms: millis(plan_time),
            rows_total: progress.rows + progress.unselected + progress.rejected.rows(),
            rows_loaded: progress.rows,
            rows_filtered: progress.rejected.rows(),
            rows_unselected: progress.unselected,
            bytes: progress.bytes,
            read_ms: millis(progress.read),
            ..LoadReport::empty(label.name.clone())
        };
        report.rejected_log =
            self.parts.loads.keep_rejected(load_id, &self.request.session.principal, &progress.rejected);
        let sink = progress.sink.take().expect("the sink is taken here only");
        if self.too_many_bad(&report) {
            sink.discard().await;
            report.rows_loaded = 0;
            report.outcome = LoadOutcome::TooManyFiltered;
            report.total_ms = millis(self.started.elapsed());
            return Ok(report);
        }
        let finishing = Instant::now();
        let staged = sink.finish().await?;
        report.write_ms = millis(progress.write + finishing.elapsed());
        if self.cancel.is_cancelled() {
            discard(&self.parts, [staged.written]).await;
            return Err(left());
        }
        let report = self.publish(label, report, staged).await;
        drop(reservation);
        report
    }

    /// Publishes rows and label in one commit.
    async fn publish(&self, label: Label, mut report: LoadReport, staged: Staged) -> Result<LoadReport> {
        report.total_ms = millis(self.started.elapsed());
        let stored = serde_json::to_string(&report).map_err(|source| Error::internal("report of a load", source))?;
        let record = LabelRecord {
            label: label.clone(),
            state: LabelState::Finished { report: stored },
            load_id: report.load_id,
            finished_at: self.parts.catalog.clock().now(),
            version: Version(0),
        };
        let committing = Instant::now();
        let (extra, preconditions) = (vec![Edit::FinishLabel(record)], vec![Precondition::LabelAbsent { label }]);
        match publish_labelled(&self.parts, vec![staged], extra, preconditions).await? {
            Published::LabelUsed(record) => finished_report(&record),
            Published::At(_) => {
                report.commit_ms = millis(committing.elapsed());
                report.total_ms = millis(self.started.elapsed());
                tracing::info!(
                    load_id = report.load_id,
                    rows = report.rows_loaded,
                    size_bytes = report.bytes,
                    elapsed_ms = report.total_ms,
                    "load finished"
                );
                Ok(report)
            }
        }
    }

    /// Reads the input to its end. On any failure, and when the caller leaves, what was written is removed.
    async fn read_within_time(
        &self,
        context: &StatementContext,
        decoder: &Arc<Decoder>,
        body: ByteStream,
    ) -> Result<Progress> {
        let max = self.parts.settings.load_time_max;
        let limit = self.request.timeout.map_or(max, |wanted| wanted.min(max));
        let mut progress = Progress {
            sink: Some(TableSink::open(context, decoder.table()?.clone(), Operation::Append)?),
            rows: 0,
            unselected: 0,
            rejected: Rejected::default(),
            bytes: 0,
            read: Duration::ZERO,
            write: Duration::ZERO,
        };
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(limit, self.read(decoder, body, &mut progress)) => outcome.unwrap_or_else(|_| {
                Err(Error::DeadlineExceeded { what: "the load", limit_secs: limit.as_secs(), setting: "load_time_max" })
            }),
            () = self.cancel.cancelled() => Err(left()),
        };
        if let Err(error) = outcome {
            if let Some(sink) = progress.sink.take() {
                sink.discard().await;
            }
            return Err(error);
        }
        Ok(progress)
    }

    /// Pieces are decoded side by side on the CPU threads and written in their order.
    async fn read(&self, decoder: &Arc<Decoder>, body: ByteStream, progress: &mut Progress) -> Result<()> {
        let record_bytes_max = self.parts.settings.record_bytes_max.min(CHUNK_BYTES_MAX / 2);
        let mut pieces = PieceReader::new(body, decoder.splitter(), record_bytes_max);
        let side_by_side = self.parts.settings.cpu_threads.max(1) + 1;
        let mut decoding = FuturesOrdered::new();
        let mut ended = false;
        loop {
            while !ended && decoding.len() < side_by_side {
                let reading = Instant::now();
                let piece = pieces.next().await?;
                progress.read += reading.elapsed();
                let Some(piece) = piece else {
                    ended = true;
                    break;
                };
                ended = matches!(piece, Piece::Malformed { .. });
                let decoder = Arc::clone(decoder);
                decoding.push_back(self.parts.runtime.spawn(async move { decode(&decoder, piece) }));
            }
            let Some(decoded) = decoding.next().await else { break };
            let decoded = decoded.map_err(|source| Error::internal("decoding of a load did not finish", source))??;
            let malformed = decoded.malformed;
            self.write(decoded, progress).await?;
            if malformed {
                break;
            }
        }
        progress.bytes = pieces.bytes();
        Ok(())
    }

    async fn write(&self, decoded: Decoded, progress: &mut Progress) -> Result<()> {
        let writing = Instant::now();
        progress.rows += decoded.rows;
        progress.unselected += decoded.unselected;
        progress.rejected.append(decoded.rejected);
        // Once the load is certain to fail its rows are only counted.
        let hopeless = self.request.max_filter_ratio <= 0.0 && progress.rejected.rows() > 0;
        if let Some(sink) = progress.sink.as_mut().filter(|_| !hopeless) {
            for batch in decoded.batches {
                sink.write(batch).await?;
            }
        }
        progress.write += writing.elapsed();
        Ok(())
    }

    /// Whether more rows were bad than the load tolerates.
    fn too_many_bad(&self, report: &LoadReport) -> bool {
        let wanted = report.rows_loaded + report.rows_filtered;
        report.rows_filtered as f64 > self.request.max_filter_ratio * wanted as f64
    }

    fn label(&self) -> Result<String> {
        match &self.request.label {
            None => Ok(uuid::Uuid::new_v4().to_string()),
            Some(label) if !label.is_empty() && label.len() <= LABEL_BYTES_MAX => Ok(label.clone()),
            Some(_) => Err(Error::InvalidArgument { message: format!("a label has 1 to {LABEL_BYTES_MAX} bytes") }),
        }
    }
}

pub(super) fn decode(decoder: &Decoder, piece: Piece) -> Result<Decoded> {
    match piece {
        Piece::Records(bytes) => decoder.decode(&bytes),
        Piece::Malformed { reason, text } => {
            let mut decoded = Decoded { malformed: true, ..Decoded::default() };
            decoded.rejected.add(&reason, 0, &text);
            Ok(decoded)
        }
    }
}

fn left() -> Error {
    Error::Cancelled { reason: "the client left before the load was complete".into() }
}

fn quoted(name: &str) -> ast::Ident {
    ast::Ident::with_quote('"', name)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
