//! SHOW: each kind is a query over a system table, built as a tree.

use super::{
    Outcome,
    select::{
        and, binary, boolean, case, column, equals, everything, exact, from_one, named, object_name, relation, select,
        text,
    },
};
use crate::{
    Result,
    plan::StatementContext,
    sql::{Show, ShowFilter, ShowWhat, ident_name, name_parts},
};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, SelectItem,
    TableAlias, TableFactor, visit_expressions_mut,
};
use std::{convert::Infallible, ops::ControlFlow};

pub(super) async fn show(context: &StatementContext, show: Show) -> Result<Outcome> {
    let query = query(context, &show)?;
    let planned = context.plan_query(&query).await?;
    let stream = context.run(planned.physical)?;
    Ok(Outcome::Rows { schema: planned.schema, stream })
}

/// A list made of a system table.
struct Listing {
    table: [&'static str; 2],
    /// Values over the system table's columns and their names in the result; none: all columns as they are.
    columns: Vec<(Expr, String)>,
    condition: Option<Expr>,
    /// The column LIKE applies to and rows are ordered by, as the result names it.
    name: String,
}

fn query(context: &StatementContext, show: &Show) -> Result<Query> {
    let listing = listing(context, show)?;
    let projection: Vec<SelectItem> = match listing.columns.is_empty() {
        true => vec![everything()],
        false => listing.columns.iter().map(|(from, to)| named(from.clone(), to)).collect(),
    };
    let inner = select(projection, vec![from_one(relation(object_name(&listing.table), None))], listing.condition);
    let derived = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(inner),
        alias: Some(TableAlias { explicit: true, name: exact("listed"), columns: Vec::new(), at: None }),
        sample: None,
    };
    let condition = match &show.filter {
        Some(ShowFilter::Like(pattern)) => Some(Expr::Like {
            negated: false,
            any: false,
            expr: Box::new(column(&listing.name)),
            pattern: Box::new(text(pattern)),
            escape_char: None,
        }),
        Some(ShowFilter::Where(expr)) => Some(over_listing(expr, &listing.columns)),
        None => None,
    };
    let mut query = select(vec![everything()], vec![from_one(derived)], condition);
    if !matches!(show.what, ShowWhat::Columns { .. } | ShowWhat::Processes) {
        query.order_by = Some(ordered_by(&listing.name));
    }
    if let Some(limit) = &show.limit {
        query.limit_clause =
            Some(LimitClause::LimitOffset { limit: Some(limit.clone()), offset: None, limit_by: Vec::new() });
    }
    Ok(query)
}

/// A condition with the listed columns spelled as they are: SHOW's columns have capitals, users write any case.
fn over_listing(condition: &Expr, columns: &[(Expr, String)]) -> Expr {
    let mut condition = condition.clone();
    let spelled = visit_expressions_mut(&mut condition, |expr| {
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
            && let Some((_, name)) = columns.iter().find(|(_, name)| name.eq_ignore_ascii_case(&ident.value))
        {
            *ident = exact(name);
        }
        ControlFlow::<Infallible>::Continue(())
    });
    let ControlFlow::Continue(()) = spelled;
    condition
}

fn ordered_by(name: &str) -> OrderBy {
    let by =
        OrderByExpr { expr: column(name), options: OrderByOptions { asc: None, nulls_first: None }, with_fill: None };
    OrderBy { kind: OrderByKind::Expressions(vec![by]), interpolate: None }
}

fn listing(context: &StatementContext, show: &Show) -> Result<Listing> {
    let database = match &show.database {
        Some(ident) => context.database(&ident_name(ident))?.name.clone(),
        None => context.session.database.clone(),
    };
    let of_database = || equals(column("database"), text(&database));
    let own = |columns: &[(&str, &str)]| columns.iter().map(|(from, to)| listed(from, to)).collect();
    Ok(match &show.what {
        ShowWhat::Databases => {
            let name = "databases_in_default".to_string();
            let columns = match show.full {
                true => own(&[("catalog", "Catalog"), ("owner", "Owner"), ("name", &name)]),
                false => own(&[("name", &name)]),
            };
            let live = Expr::IsNull(Box::new(column("dropped_on")));
            Listing { table: ["system", "databases"], columns, condition: Some(live), name }
        }
        ShowWhat::Tables { history } => tables(show.full, *history, &database, of_database()),
        ShowWhat::TableStatus => Listing {
            table: ["system", "tables"],
            columns: table_status(),
            condition: Some(and(Some(of_database()), Expr::IsNull(Box::new(column("dropped_on"))))),
            name: "Name".into(),
        },
        ShowWhat::Views => {
            let name = format!("Views_in_{database}");
            let columns = match show.full {
                true => own(&[("name", &name), ("database", "Database"), ("view_query", "view_query")]),
                false => own(&[("name", &name)]),
            };
            Listing { table: ["system", "views"], columns, condition: Some(of_database()), name }
        }
        ShowWhat::Columns { table } => columns(context, show, table)?,
        ShowWhat::Settings => Listing {
            table: ["system", "settings"],
            columns: own(&["name", "value", "default", "range", "level", "description", "type"].map(|n| (n, n))),
            condition: None,
            name: "name".into(),
        },
        ShowWhat::Processes => whole("processes", "id"),
        ShowWhat::Functions => whole("functions", "name"),
        ShowWhat::Metrics => whole("metrics", "metric"),
        ShowWhat::Users => Listing {
            table: ["system", "users"],
            columns: own(&[
                "name",
                "hostname",
                "auth_type",
                "is_configured",
                "default_role",
                "default_warehouse",
                "roles",
                "disabled",
                "network_policy",
                "password_policy",
                "must_change_password",
            ]
            .map(|n| (n, n))),
            condition: None,
            name: "name".into(),
        },
        ShowWhat::Stages => whole("stages", "name"),
        ShowWhat::FileFormats => whole("file_formats", "name"),
        ShowWhat::Connections => whole("connections", "name"),
        ShowWhat::Engines => whole("engines", "Engine"),
        ShowWhat::DroppedTables => Listing {
            table: ["system", "tables_with_history"],
            columns: own(&[
                ("name", "tables"),
                ("table_type", "table_type"),
                ("database", "database"),
                ("catalog", "catalog"),
                ("engine", "engine"),
                ("created_on", "create_time"),
                ("dropped_on", "drop_time"),
                ("num_rows", "num_rows"),
                ("data_size", "data_size"),
                ("data_compressed_size", "data_compressed_size"),
                ("index_size", "index_size"),
            ]),
            condition: Some(and(Some(of_database()), Expr::IsNotNull(Box::new(column("dropped_on"))))),
            name: "tables".into(),
        },
        ShowWhat::Objects(table) => whole(table, "name"),
    })
}

