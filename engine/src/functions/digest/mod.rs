//! Hashes and random identifiers. Cryptographic ones are answered as hexadecimal text, the others as numbers.

mod city;
mod xxhash;

use crate::functions::row::{
    Kind::{Any, Bytes, Int},
    Row, function,
};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, UInt64Array},
        compute::cast,
        datatypes::{DataType, FieldRef, Float64Type, Int64Type},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use siphasher::sip::SipHasher13;
use std::{hash::Hasher, sync::Arc};
use uuid::Uuid;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function(&["md5"], &[Bytes], "md5(text)", "The MD5 digest.", "md5('1234567890')").text(|row, out| {
            out.push_str(&hex::encode(Md5::digest(row.bytes(0))));
            Ok(())
        }),
        function(&["sha", "sha1"], &[Bytes], "sha(text)", "The SHA-1 digest.", "sha('1234567890')").text(|row, out| {
            out.push_str(&hex::encode(Sha1::digest(row.bytes(0))));
            Ok(())
        }),
        function(
            &["sha2"],
            &[Bytes, Int],
            "sha2(text, bits)",
            "The SHA-2 digest of 224, 256 (also 0), 384 or 512 bits; else NULL.",
            "sha2('1234567890', 0)",
        )
        .text_or_null(|row, out| {
            let value = row.bytes(0);
            out.push_str(&match row.int(1) {
                0 | 256 => hex::encode(Sha256::digest(value)),
                224 => hex::encode(Sha224::digest(value)),
                384 => hex::encode(Sha384::digest(value)),
                512 => hex::encode(Sha512::digest(value)),
                _ => return Ok(false),
            });
            Ok(true)
        }),
        blake3(),
        function(&["xxhash32"], &[Bytes], "xxhash32(text)", "The xxHash of 32 bits.", "xxhash32('1234567890')")
            .uint(DataType::UInt32, |row| Ok(u64::from(xxhash::hash32(row.bytes(0))))),
        function(&["xxhash64"], &[Bytes], "xxhash64(text)", "The xxHash of 64 bits.", "xxhash64('1234567890')")
            .uint(DataType::UInt64, |row| Ok(xxhash::hash64(row.bytes(0)))),
        function(
            &["siphash64", "siphash"],
            &[Any],
            "siphash64(value)",
            "The SipHash-1-3 of a text, a number or a time.",
            "siphash64('1234567890')",
        )
        .whole(
            |fields, _| number_type("siphash64", fields),
            |rows, _| {
                each(&rows.array(0)?, |bytes, _| {
                    let mut hasher = SipHasher13::new();
                    hasher.write(bytes);
                    hasher.finish()
                })
            },
        ),
        function(
            &["city64withseed"],
            &[Any, Any],
            "city64WithSeed(value, seed)",
            "The CityHash of 64 bits under a seed.",
            "city64WithSeed('1234567890', 12)",
        )
        .whole(
            |fields, _| number_type("city64withseed", fields),
            |rows, _| {
                let seeds = seeds(&rows.array(1)?)?;
                let hashes =
                    each(&rows.array(0)?, |bytes, row| city::hash64_with_seed(bytes, seeds[row].unwrap_or(0)))?;
                let hashes = hashes.as_primitive::<datafusion::arrow::datatypes::UInt64Type>();
                let seeded = hashes.iter().enumerate().map(|(row, hash)| seeds[row].and(hash));
                Ok(Arc::new(seeded.collect::<UInt64Array>()) as ArrayRef)
            },
        ),
        function(
            &["gen_random_uuid", "uuid"],
            &[],
            "gen_random_uuid()",
            "A new identifier, version 7: later ones are greater.",
            "gen_random_uuid()",
        )
        .volatile()
        .text(|_: &Row, out| {
            out.push_str(&Uuid::now_v7().to_string());
            Ok(())
        }),
    ]
}

fn number_type(name: &str, fields: &[FieldRef]) -> Result<DataType> {
    let given = fields[0].data_type();
    if given.is_nested() {
        return plan_err!("argument 1 of function `{name}` is a plain value, not {}", crate::plan::sql_type(given));
    }
    Ok(DataType::UInt64)
}

