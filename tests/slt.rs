//! The SQL answer files in `slt/`, each run over `/v1/query` against its own server. The top of each file says where its
//! expected values come from. In results, a Boolean is 1 or 0, an empty text is `(empty)`.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

use basalt_tests::{SqlClient, SqlError, TestServer};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use std::path::{Path, PathBuf};

/// One session of a server.
struct Session(SqlClient);

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let answer = self.0.query(sql).await?;
        if answer.columns.first().is_some_and(|name| name.starts_with("number of rows")) {
            let changed = answer.rows.iter().flatten().flatten().map(|n| n.parse::<u64>().expect("a count")).sum();
            return Ok(DBOutput::StatementComplete(changed));
        }
        let types = answer.types.iter().map(|name| column_type(name)).collect();
        let cell = |cell: &Option<String>| match cell.as_deref() {
            None => "NULL".into(),
            Some("") => "(empty)".into(),
            Some(text) => text.to_string(),
        };
        Ok(DBOutput::Rows { types, rows: answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect() })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "basalt"
    }

    fn error_sql_state(error: &SqlError) -> Option<String> {
        Some(error.code.to_string())
    }
}

fn column_type(name: &str) -> DefaultColumnType {
    let name = name.trim_start_matches("Nullable(");
    if name.starts_with("Int") || name.starts_with("UInt") {
        DefaultColumnType::Integer
    } else if name.starts_with("Float") || name.starts_with("Decimal") {
        DefaultColumnType::FloatingPoint
    } else {
        DefaultColumnType::Text
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("slt")
}

/// Password of the users that files make.
const PASSWORD: &str = "pw";

async fn run(name: &str) {
    let server = TestServer::start().await;
    let path = folder().join(format!("{name}.slt"));
    let mut sessions = sessions(&std::fs::read_to_string(&path).unwrap()).into_iter();
    let mut runner = Runner::new(|| {
        let user = sessions.next().expect("every session is announced");
        let client = match user.as_str() {
            "root" => server.sql().in_client_session("slt"),
            user => SqlClient::new(server.base(), user, PASSWORD),
        };
        async move { Ok(Session(client)) }
    });
    let result = runner.run_file_async(path).await;
    if let Err(error) = result {
        panic!("{}", error.display(false));
    }
}

/// The users of a file's sessions in the order in which they begin. `connection ann` before a record runs it in a
/// session of user `ann`, `connection ann:2` in another one of hers; without it a record runs as root.
fn sessions(text: &str) -> Vec<String> {
    let (mut begun, mut next) = (Vec::new(), "default");
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("connection ") {
            next = name.trim();
        } else if line.starts_with("statement ") || line.starts_with("query ") {
            let name = std::mem::replace(&mut next, "default");
            if !begun.contains(&name) {
                begun.push(name);
            }
        }
    }
    let user = |name: &str| if name == "default" { "root".into() } else { name.split(':').next().unwrap().to_string() };
    begun.into_iter().map(user).collect()
}

macro_rules! answer_files {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                run(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_file_is_listed() {
            let listed = [$(stringify!($name)),*];
            let mut records = 0;
            for entry in std::fs::read_dir(folder()).unwrap().flatten() {
                let name = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
                assert!(listed.contains(&name.as_str()), "{name}.slt is not run");
                let text = std::fs::read_to_string(entry.path()).unwrap();
                assert!(text.starts_with("# "), "{name}.slt says where its answers come from");
                records += text.lines().filter(|l| l.starts_with("query ") || l.starts_with("statement ")).count();
            }
            assert!(records >= 400, "{records} records");
        }
    };
}

answer_files!(
    access_grants,
    access_masking,
    access_policies,
    access_roles,
    access_rows,
    access_users,
    aggregates,
    aggregates_more,
    alter_table_2,
    arrays,
    asof,
    casts,
    computed_columns,
    constraints,
    copy_location,
    copy_table,
    ddl,
    dml,
    errors,
    file_formats,
    fn_bitmap,
    fn_conditional,
    fn_datetime,
    fn_geo,
    fn_hash,
    fn_numeric,
    fn_string,
    functions,
    information_schema,
    joins,
    literals,
    maps,
    merge,
    multi_insert,
    nulls,
    numbers,
    pivot,
    procedures,
    replace_into,
    scripting,
    select_dialect,
    selects,
    sequences,
    session_variables,
    sets,
    settings,
    show_statements,
    special_types,
    stages_ddl,
    subqueries,
    system_tables,
    table_functions,
    temp_tables,
    temporal,
    texts,
    time_travel,
    transactions,
    tuples,
    types,
    udf,
    unique_key,
    variant_functions,
    variant_order,
    variant_paths,
    variant_rows,
    views,
    views_2,
    windows,
    windows_more,
);
