//! Rows of a text file for others than loads: COPY, and queries over files. The same cutting and decoding as a load's,
//! with the place of the first bad row of each piece.

use super::{
    ByteStream, LoadFormat, LoadRequest,
    decode::{Decoded, Decoder},
    plan::LoadPlan,
    records::CHUNK_BYTES_MAX,
    rules::FieldRules,
    run::decode,
    split::{Piece, PieceReader},
};
use crate::{
    Error, Result,
    parts::Parts,
    plan::{ResolvedTable, StatementContext},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{StreamExt, stream::FuturesOrdered};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// How the records of a format become rows; made once, used for any number of files.
#[derive(Debug, Clone)]
pub(crate) struct TextRows {
    decoder: Arc<Decoder>,
}

impl TextRows {
    /// Rows of a table, in its segments' schema.
    pub fn for_table(
        context: &StatementContext,
        resolved: &ResolvedTable,
        request: &LoadRequest,
        rules: &FieldRules,
    ) -> Result<Self> {
        let plan = LoadPlan::new(context, resolved, request, rules)?;
        Ok(Self { decoder: Arc::new(Decoder::new(plan, request)?) })
    }

    /// Fields as texts.
    pub fn texts(format: &LoadFormat, schema: SchemaRef, rules: &FieldRules) -> Result<Self> {
        Ok(Self { decoder: Arc::new(Decoder::texts(format, schema, rules)?) })
    }

    /// Whole JSON documents.
    pub fn documents(format: &LoadFormat, schema: SchemaRef) -> Result<Self> {
        Ok(Self { decoder: Arc::new(Decoder::documents(format, schema)?) })
    }

    /// Reads a file; `side_by_side` pieces of it are decoded at the same time.
    pub fn read(&self, parts: &Arc<Parts>, body: ByteStream, side_by_side: usize) -> TextReader {
        let record_bytes_max = parts.settings.record_bytes_max.min(CHUNK_BYTES_MAX / 2);
        TextReader {
            pieces: PieceReader::new(body, self.decoder.splitter(), record_bytes_max),
            decoder: Arc::clone(&self.decoder),
            parts: Arc::clone(parts),
            decoding: FuturesOrdered::new(),
            side_by_side: side_by_side.max(1),
            ended: false,
            lines: 0,
        }
    }
}

/// Rows of one piece of a file, in the file's order.
#[derive(Debug)]
pub(crate) struct TextPiece {
    pub batches: Vec<RecordBatch>,
    pub bad_rows: u64,
    /// Line (from 1) and reason of the first bad row.
    pub first_bad: Option<(u64, String)>,
}

/// Reads one file.
pub(crate) struct TextReader {
    pieces: PieceReader,
    decoder: Arc<Decoder>,
    parts: Arc<Parts>,
    decoding: FuturesOrdered<JoinHandle<Result<Decoded>>>,
    side_by_side: usize,
    ended: bool,
    /// Lines of the pieces handed out.
    lines: u64,
}

impl TextReader {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.pieces.bytes()
    }

    /// The next piece; `None` at the end of the file.
    pub async fn next(&mut self) -> Result<Option<TextPiece>> {
        while !self.ended && self.decoding.len() < self.side_by_side {
            let Some(piece) = self.pieces.next().await? else {
                self.ended = true;
                break;
            };
            self.ended = matches!(piece, Piece::Malformed { .. });
            let decoder = Arc::clone(&self.decoder);
            self.decoding.push_back(self.parts.runtime.spawn(async move { decode(&decoder, piece) }));
        }
        let Some(decoded) = self.decoding.next().await else { return Ok(None) };
        let decoded = decoded.map_err(|source| Error::internal("decoding of a file did not finish", source))??;
        let before = self.pieces.skipped_lines() + self.lines;
        self.lines += decoded.lines;
        if decoded.malformed {
            self.ended = true;
            self.decoding.clear();
        }
        let first_bad = decoded.rejected.first().map(|(_, reason)| (before + decoded.bad_line + 1, reason.to_string()));
        let bad_rows = decoded.rejected.rows();
        Ok(Some(TextPiece { batches: decoded.batches, bad_rows, first_bad }))
    }
}
