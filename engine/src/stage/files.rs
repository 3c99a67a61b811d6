//! The files of stages: put, found, read and removed. A file of ours is an object under a name the server made, and a
//! record in the catalogue; replacing one publishes the new object and removes the old one later, when no reader can
//! hold it any more. After a crash there are at most objects without a record, which the next start removes.

use super::{
    connect::open_external,
    location::check_path,
    model::{StageFile, StageRecord, decode, encode},
    registry::{Stage, entity, find_stage},
};
use crate::{
    ByteStream, Error, Result, Session,
    access::{Object, Privilege},
    parts::Parts,
    query::open_context,
};
use basalt_meta::{Changes, Edit, Entity, EntityKind, Precondition, Snapshot};
use basalt_storage::FileStore;
use dashmap::DashMap;
use futures::StreamExt;
use md5::{Digest, Md5};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long the object of a replaced file stays, for readers that are about to open it.
const REMOVED_KEPT: Duration = Duration::from_secs(300);
/// How often a file is published again because another change of the same file came between.
const ATTEMPTS_MAX: usize = 10;

/// Objects of stage files in one process: those being read, and those to be removed.
#[derive(Debug, Default)]
pub(crate) struct StageStore {
    reading: Arc<DashMap<String, usize>>,
    removed: Mutex<VecDeque<(Instant, String)>>,
}

/// Holds an object for a reader.
#[derive(Debug)]
pub(crate) struct Pinned {
    reading: Arc<DashMap<String, usize>>,
    object: String,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(mut count) = self.reading.get_mut(&self.object) {
            *count -= 1;
        }
        self.reading.remove_if(&self.object, |_, count| *count == 0);
    }
}

impl StageStore {
    pub fn pin(&self, object: &str) -> Pinned {
        *self.reading.entry(object.to_string()).or_insert(0) += 1;
        Pinned { reading: Arc::clone(&self.reading), object: object.to_string() }
    }

    /// Objects that no record names any more.
    pub fn removed(&self, objects: impl IntoIterator<Item = String>) {
        let now = Instant::now();
        self.removed.lock().extend(objects.into_iter().map(|object| (now, object)));
    }

    fn due(&self) -> Vec<String> {
        let mut removed = self.removed.lock();
        let (due, later): (VecDeque<_>, _) = std::mem::take(&mut *removed)
            .into_iter()
            .partition(|(since, object)| since.elapsed() >= REMOVED_KEPT && !self.reading.contains_key(object));
        *removed = later;
        due.into_iter().map(|(_, object)| object).collect()
    }
}

/// What the catalogue keeps of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub object: String,
    pub file: StageFile,
}

/// A file of a stage that was found, and the object that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub file: StageFile,
    pub object: String,
}

/// A stage's store, and the files found in it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub store: FileStore,
    pub files: Vec<Found>,
}

/// The stage of this name, if the session may do this with it. One's own stage asks for nothing.
fn permitted(parts: &Arc<Parts>, session: &Session, name: &str, privilege: Privilege) -> Result<Stage> {
    let context = open_context(parts, session.clone())?;
    let stage = find_stage(&context.snapshot, &session.principal, name)?;
    if stage.changed_at.is_some() {
        context.require(privilege, &Object::entity(EntityKind::Stage, stage.name.clone()))?;
    }
    Ok(stage)
}

fn file_name(stage: &Stage, path: &str) -> String {
    format!("{}/{path}", stage.key)
}

/// Writes a file and publishes it, in the place of one of the same path.
pub(crate) async fn put(
    parts: &Arc<Parts>,
    session: &Session,
    stage: &str,
    path: &str,
    body: ByteStream,
) -> Result<StageFile> {
    check_path(path)?;
    let stage = permitted(parts, session, stage, Privilege::Write)?;
    let store = store_of(parts, &stage)?;
    let object = store.path_for(path);
    let mut writer = store.create(&object).await?;
    let mut md5 = Md5::new();
    let mut body = body;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| Error::BadData {
            message: format!("the file `{path}` could not be read to its end: {error}"),
        })?;
        md5.update(&bytes);
        writer.write(bytes).await?;
    }
    let size = writer.finish().await?;
    let md5 = hex::encode(md5.finalize());
    let file = StageFile {
        path: path.to_string(),
        size,
        etag: Some(format!("\"{md5}\"")),
        md5: Some(md5),
        last_modified: parts.catalog.clock().now().0,
        creator: Some(session.principal.name.clone()),
    };
    if stage.record.url.is_none() {
        publish(parts, &stage, StoredFile { object, file: file.clone() }).await?;
    }
    tracing::info!(stage = stage.name, path, size_bytes = size, "stage file written");
    Ok(file)
}

