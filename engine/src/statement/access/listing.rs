//! Rows that a SHOW of this family made, filtered and ordered as the statement asks: a query over them.

use crate::{
    Error, Result,
    plan::{StatementContext, explain},
    sql::ShowFilter,
    statement::{
        Outcome,
        select::{column, everything, exact, from_one, object_name, relation, select, text},
    },
};
use arrow::{
    array::{ArrayRef, BooleanArray, StringViewArray, UInt64Array},
    datatypes::{Field, Schema},
    record_batch::{RecordBatch, RecordBatchOptions},
};
use datafusion::{
    datasource::MemTable,
    sql::sqlparser::ast::{
        Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, visit_expressions_mut,
    },
};
use std::{convert::Infallible, ops::ControlFlow, sync::Arc};

const LISTED: &str = "__basalt_listed";

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Text(Option<String>),
    Number(Option<u64>),
    Bool(bool),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(Some(text.to_owned()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(Some(text))
    }
}

/// Columns and rows; every row has a cell for every column.
pub(super) struct Listing {
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<Cell>>,
    /// What LIKE is about.
    pub named_by: &'static str,
    pub ordered: bool,
}

impl Listing {
    pub async fn outcome(
        self,
        context: &StatementContext,
        filter: Option<ShowFilter>,
        limit: Option<Expr>,
    ) -> Result<Outcome> {
        let batch = self.batch()?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(explain)?;
        let condition = match filter {
            None => None,
            Some(ShowFilter::Like(pattern)) => Some(Expr::Like {
                negated: false,
                any: false,
                expr: Box::new(column(self.named_by)),
                pattern: Box::new(text(&pattern)),
                escape_char: None,
            }),
            Some(ShowFilter::Where(condition)) => Some(self.spelled(*condition)),
        };
        let from = from_one(relation(object_name(&[LISTED]), None));
        let mut query = select(vec![everything()], vec![from], condition);
        if self.ordered {
            let options = OrderByOptions { asc: None, nulls_first: None };
            let by = OrderByExpr { expr: column(self.named_by), options, with_fill: None };
            query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(vec![by]), interpolate: None });
        }
        if let Some(limit) = limit {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by: Vec::new() });
        }
        let planned = context.plan_query_over(&query, vec![(LISTED.to_owned(), Arc::new(table))]).await?;
        let stream = context.run(planned.physical)?;
        Ok(Outcome::Rows { schema: planned.schema, stream })
    }

    /// Users write the columns' names in any case.
    fn spelled(&self, mut condition: Expr) -> Expr {
        let spelled = visit_expressions_mut(&mut condition, |expr| {
            if let Expr::Identifier(ident) = expr
                && ident.quote_style.is_none()
                && let Some(name) = self.columns.iter().find(|name| name.eq_ignore_ascii_case(&ident.value))
            {
                *ident = exact(name);
            }
            ControlFlow::<Infallible>::Continue(())
        });
        let ControlFlow::Continue(()) = spelled;
        condition
    }

    fn batch(&self) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = (0..self.columns.len()).map(|n| self.array(n)).collect();
        let field =
            |(name, array): (&&str, &ArrayRef)| Field::new(*name, array.data_type().clone(), array.null_count() > 0);
        let fields: Vec<Field> = self.columns.iter().zip(&arrays).map(field).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|source| Error::internal("a list has no shape", source))
    }

    fn array(&self, n: usize) -> ArrayRef {
        let cells = || self.rows.iter().map(move |row| &row[n]);
        match self.rows.first().map(|row| &row[n]) {
            Some(Cell::Number(_)) => Arc::new(UInt64Array::from_iter(cells().map(|cell| match cell {
                Cell::Number(number) => *number,
                _ => None,
            }))),
            Some(Cell::Bool(_)) => {
                Arc::new(BooleanArray::from_iter(cells().map(|cell| Some(matches!(cell, Cell::Bool(true))))))
            }
            _ => Arc::new(StringViewArray::from_iter(cells().map(|cell| match cell {
                Cell::Text(text) => text.as_deref(),
                _ => None,
            }))),
        }
    }
}
