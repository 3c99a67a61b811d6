//! How it is asked: one folder per dialect, and the server that listens.
