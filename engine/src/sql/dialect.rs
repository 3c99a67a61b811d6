//! The grammar we accept, as switches of the parser library.

use super::{nested, path};
use datafusion::sql::sqlparser::{
    ast::{BinaryOperator, Expr},
    dialect::Dialect,
    keywords::{self, Keyword},
    parser::{Parser, ParserError},
    tokenizer::Token,
};

/// Basalt's SQL.
#[derive(Debug)]
pub(super) struct BasaltDialect;

impl Dialect for BasaltDialect {
    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '"' || character == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }

    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_alphanumeric() || character == '_' || character == '$'
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        nested::prefix(parser, self).or_else(|| path::prefix(parser))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        path::precedence(parser).or_else(|| nested::precedence(parser, self)).map(Ok)
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        // `a DIV b` and `a // b` bind like `a / b`.
        let slashes = parser.peek_token_ref().token == Token::Div && parser.peek_nth_token_ref(1).token == Token::Div;
        if slashes {
            parser.next_token();
            parser.next_token();
        }
        if slashes || parser.parse_keyword(Keyword::DIV) {
            let left = Box::new(expr.clone());
            let right = parser.parse_subexpr(precedence);
            let op = BinaryOperator::MyIntegerDivide;
            return Some(right.map(|right| Expr::BinaryOp { left, op, right: Box::new(right) }));
        }
        path::infix(parser, expr, precedence).or_else(|| nested::infix(parser, expr))
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_in_empty_list(&self) -> bool {
        false
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn supports_select_wildcard_rename(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn supports_projection_trailing_commas(&self) -> bool {
        true
    }

    fn supports_from_first_select(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_try_convert(&self) -> bool {
        true
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn supports_subquery_as_function_arg(&self) -> bool {
        true
    }

    fn supports_extract_comma_syntax(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        false
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    /// `DO` begins the body of a loop and names nothing unless written AS.
    fn is_column_alias(&self, keyword: &Keyword, _parser: &mut Parser) -> bool {
        *keyword != Keyword::DO && !keywords::RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, _parser: &mut Parser) -> bool {
        *keyword != Keyword::DO && !keywords::RESERVED_FOR_TABLE_ALIAS.contains(keyword)
    }

    fn supports_user_host_grantee(&self) -> bool {
        false
    }
}
