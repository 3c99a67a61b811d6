//! Stages, their files, file formats and connections; COPY.

use super::{
    Outcome, change,
    insert::{Filler, places},
    once, refuse_in_transaction, transaction,
};
use crate::{
    ByteStream, Error, PresignMethod, PresignRequest, Result,
    access::{Object, Privilege},
    copy,
    plan::StatementContext,
    sql::{CopyIntoTable, Insert, InsertFiles, Options, StageProperties, StageStatement},
    stage::{ConnectionRecord, FileFormatRecord, StageRecord, check_path, connection_options, decode, encode, entity},
};
use arrow::{
    array::{ArrayRef, Int32Array, StringArray, UInt64Array},
    datatypes::{Field, Schema},
    record_batch::RecordBatch,
};
use basalt_meta::{Changes, Edit, Entity, EntityKind, Operation, Precondition, Table};
use std::{sync::Arc, time::Duration};

/// How long a presigned URL is good for when nothing is said.
const PRESIGN_SECS: u64 = 3600;
const PRESIGN_SECS_MAX: u64 = 7 * 24 * 3600;
/// How often a COPY of its own is tried when other commits copy the same files.
const ATTEMPTS_MAX: usize = 10;
const NAME_BYTES_MAX: usize = 128;

pub(super) async fn run(context: &mut StatementContext, statement: StageStatement) -> Result<Outcome> {
    use StageStatement as S;
    match statement {
        S::CreateStage { name, or_replace, if_not_exists, properties } => {
            create_stage(context, name, or_replace, if_not_exists, properties).await
        }
        S::AlterStage { name, if_exists, properties } => alter_stage(context, name, if_exists, properties).await,
        S::DropStage { name, if_exists } => drop_stage(context, &name, if_exists).await,
        S::DescribeStage { name } => describe(context, "stages", &name, EntityKind::Stage).await,
        S::CreateFileFormat { name, or_replace, if_not_exists, options } => {
            copy::FileFormat::parse(&copy::resolve_format(context, &options)?)?;
            let creator = context.session.principal.name.clone();
            let body = encode(&FileFormatRecord { options, creator })?;
            create(context, EntityKind::FileFormat, name, or_replace, if_not_exists, body).await
        }
        S::DropFileFormat { name, if_exists } => drop(context, EntityKind::FileFormat, &name, if_exists).await,
        S::DescribeFileFormat { name } => describe(context, "file_formats", &name, EntityKind::FileFormat).await,
        S::CreateConnection { name, or_replace, if_not_exists, options } => {
            create_connection(context, name, or_replace, if_not_exists, options).await
        }
        S::DropConnection { name, if_exists } => drop(context, EntityKind::Connection, &name, if_exists).await,
        S::DescribeConnection { name } => describe(context, "connections", &name, EntityKind::Connection).await,
        S::List { location, pattern } => {
            let found = find(context, &location, pattern.as_deref(), Privilege::Read).await?;
            Ok(Outcome::batch(copy::listing(found.iter())?))
        }
        S::Remove { location, pattern } => remove(context, &location, pattern.as_deref()).await,
        S::Presign { upload, location, expire_secs, content_type } => {
            presign(context, upload, &location, expire_secs, content_type)
        }
        S::CopyIntoTable(copy) => copy_into_table(context, &copy).await,
        S::CopyIntoLocation(copy) => {
            refuse_in_transaction(context, "COPY INTO a location")?;
            unloaded(copy::copy_into_location(context, &copy).await?)
        }
    }
}

/// Names of stages become parts of paths and locations.
fn check_name(kind: EntityKind, name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '.'))
        && name.chars().any(|c| c != '.');
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
    let message = format!("`{shown}` cannot be the name of a {kind}: letters, digits, _, -, $ and . are allowed");
    Err(Error::InvalidArgument { message })
}

