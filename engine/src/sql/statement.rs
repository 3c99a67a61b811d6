//! The statements we understand, one variant per kind. Expressions and queries inside stay in the parser library's
//! tree; everything around them is ours, so that nothing reaches the query library by default.

use super::values::LiteralRows;
use basalt_meta::TableEngine;
use datafusion::sql::sqlparser::ast::{self, Assignment, Expr, Ident, ObjectName, Query, TableFactor};

/// One statement, understood as far as grammar goes.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Query(Box<Query>),
    Explain {
        mode: ExplainMode,
        statement: Box<Statement>,
    },
    /// Settings that hold for one statement.
    WithSettings {
        settings: Vec<(String, String)>,
        statement: Box<Statement>,
    },
    /// A query that is run and whose rows are thrown away.
    IgnoreResult(Box<Statement>),

    CreateDatabase {
        name: Ident,
        if_not_exists: bool,
        or_replace: bool,
        comment: Option<String>,
    },
    DropDatabase {
        name: Ident,
        if_exists: bool,
    },
    UndropDatabase {
        name: Ident,
    },
    ShowCreateDatabase {
        name: Ident,
    },
    Use {
        database: Ident,
    },
    UseCatalog {
        name: Ident,
    },

    CreateTable(Box<CreateTable>),
    AlterTable(Box<AlterTable>),
    DropTable {
        name: ObjectName,
        if_exists: bool,
    },
    UndropTable {
        name: ObjectName,
    },
    TruncateTable {
        name: ObjectName,
    },
    RenameTables {
        pairs: Vec<(ObjectName, ObjectName)>,
        if_exists: bool,
    },
    OptimizeTable {
        name: ObjectName,
        action: OptimizeAction,
    },
    AnalyzeTable {
        name: ObjectName,
    },
    /// Without a table: everything.
    Vacuum {
        name: Option<ObjectName>,
    },
    ShowCreateTable {
        name: ObjectName,
    },
    Describe {
        name: ObjectName,
    },

    CreateView(Box<CreateView>),
    DropView {
        name: ObjectName,
        if_exists: bool,
    },

    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Replace(Box<super::Replace>),
    InsertMany(Box<super::InsertMany>),

    /// Sequences, functions, procedures, streams, variables, scripts.
    Object(Box<super::ObjectStatement>),

    Begin,
    Commit,
    Rollback,

    Set {
        settings: Vec<(String, String)>,
        global: bool,
    },
    Unset {
        names: Vec<String>,
        global: bool,
    },
    KillQuery {
        id: String,
    },
    Show(Box<Show>),
    /// Users, roles, grants, policies.
    Access(Box<super::AccessStatement>),
    /// Stages, their files, file formats and connections; COPY.
    Stage(Box<super::StageStatement>),
}

/// How much EXPLAIN tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExplainMode {
    Plan,
    /// Logical and physical plans.
    Verbose,
    /// The statement as it was understood, as SQL.
    Syntax,
    /// Runs it and reports measured rows and times.
    Analyze,
}

/// What OPTIMIZE TABLE is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptimizeAction {
    /// Merge segments.
    Compact,
    /// Remove segments that no snapshot needs.
    Purge,
    All,
}

/// `CREATE [OR REPLACE] TABLE`.
#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub name: ObjectName,
    pub if_not_exists: bool,
    pub or_replace: bool,
    pub transient: bool,
    /// For the client session only.
    pub temporary: bool,
    pub engine: TableEngine,
    /// CHECK conditions with their names, where they have one.
    pub checks: Vec<(Option<Ident>, String)>,
    /// The expressions of CLUSTER BY as written, when there is more than columns.
    pub cluster_by: Vec<String>,
    pub columns: Vec<ColumnDefinition>,
    /// Take columns, keys and options of this table.
    pub like: Option<ObjectName>,
    /// One row per value of these columns.
    pub unique_key: Vec<Ident>,
    pub sort_key: Vec<Ident>,
    /// The expression as the user wrote it.
    pub partition_by: Option<String>,
    pub options: Vec<(String, String)>,
    pub comment: Option<String>,
    pub query: Option<Box<Query>>,
}

/// One column of a CREATE or ALTER TABLE.
#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub name: Ident,
    pub data_type: ast::DataType,
    /// `None` when the statement does not say.
    pub nullable: Option<bool>,
    /// The expression as the user wrote it.
    pub default: Option<String>,
    pub comment: Option<String>,
    /// The formula of a computed column, and whether it was declared STORED.
    pub computed: Option<(String, bool)>,
    /// First number and step of AUTOINCREMENT.
    pub identity: Option<(i64, i64)>,
}

/// `ALTER TABLE`.
#[derive(Debug, Clone)]
pub(crate) struct AlterTable {
    pub name: ObjectName,
    pub if_exists: bool,
    pub action: AlterAction,
}

