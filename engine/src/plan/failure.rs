//! What the query library says went wrong, as the caller should understand it.

use super::{dialect::SET, meaning};
use crate::Error;
use datafusion::{
    arrow::error::ArrowError,
    common::{DataFusionError, SchemaError, Span},
    parquet::errors::ParquetError,
};
use std::sync::Arc;

/// Translates an error of planning or running.
pub(crate) fn explain(error: DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) => explain(*inner),
        DataFusionError::Diagnostic(diagnostic, inner) => placed(explain(*inner), diagnostic.span),
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => explain(inner),
            Err(shared) => explain_shared(&shared),
        },
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => explain(first),
            None => Error::Internal { message: "empty list of errors".into(), source: None },
        },
        DataFusionError::External(inner) => external(inner),
        DataFusionError::ArrowError(inner, _) => arrow(*inner),
        DataFusionError::ParquetError(inner) => parquet(*inner),
        DataFusionError::SQL(inner, _) => Error::Syntax { message: inner.to_string() },
        DataFusionError::NotImplemented(what) => Error::Unsupported { what },
        DataFusionError::SchemaError(inner, _) => schema(*inner),
        DataFusionError::Plan(message) | DataFusionError::Configuration(message) => plan(message),
        DataFusionError::Execution(message) => Error::Evaluation { message },
        DataFusionError::ResourcesExhausted(message) => Error::MemoryExhausted { message },
        DataFusionError::IoError(inner) if inner.kind() == std::io::ErrorKind::StorageFull => Error::NoSpace,
        DataFusionError::Internal(message) if is_count(&message) => plan(message),
        DataFusionError::Internal(message) if is_semantic(&message) => Error::Semantic { message },
        other => {
            let message = first_line(&other.to_string());
            Error::internal(message, other)
        }
    }
}

/// An error several streams were told of: only its text can be taken along, unless it is ours.
fn explain_shared(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(inner) => {
            if let Some(ours) = inner.downcast_ref::<Error>() {
                return ours.clone();
            }
            if let Some(storage) = inner.downcast_ref::<basalt_storage::Error>() {
                return storage_text(storage);
            }
            Error::Evaluation { message: inner.to_string() }
        }
        DataFusionError::ArrowError(inner, _) => Error::Evaluation { message: arrow_text(inner) },
        DataFusionError::ResourcesExhausted(message) => Error::MemoryExhausted { message: message.clone() },
        DataFusionError::ParquetError(inner) => Error::Corrupt { message: inner.to_string() },
        DataFusionError::Execution(message) => Error::Evaluation { message: message.clone() },
        other => Error::Internal { message: first_line(&other.to_string()), source: None },
    }
}

/// The error with the place in the text that it is about.
fn placed(error: Error, span: Option<Span>) -> Error {
    let Some(Span { start, .. }) = span.filter(|span| span.start.line > 0) else {
        return error;
    };
    let place = format!(" at line {}, column {}", start.line, start.column);
    match error {
        Error::UnknownColumn { name, hint } if !hint.contains(" at line ") => {
            Error::UnknownColumn { name, hint: hint + &place }
        }
        Error::UnknownFunction { name, hint } if !hint.contains(" at line ") => {
            Error::UnknownFunction { name, hint: hint + &place }
        }
        Error::Semantic { message } if !message.contains(" at line ") => {
            Error::Semantic { message: first_line(&message) + &place }
        }
        other => other,
    }
}

fn external(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let inner = match inner.downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<basalt_storage::Error>() {
        Ok(storage) => return (*storage).into(),
        Err(inner) => inner,
    };
    match inner.downcast::<DataFusionError>() {
        Ok(nested) => explain(*nested),
        Err(inner) => Error::Internal { message: inner.to_string(), source: Some(Arc::from(inner)) },
    }
}

fn storage_text(error: &basalt_storage::Error) -> Error {
    use basalt_storage::Error as Storage;
    match error {
        Storage::Damaged { .. } | Storage::Missing { .. } => Error::Corrupt { message: error.to_string() },
        Storage::NoSpace => Error::NoSpace,
        Storage::Cancelled => Error::Cancelled { reason: "background work was stopped".into() },
        other => Error::Internal { message: chain(other), source: None },
    }
}

