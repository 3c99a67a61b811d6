//! SET VARIABLE and UNSET VARIABLE: values that travel with the session.

use super::{super::Outcome, rows};
use crate::{
    Error, Result, Variable,
    plan::StatementContext,
    sql::{VariableValues, ident_name},
};
use datafusion::{common::ScalarValue, sql::sqlparser::ast::Ident};

/// Variables of one session, and bytes of one value: they travel with every request.
const VARIABLES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 16 << 10;

pub(super) async fn set(context: &mut StatementContext, names: &[Ident], values: &VariableValues) -> Result<Outcome> {
    let values = evaluated(context, values).await?;
    if names.len() != values.len() {
        let message = format!("{} variables, but {} values", names.len(), values.len());
        return Err(Error::Semantic { message });
    }
    for (name, value) in names.iter().zip(&values) {
        let variable = Variable::new(value)?;
        if variable.text.as_ref().is_some_and(|text| text.len() > VALUE_BYTES_MAX) {
            let message = format!("the value of variable `{}` is longer than {VALUE_BYTES_MAX} bytes", name.value);
            return Err(Error::InvalidArgument { message });
        }
        context.session.variables.insert(ident_name(name).to_lowercase(), variable);
    }
    if context.session.variables.len() > VARIABLES_MAX {
        return Err(Error::InvalidArgument { message: format!("a session has at most {VARIABLES_MAX} variables") });
    }
    Ok(Outcome::Done)
}

async fn evaluated(context: &StatementContext, values: &VariableValues) -> Result<Vec<ScalarValue>> {
    match values {
        VariableValues::Expressions(values) => {
            let mut found = Vec::with_capacity(values.len());
            for value in values {
                found.push(rows::value_of(context, value).await?);
            }
            Ok(found)
        }
        VariableValues::Query(query) => rows::one_row(context, query).await,
    }
}

pub(super) fn unset(context: &mut StatementContext, names: &[Ident]) -> Outcome {
    for name in names {
        context.session.variables.remove(&ident_name(name).to_lowercase());
    }
    Outcome::Done
}
