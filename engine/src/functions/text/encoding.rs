//! Texts, bytes and numbers in other notations: hexadecimal, octal, binary, Base64.

use crate::functions::row::{
    Kind::{Any, Bytes, Int, Text},
    Row, function,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringViewBuilder},
        compute::cast,
        datatypes::{DataType, Int64Type, UInt64Type},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use std::{fmt::Write, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut list = vec![
        notation("bin", "binary", |out, n| write!(out, "{n:b}")),
        notation("oct", "octal", |out, n| write!(out, "{n:o}")),
        hex_of(),
        function(&["to_base64"], &[Bytes], "to_base64(value)", "Text or bytes in Base64.", "to_base64('abc')").text(
            |row, out| {
                STANDARD.encode_string(row.bytes(0), out);
                Ok(())
            },
        ),
    ];
    list.extend(decoder(&["unhex", "from_hex"], "Bytes from hexadecimal digits.", "unhex('6162')", |text| {
        hex::decode(text).ok()
    }));
    list.extend(decoder(&["from_base64"], "Bytes from Base64.", "from_base64('YWJj')", |text| {
        STANDARD.decode(text).ok()
    }));
    list
}

type Decode = fn(&str) -> Option<Vec<u8>>;

/// The function that fails on bad text, and the one that answers NULL.
fn decoder(names: &[&'static str], description: &str, example: &str, decode: Decode) -> Vec<Arc<ScalarUDF>> {
    let name = names[0];
    let tries: &[&'static str] = if name == "unhex" { &["try_unhex", "try_from_hex"] } else { &["try_from_base64"] };
    let bytes = move |row: &Row| -> Result<Vec<u8>> {
        match decode(row.text(0)) {
            Some(bytes) => Ok(bytes),
            None => exec_err!("{name}: `{}` is no such text", row.text(0)),
        }
    };
    vec![
        function(names, &[Text], &format!("{name}(text)"), description, example).bytes(bytes),
        function(tries, &[Text], &format!("{}(text)", tries[0]), &format!("{description} NULL of bad text."), example)
            .bytes_or_null(move |row| Ok(decode(row.text(0)))),
    ]
}

fn notation(name: &'static str, word: &str, write: fn(&mut String, i64) -> std::fmt::Result) -> Arc<ScalarUDF> {
    let description = format!("A whole number in {word} notation; negative ones as 64 bits.");
    function(&[name], &[Int], &format!("{name}(n)"), &description, &format!("{name}(12)")).text(move |row, out| {
        write(out, row.int(0)).expect("a text takes everything");
        Ok(())
    })
}

/// `hex` of numbers is their notation, of everything else that of its bytes.
fn hex_of() -> Arc<ScalarUDF> {
    function(
        &["hex", "to_hex"],
        &[Any],
        "hex(value)",
        "Hexadecimal digits of a number, or of the bytes of a text.",
        "hex('abc')",
    )
    .whole(
        |fields, _| {
            let given = fields[0].data_type();
            let known = given.is_integer()
                || given.is_string()
                || matches!(given, DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::Null);
            if !known {
                return plan_err!(
                    "argument 1 of function `hex` is text, binary or a whole number, not {}",
                    crate::plan::sql_type(given)
                );
            }
            Ok(DataType::Utf8View)
        },
        |rows, _| {
            let array = rows.array(0)?;
            let mut texts = StringViewBuilder::with_capacity(array.len());
            let mut push = |text: Option<String>| texts.append_option(text);
            match array.data_type() {
                DataType::UInt64 => {
                    array.as_primitive::<UInt64Type>().iter().for_each(|n| push(n.map(|n| format!("{n:x}"))));
                }
                other if other.is_integer() => {
                    let wide = cast(&array, &DataType::Int64)?;
                    wide.as_primitive::<Int64Type>().iter().for_each(|n| push(n.map(|n| format!("{n:x}"))));
                }
                DataType::Null => (0..array.len()).for_each(|_| push(None)),
                other if other.is_string() => {
                    let text = cast(&array, &DataType::Utf8View)?;
                    text.as_string_view().iter().for_each(|t| push(t.map(hex::encode)));
                }
                _ => {
                    let bytes = cast(&array, &DataType::BinaryView)?;
                    bytes.as_binary_view().iter().for_each(|b| push(b.map(hex::encode)));
                }
            }
            Ok(Arc::new(texts.finish()) as ArrayRef)
        },
    )
}
