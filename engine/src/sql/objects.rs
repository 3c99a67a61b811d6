//! Named objects besides tables and views, and what is done with them: sequences, functions and procedures written in
//! SQL, streams, session variables, scripts. What a script says inside is in `script`.

use super::{grammar::Grammar, statement::Statement};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, Query},
    parser::Parser,
    tokenizer::Token,
};

/// A statement about named objects.
#[derive(Debug, Clone)]
pub(crate) enum ObjectStatement {
    CreateSequence {
        name: Ident,
        create: CreateMode,
        start: i64,
        increment: i64,
        comment: String,
    },
    DropSequence {
        name: Ident,
        if_exists: bool,
    },
    DescribeSequence {
        name: Ident,
    },
    CreateFunction {
        name: Ident,
        create: CreateMode,
        function: FunctionDefinition,
    },
    AlterFunction {
        name: Ident,
        function: FunctionDefinition,
    },
    DropFunction {
        name: Ident,
        if_exists: bool,
    },
    DescribeFunction {
        name: Ident,
    },
    CreateProcedure {
        name: Ident,
        create: CreateMode,
        procedure: ProcedureDefinition,
    },
    DropProcedure {
        name: Ident,
        arguments: Vec<String>,
        if_exists: bool,
    },
    DescribeProcedure {
        name: Ident,
        arguments: Vec<String>,
    },
    Call {
        name: Ident,
        arguments: Vec<Expr>,
    },
    /// EXECUTE IMMEDIATE: a script or one statement, as an expression that makes its text.
    ExecuteImmediate {
        text: Expr,
    },
    SetVariables {
        names: Vec<Ident>,
        values: VariableValues,
    },
    UnsetVariables {
        names: Vec<Ident>,
    },
}

/// What CREATE does when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateMode {
    New,
    OrReplace,
    IfNotExists,
}

/// A function as its author wrote it.
#[derive(Debug, Clone)]
pub(crate) struct FunctionDefinition {
    /// Names and, where given, the text of their types.
    pub parameters: Vec<(Ident, Option<String>)>,
    pub returns: FunctionReturns,
    /// SQL of an expression, or of a query.
    pub body: String,
    pub comment: String,
}

/// What a function makes.
#[derive(Debug, Clone)]
pub(crate) enum FunctionReturns {
    /// Whatever its expression makes.
    Unsaid,
    Value(String),
    Table(Vec<(Ident, String)>),
}

/// A procedure as its author wrote it.
#[derive(Debug, Clone)]
pub(crate) struct ProcedureDefinition {
    pub parameters: Vec<(Ident, String)>,
    pub returns: Vec<String>,
    pub body: String,
    pub comment: String,
}

/// New values of session variables.
#[derive(Debug, Clone)]
pub(crate) enum VariableValues {
    Expressions(Vec<Expr>),
    /// The columns of its one row.
    Query(Box<Query>),
}

