//! Stages, file formats, connections and COPY.

use super::{grammar::Grammar, ident_name, statement::Statement};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, ObjectName, Query, TableFactor, Values},
    parser::Parser,
    tokenizer::Token,
};
use std::collections::BTreeMap;

/// Options by name in lower case, values as written.
pub(crate) type Options = BTreeMap<String, String>;

/// Statements about files outside of tables.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, in a box")]
pub(crate) enum StageStatement {
    CreateStage {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        properties: StageProperties,
    },
    AlterStage {
        name: String,
        if_exists: bool,
        properties: StageProperties,
    },
    DropStage {
        name: String,
        if_exists: bool,
    },
    DescribeStage {
        name: String,
    },
    CreateFileFormat {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        options: Options,
    },
    DropFileFormat {
        name: String,
        if_exists: bool,
    },
    DescribeFileFormat {
        name: String,
    },
    CreateConnection {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        options: Options,
    },
    DropConnection {
        name: String,
        if_exists: bool,
    },
    DescribeConnection {
        name: String,
    },
    /// Locations begin with `@`, or are URLs.
    List {
        location: String,
        pattern: Option<String>,
    },
    Remove {
        location: String,
        pattern: Option<String>,
    },
    Presign {
        upload: bool,
        location: String,
        expire_secs: Option<u64>,
        content_type: Option<String>,
    },
    CopyIntoTable(Box<CopyIntoTable>),
    CopyIntoLocation(CopyIntoLocation),
}

/// What CREATE and ALTER STAGE say; `None` = not mentioned.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageProperties {
    pub url: Option<String>,
    pub connection: Option<Options>,
    pub file_format: Option<Options>,
    pub copy_options: Options,
    pub comment: Option<String>,
}

/// `COPY INTO table`.
#[derive(Debug, Clone)]
pub(crate) struct CopyIntoTable {
    pub table: ObjectName,
    pub columns: Vec<Ident>,
    pub source: CopySource,
    pub files: Vec<String>,
    pub pattern: Option<String>,
    pub file_format: Option<Options>,
    pub connection: Options,
    pub options: Options,
}

/// Where copied rows come from.
#[derive(Debug, Clone)]
pub(crate) enum CopySource {
    Location(String),
    /// A query over one location.
    Query(Box<Query>),
}

/// `COPY INTO place`.
#[derive(Debug, Clone)]
pub(crate) struct CopyIntoLocation {
    pub location: String,
    pub connection: Options,
    pub query: Box<Query>,
    pub partition_by: Option<Expr>,
    pub file_format: Option<Options>,
    pub options: Options,
}

/// The rows of an INSERT from files.
#[derive(Debug, Clone)]
pub(crate) struct InsertFiles {
    /// Placeholders for fields in order, and constants; `None`: all columns are fields.
    pub values: Option<Vec<Expr>>,
    /// `None`: it comes with the request.
    pub location: Option<String>,
    pub file_format: Option<Options>,
    pub options: Options,
}

/// How far behind VALUES a place of files is looked for.
const VALUES_TOKENS_MAX: usize = 4096;

const FILE_FORMAT: &[&str] = &["file_format"];

