//! A statement over a stream of bytes: `INSERT INTO t [(columns)] [VALUES (?, …)] FROM @placeholder FILE_FORMAT = (…)`.

use super::{
    fill::{self, FileReport, RowMaker},
    format::FileFormat,
    options::CopyOptions,
    source::{Source, resolve_format},
};
use crate::{
    Access, ByteStream, Error, Result, Session,
    parts::Parts,
    plan::{ResolvedTable, StatementContext},
    query::open_context,
    sql::{self, Insert, InsertFiles, InsertSource, Options, Statement},
    statement::{self, Filler},
};
use futures::StreamExt;
use std::sync::Arc;

/// A load by statement.
#[derive(Debug, Clone)]
pub struct StreamingLoad {
    pub session: Session,
    pub sql: String,
    /// What stands for the stream in the statement, without the `@`.
    pub placeholder: &'static str,
    /// Idempotency key: a second load with it changes nothing.
    pub label: Option<String>,
    pub query_id: String,
}

/// What a load by statement did.
#[derive(Debug, Clone)]
pub struct StreamingLoaded {
    pub rows: u64,
    pub bytes: u64,
    /// The session after it.
    pub session: Session,
}

/// Loads a stream, all rows or none. After an error the session's transaction, if it has one, has failed.
pub(crate) async fn streaming_load(
    parts: &Arc<Parts>,
    request: StreamingLoad,
    body: ByteStream,
) -> Result<StreamingLoaded> {
    let slot = parts.loads.admit(parts.settings.load_concurrency_max)?;
    let shared = Arc::clone(parts);
    let loading = async move {
        let _slot = slot;
        load(&shared, request, body).await
    };
    parts.tasks.run_on("load", parts.runtime.cpu(), loading).await?
}

async fn load(parts: &Arc<Parts>, request: StreamingLoad, body: ByteStream) -> Result<StreamingLoaded> {
    request.session.principal.require(Access::Login)?;
    let mut context = open_context(parts, request.session)?;
    context.query_id = request.query_id;
    context.label = request.label;
    let outcome = match understood(&mut context, &request.sql, request.placeholder) {
        Ok((insert, files)) => statement::insert_stream(&mut context, &insert, &files, body).await,
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        statement::fail(&mut context).await;
    }
    let (rows, bytes) = outcome?;
    Ok(StreamingLoaded { rows, bytes, session: context.session })
}

/// The INSERT of a text, and its part about files. Settings before it hold for it.
fn understood(context: &mut StatementContext, text: &str, placeholder: &str) -> Result<(Insert, InsertFiles)> {
    let mut statement = sql::parse(text, context.sql_limits())?;
    if let Statement::WithSettings { settings, statement: inner } = statement {
        context.settings = statement::with_settings(context, settings)?;
        statement = *inner;
    }
    statement::admit(context, &statement)?;
    statement::permit(context, &statement)?;
    let Statement::Insert(insert) = statement else { return Err(not_an_insert(placeholder)) };
    let InsertSource::Files(files) = &insert.source else { return Err(not_an_insert(placeholder)) };
    let files = InsertFiles::clone(files);
    if files.location.as_deref().and_then(|l| l.strip_prefix('@')) != Some(placeholder) {
        return Err(not_an_insert(placeholder));
    }
    Ok((*insert, files))
}

fn not_an_insert(placeholder: &str) -> Error {
    let message = format!("expected INSERT INTO table [VALUES (…)] FROM @{placeholder} FILE_FORMAT = (…)");
    Error::InvalidArgument { message }
}

/// The rows of a stream, in the filler's sink; returns rows and bytes.
pub(crate) async fn fill_from_stream(
    context: &StatementContext,
    filler: &mut Filler<'_>,
    resolved: &ResolvedTable,
    insert: &Insert,
    files: &InsertFiles,
    body: ByteStream,
) -> Result<(u64, u64)> {
    let format: Options = match &files.file_format {
        Some(said) => resolve_format(context, said)?,
        None => Options::from([("type".to_string(), "csv".to_string())]),
    };
    let format = FileFormat::parse(&format)?;
    let options = CopyOptions::parse(&files.options)?;
    let compression = format.compression;
    let is_text = format.as_text().is_some();
    let maker = RowMaker::new(context, resolved, &insert.columns, files.values.as_deref(), format, &options)?;
    let shared = Arc::new(context.clone());
    let report = match is_text {
        true => {
            let body = compression.of_file("")?.unpack(body);
            fill::from_stream(&shared, filler, &maker, body, "the stream").await?
        }
        false => from_spooled(&shared, filler, Arc::new(maker), body).await?,
    };
    Ok((report.rows, report.bytes))
}

/// Formats with a footer cannot be read as they come: the stream becomes an object that is removed again.
async fn from_spooled(
    context: &Arc<StatementContext>,
    filler: &mut Filler<'_>,
    maker: Arc<RowMaker>,
    mut body: ByteStream,
) -> Result<FileReport> {
    let store = context.parts.storage.files();
    let object = store.path_for("");
    let mut writer = store.create(&object).await?;
    while let Some(bytes) = body.next().await {
        let broken = |error| Error::BadData { message: format!("the stream could not be read to its end: {error}") };
        writer.write(bytes.map_err(broken)?).await?;
    }
    let size = writer.finish().await?;
    let source = Source::spooled(context, store.clone(), object.clone(), size);
    let filled = fill::from_files(context, filler, maker, Arc::new(source), 0).await;
    store.delete(vec![object]).await?;
    filled?.pop().ok_or_else(|| Error::Internal { message: "a stream without a report".into(), source: None })
}
