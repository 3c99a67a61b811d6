//! `_stream_load` as curl and the loaders use it.

mod stream_load;
