//! Aggregates that must see all values of a group before they know anything: the values are kept, and the answer is
//! made of them at the end. Memory is counted like that of other aggregates.
//!
//! Arguments are values first, then parameters: constants that are the same in every row and kept once.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BooleanArray, new_empty_array},
        compute::{concat, filter},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, ScalarValue, utils::SingleRowListArrayBuilder},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What an aggregate of this kind is.
#[derive(Debug, Clone)]
pub(super) struct Collected {
    pub name: &'static str,
    pub aliases: Vec<String>,
    /// How many of the arguments are values; the others are parameters.
    pub values: usize,
    pub coerce: fn(&str, &[DataType]) -> Result<Vec<DataType>>,
    pub answer: fn(&[DataType]) -> Result<DataType>,
    pub finish: fn(&Group) -> Result<ScalarValue>,
    pub signature: Signature,
}

/// Everything one group has: columns of equal length without NULLs.
pub(super) struct Group<'a> {
    pub values: &'a [ArrayRef],
    pub parameters: &'a [ScalarValue],
    pub answer: &'a DataType,
}

impl Collected {
    pub fn into_udf(self) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::from(self))
    }
}

pub(super) fn any_types() -> Signature {
    Signature::user_defined(Volatility::Immutable)
}

impl PartialEq for Collected {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Collected {}

impl Hash for Collected {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Collected {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        (self.coerce)(self.name, types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.answer)(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let types: Vec<DataType> = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Kept {
            of: self.clone(),
            answer: args.return_field.data_type().clone(),
            columns: vec![Vec::new(); self.values],
            parameters: types[self.values..].iter().map(ScalarValue::try_from).collect::<Result<_>>()?,
            types: types[..self.values].to_vec(),
            known: false,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let fields = args.input_fields.iter().enumerate().map(|(at, field)| {
            let name = format_state_name(args.name, &at.to_string());
            let data_type = field.data_type().clone();
            Arc::new(if at < self.values {
                Field::new_list(name, Field::new_list_field(data_type, true), true)
            } else {
                Field::new(name, data_type, true)
            })
        });
        Ok(fields.collect())
    }
}

/// The values of one group so far.
#[derive(Debug)]
struct Kept {
    of: Collected,
    answer: DataType,
    types: Vec<DataType>,
    /// Parts of each column.
    columns: Vec<Vec<ArrayRef>>,
    parameters: Vec<ScalarValue>,
    /// Whether the parameters are known.
    known: bool,
}

/// Parts of a column before they are joined.
const PARTS_MAX: usize = 64;

impl Kept {
    /// Keeps the rows without NULLs.
    fn keep(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns[0].len();
        let nulls: Vec<_> = columns.iter().filter_map(|c| c.logical_nulls()).collect();
        let whole = nulls.iter().all(|n| n.null_count() == 0);
        let chosen = BooleanArray::from_iter((0..rows).map(|row| Some(nulls.iter().all(|n| n.is_valid(row)))));
        for (parts, column) in self.columns.iter_mut().zip(columns) {
            let column = if whole { column.clone() } else { filter(column, &chosen)? };
            if column.is_empty() {
                continue;
            }
            parts.push(column);
            if parts.len() >= PARTS_MAX {
                *parts = vec![joined(parts)?];
            }
        }
        Ok(())
    }

    fn column(&self, at: usize) -> Result<ArrayRef> {
        match self.columns[at].as_slice() {
            [] => Ok(new_empty_array(&self.types[at])),
            [one] => Ok(one.clone()),
            parts => joined(parts),
        }
    }

    fn all(&self) -> Result<Vec<ArrayRef>> {
        (0..self.columns.len()).map(|at| self.column(at)).collect()
    }
}

fn joined(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
    Ok(concat(&parts)?)
}

impl Accumulator for Kept {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let (values, parameters) = arguments.split_at(self.of.values);
        if values[0].is_empty() {
            return Ok(());
        }
        if !self.known {
            self.parameters = parameters.iter().map(|p| ScalarValue::try_from_array(p, 0)).collect::<Result<_>>()?;
            self.known = true;
        }
        self.keep(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (values, parameters) = states.split_at(self.of.values);
        for row in 0..values[0].len() {
            let columns: Vec<ArrayRef> = values.iter().map(|v| v.as_list::<i32>().value(row)).collect();
            if columns[0].is_empty() {
                continue;
            }
            if !self.known {
                let known =
                    parameters.iter().map(|p| ScalarValue::try_from_array(p, row)).collect::<Result<Vec<_>>>()?;
                self.known = known.iter().all(|p| !p.is_null());
                self.parameters = known;
            }
            self.keep(&columns)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let values = &arguments[..self.of.values];
        let nulls: Vec<_> = values.iter().filter_map(|c| c.logical_nulls()).collect();
        let gone = (0..values[0].len()).filter(|row| nulls.iter().all(|n| n.is_valid(*row))).count();
        for at in 0..self.columns.len() {
            let column = self.column(at)?;
            let gone = gone.min(column.len());
            self.columns[at] = vec![column.slice(gone, column.len() - gone)];
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = Vec::with_capacity(self.columns.len() + self.parameters.len());
        for column in self.all()? {
            state.push(SingleRowListArrayBuilder::new(column).build_list_scalar());
        }
        state.extend(self.parameters.iter().cloned());
        Ok(state)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.all()?;
        (self.of.finish)(&Group { values: &values, parameters: &self.parameters, answer: &self.answer })
    }

    fn size(&self) -> usize {
        let arrays: usize = self.columns.iter().flatten().map(|part| part.get_array_memory_size()).sum();
        arrays + size_of_val(self)
    }
}