/// The texts of an error and its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => external(inner),
        ArrowError::MemoryError(message) => Error::MemoryExhausted { message },
        ArrowError::NotYetImplemented(what) => Error::Unsupported { what },
        ArrowError::ParquetError(message) => Error::Corrupt { message },
        other => Error::Evaluation { message: arrow_text(&other) },
    }
}

/// The text without the library's name of the variant.
fn arrow_text(error: &ArrowError) -> String {
    match error {
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::SchemaError(message)
        | ArrowError::JsonError(message)
        | ArrowError::CsvError(message) => message.clone(),
        ArrowError::DivideByZero => "division by zero".into(),
        other => other.to_string(),
    }
}

fn parquet(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => external(inner),
        other => Error::Corrupt { message: other.to_string() },
    }
}

fn schema(error: SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } if field.relation.as_ref().is_some_and(|r| r.table() == SET) => {
            Error::Unsupported { what: "ANY or ALL over a subquery that refers to the query around it".into() }
        }
        SchemaError::FieldNotFound { field, valid_fields } => {
            let hint = nearest(&field.name, valid_fields.iter().map(|c| c.name.as_str()));
            Error::UnknownColumn { name: field.flat_name(), hint }
        }
        other => Error::Semantic { message: first_line(&other.to_string()) },
    }
}

fn plan(mut message: String) -> Error {
    if let Some((_, inner)) = message.split_once(" user-defined coercion failed with: ") {
        message =
            inner.trim_start_matches("Error during planning: ").trim_start_matches("Execution error: ").to_owned();
    }
    if let Some(rest) = message.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default().to_owned();
        // What is only a notation is a function to those who call it.
        let name = name.strip_prefix(meaning::MISCOUNTED).unwrap_or(&name).to_owned();
        if let Some(syntax) = meaning::syntax(&name) {
            let message = format!("function `{name}` has a wrong number of arguments: it is written {syntax}");
            return Error::ArgumentCount { message };
        }
        return Error::UnknownFunction { name, hint: String::new() };
    }
    // Our own words are enough, without the library's table of signatures.
    if let Some(at) = message.find(". No function matches")
        && message.contains('`')
    {
        message.truncate(at);
    }
    if is_count(&message) {
        let end = message.find(". No function matches").unwrap_or(message.len());
        message.truncate(end);
        return Error::ArgumentCount { message };
    }
    Error::Semantic { message }
}

/// Whether a refusal is about how many arguments a function has.
fn is_count(message: &str) -> bool {
    let ours = message.starts_with("function `") && message.contains(" takes ") && message.contains(" argument");
    let theirs = message.contains("unction '") && message.contains(" arguments but received ");
    ours || theirs || message.contains("' does not support zero arguments")
}

/// Some refusals of the planner are labelled as its own faults though the statement makes no sense.
fn is_semantic(message: &str) -> bool {
    message.starts_with("Function '") || message.contains("coercion")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// ", did you mean `x`?" for the known name nearest to `name`; empty when none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    let best = known.map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate)).min();
    match best {
        Some((distance, candidate)) if distance <= (name.chars().count() / 3).max(1) => {
            format!(", did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_not() {
        assert_eq!(nearest("l_orderky", ["l_orderkey", "l_partkey"].into_iter()), ", did you mean `l_orderkey`?");
        assert_eq!(nearest("zzz", ["l_orderkey"].into_iter()), "");
    }

    #[test]
    fn our_own_errors_survive_the_library() {
        let ours = Error::NoSpace;
        let wrapped = DataFusionError::External(Box::new(ours)).context("while planning");
        assert!(matches!(explain(wrapped), Error::NoSpace));
        let shared = Arc::new(DataFusionError::External(Box::new(Error::NoSpace)));
        let kept = shared.clone();
        assert!(matches!(explain(DataFusionError::Shared(shared)), Error::NoSpace));
        drop(kept);
    }
}
