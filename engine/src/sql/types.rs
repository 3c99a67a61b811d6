//! Type names in column definitions: the library's, plus `ARRAY(T)`, `MAP(K, V)`, `TUPLE(a T, …)` and `NULLABLE(T)`.

use super::grammar::Grammar;
use crate::Result;
use datafusion::sql::sqlparser::{
    ast::{ArrayElemTypeDef, DataType, StructField},
    tokenizer::Token,
};

impl Grammar<'_> {
    /// The type at the cursor. `limits` has bounded how deep parentheses nest.
    pub fn data_type(&mut self) -> Result<DataType> {
        let parenthesis = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        if parenthesis && self.accept("array") {
            return self.enclosed(|g| Ok(DataType::Array(ArrayElemTypeDef::Parenthesis(Box::new(g.inner_type()?)))));
        }
        if parenthesis && self.accept("nullable") {
            return self.enclosed(|g| Ok(DataType::Nullable(Box::new(g.inner_type()?))));
        }
        if parenthesis && self.accept("map") {
            return self.enclosed(|g| {
                let key = g.inner_type()?;
                g.parser.expect_token(&Token::Comma)?;
                Ok(DataType::Map(Box::new(key), Box::new(g.inner_type()?)))
            });
        }
        if parenthesis && self.accept("tuple") {
            return self.enclosed(|g| {
                let mut fields = vec![g.tuple_field()?];
                while g.parser.consume_token(&Token::Comma) {
                    fields.push(g.tuple_field()?);
                }
                Ok(DataType::Tuple(fields))
            });
        }
        Ok(self.parser.parse_data_type()?)
    }

    /// A type inside another one; values inside are always nullable, so `NULL` may be said.
    fn inner_type(&mut self) -> Result<DataType> {
        let data_type = self.data_type()?;
        let _ = self.accept("null");
        Ok(data_type)
    }

    fn tuple_field(&mut self) -> Result<StructField> {
        let named = !matches!(self.parser.peek_nth_token_ref(1).token, Token::Comma | Token::RParen | Token::LParen)
            && !self.second_is("null")
            && !self.second_is("unsigned");
        let field_name = if named { Some(self.ident()?) } else { None };
        Ok(StructField { field_name, field_type: self.inner_type()?, options: None })
    }

    fn enclosed<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.parser.expect_token(&Token::LParen)?;
        let value = inner(self)?;
        self.parser.expect_token(&Token::RParen)?;
        Ok(value)
    }
}