impl Grammar<'_> {
    /// CREATE of what this file knows; the cursor is behind `CREATE [OR REPLACE]`.
    pub(super) fn create_stage(&mut self, or_replace: bool) -> Result<Option<Statement>> {
        if self.accept("stage") {
            let if_not_exists = self.if_not_exists();
            let name = self.stage_name()?;
            let properties = self.stage_properties()?;
            return stage(StageStatement::CreateStage { name, or_replace, if_not_exists, properties });
        }
        if self.accept_all(&["file", "format"]) {
            let if_not_exists = self.if_not_exists();
            let name = self.stage_name()?;
            let options = match self.parser.peek_token_ref().token {
                Token::LParen => self.options_in_parentheses()?,
                _ => self.options()?.0,
            };
            return stage(StageStatement::CreateFileFormat { name, or_replace, if_not_exists, options });
        }
        if self.accept("connection") {
            let if_not_exists = self.if_not_exists();
            let name = self.stage_name()?;
            let options = self.options()?.0;
            return stage(StageStatement::CreateConnection { name, or_replace, if_not_exists, options });
        }
        Ok(None)
    }

    /// DROP of what this file knows.
    pub(super) fn drop_stage(&mut self) -> Result<Option<Statement>> {
        if self.accept("stage") {
            let if_exists = self.if_exists();
            return stage(StageStatement::DropStage { name: self.stage_name()?, if_exists });
        }
        if self.accept_all(&["file", "format"]) {
            let if_exists = self.if_exists();
            return stage(StageStatement::DropFileFormat { name: self.stage_name()?, if_exists });
        }
        if self.accept("connection") {
            let if_exists = self.if_exists();
            return stage(StageStatement::DropConnection { name: self.stage_name()?, if_exists });
        }
        Ok(None)
    }

    pub(super) fn alter_stage(&mut self) -> Result<Option<Statement>> {
        if !self.accept("stage") {
            return Ok(None);
        }
        let if_exists = self.if_exists();
        let name = self.stage_name()?;
        self.expect("set")?;
        let properties = self.stage_properties()?;
        stage(StageStatement::AlterStage { name, if_exists, properties })
    }

    /// DESCRIBE of what this file knows.
    pub(super) fn describe_stage(&mut self) -> Result<Option<Statement>> {
        let names_something = |token: &Token| matches!(token, Token::Word(_) | Token::SingleQuotedString(_));
        if self.is("stage") && names_something(&self.parser.peek_nth_token_ref(1).token) {
            self.parser.next_token();
            return stage(StageStatement::DescribeStage { name: self.stage_name()? });
        }
        if self.accept_all(&["file", "format"]) {
            return stage(StageStatement::DescribeFileFormat { name: self.stage_name()? });
        }
        if self.is("connection") && names_something(&self.parser.peek_nth_token_ref(1).token) {
            self.parser.next_token();
            return stage(StageStatement::DescribeConnection { name: self.stage_name()? });
        }
        Ok(None)
    }

    pub(super) fn list_stage(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let (location, pattern) = self.location_and_pattern()?;
        Ok(Statement::Stage(Box::new(StageStatement::List { location, pattern })))
    }

    pub(super) fn remove_stage(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let (location, pattern) = self.location_and_pattern()?;
        Ok(Statement::Stage(Box::new(StageStatement::Remove { location, pattern })))
    }

    pub(super) fn presign(&mut self) -> Result<Statement> {
        self.parser.next_token();
        let upload = self.accept("upload");
        let _ = !upload && self.accept("download");
        let location = self.file_location()?;
        let (options, _) = self.options()?;
        let (mut expire_secs, mut content_type) = (None, None);
        for (name, value) in options {
            match name.as_str() {
                "expire" => {
                    let bad =
                        |_| Error::InvalidArgument { message: format!("EXPIRE is a number of seconds, not `{value}`") };
                    expire_secs = Some(value.parse().map_err(bad)?);
                }
                "content_type" => content_type = Some(value),
                _ => return Err(unknown_option(&name, "PRESIGN")),
            }
        }
        Ok(Statement::Stage(Box::new(StageStatement::Presign { upload, location, expire_secs, content_type })))
    }

    pub(super) fn copy(&mut self) -> Result<Statement> {
        self.parser.next_token();
        self.expect("into")?;
        let statement = match self.accept_location() {
            Some(location) => StageStatement::CopyIntoLocation(self.copy_into_location(location)?),
            None => StageStatement::CopyIntoTable(Box::new(self.copy_into_table()?)),
        };
        Ok(Statement::Stage(Box::new(statement)))
    }

    fn copy_into_table(&mut self) -> Result<CopyIntoTable> {
        let table = self.name()?;
        let columns = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?,
            _ => Vec::new(),
        };
        self.expect("from")?;
        let source = if self.parser.consume_token(&Token::LParen) {
            let query = self.query()?;
            self.parser.expect_token(&Token::RParen)?;
            CopySource::Query(query)
        } else {
            CopySource::Location(self.file_location()?)
        };
        let (mut options, lists) = self.options()?;
        let Lists { file_format, connection, files, .. } = lists;
        let pattern = options.remove("pattern").filter(|p| !p.is_empty());
        let connection = connection.unwrap_or_default();
        let files = files.unwrap_or_default();
        Ok(CopyIntoTable { table, columns, source, files, pattern, file_format, connection, options })
    }

    fn copy_into_location(&mut self, location: String) -> Result<CopyIntoLocation> {
        let (before, before_lists) = self.options()?;
        self.expect("from")?;
        let query = if self.parser.consume_token(&Token::LParen) {
            let query = self.query()?;
            self.parser.expect_token(&Token::RParen)?;
            query
        } else {
            Box::new(everything_of(self.name()?))
        };
        let mut partition_by = None;
        let (mut options, mut lists) = (before, before_lists);
        loop {
            if self.accept_all(&["partition", "by"]) {
                self.parser.expect_token(&Token::LParen)?;
                partition_by = Some(self.parser.parse_expr()?);
                self.parser.expect_token(&Token::RParen)?;
                continue;
            }
            let (more, more_lists) = self.options()?;
            if more.is_empty() && more_lists.is_empty() {
                break;
            }
            options.extend(more);
            lists.take(more_lists);
        }
        let (connection, file_format) = (lists.connection.unwrap_or_default(), lists.file_format);
        Ok(CopyIntoLocation { location, connection, query, partition_by, file_format, options })
    }

    /// The rest of an INSERT from files; `None`: it is another INSERT. VALUES of a tuple may be one or the other, which
    /// shows only behind it.
    pub(super) fn insert_files(&mut self) -> Result<Option<InsertFiles>> {
        if self.is("values") && matches!(self.parser.peek_nth_token_ref(1).token, Token::EOF | Token::SemiColon) {
            self.parser.next_token();
            let (file_format, options) = (None, Options::new());
            return Ok(Some(InsertFiles { values: None, location: None, file_format, options }));
        }
        if self.is("from") && is_location(&self.parser.peek_nth_token_ref(1).token) {
            return self.insert_from(None).map(Some);
        }
        if !self.is("values") || !self.has_location() {
            return Ok(None);
        }
        self.parser.next_token();
        let Values { rows, .. } = self.parser.parse_values(false, true)?;
        let mut rows = rows.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => self.insert_from(Some(row.content)).map(Some),
            _ => Err(Error::Syntax { message: "VALUES over a file has one row".into() }),
        }
    }

    fn insert_from(&mut self, values: Option<Vec<Expr>>) -> Result<InsertFiles> {
        self.expect("from")?;
        let location = Some(self.file_location()?);
        let (options, lists) = self.options()?;
        Ok(InsertFiles { values, location, file_format: lists.file_format, options })
    }

    /// Whether a place of files comes later, outside of any query.
    fn has_location(&self) -> bool {
        if !self.text_contains("\"@") && !self.text_contains("://") {
            return false;
        }
        for n in 0..VALUES_TOKENS_MAX {
            match &self.parser.peek_nth_token_ref(n).token {
                Token::EOF => return false,
                Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("select") => {
                    return false;
                }
                token if is_location(token) => return true,
                _ => {}
            }
        }
        false
    }

    fn text_contains(&self, text: &str) -> bool {
        self.sql().contains(text)
    }

    fn stage_properties(&mut self) -> Result<StageProperties> {
        let (mut options, lists) = self.options()?;
        let properties = StageProperties {
            url: options.remove("url"),
            connection: lists.connection,
            file_format: lists.file_format,
            comment: options.remove("comment").or_else(|| options.remove("comments")),
            copy_options: lists.copy_options.unwrap_or_default(),
        };
        match options.keys().next() {
            Some(name) => Err(unknown_option(name, "a stage")),
            None => Ok(properties),
        }
    }

    fn location_and_pattern(&mut self) -> Result<(String, Option<String>)> {
        let location = self.file_location()?;
        let (mut options, _) = self.options()?;
        let pattern = options.remove("pattern").filter(|p| !p.is_empty());
        match options.keys().next() {
            Some(name) => Err(unknown_option(name, "LIST and REMOVE")),
            None => Ok((location, pattern)),
        }
    }

    /// `@stage/path`, or a URL in quotes.
    fn file_location(&mut self) -> Result<String> {
        match self.accept_location() {
            Some(location) => Ok(location),
            None => self.expected("a location (@stage/path or a URL in quotes)"),
        }
    }

    fn accept_location(&mut self) -> Option<String> {
        let location = location_of(&self.parser.peek_token_ref().token)?;
        self.parser.next_token();
        Some(location)
    }

    /// A name, or a text in quotes.
    fn stage_name(&mut self) -> Result<String> {
        if matches!(self.parser.peek_token_ref().token, Token::SingleQuotedString(_)) {
            return self.text();
        }
        Ok(ident_name(&self.ident()?))
    }

    /// `name = value …`, with commas or without; values in parentheses are kept apart.
    fn options(&mut self) -> Result<(Options, Lists)> {
        let (mut options, mut lists) = (Options::new(), Lists::default());
        loop {
            let _ = self.parser.consume_token(&Token::Comma);
            let Token::Word(word) = &self.parser.peek_token_ref().token else { break };
            if self.parser.peek_nth_token_ref(1).token != Token::Eq {
                break;
            }
            let name = word.value.to_lowercase();
            self.parser.next_token();
            self.parser.next_token();
            if self.parser.peek_token_ref().token == Token::LParen {
                self.list(&name, &mut lists)?;
            } else if FILE_FORMAT.contains(&name.as_str()) {
                let value = self.option_value()?;
                lists.file_format = Some(Options::from([("type".to_string(), value)]));
            } else {
                let value = self.option_value()?;
                options.insert(name, value);
            }
        }
        Ok((options, lists))
    }

    fn list(&mut self, name: &str, lists: &mut Lists) -> Result<()> {
        match name {
            "file_format" => lists.file_format = Some(self.options_in_parentheses()?),
            "connection" => lists.connection = Some(self.options_in_parentheses()?),
            "copy_options" => lists.copy_options = Some(self.options_in_parentheses()?),
            "files" => {
                self.parser.expect_token(&Token::LParen)?;
                lists.files = Some(self.parser.parse_comma_separated(Parser::parse_literal_string)?);
                self.parser.expect_token(&Token::RParen)?;
            }
            _ => return Err(unknown_option(name, "this statement")),
        }
        Ok(())
    }

    fn options_in_parentheses(&mut self) -> Result<Options> {
        self.parser.expect_token(&Token::LParen)?;
        let mut options = Options::new();
        while !self.parser.consume_token(&Token::RParen) {
            let name = self.ident()?.value.to_lowercase();
            self.parser.expect_token(&Token::Eq)?;
            // NULL_IF = ('a', 'b')
            let value = if self.parser.consume_token(&Token::LParen) {
                let values = self.parser.parse_comma_separated(Parser::parse_literal_string)?;
                self.parser.expect_token(&Token::RParen)?;
                values.join("\u{1f}")
            } else {
                self.option_value()?
            };
            options.insert(name, value);
            let _ = self.parser.consume_token(&Token::Comma);
        }
        Ok(options)
    }

    fn option_value(&mut self) -> Result<String> {
        let sign = if self.parser.consume_token(&Token::Minus) { "-" } else { "" };
        let token = self.parser.next_token();
        match token.token {
            Token::Number(number, _) => Ok(format!("{sign}{number}")),
            Token::SingleQuotedString(text) if sign.is_empty() => Ok(text),
            Token::Word(word) if sign.is_empty() => Ok(word.value),
            _ => Ok(self.parser.expected("a number, a string or a word", token)?),
        }
    }
}

