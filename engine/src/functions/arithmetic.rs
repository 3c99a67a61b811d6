//! Arithmetic that does not lie: integer overflow and division by zero are errors that name the values.
//!
//! The query library's `+ - *` wrap on integers, also when it folds constants while planning. So an optimizer rule
//! puts checked functions in their place: before constants are folded where no column is involved, and everywhere at
//! the end (not earlier: the library recognises `sum(x + 1)` and the like by the plain operators).

use crate::{Error, plan::sql_type};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Datum},
        compute::kernels::numeric,
        datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type},
        error::ArrowError,
        util::display::array_value_to_string,
    },
    common::{
        DFSchema, DataFusionError, Result, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
        ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        binary::BinaryTypeCoercer,
        cast,
        expr::ScalarFunction,
        expr_rewriter::NamePreserver,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
        utils::merge_schema,
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
    sql::sqlparser::ast,
};
use std::sync::{Arc, LazyLock};

/// Which operators the rule replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those over constants only: before they are folded.
    Constants,
    /// All.
    All,
}

/// Puts checked functions in the place of plain operators.
#[derive(Debug)]
pub(crate) struct CheckArithmetic(pub Scope);

impl OptimizerRule for CheckArithmetic {
    fn name(&self) -> &str {
        match self.0 {
            Scope::Constants => "check_constant_arithmetic",
            Scope::All => "check_arithmetic",
        }
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !plan_has_arithmetic(&plan)? {
            return Ok(Transformed::no(plan));
        }
        let schema = match &plan {
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            LogicalPlan::Values(values) => values.schema.as_ref().clone(),
            other => merge_schema(&other.inputs()),
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = checked(expr, &schema, self.0)?;
            Ok(if rewritten.transformed { Transformed::yes(name.restore(rewritten.data)) } else { rewritten })
        })
    }
}

fn plan_has_arithmetic(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        expr.apply(|e| {
            if matches!(e, Expr::BinaryExpr(b) if Op::of(b.op).is_some()) || matches!(e, Expr::Negative(_)) {
                found = true;
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// `expr` (types already coerced) with checked functions in the place of plain operators.
pub(crate) fn checked(expr: Expr, schema: &DFSchema, scope: Scope) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let plain = |left, right| Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }));
            let Some(function) = Op::of(op) else {
                return Ok(plain(left, right));
            };
            if scope == Scope::Constants && !(is_constant(&left) && is_constant(&right)) {
                return Ok(plain(left, right));
            }
            if !function.can_fail(&left.get_type(schema)?, &right.get_type(schema)?) {
                return Ok(plain(left, right));
            }
            let function = ScalarFunction::new_udf(function.function(), vec![*left, *right]);
            Ok(Transformed::yes(Expr::ScalarFunction(function)))
        }
        Expr::Negative(inner) => {
            let skip = scope == Scope::Constants && !is_constant(&inner);
            if skip || !inner.get_type(schema)?.is_integer() {
                return Ok(Transformed::no(Expr::Negative(inner)));
            }
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Op::Negate.function(), vec![*inner]))))
        }
        other => Ok(Transformed::no(other)),
    })
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_, _) => true,
        Expr::Cast(c) => is_constant(&c.expr),
        Expr::TryCast(c) => is_constant(&c.expr),
        Expr::Negative(e) | Expr::Not(e) => is_constant(e),
        Expr::Alias(a) => is_constant(&a.expr),
        Expr::BinaryExpr(b) => is_constant(&b.left) && is_constant(&b.right),
        Expr::ScalarFunction(f) => {
            f.func.signature().volatility == Volatility::Immutable && f.args.iter().all(is_constant)
        }
        _ => false,
    }
}

/// `/` of two integers is a fraction, not a rounded integer; that is `div`.
#[derive(Debug)]
pub(super) struct DividePlanner;