/// A hash of each value's bytes: those of texts, and of numbers the little-endian ones in their type's width.
fn each(array: &ArrayRef, hash: impl Fn(&[u8], usize) -> u64) -> Result<ArrayRef> {
    let integer = |width: usize| -> Result<ArrayRef> {
        let wide = cast(array, &DataType::Int64)?;
        let values = wide.as_primitive::<Int64Type>();
        let hashes = values.iter().enumerate().map(|(row, n)| n.map(|n| hash(&n.to_le_bytes()[..width], row)));
        Ok(Arc::new(hashes.collect::<UInt64Array>()))
    };
    match array.data_type() {
        DataType::Null => Ok(Arc::new(UInt64Array::new_null(array.len()))),
        DataType::Boolean | DataType::Int8 | DataType::UInt8 => integer(1),
        DataType::Int16 | DataType::UInt16 => integer(2),
        DataType::Int32 | DataType::UInt32 | DataType::Date32 => integer(4),
        DataType::Int64 | DataType::Timestamp(_, _) => integer(8),
        DataType::UInt64 => {
            let values = array.as_primitive::<datafusion::arrow::datatypes::UInt64Type>();
            let hashes = values.iter().enumerate().map(|(row, n)| n.map(|n| hash(&n.to_le_bytes(), row)));
            Ok(Arc::new(hashes.collect::<UInt64Array>()))
        }
        given if given.is_floating() || given.is_decimal() => {
            let wide = cast(array, &DataType::Float64)?;
            let values = wide.as_primitive::<Float64Type>();
            let hashes = values.iter().enumerate().map(|(row, x)| x.map(|x| hash(&x.to_bits().to_le_bytes(), row)));
            Ok(Arc::new(hashes.collect::<UInt64Array>()))
        }
        given if given.is_string() => {
            let texts = cast(array, &DataType::Utf8View)?;
            let hashes = texts.as_string_view().iter().enumerate().map(|(row, t)| t.map(|t| hash(t.as_bytes(), row)));
            Ok(Arc::new(hashes.collect::<UInt64Array>()))
        }
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => {
            let bytes = cast(array, &DataType::BinaryView)?;
            let hashes = bytes.as_binary_view().iter().enumerate().map(|(row, b)| b.map(|b| hash(b, row)));
            Ok(Arc::new(hashes.collect::<UInt64Array>()))
        }
        other => exec_err!("a value of type {} is not hashed", crate::plan::sql_type(other)),
    }
}

fn seeds(array: &ArrayRef) -> Result<Vec<Option<u64>>> {
    if array.data_type() == &DataType::UInt64 {
        return Ok(array.as_primitive::<datafusion::arrow::datatypes::UInt64Type>().iter().collect());
    }
    let wide = cast(array, &DataType::Int64)?;
    Ok(wide.as_primitive::<Int64Type>().iter().map(|n| n.map(|n| n as u64)).collect())
}

/// The library computes BLAKE3, as bytes.
fn blake3() -> Arc<ScalarUDF> {
    function(&["blake3"], &[Bytes], "blake3(text)", "The BLAKE3 digest.", "blake3('1234567890')").whole(
        |_, _| Ok(DataType::Utf8View),
        |rows, _| {
            let digest = datafusion::functions::crypto::digest();
            let array = rows.array(0)?;
            let method = ScalarValue::Utf8View(Some("blake3".into()));
            let field = |name: &str, data_type: DataType| {
                Arc::new(datafusion::arrow::datatypes::Field::new(name, data_type, true))
            };
            let given = ScalarFunctionArgs {
                arg_fields: vec![field("value", array.data_type().clone()), field("method", DataType::Utf8View)],
                return_field: field("digest", DataType::Binary),
                number_rows: array.len(),
                config_options: Arc::default(),
                args: vec![ColumnarValue::Array(array), ColumnarValue::Scalar(method)],
            };
            let bytes = cast(&digest.invoke_with_args(given)?.to_array(rows.len())?, &DataType::BinaryView)?;
            let texts = bytes.as_binary_view().iter().map(|b| b.map(hex::encode));
            Ok(Arc::new(texts.collect::<datafusion::arrow::array::StringViewArray>()) as ArrayRef)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{city, xxhash};

    #[test]
    fn known_values() {
        assert_eq!(xxhash::hash32(b""), 0x02CC_5D05);
        assert_eq!(xxhash::hash64(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxhash::hash32(b"1234567890"), 3_896_585_587);
        assert_eq!(xxhash::hash64(b"1234567890"), 12_237_639_266_330_420_150);
        assert_eq!(city::hash64_with_seed(b"1234567890", 12), 10_660_895_976_650_300_430);
    }
}
