//! Scripts: `[DECLARE …] BEGIN … END`, as procedures and EXECUTE IMMEDIATE run them. Statements inside are parsed by
//! the same grammar as those outside; here are only the words around them.

use super::{check, grammar::Grammar, ident_name, limits::Shape, statement::Statement};
use crate::{Error, Result};
use datafusion::sql::sqlparser::{
    ast::{self, BinaryOperator, Expr},
    parser::Parser,
    tokenizer::Token,
};

/// A block: what it declares, then what it does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub steps: Vec<Step>,
}

/// One step of a script.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Let {
        name: String,
        data_type: Option<ast::DataType>,
        value: Option<Expr>,
    },
    LetRows {
        name: String,
        source: RowSource,
    },
    LetCursor {
        name: String,
        source: RowSource,
    },
    Assign {
        name: String,
        value: Expr,
    },
    If {
        branches: Vec<(Expr, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    ForRange {
        variable: String,
        reverse: bool,
        /// From the one to the other, both included.
        bounds: Box<[Expr; 2]>,
        body: Vec<Step>,
        label: Option<String>,
    },
    ForRows {
        variable: String,
        source: RowSource,
        body: Vec<Step>,
        label: Option<String>,
    },
    While {
        condition: Expr,
        body: Vec<Step>,
        label: Option<String>,
    },
    Repeat {
        body: Vec<Step>,
        until: Expr,
        label: Option<String>,
    },
    Loop {
        body: Vec<Step>,
        label: Option<String>,
    },
    Break(Option<String>),
    Continue(Option<String>),
    /// Without a value: NULL.
    Return(Option<Expr>),
    ReturnRows(RowSource),
    Open(String),
    Fetch {
        cursor: String,
        into: Vec<String>,
    },
    Close(String),
    Block(Script),
    Sql(Box<Statement>),
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(crate) enum RowSource {
    Statement(Box<Statement>),
    /// A result set or cursor of the script.
    Variable(String),
}

/// How deep blocks may be nested.
const DEPTH_MAX: usize = 64;

/// Words that end a list of steps.
const ENDS: [&str; 5] = ["end", "else", "elseif", "until", "when"];

impl Grammar<'_> {
    /// A whole script and nothing behind it.
    pub(super) fn only_script(mut self, shape: Shape) -> Result<Script> {
        let script = self.block(shape)?;
        while self.parser.consume_token(&Token::SemiColon) {}
        if !self.at_end() {
            return self.expected("the end of the script");
        }
        Ok(script)
    }

    fn block(&mut self, shape: Shape) -> Result<Script> {
        let mut steps = Vec::new();
        if self.accept("declare") {
            while !self.is("begin") {
                let _ = self.accept("let");
                steps.push(self.declaration(shape)?);
                self.parser.expect_token(&Token::SemiColon)?;
            }
        }
        self.expect("begin")?;
        steps.extend(self.steps(shape)?);
        self.expect("end")?;
        Ok(Script { steps })
    }

    fn steps(&mut self, shape: Shape) -> Result<Vec<Step>> {
        self.script_depth += 1;
        if self.script_depth > DEPTH_MAX {
            let place = super::place(self.location());
            return Err(Error::Syntax { message: format!("a script nests more than {DEPTH_MAX} blocks{place}") });
        }
        let mut steps = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            if ENDS.iter().any(|word| self.is(word)) || self.at_end() {
                self.script_depth -= 1;
                return Ok(steps);
            }
            steps.push(self.step(shape)?);
            if !ENDS.iter().any(|word| self.is(word)) {
                self.parser.expect_token(&Token::SemiColon)?;
            }
        }
    }

    fn step(&mut self, shape: Shape) -> Result<Step> {
        if self.parser.peek_nth_token_ref(1).token == Token::Assignment {
            let name = ident_name(&self.ident()?);
            self.parser.next_token();
            return Ok(Step::Assign { name, value: self.script_expression(shape)? });
        }
        if self.accept("let") {
            return self.declaration(shape);
        }
        if self.accept("if") {
            return self.if_step(shape);
        }
        if self.accept("case") {
            return self.case_step(shape);
        }
        if self.accept("for") {
            return self.for_step(shape);
        }
        if self.accept("while") {
            let condition = self.script_expression(shape)?;
            let (body, label) = self.loop_body("do", "while", shape)?;
            return Ok(Step::While { condition, body, label });
        }
        if self.accept("repeat") {
            let body = self.steps(shape)?;
            self.expect("until")?;
            let until = self.script_expression(shape)?;
            let label = self.loop_end("repeat")?;
            return Ok(Step::Repeat { body, until, label });
        }
        if self.accept("loop") {
            let body = self.steps(shape)?;
            let label = self.loop_end("loop")?;
            return Ok(Step::Loop { body, label });
        }
        if self.accept("break") {
            return Ok(Step::Break(self.label()?));
        }
        if self.accept("continue") {
            return Ok(Step::Continue(self.label()?));
        }
        if self.accept("return") {
            return self.return_step(shape);
        }
        if self.accept("open") {
            return Ok(Step::Open(ident_name(&self.ident()?)));
        }
        if self.accept("close") {
            return Ok(Step::Close(ident_name(&self.ident()?)));
        }
        if self.accept("fetch") {
            let cursor = ident_name(&self.ident()?);
            self.expect("into")?;
            let into = self.parser.parse_comma_separated(Parser::parse_identifier)?;
            return Ok(Step::Fetch { cursor, into: into.iter().map(ident_name).collect() });
        }
        let begins_block = self.is("begin")
            && !self.second_is("transaction")
            && !self.second_is("work")
            && self.parser.peek_nth_token_ref(1).token != Token::SemiColon;
        if begins_block || self.is("declare") {
            return Ok(Step::Block(self.block(shape)?));
        }
        Ok(Step::Sql(Box::new(self.script_statement(shape)?)))
    }

    fn script_statement(&mut self, shape: Shape) -> Result<Statement> {
        let mut statement = self.statement()?;
        check::finish(&mut statement, shape)?;
        Ok(statement)
    }

    fn script_expression(&mut self, shape: Shape) -> Result<Expr> {
        let mut expr = self.parser.parse_expr()?;
        check::finish_expression(&mut expr, shape)?;
        Ok(expr)
    }

    /// Behind LET, or inside DECLARE.
    fn declaration(&mut self, shape: Shape) -> Result<Step> {
        let name = ident_name(&self.ident()?);
        if self.accept("resultset") {
            if !self.parser.consume_token(&Token::Assignment) {
                self.expect("default")?;
            }
            return Ok(Step::LetRows { name, source: self.row_source(shape)? });
        }
        if self.accept("cursor") {
            self.expect("for")?;
            return Ok(Step::LetCursor { name, source: self.row_source(shape)? });
        }
        let next = &self.parser.peek_token_ref().token;
        let untyped = matches!(next, Token::Assignment | Token::SemiColon | Token::EOF) || self.is("default");
        let data_type = if untyped { None } else { Some(self.data_type()?) };
        let has_value = self.parser.consume_token(&Token::Assignment) || self.accept("default");
        let value = if has_value { Some(self.script_expression(shape)?) } else { None };
        Ok(Step::Let { name, data_type, value })
    }

    /// A statement that yields rows, or the name of a variable that holds some.
    fn row_source(&mut self, shape: Shape) -> Result<RowSource> {
        let ends = |token: &Token| matches!(token, Token::SemiColon | Token::RParen | Token::EOF);
        let alone = ends(&self.parser.peek_nth_token_ref(1).token) || self.second_is("do");
        if alone && matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
            return Ok(RowSource::Variable(ident_name(&self.ident()?)));
        }
        Ok(RowSource::Statement(Box::new(self.script_statement(shape)?)))
    }

    fn if_step(&mut self, shape: Shape) -> Result<Step> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = self.script_expression(shape)?;
            self.expect("then")?;
            branches.push((condition, self.steps(shape)?));
            if self.accept("elseif") {
                continue;
            }
            if self.accept("else") {
                otherwise = self.steps(shape)?;
            }
            self.expect("end")?;
            self.expect("if")?;
            return Ok(Step::If { branches, otherwise });
        }
    }

    fn case_step(&mut self, shape: Shape) -> Result<Step> {
        let operand = if self.is("when") { None } else { Some(self.script_expression(shape)?) };
        let mut branches = Vec::new();
        while self.accept("when") {
            let mut condition = self.script_expression(shape)?;
            if let Some(operand) = &operand {
                condition = Expr::BinaryOp {
                    left: Box::new(Expr::Nested(Box::new(operand.clone()))),
                    op: BinaryOperator::Eq,
                    right: Box::new(Expr::Nested(Box::new(condition))),
                };
            }
            self.expect("then")?;
            branches.push((condition, self.steps(shape)?));
        }
        if branches.is_empty() {
            return self.expected("WHEN");
        }
        let otherwise = if self.accept("else") { self.steps(shape)? } else { Vec::new() };
        self.expect("end")?;
        let _ = self.accept("case");
        Ok(Step::If { branches, otherwise })
    }

    fn for_step(&mut self, shape: Shape) -> Result<Step> {
        let variable = ident_name(&self.ident()?);
        self.expect("in")?;
        let reverse = self.accept("reverse");
        let is_query = self.is("select")
            || self.is("with")
            || self.is("values")
            || self.is("show")
            || (self.parser.peek_token_ref().token == Token::LParen && self.second_is("select"));
        if !reverse && (is_query || self.second_is("do")) {
            let source = self.row_source(shape)?;
            let (body, label) = self.loop_body("do", "for", shape)?;
            return Ok(Step::ForRows { variable, source, body, label });
        }
        let from = self.script_expression(shape)?;
        self.expect("to")?;
        let to = self.script_expression(shape)?;
        let (body, label) = self.loop_body("do", "for", shape)?;
        Ok(Step::ForRange { variable, reverse, bounds: Box::new([from, to]), body, label })
    }

    fn loop_body(&mut self, begin: &str, kind: &str, shape: Shape) -> Result<(Vec<Step>, Option<String>)> {
        self.expect(begin)?;
        let body = self.steps(shape)?;
        let label = self.loop_end(kind)?;
        Ok((body, label))
    }

    /// `END LOOP [label]`.
    fn loop_end(&mut self, kind: &str) -> Result<Option<String>> {
        self.expect("end")?;
        self.expect(kind)?;
        self.label()
    }

    fn label(&mut self) -> Result<Option<String>> {
        match self.parser.peek_token_ref().token {
            Token::Word(_) => Ok(Some(ident_name(&self.ident()?))),
            _ => Ok(None),
        }
    }

    fn return_step(&mut self, shape: Shape) -> Result<Step> {
        if self.parser.peek_token_ref().token == Token::SemiColon || self.is("end") {
            return Ok(Step::Return(None));
        }
        if self.is("table") && self.parser.peek_nth_token_ref(1).token == Token::LParen {
            self.parser.next_token();
            self.parser.next_token();
            let source = self.row_source(shape)?;
            self.parser.expect_token(&Token::RParen)?;
            return Ok(Step::ReturnRows(source));
        }
        Ok(Step::Return(Some(self.script_expression(shape)?)))
    }
}

/// Whether a text is a script rather than one statement.
pub(crate) fn is_script(text: &str) -> bool {
    let mut words = super::scan::Scanner::new(text);
    let Some(first) = words.next() else {
        return false;
    };
    let first = &text[first.start..first.end];
    if first.eq_ignore_ascii_case("declare") {
        return true;
    }
    let second = words.next().map(|lexeme| text[lexeme.start..lexeme.end].to_ascii_lowercase());
    first.eq_ignore_ascii_case("begin") && !matches!(second.as_deref(), None | Some(";" | "transaction" | "work"))
}