/// Options whose values stand in parentheses.
#[derive(Debug, Default)]
struct Lists {
    file_format: Option<Options>,
    connection: Option<Options>,
    copy_options: Option<Options>,
    files: Option<Vec<String>>,
}

impl Lists {
    fn is_empty(&self) -> bool {
        self.file_format.is_none() && self.connection.is_none() && self.copy_options.is_none() && self.files.is_none()
    }

    fn take(&mut self, other: Lists) {
        self.file_format = other.file_format.or_else(|| self.file_format.take());
        self.connection = other.connection.or_else(|| self.connection.take());
    }
}

fn stage(statement: StageStatement) -> Result<Option<Statement>> {
    Ok(Some(Statement::Stage(Box::new(statement))))
}

fn unknown_option(name: &str, of: &str) -> Error {
    Error::InvalidArgument { message: format!("unknown option `{}` of {of}", name.to_uppercase()) }
}

fn is_location(token: &Token) -> bool {
    location_of(token).is_some()
}

/// The place a token names. Places outside of quotes were made quoted names before.
fn location_of(token: &Token) -> Option<String> {
    let place = |text: &str| text.starts_with('@') || text.contains("://");
    match token {
        Token::Word(word) if word.quote_style.is_some() && word.value.starts_with('@') => Some(word.value.clone()),
        Token::SingleQuotedString(text) if place(text) => Some(text.clone()),
        _ => None,
    }
}

/// `SELECT * FROM name`.
fn everything_of(name: ObjectName) -> Query {
    use crate::statement::select::{everything, from_one, relation, select};
    select(vec![everything()], vec![from_one(relation(name, None))], None)
}

/// The place that a table of a query names, if it names one.
pub(crate) fn location_of_table(factor: &TableFactor) -> Option<&str> {
    let TableFactor::Table { name, .. } = factor else { return None };
    match name.0.as_slice() {
        [datafusion::sql::sqlparser::ast::ObjectNamePart::Identifier(ident)]
            if ident.quote_style.is_some() && ident.value.starts_with('@') =>
        {
            Some(&ident.value)
        }
        _ => None,
    }
}