/// A column of the system table under another name.
fn listed(from: &str, to: &str) -> (Expr, String) {
    (column(from), to.to_string())
}

fn whole(table: &'static str, name: &str) -> Listing {
    Listing { table: ["system", table], columns: Vec::new(), condition: None, name: name.to_string() }
}

/// The columns of SHOW TABLE STATUS, in their traditional order.
fn table_status() -> Vec<(Expr, String)> {
    let unknown = |name: &str| (super::select::null(), name.to_string());
    vec![
        listed("name", "Name"),
        listed("engine", "Engine"),
        (super::select::number(0), "Version".to_string()),
        unknown("Row_format"),
        listed("num_rows", "Rows"),
        unknown("Avg_row_length"),
        listed("data_size", "Data_length"),
        unknown("Max_data_length"),
        listed("index_size", "Index_length"),
        unknown("Data_free"),
        unknown("Auto_increment"),
        listed("created_on", "Create_time"),
        listed("updated_on", "Update_time"),
        unknown("Check_time"),
        unknown("Collation"),
        unknown("Checksum"),
        listed("comment", "Comment"),
        listed("cluster_by", "Cluster_by"),
    ]
}

fn tables(full: bool, history: bool, database: &str, of_database: Expr) -> Listing {
    let name = if full { "Tables".to_string() } else { format!("Tables_in_{database}") };
    let mut columns = vec![listed("name", &name)];
    if full {
        columns.extend(
            [
                ("table_type", "Table_type"),
                ("database", "Database"),
                ("catalog", "Catalog"),
                ("owner", "owner"),
                ("engine", "engine"),
                ("cluster_by", "Cluster_by"),
                ("created_on", "create_time"),
                ("num_rows", "num_rows"),
                ("data_size", "data_size"),
                ("data_compressed_size", "data_compressed_size"),
                ("index_size", "index_size"),
            ]
            .map(|(from, to)| listed(from, to)),
        );
    }
    let condition = if history {
        columns.push(listed("dropped_on", "drop_time"));
        of_database
    } else {
        and(Some(of_database), Expr::IsNull(Box::new(column("dropped_on"))))
    };
    let table = if history { "tables_with_history" } else { "tables" };
    Listing { table: ["system", table], columns, condition: Some(condition), name }
}

fn columns(
    context: &StatementContext,
    show: &Show,
    table: &datafusion::sql::sqlparser::ast::ObjectName,
) -> Result<Listing> {
    let (qualifier, ident) = name_parts(table)?;
    let database = match qualifier.or(show.database.as_ref()) {
        Some(ident) => context.database(&ident_name(ident))?.name.clone(),
        None => context.session.database.clone(),
    };
    let named = datafusion::sql::sqlparser::ast::ObjectName::from(vec![exact(&database), ident.clone()]);
    let name = match context.table(&named) {
        Ok(found) => found.table.table().name.clone(),
        // Tables of the server itself are not in the catalogue; a name that is nowhere is an error.
        Err(error) if context.snapshot.database(&database).is_some() => return Err(error),
        Err(_) => ident_name(ident),
    };
    let unique = case(vec![(column("is_unique_key"), text("PRI")), (boolean(true), text(""))]);
    let mut columns = vec![
        listed("name", "Field"),
        listed("data_type", "Type"),
        listed("is_nullable", "Null"),
        listed("default_expression", "Default"),
        listed("extra", "Extra"),
        (unique, "Key".to_string()),
    ];
    if show.full {
        columns.push((text(""), "Collation".to_string()));
        columns.push((text(""), "Privileges".to_string()));
        columns.push(listed("comment", "Comment"));
    }
    let of_table =
        binary(equals(column("database"), text(&database)), BinaryOperator::And, equals(column("table"), text(&name)));
    Ok(Listing { table: ["system", "columns"], columns, condition: Some(of_table), name: "Field".into() })
}