async fn create_stage(
    context: &mut StatementContext,
    name: String,
    or_replace: bool,
    if_not_exists: bool,
    properties: StageProperties,
) -> Result<Outcome> {
    refuse_in_transaction(context, "CREATE STAGE")?;
    context.require(Privilege::CreateStage, &Object::Global)?;
    check_name(EntityKind::Stage, &name)?;
    let mut record = StageRecord { creator: context.session.principal.name.clone(), ..StageRecord::default() };
    apply(context, &mut record, properties)?;
    let files = match or_replace {
        true => old_files(context, &name)?,
        false => Vec::new(),
    };
    let body = encode(&record)?;
    let outcome = create(context, EntityKind::Stage, name.clone(), or_replace, if_not_exists, body).await?;
    // A stage that is replaced by another begins empty.
    if !files.is_empty() {
        crate::stage::remove_now(&context.parts, &name, &files).await?;
    }
    Ok(outcome)
}

fn old_files(context: &StatementContext, name: &str) -> Result<Vec<String>> {
    let snapshot = context.parts.catalog.snapshot();
    if snapshot.entity(EntityKind::Stage, name).is_none() {
        return Ok(Vec::new());
    }
    crate::stage::own_paths(&snapshot, name)
}

/// Writes what a statement says into a stage's record.
fn apply(context: &StatementContext, record: &mut StageRecord, properties: StageProperties) -> Result<()> {
    if let Some(url) = properties.url {
        let connection = copy::resolve_connection(context, properties.connection.unwrap_or_default())?;
        connection_options(&url, &connection)?;
        if !context.parts.settings.allow_external_locations {
            let what = format!("stage with URL `{url}` (the server's setting allow_external_stages is off)");
            return Err(Error::Unsupported { what });
        }
        (record.url, record.connection) = (Some(url), connection);
    } else if properties.connection.is_some() {
        return Err(Error::InvalidArgument { message: "CONNECTION belongs to a stage with a URL".into() });
    }
    if let Some(options) = properties.file_format {
        copy::FileFormat::parse(&copy::resolve_format(context, &options)?)?;
        record.file_format = options;
    }
    if !properties.copy_options.is_empty() {
        copy::check_options(&properties.copy_options)?;
        record.copy_options = properties.copy_options;
    }
    if let Some(comment) = properties.comment {
        record.comment = comment;
    }
    Ok(())
}

async fn alter_stage(
    context: &mut StatementContext,
    name: String,
    if_exists: bool,
    properties: StageProperties,
) -> Result<Outcome> {
    refuse_in_transaction(context, "ALTER STAGE")?;
    let Some(old) = existing(context, EntityKind::Stage, &name, if_exists)? else { return Ok(Outcome::Done) };
    context.require(Privilege::Ownership, &Object::entity(EntityKind::Stage, old.name.clone()))?;
    let mut record: StageRecord = decode(&old)?;
    if properties.url.is_some() && record.url.is_none() {
        return Err(Error::Unsupported { what: "giving a stage of the server's own a URL".into() });
    }
    apply(context, &mut record, properties)?;
    put(context, EntityKind::Stage, &old.name, Some(&*old), encode(&record)?).await?;
    Ok(Outcome::Done)
}

async fn drop_stage(context: &mut StatementContext, name: &str, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP STAGE")?;
    let Some(old) = existing(context, EntityKind::Stage, name, if_exists)? else { return Ok(Outcome::Done) };
    context.require(Privilege::Ownership, &Object::entity(EntityKind::Stage, old.name.clone()))?;
    let files = crate::stage::own_paths(&context.parts.catalog.snapshot(), &old.name)?;
    crate::stage::remove_now(&context.parts, &old.name, &files).await?;
    drop(context, EntityKind::Stage, &old.name, if_exists).await
}

async fn create_connection(
    context: &mut StatementContext,
    name: String,
    or_replace: bool,
    if_not_exists: bool,
    mut options: Options,
) -> Result<Outcome> {
    context.require(Privilege::CreateConnection, &Object::Global)?;
    let missing = || Error::InvalidArgument { message: "a connection needs STORAGE_TYPE".into() };
    let storage_type = options.remove("storage_type").ok_or_else(missing)?.to_lowercase();
    connection_options(&format!("{storage_type}://name"), &options)?;
    let creator = context.session.principal.name.clone();
    let body = encode(&ConnectionRecord { storage_type, options, creator })?;
    create(context, EntityKind::Connection, name, or_replace, if_not_exists, body).await
}

