//! What a dialect of files says about fields beyond where they begin and end: what an empty or missing one means, how
//! bytes and times are spelled. A stream load has the default rules.

/// Rules for the fields of a file.
#[derive(Debug, Clone)]
pub(crate) struct FieldRules {
    pub empty: EmptyField,
    pub missing: MissingField,
    pub null: NullField,
    pub width: Width,
    /// `\r\n` ends a record where `\n` does.
    pub drop_carriage_returns: bool,
    /// Behind the escape character letters mean control characters.
    pub letter_escapes: bool,
    pub binary: BinaryText,
    /// A text that is no JSON becomes JSON's null in a VARIANT column, rather than making its row bad.
    pub bad_variant_as_null: bool,
}

/// What an empty field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyField {
    /// What the load's own options say.
    Stream,
    Null,
    /// An empty text in columns of texts, NULL in others.
    Text,
    /// The column's default.
    Default,
}

/// What becomes of a column whose field a record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingField {
    /// The default if there is one, else NULL.
    DefaultOrNull,
    Error,
    Null,
    Default,
    TypeDefault,
}

/// What JSON's null means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullField {
    Null,
    Default,
}

/// Whether records must have exactly as many fields as there are columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Exact,
    Lenient,
}

/// How bytes are spelled in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryText {
    /// The text's own bytes.
    Plain,
    Hex,
    Base64,
}

impl Default for FieldRules {
    fn default() -> Self {
        Self {
            empty: EmptyField::Stream,
            missing: MissingField::DefaultOrNull,
            null: NullField::Null,
            width: Width::Exact,
            drop_carriage_returns: false,
            letter_escapes: false,
            binary: BinaryText::Plain,
            bad_variant_as_null: false,
        }
    }
}

impl FieldRules {
    /// Whether fields that are there may still mean the column's default.
    pub(super) fn defaults_for_values(&self) -> bool {
        self.empty == EmptyField::Default || self.null == NullField::Default
    }
}
