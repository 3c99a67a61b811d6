//! Functions that tell a statement with which roles it runs. Each is made for one statement with its answer inside, so
//! planning folds it.

use super::{ACCOUNT_ADMIN, is_unlimited};
use crate::{Result, plan::StatementContext};
use arrow::{
    array::{AsArray, BooleanArray},
    compute::cast,
};
use datafusion::{
    arrow::datatypes::DataType,
    common::{Result as PlanResult, ScalarValue},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use std::{collections::BTreeSet, sync::Arc};

/// Names that [`session_function`] answers.
pub(crate) const NAMES: &[&str] =
    &["current_available_roles", "current_role", "current_secondary_roles", "is_role_in_session"];

/// The function called `name` (lower case), made for this statement.
pub(crate) fn session_function(context: &StatementContext, name: &str) -> Result<Option<Arc<ScalarUDF>>> {
    if !NAMES.contains(&name) {
        return Ok(None);
    }
    let session = &context.session;
    if name == "current_role" && is_unlimited(session) && session.role.is_none() {
        return Ok(Some(answer("current_role", ACCOUNT_ADMIN.to_owned())));
    }
    let authority = context.authority()?;
    let in_force = || -> BTreeSet<String> {
        let all = authority.is_everything() && session.secondary_roles.is_none();
        let inherited = all.then(|| authority.available.iter().cloned()).into_iter().flatten();
        authority.active.iter().cloned().chain(inherited).collect()
    };
    Ok(Some(match name {
        "current_role" => answer("current_role", authority.current.clone()),
        "current_available_roles" => {
            answer("current_available_roles", serde_json::json!(authority.available).to_string())
        }
        "current_secondary_roles" => {
            let value = if session.secondary_roles.is_none() { "ALL" } else { "None" };
            let roles: Vec<String> = in_force().into_iter().collect();
            let json = serde_json::json!({"roles": roles.join(","), "value": value});
            answer("current_secondary_roles", json.to_string())
        }
        _ => Arc::new(ScalarUDF::from(RoleInSession {
            roles: in_force(),
            signature: Signature::string(1, Volatility::Immutable),
        })),
    }))
}

fn answer(name: &'static str, value: String) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Answer { name, value, signature: Signature::nullary(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Answer {
    name: &'static str,
    value: String,
    signature: Signature,
}

impl ScalarUDFImpl for Answer {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(Some(self.value.clone()))))
    }
}

/// `is_role_in_session(role)`: whether a role is in force, directly or through another.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RoleInSession {
    roles: BTreeSet<String>,
    signature: Signature,
}

impl ScalarUDFImpl for RoleInSession {
    fn name(&self) -> &str {
        "is_role_in_session"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = args.number_rows;
        let scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let names = cast(&args.args[0].to_array(if scalar { 1 } else { rows })?, &DataType::Utf8View)?;
        let found: BooleanArray =
            names.as_string_view().iter().map(|name| name.map(|name| self.roles.contains(name))).collect();
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}
