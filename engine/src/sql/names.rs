//! Names as users write them: unquoted ones are case-insensitive and kept in lower case, quoted ones are exact.

use crate::{Error, Result};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// The name an identifier creates: lower case unless quoted.
pub(crate) fn ident_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Whether an identifier refers to something of this name.
pub(crate) fn matches_name(ident: &Ident, name: &str) -> bool {
    if ident.quote_style.is_some() { ident.value == name } else { ident.value.to_lowercase() == name.to_lowercase() }
}

/// `[database.]name`.
pub(crate) fn name_parts(name: &ObjectName) -> Result<(Option<&Ident>, &Ident)> {
    let idents: Option<Vec<&Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
    match idents.as_deref() {
        Some([name]) => Ok((None, name)),
        Some([database, name]) => Ok((Some(database), name)),
        Some([catalog, database, name]) if matches_name(catalog, "default") => Ok((Some(database), name)),
        _ => Err(Error::Syntax { message: format!("`{name}` is not a name of the form [database.]table") }),
    }
}

/// The last part of a name.
pub(crate) fn last_name(name: &ObjectName) -> Result<&Ident> {
    let last = name.0.last().and_then(ObjectNamePart::as_ident);
    last.ok_or_else(|| Error::Syntax { message: format!("`{name}` is not a name") })
}