impl ExprPlanner for DividePlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if matches!(expr.op, ast::BinaryOperator::DuckIntegerDivide | ast::BinaryOperator::MyIntegerDivide) {
            let quotient = ScalarFunction::new_udf(super::division::integer_division(), vec![expr.left, expr.right]);
            return Ok(PlannerResult::Planned(Expr::ScalarFunction(quotient)));
        }
        if expr.op != ast::BinaryOperator::Divide {
            return Ok(PlannerResult::Original(expr));
        }
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if !(left.is_integer() && right.is_integer()) {
            return Ok(PlannerResult::Original(expr));
        }
        let left = Box::new(cast(expr.left, DataType::Float64));
        let right = Box::new(cast(expr.right, DataType::Float64));
        Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide, right })))
    }
}

/// `-x` as a function: its type is settled together with those of all numbers, for the negative of an unsigned number is
/// wider than it.
pub(super) fn negate() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Negate { signature: Signature::any(1, Volatility::Immutable) }))
}

/// Name of [`negate`].
pub(crate) const NEGATE: &str = "__basalt_negative";

#[derive(Debug, PartialEq, Eq, Hash)]
struct Negate {
    signature: Signature,
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        NEGATE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::UInt8] => Ok(DataType::Int16),
            [DataType::UInt16] => Ok(DataType::Int32),
            [DataType::UInt32 | DataType::UInt64] => Ok(DataType::Int64),
            [other] if other.is_numeric() || matches!(other, DataType::Interval(_) | DataType::Null) => {
                Ok(other.clone())
            }
            [other] => datafusion::common::plan_err!("- takes a number or an interval, not {}", sql_type(other)),
            _ => datafusion::common::plan_err!("{NEGATE} takes one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let values = datafusion::arrow::compute::cast(&values, args.return_field.data_type())?;
        Ok(ColumnarValue::Array(numeric::neg(values.as_ref())?))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
}

/// One operator as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Op,
    signature: Signature,
}

impl Op {
    fn of(op: Operator) -> Option<Self> {
        Some(match op {
            Operator::Plus => Op::Add,
            Operator::Minus => Op::Subtract,
            Operator::Multiply => Op::Multiply,
            Operator::Divide => Op::Divide,
            Operator::Modulo => Op::Modulo,
            _ => return None,
        })
    }

    fn operator(self) -> Operator {
        match self {
            Op::Add => Operator::Plus,
            Op::Subtract | Op::Negate => Operator::Minus,
            Op::Multiply => Operator::Multiply,
            Op::Divide => Operator::Divide,
            Op::Modulo => Operator::Modulo,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Subtract => "subtract",
            Op::Multiply => "multiply",
            Op::Divide => "divide",
            Op::Modulo => "modulo",
            Op::Negate => "negate",
        }
    }

    fn function(self) -> Arc<ScalarUDF> {
        static FUNCTIONS: LazyLock<Vec<(Op, Arc<ScalarUDF>)>> = LazyLock::new(|| {
            [Op::Add, Op::Subtract, Op::Multiply, Op::Divide, Op::Modulo, Op::Negate]
                .into_iter()
                .map(|op| {
                    let arguments = if op == Op::Negate { 1 } else { 2 };
                    let signature = Signature::any(arguments, Volatility::Immutable);
                    (op, Arc::new(ScalarUDF::from(Checked { op, signature })))
                })
                .collect()
        });
        let (_, function) = FUNCTIONS.iter().find(|(op, _)| *op == self).expect("every operator is in the list");
        function.clone()
    }

    /// Whether the plain operator could answer wrongly for these (coerced) types.
    fn can_fail(self, left: &DataType, right: &DataType) -> bool {
        if !left.is_numeric() || !right.is_numeric() {
            return false;
        }
        match self {
            // Narrower results were widened while planning.
            Op::Add | Op::Subtract | Op::Multiply => is_long(left) || is_long(right),
            Op::Divide | Op::Modulo => true,
            Op::Negate => left.is_integer(),
        }
    }

    fn compute(self, left: &dyn Datum, right: Option<&dyn Datum>) -> Result<ArrayRef, ArrowError> {
        let Some(right) = right else {
            return numeric::neg(left.get().0);
        };
        match self {
            Op::Add => numeric::add(left, right),
            Op::Subtract | Op::Negate => numeric::sub(left, right),
            Op::Multiply => numeric::mul(left, right),
            Op::Divide | Op::Modulo => {
                if has_zero(right.get().0)
                    && let Some(error) = zero_for_value(left, right)
                {
                    return Err(error);
                }
                if self == Op::Divide { numeric::div(left, right) } else { numeric::rem(left, right) }
            }
        }
    }
}

