//! `COPY INTO table`: files that were not copied before become rows, and what was copied is remembered in the same
//! commit. INSERT from files is the same without remembering.

use super::{
    fill::{FileReport, RowMaker, from_files, from_plans},
    options::{CopyOptions, OnError},
    query::{StageTable, only_location},
    source::{self, Selection, Source, find, format_of, resolve_format},
};
use crate::{
    Error, Result,
    copy::format::{FileFormat, Kind},
    plan::{PlannedQuery, ResolvedTable, StatementContext},
    sql::{CopyIntoTable, CopySource, Options},
    stage::{Found, Stage, decode, encode, entity, removal_edits},
    statement::{Filler, copied_name},
    write::Staged,
};
use basalt_meta::{Edit, EntityKind, Precondition};
use datafusion::sql::sqlparser::ast::{Expr, Ident};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is remembered of a copied file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Copied {
    etag: Option<String>,
    size: u64,
    last_modified: i64,
    /// Microseconds since 1970.
    at: i64,
}

/// What COPY did, and what its commit needs besides the rows.
pub(crate) struct CopyDone {
    pub reports: Vec<FileReport>,
    pub edits: Vec<Edit>,
    pub preconditions: Vec<Precondition>,
    pub purge: Purge,
    pub options: CopyOptions,
}

/// Copies; the rows are in the filler's sink, nothing is published.
pub(crate) async fn copy_into_table(
    context: &StatementContext,
    filler: &mut Filler<'_>,
    resolved: &ResolvedTable,
    copy: &CopyIntoTable,
) -> Result<CopyDone> {
    let location = match &copy.source {
        CopySource::Location(location) => location.clone(),
        CopySource::Query(query) => only_location(query)?,
    };
    let connection = Some(&copy.connection).filter(|c| !c.is_empty());
    let selection = Selection { files: &copy.files, pattern: copy.pattern.as_deref(), connection };
    let mut found = find(context, &location, selection).await?;
    let mut said = found.stage.record.copy_options.clone();
    said.extend(copy.options.clone());
    let options = CopyOptions::parse(&said)?;
    let format = format_of(context, copy.file_format.as_ref(), &found.stage)?;
    if !options.force {
        let table = resolved.table.table().id.0;
        found.files.retain(|f| !was_copied(context, table, &found.stage, f));
    }
    if options.max_files > 0 {
        found.files.truncate(options.max_files);
    }
    check_on_error(&format, &options)?;
    let source = Arc::new(found);
    let shared = Arc::new(context.clone());
    let reports = match &copy.source {
        CopySource::Location(_) => {
            let maker = RowMaker::new(context, resolved, &copy.columns, None, format, &options)?;
            from_files(&shared, filler, Arc::new(maker), Arc::clone(&source), options.size_limit).await?
        }
        CopySource::Query(query) => {
            let mut plans: Vec<(String, PlannedQuery)> = Vec::with_capacity(source.files.len());
            for found in &source.files {
                let table = StageTable::open(context, source.only(found), format.clone(), query).await?;
                let planned = context.plan_query_over(query, vec![table.relation()]).await?;
                filler.check_width(planned.schema.fields().len())?;
                plans.push((found.file.path.clone(), planned));
            }
            from_plans(&shared, filler, plans, &options).await?
        }
    };
    // A file that was not finished because enough rows had been read is not done.
    let limited = options.size_limit > 0 && reports.iter().map(|r| r.rows).sum::<u64>() >= options.size_limit;
    let done: Vec<Found> = source
        .files
        .iter()
        .zip(&reports)
        .filter(|(_, report)| if limited { report.rows > 0 } else { report.rows > 0 || report.errors == 0 })
        .map(|(found, _)| found.clone())
        .collect();
    let (mut edits, mut preconditions) = (Vec::new(), Vec::new());
    if !options.force || !options.purge {
        remember(context, resolved, &source.stage, &done, &mut edits, &mut preconditions)?;
    }
    let purge = if options.purge { Purge::of(context, &source, &done)? } else { Purge::default() };
    Ok(CopyDone { reports, edits, preconditions, purge, options })
}

fn check_on_error(format: &FileFormat, options: &CopyOptions) -> Result<()> {
    if matches!(format.kind, Kind::Parquet(_) | Kind::Avro(_)) && matches!(options.on_error, OnError::AbortAt(_)) {
        let message = format!("ON_ERROR = ABORT_<number> is for text files, not for {}", format.name());
        return Err(Error::InvalidArgument { message });
    }
    Ok(())
}