async fn create(
    context: &mut StatementContext,
    kind: EntityKind,
    name: String,
    or_replace: bool,
    if_not_exists: bool,
    body: Vec<u8>,
) -> Result<Outcome> {
    refuse_in_transaction(context, "CREATE of a stage, file format or connection")?;
    check_name(kind, &name)?;
    if or_replace && if_not_exists {
        return Err(Error::Syntax { message: "OR REPLACE and IF NOT EXISTS cannot be said together".into() });
    }
    let snapshot = context.parts.catalog.snapshot();
    let old = snapshot.entity(kind, &name);
    match &old {
        Some(_) if if_not_exists => return Ok(Outcome::Done),
        Some(_) if !or_replace => return Err(Error::EntityExists { kind, name }),
        _ => {}
    }
    match put(context, kind, &name, old.as_deref(), body).await {
        Err(Error::EntityExists { .. }) if if_not_exists => Ok(Outcome::Done),
        other => other.map(|()| Outcome::Done),
    }
}

async fn put(
    context: &StatementContext,
    kind: EntityKind,
    name: &str,
    old: Option<&Entity>,
    body: Vec<u8>,
) -> Result<()> {
    let precondition = match old {
        Some(old) => Precondition::EntityUnchanged { kind, name: name.to_string(), since: old.changed_at },
        None => Precondition::EntityAbsent { kind, name: name.to_string() },
    };
    let edit = Edit::PutEntity(entity(&context.parts, kind, name, old, body));
    commit(context, vec![edit], vec![precondition]).await
}

async fn commit(context: &StatementContext, edits: Vec<Edit>, preconditions: Vec<Precondition>) -> Result<()> {
    let at = context.parts.catalog.clock().now();
    context.parts.catalog.commit(Changes { preconditions, edits, at }).await?;
    Ok(())
}

/// The entity of this name; `None` when it may be missing and is.
fn existing(context: &StatementContext, kind: EntityKind, name: &str, if_exists: bool) -> Result<Option<Arc<Entity>>> {
    match context.parts.catalog.snapshot().entity(kind, name) {
        Some(found) => Ok(Some(found)),
        None if if_exists => Ok(None),
        None => Err(Error::UnknownEntity { kind, name: name.to_string() }),
    }
}

async fn drop(context: &mut StatementContext, kind: EntityKind, name: &str, if_exists: bool) -> Result<Outcome> {
    refuse_in_transaction(context, "DROP of a stage, file format or connection")?;
    let Some(old) = existing(context, kind, name, if_exists)? else { return Ok(Outcome::Done) };
    context.require(Privilege::Drop, &Object::entity(kind, old.name.clone()))?;
    let unchanged = Precondition::EntityUnchanged { kind, name: old.name.clone(), since: old.changed_at };
    commit(context, vec![Edit::DeleteEntity { kind, name: old.name.clone() }], vec![unchanged]).await?;
    Ok(Outcome::Done)
}

/// One row of a system table.
async fn describe(context: &StatementContext, table: &'static str, name: &str, kind: EntityKind) -> Result<Outcome> {
    use super::select::{column, equals, everything, from_one, object_name, relation, select, text};
    if context.snapshot.entity(kind, name).is_none() {
        return Err(Error::UnknownEntity { kind, name: name.to_string() });
    }
    let from = vec![from_one(relation(object_name(&["system", table]), None))];
    let query = select(vec![everything()], from, Some(equals(column("name"), text(name))));
    let planned = context.plan_query(&query).await?;
    let stream = context.run(planned.physical)?;
    Ok(Outcome::Rows { schema: planned.schema, stream })
}

async fn find(
    context: &StatementContext,
    location: &str,
    pattern: Option<&str>,
    privilege: Privilege,
) -> Result<Vec<crate::StageFile>> {
    if privilege == Privilege::Write {
        copy::place(context, location, None, privilege)?;
    }
    copy::files_of(context, location, pattern).await
}