fn is_long(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64)
}

/// Whether a float divisor has a zero; the kernels look at integers and decimals themselves.
fn has_zero(divisor: &dyn Array) -> bool {
    match divisor.data_type() {
        DataType::Float64 => divisor.as_primitive::<Float64Type>().values().contains(&0.0),
        DataType::Float32 => divisor.as_primitive::<Float32Type>().values().contains(&0.0),
        _ => false,
    }
}

/// The error if a zero meets a value (a zero beneath a NULL on either side harms nobody).
fn zero_for_value(left: &dyn Datum, right: &dyn Datum) -> Option<ArrowError> {
    let ((left, left_scalar), (right, right_scalar)) = (left.get(), right.get());
    let rows = if right_scalar { left.len() } else { right.len() };
    let meets = (0..rows).any(|row| {
        let (l, r) = (if left_scalar { 0 } else { row }, if right_scalar { 0 } else { row });
        left.is_valid(l) && right.is_valid(r) && is_zero(right, r)
    });
    meets.then_some(ArrowError::DivideByZero)
}

fn is_zero(array: &dyn Array, row: usize) -> bool {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row) == 0.0,
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row) == 0.0,
        _ => false,
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [left, right] => format!("{} {} {}", left.schema_name(), self.op.operator(), right.schema_name()),
            [inner] => format!("(- {})", inner.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] => BinaryTypeCoercer::new(left, &self.op.operator(), right).get_result_type(),
            [inner] => Ok(inner.clone()),
            _ => datafusion::common::plan_err!("{} takes one or two arguments", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let datums = args.args.iter().map(as_datum).collect::<Result<Vec<_>>>()?;
        let left = datums[0].as_ref();
        let right = datums.get(1).map(|d| d.as_ref() as &dyn Datum);
        let array = match self.op.compute(left, right) {
            Ok(array) => array,
            Err(error) => return Err(self.explain(left, right, error)),
        };
        // The result type was fixed while planning; decimal kernels may widen the precision.
        let wanted = args.return_field.data_type();
        let array = if array.data_type() == wanted { array } else { datafusion::arrow::compute::cast(&array, wanted)? };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn as_datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(array.clone()),
        ColumnarValue::Scalar(scalar) => Box::new(scalar.to_scalar()?),
    })
}

impl Checked {
    /// The error with the values of the first row that fails.
    fn explain(&self, left: &dyn Datum, right: Option<&dyn Datum>, error: ArrowError) -> DataFusionError {
        let zero = matches!(error, ArrowError::DivideByZero);
        if !zero && !matches!(error, ArrowError::ArithmeticOverflow(_)) {
            return error.into();
        }
        let (left_array, left_scalar) = left.get();
        let rows = right.map_or(left_array.len(), |r| if left_scalar { r.get().0.len() } else { left_array.len() });
        let at = |datum: &dyn Datum, row: usize| {
            let (array, scalar) = datum.get();
            array.slice(if scalar { 0 } else { row }, 1)
        };
        let failing = (0..rows).find(|row| {
            let right = right.map(|r| at(r, *row));
            self.op.compute(&at(left, *row), right.as_ref().map(|r| r as &dyn Datum)).is_err()
        });
        let Some(row) = failing else {
            return error.into();
        };
        let text = |datum: &dyn Datum| array_value_to_string(&at(datum, row), 0).unwrap_or_default();
        let expression = match right {
            Some(right) => format!("{} {} {}", text(left), self.op.operator(), text(right)),
            None => format!("-({})", text(left)),
        };
        let message = if zero {
            format!("division by zero: {expression}")
        } else {
            format!("{} overflow: {expression}", sql_type(left_array.data_type()).to_lowercase())
        };
        DataFusionError::External(Box::new(Error::Evaluation { message }))
    }
}
