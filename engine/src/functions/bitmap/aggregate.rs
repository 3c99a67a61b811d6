//! Bitmaps over many rows: united, intersected, xored, subtracted, and how large the outcome is; and the set of the
//! numbers of a column.

use super::members;
use crate::types::{self, Special, bitmap};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, BinaryArray},
        datatypes::{DataType, Field, FieldRef, UInt64Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
};
use roaring::RoaringTreemap;
use std::{mem::size_of_val, sync::Arc};

/// How sets become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fold {
    Or,
    And,
    Xor,
    /// The first without all others.
    Not,
    /// Numbers are collected.
    Members,
    /// How many numbers are in the sets of all the texts given behind.
    Intersect,
}

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    let list: [(&'static str, &[&str], Fold, bool, &str); 8] = [
        ("bitmap_union", &["group_bitmap_or"], Fold::Or, false, "The set of the numbers that any of the bitmaps has."),
        ("bitmap_intersect", &["group_bitmap_and"], Fold::And, false, "The set of the numbers that all bitmaps have."),
        ("bitmap_or_count", &[], Fold::Or, true, "How many numbers any of the bitmaps has."),
        ("bitmap_and_count", &[], Fold::And, true, "How many numbers all bitmaps have."),
        ("bitmap_xor_count", &[], Fold::Xor, true, "How many numbers an odd number of the bitmaps has."),
        ("bitmap_not_count", &[], Fold::Not, true, "How many numbers the first bitmap has and no other."),
        ("bitmap_construct_agg", &["group_bitmap"], Fold::Members, false, "The set of the numbers of a column."),
        (
            "intersect_count",
            &[],
            Fold::Intersect,
            true,
            "How many numbers the bitmaps of all the given values of a column have in common.",
        ),
    ];
    list.into_iter()
        .map(|(name, aliases, fold, counts, words)| {
            let section = DocSection { include: false, label: "Functions", description: None };
            let syntax = match fold {
                Fold::Members => format!("{name}(n)"),
                Fold::Intersect => format!("{name}(bitmap, column, value, ...)"),
                _ => format!("{name}(bitmap)"),
            };
            let doc = Documentation::builder(section, words, syntax.as_str()).with_sql_example(syntax.as_str()).build();
            let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
            let signature = Signature::user_defined(Volatility::Immutable);
            Arc::new(AggregateUDF::from(BitmapFold { name, aliases, fold, counts, signature, doc }))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BitmapFold {
    name: &'static str,
    aliases: Vec<String>,
    fold: Fold,
    /// Answers the size of the set, not the set.
    counts: bool,
    signature: Signature,
    doc: Documentation,
}

impl AggregateUDFImpl for BitmapFold {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.doc)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name;
        let wrong = |wanted: &str| plan_err!("function `{name}` takes {wanted}, not {}", given.len());
        match (self.fold, given) {
            (Fold::Members, [number]) if number.is_integer() || number.is_null() => Ok(vec![DataType::UInt64]),
            (Fold::Members, [DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0)]) => Ok(vec![DataType::UInt64]),
            (Fold::Members, [other]) => {
                plan_err!("argument 1 of function `{name}` is a whole number, not {}", crate::plan::sql_type(other))
            }
            (Fold::Intersect, [set, column, _, ..]) if Special::of(set) == Some(Special::Bitmap) => {
                let mut types = vec![set.clone()];
                types.extend(given[1..].iter().map(|_| column.clone()));
                Ok(types)
            }
            (Fold::Intersect, [_, _, _, ..]) => plan_err!("argument 1 of function `{name}` is a bitmap"),
            (Fold::Intersect, _) => wrong("at least 3 arguments"),
            (_, [set]) if Special::of(set) == Some(Special::Bitmap) || set.is_null() => {
                Ok(vec![Special::Bitmap.arrow()])
            }
            (_, [other]) => {
                plan_err!("argument 1 of function `{name}` is a bitmap, not {}", crate::plan::sql_type(other))
            }
            _ => wrong("1 argument"),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(if self.counts { DataType::UInt64 } else { Special::Bitmap.arrow() })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let values = if self.fold == Fold::Intersect { args.exprs.len() - 2 } else { 1 };
        Ok(Box::new(Folding { fold: self.fold, counts: self.counts, sets: vec![None; values] }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let sets = if self.fold == Fold::Intersect { args.input_fields.len() - 2 } else { 1 };
        Ok((0..sets)
            .map(|n| Arc::new(Field::new(format!("{}[{n}]", args.name), DataType::Binary, true)) as FieldRef)
            .collect())
    }
}

#[derive(Debug)]
struct Folding {
    fold: Fold,
    counts: bool,
    /// One set, or for [`Fold::Intersect`] one for each value.
    sets: Vec<Option<RoaringTreemap>>,
}

impl Folding {
    fn add(&mut self, at: usize, set: RoaringTreemap) {
        let slot = &mut self.sets[at];
        *slot = Some(match (slot.take(), self.fold) {
            (None, _) => set,
            (Some(known), Fold::Or | Fold::Members | Fold::Intersect) => known | set,
            (Some(known), Fold::And) => known & set,
            (Some(known), Fold::Xor) => known ^ set,
            (Some(known), Fold::Not) => known - set,
        });
    }

    fn outcome(&self) -> Option<RoaringTreemap> {
        if self.fold != Fold::Intersect {
            return self.sets[0].clone();
        }
        let common = self.sets.iter().map(|set| set.clone().unwrap_or_default()).reduce(|a, b| a & b);
        Some(common.unwrap_or_default())
    }
}

fn decoded(bytes: &[u8]) -> Result<RoaringTreemap> {
    bitmap::from_bytes(bytes).map_err(crate::functions::row::outside)
}

fn bytes_of(array: &ArrayRef) -> Result<BinaryArray> {
    match types::to_bytes(array) {
        Some(bytes) => Ok(bytes),
        None => exec_err!("{} is not a bitmap", array.data_type()),
    }
}

impl Accumulator for Folding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match self.fold {
            Fold::Members => {
                let numbers = members(&values[0])?;
                let set = self.sets[0].get_or_insert_default();
                set.extend(numbers.as_primitive::<UInt64Type>().iter().flatten());
            }
            Fold::Intersect => {
                let bytes = bytes_of(&values[0])?;
                for (row, bytes) in bytes.iter().enumerate() {
                    let Some(bytes) = bytes else {
                        continue;
                    };
                    let column = ScalarValue::try_from_array(&values[1], row)?;
                    for (at, wanted) in values.iter().enumerate().skip(2) {
                        if !column.is_null() && ScalarValue::try_from_array(wanted, row)? == column {
                            self.add(at - 2, decoded(bytes)?);
                        }
                    }
                }
            }
            _ => {
                for bytes in bytes_of(&values[0])?.iter().flatten() {
                    self.add(0, decoded(bytes)?);
                }
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (at, state) in states.iter().enumerate() {
            for bytes in state.as_binary::<i32>().iter().flatten() {
                self.add(at, decoded(bytes)?);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.sets.iter().map(|set| ScalarValue::Binary(set.as_ref().map(bitmap::to_bytes))).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let outcome = self.outcome();
        if self.counts {
            return Ok(ScalarValue::UInt64(Some(outcome.map_or(0, |set| set.len()))));
        }
        let bytes = outcome.as_ref().map(bitmap::to_bytes);
        let array = types::from_bytes(Special::Bitmap, BinaryArray::from_iter([bytes]));
        ScalarValue::try_from_array(&array, 0)
    }

    fn size(&self) -> usize {
        let sets: usize = self.sets.iter().flatten().map(RoaringTreemap::serialized_size).sum();
        sets + size_of_val(self)
    }
}
