//! Which files a statement means, where they lie and in which format they are.

use super::{compression::Compression, format::FileFormat};
use crate::{
    ByteStream, Error, Result, StageFile,
    access::{Object, Privilege},
    plan::StatementContext,
    sql::Options,
    stage::{
        Found, Location, Opened, Pinned, Stage, StageRecord, find_connection, find_format, find_stage, list_found,
    },
};
use basalt_meta::EntityKind;
use basalt_storage::FileStore;
use futures::StreamExt;
use regex::Regex;
use std::sync::Arc;

/// Files of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub stage: Stage,
    pub store: FileStore,
    /// In path order.
    pub files: Vec<Found>,
    /// Keeps the files' objects while they are read.
    #[expect(dead_code, reason = "held, not read")]
    pins: Arc<Vec<Pinned>>,
}

/// What a statement says about files besides their place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    pub files: &'a [String],
    pub pattern: Option<&'a str>,
    pub connection: Option<&'a Options>,
}

/// A place as stage and path, and whether the session may read or write it.
pub(crate) fn place(
    context: &StatementContext,
    location: &str,
    connection: Option<&Options>,
    privilege: Privilege,
) -> Result<(Stage, String)> {
    match Location::parse(location)? {
        Location::Stage { stage, path } => {
            let stage = find_stage(&context.parts.catalog.snapshot(), &context.session.principal, &stage)?;
            if stage.changed_at.is_some() {
                context.require(privilege, &Object::entity(EntityKind::Stage, stage.name.clone()))?;
            }
            Ok((stage, path))
        }
        Location::Url(url) => {
            context.require(Privilege::CreateStage, &Object::Global)?;
            let connection = resolve_connection(context, connection.cloned().unwrap_or_default())?;
            let record = StageRecord { url: Some(url.clone()), connection, ..StageRecord::default() };
            Ok((Stage { name: url.clone(), key: url, record, changed_at: None }, String::new()))
        }
    }
}

/// The options of a connection, with those of the named one it refers to.
pub(crate) fn resolve_connection(context: &StatementContext, mut options: Options) -> Result<Options> {
    let Some(name) = options.remove("connection_name") else { return Ok(options) };
    context.require(Privilege::Usage, &Object::entity(EntityKind::Connection, name.clone()))?;
    let mut known = find_connection(&context.snapshot, &name)?.options;
    known.extend(options);
    Ok(known)
}

/// Finds the files that are meant.
pub(crate) async fn find(context: &StatementContext, location: &str, selection: Selection<'_>) -> Result<Source> {
    let (stage, path) = place(context, location, selection.connection, Privilege::Read)?;
    let Opened { store, files } = list_found(&context.parts, &stage, &path).await?;
    let files = select(files, &path, selection)?;
    let pins = files.iter().map(|f| context.parts.stages.pin(&f.object)).collect();
    Ok(Source { stage, store, files, pins: Arc::new(pins) })
}

fn select(files: Vec<Found>, path: &str, selection: Selection<'_>) -> Result<Vec<Found>> {
    // A path that is a file means that file; otherwise it is what paths begin with.
    let exact = files.iter().any(|f| f.file.path == path);
    let mut files: Vec<Found> = files.into_iter().filter(|f| !exact || f.file.path == path).collect();
    if !selection.files.is_empty() {
        let directory = if path.is_empty() || path.ends_with('/') { path.to_string() } else { format!("{path}/") };
        let mut chosen = Vec::with_capacity(selection.files.len());
        for name in selection.files {
            let wanted = format!("{directory}{name}");
            let found = files.iter().find(|f| f.file.path == wanted).cloned();
            chosen
                .push(found.ok_or_else(|| Error::BadData { message: format!("file `{wanted}` is not in the stage") })?);
        }
        files = chosen;
    }
    if let Some(pattern) = selection.pattern.filter(|p| !p.is_empty()) {
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| Error::InvalidArgument {
            message: format!("pattern `{pattern}` is no regular expression: {error}"),
        })?;
        let relative = |full: &str| full.strip_prefix(path).unwrap_or(full).trim_start_matches('/').to_string();
        files.retain(|f| regex.is_match(&relative(&f.file.path)) || (exact && regex.is_match(&f.file.path)));
    }
    Ok(files)
}

/// The format a statement reads or writes: what it says, else what the stage says, else Parquet.
pub(crate) fn format_of(context: &StatementContext, said: Option<&Options>, stage: &Stage) -> Result<FileFormat> {
    let options = match said {
        Some(options) => options,
        None => &stage.record.file_format,
    };
    FileFormat::parse(&resolve_format(context, options)?)
}

/// Options with those of the named format they refer to.
pub(crate) fn resolve_format(context: &StatementContext, options: &Options) -> Result<Options> {
    let mut options = options.clone();
    let Some(name) = options.remove("format_name") else { return Ok(options) };
    let mut known = find_format(&context.snapshot, &name)?.options;
    known.extend(options);
    Ok(known)
}

/// The format of this name: a type, or one that was created.
pub(crate) fn format_named(context: &StatementContext, name: &str) -> Result<FileFormat> {
    let of_type = Options::from([("type".to_string(), name.to_string())]);
    match name.to_lowercase().as_str() {
        "csv" | "tsv" | "text" | "ndjson" | "json" | "parquet" | "avro" | "orc" | "xml" => FileFormat::parse(&of_type),
        _ => FileFormat::parse(&find_format(&context.snapshot, name)?.options),
    }
}

impl Source {
    /// One object that belongs to no stage.
    pub fn spooled(context: &StatementContext, store: FileStore, object: String, size: u64) -> Self {
        let file = StageFile {
            path: "the stream".into(),
            size,
            md5: None,
            etag: None,
            last_modified: context.parts.catalog.clock().now().0,
            creator: None,
        };
        let stage = Stage { name: String::new(), key: String::new(), record: StageRecord::default(), changed_at: None };
        let pins = vec![context.parts.stages.pin(&object)];
        Self { stage, store, files: vec![Found { file, object }], pins: Arc::new(pins) }
    }

    /// The same with one file only.
    pub fn only(&self, found: &Found) -> Self {
        Self { files: vec![found.clone()], ..self.clone() }
    }

    /// The bytes of a file, unpacked.
    pub fn open(&self, found: &Found, compression: Compression) -> Result<ByteStream> {
        let compression = compression.of_file(&found.file.path)?;
        let bytes = self.store.stream(&found.object, found.file.size);
        Ok(compression.unpack(bytes.map(|b| b.map_err(std::io::Error::other)).boxed()))
    }
}
