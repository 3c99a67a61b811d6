//! What happens: sessions, SQL, queries and their pages, loads, background tasks, permissions.
//!
//! [`Engine`] is the one object a server holds. Whoever asks (any protocol) authenticates to a [`Principal`], makes a
//! [`Session`], and calls one operation: [`Engine::query`] for a statement, [`Engine::load`] for a stream of rows.
//! No protocol's name or shape appears here, and nothing here knows HTTP.

mod access;
mod config;
mod copy;
mod engine;
mod error;
#[cfg(test)]
mod fixture;
mod functions;
mod load;
mod metrics;
mod parts;
mod plan;
mod principal;
mod query;
mod runtime;
mod session;
mod sql;
mod stage;
mod statement;
mod system;
mod table;
mod tasks;
pub mod types;
mod write;

pub use access::IpRange;
pub use basalt_meta::{CRASH_POINT_VARIABLE, Clock, EntityKind, SystemClock};
pub use basalt_storage::Compression as StorageCompression;
pub use config::EngineSettings;
pub use copy::{StreamingLoad, StreamingLoaded};
pub use engine::Engine;
pub use error::{Error, ErrorKind};
pub use load::{ByteStream, ColumnMapping, CsvOptions, JsonOptions, LoadFormat, LoadOutcome, LoadReport, LoadRequest};
pub use principal::{Access, Principal, Role, Users};
pub use query::{
    CloseReason, Parameters, Progress, QueryHandle, QueryRequest, QueryState, QueryStats, ResultPage, StageAttachment,
};
pub use session::{Session, SessionEffect, SettingChange, TransactionId, TransactionState, Variable};
pub use stage::{PresignMethod, PresignRequest, PresignedUrl, Presigner, StageFile};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