impl Grammar<'_> {
    /// CREATE of one of these objects; `None` when the next word is another.
    pub(super) fn create_object(&mut self, or_replace: bool) -> Result<Option<Statement>> {
        let statement = if self.accept("sequence") {
            self.create_sequence(or_replace)?
        } else if self.accept("function") {
            let create = self.create_mode(or_replace)?;
            let name = self.ident()?;
            ObjectStatement::CreateFunction { name, create, function: self.function_definition()? }
        } else if self.accept("procedure") {
            self.create_procedure(or_replace)?
        } else if self.accept("stream") {
            return Err(streams());
        } else {
            return Ok(None);
        };
        Ok(Some(Statement::Object(Box::new(statement))))
    }

    pub(super) fn drop_object(&mut self) -> Result<Option<Statement>> {
        let statement = if self.accept("sequence") {
            ObjectStatement::DropSequence { if_exists: self.if_exists(), name: self.ident()? }
        } else if self.accept("function") {
            ObjectStatement::DropFunction { if_exists: self.if_exists(), name: self.ident()? }
        } else if self.accept("procedure") {
            let (if_exists, name) = (self.if_exists(), self.ident()?);
            ObjectStatement::DropProcedure { name, arguments: self.types_in_parentheses()?, if_exists }
        } else if self.accept("stream") {
            return Err(streams());
        } else {
            return Ok(None);
        };
        Ok(Some(Statement::Object(Box::new(statement))))
    }

    pub(super) fn describe_object(&mut self) -> Result<Option<Statement>> {
        if !matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
            return Ok(None);
        }
        let statement = if self.accept("sequence") {
            ObjectStatement::DescribeSequence { name: self.ident()? }
        } else if self.accept_all(&["user", "function"]) || self.accept("function") {
            ObjectStatement::DescribeFunction { name: self.ident()? }
        } else if self.accept("procedure") {
            let name = self.ident()?;
            ObjectStatement::DescribeProcedure { name, arguments: self.types_in_parentheses()? }
        } else if self.accept("stream") {
            return Err(streams());
        } else {
            return Ok(None);
        };
        Ok(Some(Statement::Object(Box::new(statement))))
    }

    pub(super) fn alter_function(&mut self) -> Result<Statement> {
        let name = self.ident()?;
        let function = self.function_definition()?;
        Ok(Statement::Object(Box::new(ObjectStatement::AlterFunction { name, function })))
    }

    /// `[IF NOT EXISTS]`, which excludes OR REPLACE.
    pub(super) fn create_mode(&mut self, or_replace: bool) -> Result<CreateMode> {
        match (or_replace, self.if_not_exists()) {
            (true, true) => Err(Error::Syntax { message: "OR REPLACE and IF NOT EXISTS exclude each other".into() }),
            (true, false) => Ok(CreateMode::OrReplace),
            (false, true) => Ok(CreateMode::IfNotExists),
            (false, false) => Ok(CreateMode::New),
        }
    }

    fn create_sequence(&mut self, or_replace: bool) -> Result<ObjectStatement> {
        let create = self.create_mode(or_replace)?;
        let name = self.ident()?;
        let (mut start, mut increment, mut comment) = (1, 1, String::new());
        loop {
            let _ = self.parser.consume_token(&Token::Comma);
            if self.accept("start") {
                let _ = self.accept("with");
                start = self.whole_number()?;
            } else if self.accept("increment") {
                let _ = self.accept("by");
                increment = self.whole_number()?;
            } else if self.accept("comment") {
                let _ = self.parser.consume_token(&Token::Eq);
                comment = self.text()?;
            } else {
                return Ok(ObjectStatement::CreateSequence { name, create, start, increment, comment });
            }
        }
    }

    /// `[=] [-]n`.
    pub(super) fn whole_number(&mut self) -> Result<i64> {
        let _ = self.parser.consume_token(&Token::Eq);
        let sign = if self.parser.consume_token(&Token::Minus) { "-" } else { "" };
        let token = self.parser.next_token();
        if let Token::Number(digits, _) = &token.token
            && let Ok(number) = [sign, digits].concat().parse()
        {
            return Ok(number);
        }
        Ok(self.parser.expected("a whole number", token)?)
    }

    /// Everything behind a function's name.
    fn function_definition(&mut self) -> Result<FunctionDefinition> {
        let mut function = FunctionDefinition {
            parameters: Vec::new(),
            returns: FunctionReturns::Unsaid,
            body: String::new(),
            comment: String::new(),
        };
        if self.accept("as") {
            function.parameters = self.lambda_parameters()?;
            self.parser.expect_token(&Token::Arrow)?;
            let (_, body) = self.with_text(|g| Ok(g.parser.parse_expr()?))?;
            function.body = body;
        } else {
            self.typed_function(&mut function)?;
        }
        while self.accept("desc") || self.accept("comment") {
            let _ = self.parser.consume_token(&Token::Eq);
            function.comment = self.text()?;
        }
        if self.is("language") || self.is("address") {
            return Err(Error::Unsupported { what: "functions in other languages than SQL".into() });
        }
        Ok(function)
    }

    /// `(x, y)` or `x`, without types.
    fn lambda_parameters(&mut self) -> Result<Vec<(Ident, Option<String>)>> {
        if self.parser.peek_token_ref().token != Token::LParen {
            return Ok(vec![(self.ident()?, None)]);
        }
        if self.parser.peek_nth_token_ref(1).token == Token::RParen {
            self.parser.next_token();
            self.parser.next_token();
            return Ok(Vec::new());
        }
        Ok(self.idents_in_parentheses()?.into_iter().map(|name| (name, None)).collect())
    }

    /// `(x INT, …) RETURNS … [LANGUAGE SQL] AS $$ … $$`.
    fn typed_function(&mut self, function: &mut FunctionDefinition) -> Result<()> {
        let parameters = self.typed_names()?;
        function.parameters = parameters.into_iter().map(|(name, data_type)| (name, Some(data_type))).collect();
        self.expect("returns")?;
        function.returns = if self.accept("table") {
            FunctionReturns::Table(self.typed_names()?)
        } else {
            FunctionReturns::Value(self.type_text()?)
        };
        let _ = self.accept_all(&["not", "null"]);
        for word in ["immutable", "volatile"] {
            let _ = self.accept(word);
        }
        if self.accept("language") {
            let language = self.ident()?;
            if !language.value.eq_ignore_ascii_case("sql") {
                return Err(Error::Unsupported { what: format!("functions in {}", language.value) });
            }
        }
        if self.is("handler") || self.is("runtime_version") || self.is("imports") || self.is("packages") {
            return Err(Error::Unsupported { what: "functions in other languages than SQL".into() });
        }
        self.expect("as")?;
        function.body = self.quoted_text()?;
        Ok(())
    }

    /// `(a INT, b STRING)`, possibly empty.
    fn typed_names(&mut self) -> Result<Vec<(Ident, String)>> {
        self.parser.expect_token(&Token::LParen)?;
        let mut names = Vec::new();
        while self.parser.peek_token_ref().token != Token::RParen {
            names.push((self.ident()?, self.type_text()?));
            let _ = self.accept_all(&["not", "null"]) || self.accept("null");
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok(names)
    }

    /// A type, as text that reads back as the same.
    fn type_text(&mut self) -> Result<String> {
        Ok(self.with_text(Self::data_type)?.1)
    }

    fn types_in_parentheses(&mut self) -> Result<Vec<String>> {
        self.parser.expect_token(&Token::LParen)?;
        let mut types = Vec::new();
        while self.parser.peek_token_ref().token != Token::RParen {
            types.push(self.type_text()?);
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.parser.expect_token(&Token::RParen)?;
        Ok(types)
    }

    /// A text in `$$ … $$` or in quotes.
    fn quoted_text(&mut self) -> Result<String> {
        if let Token::DollarQuotedString(quoted) = &self.parser.peek_token_ref().token {
            let text = quoted.value.clone();
            self.parser.next_token();
            return Ok(text);
        }
        self.text()
    }

    fn create_procedure(&mut self, or_replace: bool) -> Result<ObjectStatement> {
        let create = self.create_mode(or_replace)?;
        let name = self.ident()?;
        let parameters = self.typed_names()?;
        self.expect("returns")?;
        let returns = if self.accept("table") {
            self.typed_names()?.into_iter().map(|(_, data_type)| data_type).collect()
        } else {
            vec![self.type_text()?]
        };
        let _ = self.accept_all(&["not", "null"]);
        self.expect("language")?;
        let language = self.ident()?;
        if !language.value.eq_ignore_ascii_case("sql") {
            return Err(Error::Unsupported { what: format!("procedures in {}", language.value) });
        }
        let mut comment = String::new();
        if self.accept("comment") {
            let _ = self.parser.consume_token(&Token::Eq);
            comment = self.text()?;
        }
        self.expect("as")?;
        let body = self.quoted_text()?;
        let procedure = ProcedureDefinition { parameters, returns, body, comment };
        Ok(ObjectStatement::CreateProcedure { name, create, procedure })
    }

    /// `CALL PROCEDURE p(1, 2)`.
    pub(super) fn call(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if !self.accept("procedure") {
            return Err(Error::Unsupported { what: "CALL of anything but a PROCEDURE".into() });
        }
        let name = self.ident()?;
        self.parser.expect_token(&Token::LParen)?;
        let arguments = match self.parser.peek_token_ref().token {
            Token::RParen => Vec::new(),
            _ => self.parser.parse_comma_separated(Parser::parse_expr)?,
        };
        self.parser.expect_token(&Token::RParen)?;
        Ok(Statement::Object(Box::new(ObjectStatement::Call { name, arguments })))
    }

    /// `EXECUTE IMMEDIATE 'text'`, `… $$ script $$` or `… variable`.
    pub(super) fn execute_immediate(&mut self) -> Result<Statement> {
        self.parser.next_token();
        if self.is("task") {
            return Err(Error::Unsupported { what: "tasks".into() });
        }
        if !self.accept("immediate") {
            return Err(Error::Unsupported { what: "prepared statements (EXECUTE)".into() });
        }
        let text = match self.parser.peek_token_ref().token {
            Token::DollarQuotedString(_) => crate::statement::select::text(&self.quoted_text()?),
            _ => self.parser.parse_expr()?,
        };
        Ok(Statement::Object(Box::new(ObjectStatement::ExecuteImmediate { text })))
    }

    /// Behind SET VARIABLE: `a = 1`, `(a, b) = (1, 2)` or `(a, b) = SELECT …`.
    pub(super) fn set_variables(&mut self) -> Result<Statement> {
        let statement = if self.parser.peek_token_ref().token == Token::LParen {
            let names = self.idents_in_parentheses()?;
            self.parser.expect_token(&Token::Eq)?;
            let is_query = self.is("select") || self.is("with") || self.second_is("select") || self.second_is("with");
            let values = if is_query {
                VariableValues::Query(self.query()?)
            } else {
                self.parser.expect_token(&Token::LParen)?;
                let values = self.parser.parse_comma_separated(Parser::parse_expr)?;
                self.parser.expect_token(&Token::RParen)?;
                VariableValues::Expressions(values)
            };
            ObjectStatement::SetVariables { names, values }
        } else {
            let name = self.ident()?;
            self.parser.expect_token(&Token::Eq)?;
            let value = self.parser.parse_expr()?;
            ObjectStatement::SetVariables { names: vec![name], values: VariableValues::Expressions(vec![value]) }
        };
        Ok(Statement::Object(Box::new(statement)))
    }

    /// Behind UNSET VARIABLE: `a` or `(a, b)`.
    pub(super) fn unset_variables(&mut self) -> Result<Statement> {
        let names = match self.parser.peek_token_ref().token {
            Token::LParen => self.idents_in_parentheses()?,
            _ => vec![self.ident()?],
        };
        Ok(Statement::Object(Box::new(ObjectStatement::UnsetVariables { names })))
    }
}

/// Changes of a table by row: a row would need an identity that updates keep.
fn streams() -> Error {
    Error::Unsupported { what: "streams over tables".into() }
}
