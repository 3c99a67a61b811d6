//! Functions without arguments whose answer is the session's: `database()`, `current_user()`, `version()`…
//! Each is made for one statement with its answer inside, so planning folds it into a literal.

use crate::Session;
use chrono_tz::Tz;
use datafusion::{
    arrow::datatypes::DataType,
    common::{Result, ScalarValue},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use std::sync::Arc;

/// Names that [`session_function`] answers.
pub(super) const NAMES: &[&str] = &[
    "connection_id",
    "currentdatabase",
    "current_catalog",
    "current_database",
    "current_user",
    "database",
    "last_query_id",
    "schema",
    "timezone",
    "user",
    "version",
];

/// The session function called `name` (lower case), with the answer for `session`, whose clocks are in `zone`.
pub(crate) fn session_function(name: &str, session: &Session, version: &str, zone: Tz) -> Option<Arc<ScalarUDF>> {
    let value = match name {
        "version" => version.to_owned(),
        "database" | "currentdatabase" | "current_database" | "schema" => session.database.clone(),
        "current_user" | "user" => format!("'{}'@'%'", session.principal.name),
        "current_catalog" => "default".to_owned(),
        "timezone" => zone.name().to_owned(),
        "last_query_id" => session.last_query_ids.last().cloned().unwrap_or_default(),
        "connection_id" => session.id.clone(),
        _ => return None,
    };
    Some(constant_function(name, ScalarValue::Utf8View(Some(value))))
}

/// A function called `name` that answers `value`.
pub(crate) fn constant_function(name: &str, value: ScalarValue) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Constant { name: name.to_owned(), value, signature: signature() }))
}

fn signature() -> Signature {
    Signature::nullary(Volatility::Immutable)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: String,
    value: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