/// What ALTER TABLE changes.
#[derive(Debug, Clone)]
pub(crate) enum AlterAction {
    RenameTo(ObjectName),
    AddColumn {
        column: ColumnDefinition,
        if_not_exists: bool,
        position: ColumnPosition,
    },
    DropColumn {
        name: Ident,
        if_exists: bool,
    },
    RenameColumn {
        old: Ident,
        new: Ident,
    },
    /// New definitions of existing columns. A missing default or comment stays as it was.
    ModifyColumns(Vec<ColumnDefinition>),
    SetDefault {
        name: Ident,
        default: String,
    },
    DropDefault {
        name: Ident,
    },
    SetNotNull {
        name: Ident,
    },
    DropNotNull {
        name: Ident,
    },
    /// A computed column becomes an ordinary one.
    DropComputed {
        name: Ident,
    },
    AddCheck {
        name: Option<Ident>,
        condition: String,
    },
    DropConstraint {
        name: Ident,
    },
    SwapWith(ObjectName),
    Recluster,
    ColumnComment {
        name: Ident,
        comment: String,
    },
    Comment(String),
    /// Columns, and the texts of all expressions when there is more than columns.
    ClusterBy(Vec<Ident>, Vec<String>),
    DropClusterKey,
    SetOptions(Vec<(String, String)>),
    UnsetOptions(Vec<String>),
    SetMaskingPolicy {
        column: Ident,
        policy: String,
        /// What the policy takes, the column itself first; none: only that.
        using: Vec<Ident>,
    },
    UnsetMaskingPolicy {
        column: Ident,
    },
    AddRowAccessPolicy {
        policy: String,
        columns: Vec<Ident>,
    },
    /// Without a name: whatever is there.
    DropRowAccessPolicy {
        policy: Option<String>,
    },
    /// Bring back the rows of an older version: the version clause as written, `AT (…)`.
    FlashbackTo(Expr),
}

/// Where a new column goes.
#[derive(Debug, Clone)]
pub(crate) enum ColumnPosition {
    Last,
    First,
    After(Ident),
}

/// `CREATE [OR REPLACE] VIEW`, and `ALTER VIEW` (then `replace_only`).
#[derive(Debug, Clone)]
pub(crate) struct CreateView {
    pub name: ObjectName,
    pub if_not_exists: bool,
    pub or_replace: bool,
    /// ALTER VIEW: it must exist.
    pub replace_only: bool,
    pub columns: Vec<Ident>,
    pub query: Box<Query>,
    /// The query as the user wrote it.
    pub text: String,
    pub comment: Option<String>,
}

/// `INSERT`, `INSERT OVERWRITE`.
#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub table: ObjectName,
    /// Empty: all columns in order.
    pub columns: Vec<Ident>,
    pub overwrite: bool,
    pub source: InsertSource,
}

/// Where inserted rows come from.
#[derive(Debug, Clone)]
pub(crate) enum InsertSource {
    /// Rows of plain literals, read from the text without a parse tree.
    Literals(LiteralRows),
    /// Any query; VALUES may hold the word DEFAULT.
    Query(Box<Query>),
    /// Files: `[VALUES (?, …)] FROM @place FILE_FORMAT = (…)`. Without a place, `VALUES` with nothing behind it: the
    /// rows come with the request.
    Files(Box<super::InsertFiles>),
}

/// `UPDATE`.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub table: ObjectName,
    pub alias: Option<Ident>,
    pub assignments: Vec<Assignment>,
    pub from: Vec<ast::TableWithJoins>,
    pub selection: Option<Expr>,
}

/// `DELETE`.
#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub table: ObjectName,
    pub alias: Option<Ident>,
    pub using: Vec<ast::TableWithJoins>,
    pub selection: Option<Expr>,
}

/// `MERGE INTO`.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    pub table: ObjectName,
    pub alias: Option<Ident>,
    pub source: TableFactor,
    pub on: Expr,
    pub clauses: Vec<MergeClause>,
}

/// One WHEN of a MERGE.
#[derive(Debug, Clone)]
pub(crate) struct MergeClause {
    pub matched: bool,
    pub condition: Option<Expr>,
    pub action: MergeAction,
}

/// What a MERGE clause does with a row.
#[derive(Debug, Clone)]
pub(crate) enum MergeAction {
    Update(Vec<Assignment>),
    /// `UPDATE *`: every column from the source's column of the same name.
    UpdateAll,
    Delete,
    Insert {
        columns: Vec<Ident>,
        values: Vec<Expr>,
    },
    /// `INSERT *`.
    InsertAll,
}

/// SHOW of something listed by a system table.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub what: ShowWhat,
    pub full: bool,
    pub database: Option<Ident>,
    pub filter: Option<ShowFilter>,
    pub limit: Option<Expr>,
}

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ShowWhat {
    Databases,
    Tables {
        history: bool,
    },
    TableStatus,
    DroppedTables,
    Views,
    Columns {
        table: ObjectName,
    },
    Settings,
    Processes,
    Functions,
    Engines,
    Metrics,
    Users,
    /// A system table as it is, by name.
    Objects(&'static str),
    Stages,
    FileFormats,
    Connections,
}

/// How SHOW is narrowed.
#[derive(Debug, Clone)]
pub(crate) enum ShowFilter {
    Like(String),
    Where(Box<Expr>),
}