/// Whether a file was copied into the table, as it is now and not too long ago.
fn was_copied(context: &StatementContext, table: u64, stage: &Stage, found: &Found) -> bool {
    let name = copied_name(table, &stage.key, &found.file.path);
    if context.transaction.as_ref().is_some_and(|t| t.has_put(EntityKind::CopiedFile, &name)) {
        return true;
    }
    let Some(known) = context.parts.catalog.snapshot().entity(EntityKind::CopiedFile, &name) else { return false };
    let Ok(copied) = decode::<Copied>(&known) else { return false };
    let keep = i64::try_from(context.settings.copied_files_kept.as_micros()).unwrap_or(i64::MAX);
    let age = context.parts.catalog.clock().now().0.saturating_sub(copied.at);
    let same = copied.size == found.file.size
        && copied.etag == found.file.etag
        && (copied.etag.is_some() || copied.last_modified == found.file.last_modified);
    same && age < keep
}

fn remember(
    context: &StatementContext,
    resolved: &ResolvedTable,
    stage: &Stage,
    files: &[Found],
    edits: &mut Vec<Edit>,
    preconditions: &mut Vec<Precondition>,
) -> Result<()> {
    let kind = EntityKind::CopiedFile;
    let snapshot = context.parts.catalog.snapshot();
    let at = context.parts.catalog.clock().now().0;
    for found in files {
        let name = copied_name(resolved.table.table().id.0, &stage.key, &found.file.path);
        let old = snapshot.entity(kind, &name);
        preconditions.push(match &old {
            Some(old) => Precondition::EntityUnchanged { kind, name: name.clone(), since: old.changed_at },
            None => Precondition::EntityAbsent { kind, name: name.clone() },
        });
        let file = &found.file;
        let copied = Copied { etag: file.etag.clone(), size: file.size, last_modified: file.last_modified, at };
        edits.push(Edit::PutEntity(entity(&context.parts, kind, &name, old.as_deref(), encode(&copied)?)));
    }
    Ok(())
}

/// Files to remove together with, or after, the commit of their rows.
#[derive(Default)]
pub(crate) struct Purge {
    edits: Vec<Edit>,
    preconditions: Vec<Precondition>,
    objects: Vec<String>,
    external: Option<(Arc<Source>, Vec<String>)>,
}

impl Purge {
    fn of(context: &StatementContext, source: &Arc<Source>, files: &[Found]) -> Result<Self> {
        if source.stage.changed_at.is_some() {
            let object = crate::access::Object::entity(EntityKind::Stage, source.stage.name.clone());
            context.require(crate::access::Privilege::Write, &object)?;
        }
        if source.stage.record.url.is_some() {
            let objects = files.iter().map(|f| f.object.clone()).collect();
            return Ok(Self { external: Some((Arc::clone(source), objects)), ..Self::default() });
        }
        let paths: Vec<String> = files.iter().map(|f| f.file.path.clone()).collect();
        let (edits, preconditions, objects) = removal_edits(&context.parts.catalog.snapshot(), &source.stage, &paths)?;
        Ok(Self { edits, preconditions, objects, external: None })
    }

    /// Makes the removal part of a commit.
    pub fn stage(&self, staged: &mut Staged) {
        staged.edits.extend(self.edits.iter().cloned());
        staged.preconditions.extend(self.preconditions.iter().cloned());
    }

    /// After the commit.
    pub async fn done(self, context: &StatementContext) -> Result<()> {
        if context.transaction.is_none() {
            context.parts.stages.removed(self.objects);
        }
        if let Some((source, objects)) = self.external {
            source.store.delete(objects).await?;
        }
        Ok(())
    }
}

/// Which columns an INSERT fills from files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InsertRows<'a> {
    pub columns: &'a [Ident],
    pub values: Option<&'a [Expr]>,
}

/// INSERT from files: all rows or none.
pub(crate) async fn insert_files(
    context: &StatementContext,
    filler: &mut Filler<'_>,
    resolved: &ResolvedTable,
    rows: InsertRows<'_>,
    location: &str,
    format: Option<&Options>,
    options: &Options,
) -> Result<Purge> {
    let options: Options = options.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect();
    let format: Option<Options> = format.map(|f| f.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect());
    let found = find(context, location, Selection::default()).await?;
    if found.files.is_empty() {
        return Err(Error::BadData { message: format!("there is no file at `{location}`") });
    }
    let options = CopyOptions::parse(&options)?;
    let format = match &format {
        // Without a type these options are those of CSV.
        Some(said) if !said.contains_key("format_name") => {
            let mut said = said.clone();
            said.entry("type".into()).or_insert_with(|| "csv".into());
            FileFormat::parse(&resolve_format(context, &said)?)?
        }
        said => source::format_of(context, said.as_ref(), &found.stage)?,
    };
    check_on_error(&format, &options)?;
    let maker = RowMaker::new(context, resolved, rows.columns, rows.values, format, &options)?;
    let source = Arc::new(found);
    let shared = Arc::new(context.clone());
    from_files(&shared, filler, Arc::new(maker), Arc::clone(&source), options.size_limit).await?;
    if options.purge { Purge::of(context, &source, &source.files) } else { Ok(Purge::default()) }
}
