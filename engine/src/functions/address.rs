//! IPv4 addresses as numbers and as texts.

use super::row::{
    Kind::{Int, Text},
    function,
};
use datafusion::{arrow::datatypes::DataType, common::exec_err, logical_expr::ScalarUDF};
use std::{net::Ipv4Addr, sync::Arc};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let number = |text: &str| text.parse::<Ipv4Addr>().ok().map(|a| u64::from(u32::from(a)));
    let address = |n: i64| u32::try_from(n).ok().map(|n| Ipv4Addr::from(n).to_string());
    vec![
        function(
            &["inet_aton", "ipv4_string_to_num"],
            &[Text],
            "inet_aton(text)",
            "An IPv4 address as a number.",
            "inet_aton('1.2.3.4')",
        )
        .uint(DataType::UInt32, move |row| match number(row.text(0)) {
            Some(n) => Ok(n),
            None => exec_err!("`{}` is not an IPv4 address", row.text(0)),
        }),
        function(
            &["try_inet_aton", "try_ipv4_string_to_num"],
            &[Text],
            "try_inet_aton(text)",
            "An IPv4 address as a number; NULL of other texts.",
            "try_inet_aton('1.2.3')",
        )
        .uint_or_null(DataType::UInt32, move |row| Ok(number(row.text(0)))),
        function(
            &["inet_ntoa", "ipv4_num_to_string"],
            &[Int],
            "inet_ntoa(n)",
            "The IPv4 address that a number stands for.",
            "inet_ntoa(16909060)",
        )
        .text(move |row, out| match address(row.int(0)) {
            Some(text) => {
                out.push_str(&text);
                Ok(())
            }
            None => exec_err!("{} is not the number of an IPv4 address", row.int(0)),
        }),
        function(
            &["try_inet_ntoa", "try_ipv4_num_to_string"],
            &[Int],
            "try_inet_ntoa(n)",
            "The IPv4 address that a number stands for; NULL of other numbers.",
            "try_inet_ntoa(-1)",
        )
        .text_or_null(move |row, out| {
            let text = address(row.int(0));
            out.push_str(text.as_deref().unwrap_or(""));
            Ok(text.is_some())
        }),
    ]
}
