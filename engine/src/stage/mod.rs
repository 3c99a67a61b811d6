//! Stages: places where files wait to be loaded, queried in place or fetched. A stage is either ours (files are objects
//! in the server's store, listed in the catalogue) or names a store of the user's. What SQL says about stages is in
//! `statement/stage`, how rows are made of files in `copy`.

mod connect;
mod files;
mod location;
mod model;
mod presign;
mod registry;

pub(crate) use connect::{connection_options, open_external};
pub(crate) use files::{
    Found, Opened, Pinned, StageStore, StoredFile, collect_removed, get, list, list_found, own_paths, put, put_edits,
    removal_edits, remove, remove_from, remove_now, remove_orphans,
};
pub(crate) use location::{Location, check_path};
pub use model::StageFile;
pub(crate) use model::{ConnectionRecord, FileFormatRecord, StageRecord, decode, encode};
pub use presign::{PresignMethod, PresignRequest, PresignedUrl, Presigner};
pub(crate) use registry::{Stage, entity, find_connection, find_format, find_stage};

#[cfg(test)]
mod tests;