async fn remove(context: &StatementContext, location: &str, pattern: Option<&str>) -> Result<Outcome> {
    refuse_in_transaction(context, "REMOVE")?;
    let (stage, _) = copy::place(context, location, None, Privilege::Write)?;
    let files = find(context, location, pattern, Privilege::Write).await?;
    let paths: Vec<String> = files.into_iter().map(|f| f.path).collect();
    crate::stage::remove_from(&context.parts, &stage, &paths).await?;
    Ok(Outcome::Done)
}

fn presign(
    context: &StatementContext,
    upload: bool,
    location: &str,
    expire_secs: Option<u64>,
    content_type: Option<String>,
) -> Result<Outcome> {
    let privilege = if upload { Privilege::Write } else { Privilege::Read };
    let (stage, path) = copy::place(context, location, None, privilege)?;
    check_path(&path)?;
    let expire = expire_secs.unwrap_or(PRESIGN_SECS);
    if expire == 0 || expire > PRESIGN_SECS_MAX {
        let message = format!("EXPIRE is 1 to {PRESIGN_SECS_MAX} seconds, not {expire}");
        return Err(Error::InvalidArgument { message });
    }
    let Some(presigner) = &context.presigner else {
        return Err(Error::Unsupported { what: "PRESIGN over this interface".into() });
    };
    let request = PresignRequest {
        method: if upload { PresignMethod::Upload } else { PresignMethod::Download },
        user: context.session.principal.name.clone(),
        stage: stage.name,
        path,
        expires: Duration::from_secs(expire),
        content_type,
    };
    let url = presigner.sign(&request)?;
    let headers = serde_json::to_string(&url.headers).map_err(|s| Error::internal("headers of a URL", s))?;
    let headers = crate::types::variant::from_text(&headers)?;
    batch(vec![
        ("method", Arc::new(StringArray::from_iter_values([url.method])), false),
        ("headers", Arc::new(arrow::array::LargeBinaryArray::from_iter_values([headers])), false),
        ("url", Arc::new(StringArray::from_iter_values([url.url])), false),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef, bool)>) -> Result<Outcome> {
    let fields: Vec<Field> = columns.iter().map(|(n, c, null)| Field::new(*n, c.data_type().clone(), *null)).collect();
    let arrays = columns.into_iter().map(|(_, c, _)| c).collect();
    Ok(Outcome::batch(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?))
}

/// Copies once; tried again when another COPY took some of the files.
async fn copy_into_table(context: &mut StatementContext, copy: &CopyIntoTable) -> Result<Outcome> {
    let label = once::label(context)?;
    if let Some(label) = &label
        && context.parts.catalog.label(label)?.is_some()
    {
        context.counters.warn(format!("label `{}` was used before: nothing was copied", label.name));
        return reports(&[], false);
    }
    let turn = context.transaction.clone();
    let _turn = match &turn {
        Some(transaction) => Some(transaction.turn().await),
        None => None,
    };
    let mut attempt = 1;
    loop {
        match copy_once(context, copy).await {
            Err(Error::Conflict { .. } | Error::EntityExists { kind: EntityKind::CopiedFile, .. })
                if attempt < ATTEMPTS_MAX && context.transaction.is_none() && !context.cancel.is_cancelled() =>
            {
                attempt += 1;
                context.snapshot = context.parts.catalog.snapshot();
            }
            other => return other,
        }
    }
}

async fn copy_once(context: &StatementContext, copy: &CopyIntoTable) -> Result<Outcome> {
    let resolved = change::target(context, &copy.table)?;
    // A query's values fill the named columns in order; files fill them by the format's own rules.
    let columns = match &copy.source {
        crate::sql::CopySource::Query(_) => copy.columns.as_slice(),
        crate::sql::CopySource::Location(_) => &[],
    };
    let places = places(resolved.table.table(), columns)?;
    let mut filler = Filler::open(context, resolved.table.clone(), places, Operation::Append)?;
    let copied = copy::copy_into_table(context, &mut filler, &resolved, copy).await;
    let (done, filled) = match copied {
        Ok(done) => (Some(done), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let (mut staged, _) = filler.finish(filled).await?;
    let Some(done) = done else { return Ok(Outcome::Done) };
    staged.edits.extend(done.edits);
    staged.preconditions.extend(done.preconditions);
    done.purge.stage(&mut staged);
    transaction::keep(context, staged).await?;
    done.purge.done(context).await?;
    reports(&done.reports, done.options.return_failed_only)
}

/// One row per file.
fn reports(reports: &[copy::FileReport], failed_only: bool) -> Result<Outcome> {
    let shown: Vec<&copy::FileReport> = reports.iter().filter(|r| !failed_only || r.errors > 0).collect();
    let count = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    batch(vec![
        ("File", Arc::new(StringArray::from_iter_values(shown.iter().map(|r| r.path.as_str()))), false),
        ("Rows_loaded", Arc::new(Int32Array::from_iter_values(shown.iter().map(|r| count(r.rows)))), false),
        ("Errors_seen", Arc::new(Int32Array::from_iter_values(shown.iter().map(|r| count(r.errors)))), false),
        ("First_error", Arc::new(StringArray::from_iter(shown.iter().map(|r| r.first_error.as_deref()))), true),
        (
            "First_error_line",
            Arc::new(Int32Array::from_iter(shown.iter().map(|r| r.first_error_line.map(count)))),
            true,
        ),
    ])
}

fn unloaded(done: copy::Unloaded) -> Result<Outcome> {
    if done.options.detailed_output {
        return batch(vec![
            ("file_name", Arc::new(StringArray::from_iter_values(done.files.iter().map(|f| f.0.as_str()))), false),
            ("file_size", Arc::new(UInt64Array::from_iter_values(done.files.iter().map(|f| f.1))), false),
            ("row_count", Arc::new(UInt64Array::from_iter_values(done.files.iter().map(|f| f.2))), false),
        ]);
    }
    Outcome::counts(&[
        ("rows_unloaded", done.files.iter().map(|f| f.2).sum()),
        ("input_bytes", done.input_bytes),
        ("output_bytes", done.files.iter().map(|f| f.1).sum()),
    ])
}

/// Under which name the catalogue remembers that a file was copied into a table.
pub(crate) fn copied_name(table: u64, stage: &str, path: &str) -> String {
    format!("{table}/{stage}/{path}")
}

/// Forgets which files were copied into a table.
pub(super) fn forget_copied(context: &StatementContext, table: &Table) -> Vec<Edit> {
    let kind = EntityKind::CopiedFile;
    let prefix = format!("{}/", table.id.0);
    let snapshot = context.parts.catalog.snapshot();
    snapshot.entities(kind, &prefix).map(|e| Edit::DeleteEntity { kind, name: e.name.clone() }).collect()
}

/// Rows of a stream into a table: all or none, once per label. Returns rows and bytes.
pub(crate) async fn insert_stream(
    context: &mut StatementContext,
    insert: &Insert,
    files: &InsertFiles,
    body: ByteStream,
) -> Result<(u64, u64)> {
    if let Some(label) = once::label(context)?
        && context.parts.catalog.label(&label)?.is_some()
    {
        return Ok((0, 0));
    }
    let turn = context.transaction.clone();
    let _turn = match &turn {
        Some(transaction) => Some(transaction.turn().await),
        None => None,
    };
    let context: &StatementContext = context;
    let resolved = change::target(context, &insert.table)?;
    let places = places(resolved.table.table(), &[])?;
    let operation = if insert.overwrite { Operation::Overwrite } else { Operation::Append };
    let mut filler = Filler::open(context, resolved.table.clone(), places, operation)?;
    let filled = copy::fill_from_stream(context, &mut filler, &resolved, insert, files, body).await;
    let (counts, filled) = match filled {
        Ok(counts) => (counts, Ok(())),
        Err(error) => ((0, 0), Err(error)),
    };
    let (mut staged, _) = filler.finish(filled).await?;
    if insert.overwrite {
        super::insert::overwrite(context, &resolved.table, &mut staged);
    }
    transaction::keep(context, staged).await?;
    Ok(counts)
}