/// Shows a file that is durable. When that fails its object is removed.
async fn publish(parts: &Arc<Parts>, stage: &Stage, stored: StoredFile) -> Result<()> {
    let object = stored.object.clone();
    let mut attempt = 1;
    loop {
        let snapshot = parts.catalog.snapshot();
        let (edits, preconditions, replaced) = put_edits(parts, &snapshot, stage, std::slice::from_ref(&stored))?;
        let changes = Changes { preconditions, edits, at: parts.catalog.clock().now() };
        match parts.catalog.commit(changes).await.map_err(Error::from) {
            Ok(_) => {
                parts.stages.removed(replaced);
                return Ok(());
            }
            Err(Error::Conflict { .. } | Error::EntityExists { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            // Whether it was committed is not known: the object stays, and the next start removes it if it must go.
            Err(error @ Error::Internal { .. }) => return Err(error),
            Err(error) => {
                parts.stages.removed([object]);
                return Err(error);
            }
        }
    }
}

/// Edits and preconditions that publish files, and the objects that they replace.
pub(crate) fn put_edits(
    parts: &Parts,
    snapshot: &Snapshot,
    stage: &Stage,
    files: &[StoredFile],
) -> Result<(Vec<Edit>, Vec<Precondition>, Vec<String>)> {
    let (mut edits, mut preconditions, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    let kind = EntityKind::StageFile;
    if stage.changed_at.is_some() {
        let known = snapshot.entity(EntityKind::Stage, &stage.name);
        let known = known.ok_or_else(|| Error::UnknownEntity { kind: EntityKind::Stage, name: stage.name.clone() })?;
        preconditions.push(Precondition::EntityUnchanged {
            kind: EntityKind::Stage,
            name: stage.name.clone(),
            since: known.changed_at,
        });
    }
    for stored in files {
        let name = file_name(stage, &stored.file.path);
        let old = snapshot.entity(kind, &name);
        preconditions.push(match &old {
            Some(old) => Precondition::EntityUnchanged { kind, name: name.clone(), since: old.changed_at },
            None => Precondition::EntityAbsent { kind, name: name.clone() },
        });
        if let Some(old) = &old {
            replaced.push(decode::<StoredFile>(old)?.object);
        }
        edits.push(Edit::PutEntity(entity(parts, kind, &name, old.as_deref(), encode(stored)?)));
    }
    Ok((edits, preconditions, replaced))
}

/// A file and its bytes.
pub(crate) async fn get(
    parts: &Arc<Parts>,
    session: &Session,
    stage: &str,
    path: &str,
) -> Result<(StageFile, ByteStream)> {
    check_path(path)?;
    let stage = permitted(parts, session, stage, Privilege::Read)?;
    let opened = list_found(parts, &stage, path).await?;
    let unknown = || Error::UnknownEntity { kind: EntityKind::StageFile, name: format!("@{}/{path}", stage.name) };
    let found = opened.files.into_iter().find(|f| f.file.path == path).ok_or_else(unknown)?;
    let pin = parts.stages.pin(&found.object);
    let bytes = opened.store.stream(&found.object, found.file.size).map(move |bytes| {
        let _held = &pin;
        bytes.map_err(std::io::Error::other)
    });
    Ok((found.file, bytes.boxed()))
}

/// Files of a stage whose paths begin with `prefix`, in path order.
pub(crate) async fn list(parts: &Arc<Parts>, session: &Session, stage: &str, prefix: &str) -> Result<Vec<StageFile>> {
    let stage = permitted(parts, session, stage, Privilege::Read)?;
    Ok(list_found(parts, &stage, prefix).await?.files.into_iter().map(|f| f.file).collect())
}

/// Files of a stage whose paths begin with `prefix`, and where they lie.
pub(crate) async fn list_found(parts: &Arc<Parts>, stage: &Stage, prefix: &str) -> Result<Opened> {
    let store = store_of(parts, stage)?;
    if stage.record.url.is_none() {
        let snapshot = parts.catalog.snapshot();
        let files = own_files(&snapshot, stage, prefix)?;
        return Ok(Opened { store, files });
    }
    let files = external_files(&store, stage.record.url.as_deref().unwrap_or_default(), prefix).await?;
    Ok(Opened { store, files })
}

fn own_files(snapshot: &Snapshot, stage: &Stage, prefix: &str) -> Result<Vec<Found>> {
    let name = file_name(stage, prefix);
    let entities = snapshot.entities(EntityKind::StageFile, &name);
    entities.map(|entity| decode::<StoredFile>(entity).map(|s| Found { file: s.file, object: s.object })).collect()
}

/// A prefix may be a file itself, a directory, or the beginning of names in one.
async fn external_files(store: &FileStore, url: &str, prefix: &str) -> Result<Vec<Found>> {
    if !prefix.ends_with('/')
        && let Some(file) = store.head(prefix).await?
    {
        let name = if prefix.is_empty() { url.rsplit('/').next().unwrap_or(url) } else { prefix };
        return Ok(vec![external_file(name.to_string(), file)]);
    }
    let directory = prefix.rfind('/').map_or("", |at| &prefix[..at]);
    let listed = store.list(directory).await?;
    let wanted = listed.into_iter().filter(|f| f.path.starts_with(prefix) && f.size > 0);
    Ok(wanted.map(|f| external_file(f.path.clone(), f)).collect())
}

fn external_file(path: String, file: basalt_storage::RemoteFile) -> Found {
    let (size, etag, last_modified) = (file.size, file.etag, file.modified_micros);
    Found { object: file.path, file: StageFile { path, size, md5: None, etag, last_modified, creator: None } }
}

fn store_of(parts: &Parts, stage: &Stage) -> Result<FileStore> {
    match &stage.record.url {
        None => Ok(parts.storage.files()),
        Some(url) => open_external(parts, url, &stage.record.connection),
    }
}

/// Removes files; returns how many there were.
pub(crate) async fn remove(parts: &Arc<Parts>, session: &Session, stage: &str, paths: &[String]) -> Result<usize> {
    let stage = permitted(parts, session, stage, Privilege::Write)?;
    remove_from(parts, &stage, paths).await
}

/// Paths of all files of a stage of ours.
pub(crate) fn own_paths(snapshot: &Snapshot, key: &str) -> Result<Vec<String>> {
    let prefix = format!("{key}/");
    let files = snapshot.entities(EntityKind::StageFile, &prefix);
    Ok(files.map(|e| e.name[prefix.len()..].to_string()).collect())
}

/// Removes files of a stage of ours that is going, or beginning anew.
pub(crate) async fn remove_now(parts: &Arc<Parts>, key: &str, paths: &[String]) -> Result<()> {
    let (name, record) = (key.to_string(), StageRecord::default());
    let stage = Stage { key: name.clone(), name, record, changed_at: None };
    remove_from(parts, &stage, paths).await.map(|_| ())
}

/// Removes files of a stage that was found.
pub(crate) async fn remove_from(parts: &Arc<Parts>, stage: &Stage, paths: &[String]) -> Result<usize> {
    if stage.record.url.is_some() {
        let store = store_of(parts, stage)?;
        store.delete(paths.to_vec()).await?;
        return Ok(paths.len());
    }
    let mut attempt = 1;
    loop {
        let (edits, preconditions, objects) = removal_edits(&parts.catalog.snapshot(), stage, paths)?;
        if edits.is_empty() {
            return Ok(0);
        }
        let count = edits.len();
        let changes = Changes { preconditions, edits, at: parts.catalog.clock().now() };
        match parts.catalog.commit(changes).await.map_err(Error::from) {
            Ok(_) => {
                parts.stages.removed(objects);
                return Ok(count);
            }
            Err(Error::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Edits and preconditions that take files of ours off the catalogue, and their objects.
pub(crate) fn removal_edits(
    snapshot: &Snapshot,
    stage: &Stage,
    paths: &[String],
) -> Result<(Vec<Edit>, Vec<Precondition>, Vec<String>)> {
    let (mut edits, mut preconditions, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    let kind = EntityKind::StageFile;
    for path in paths {
        let name = file_name(stage, path);
        let Some(known) = snapshot.entity(kind, &name) else { continue };
        objects.push(decode::<StoredFile>(&known)?.object);
        preconditions.push(Precondition::EntityUnchanged { kind, name: name.clone(), since: known.changed_at });
        edits.push(Edit::DeleteEntity { kind, name });
    }
    Ok((edits, preconditions, objects))
}

/// Removes the objects of files that were replaced or removed a while ago.
pub(crate) async fn collect_removed(parts: &Parts) -> Result<()> {
    let due = parts.stages.due();
    if !due.is_empty() {
        parts.storage.files().delete(due).await?;
    }
    Ok(())
}

/// Removes objects of earlier processes that no record names.
pub(crate) async fn remove_orphans(parts: &Parts) -> Result<()> {
    let snapshot = parts.catalog.snapshot();
    let stored = |entity: &Arc<Entity>| decode::<StoredFile>(entity).map(|s| s.object);
    let kept: HashSet<String> = snapshot.entities(EntityKind::StageFile, "").map(stored).collect::<Result<_>>()?;
    let removed = parts.storage.remove_orphan_files(&kept).await?;
    if removed > 0 {
        tracing::info!(files = removed, "orphaned stage files were removed");
    }
    Ok(())
}
