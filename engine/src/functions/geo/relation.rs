//! How two shapes lie to each other. On the globe, too, lines between points are taken as straight on the map.

use super::pair;
use crate::functions::row::{Kind::Shape as Geometric, function};
use datafusion::logical_expr::ScalarUDF;
use geo::{Relate, relate::IntersectionMatrix};
use std::sync::Arc;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    type Question = fn(&IntersectionMatrix) -> bool;
    let list: [(&'static str, Question, &str); 10] = [
        ("st_contains", IntersectionMatrix::is_contains, "Whether b lies in a, and not only on its border."),
        ("st_within", IntersectionMatrix::is_within, "Whether a lies in b, and not only on its border."),
        ("st_covers", IntersectionMatrix::is_covers, "Whether no point of b is outside of a."),
        ("st_coveredby", IntersectionMatrix::is_coveredby, "Whether no point of a is outside of b."),
        ("st_intersects", IntersectionMatrix::is_intersects, "Whether two shapes have a point in common."),
        ("st_disjoint", IntersectionMatrix::is_disjoint, "Whether two shapes have no point in common."),
        ("st_equals", IntersectionMatrix::is_equal_topo, "Whether two shapes are made of the same points."),
        ("st_touches", IntersectionMatrix::is_touches, "Whether two shapes have only borders in common."),
        ("st_crosses", IntersectionMatrix::is_crosses, "Whether two shapes cross each other."),
        (
            "st_overlaps",
            IntersectionMatrix::is_overlaps,
            "Whether two shapes of one kind have a part in common, and each one of its own.",
        ),
    ];
    list.into_iter()
        .map(|(name, question, words)| {
            let (syntax, example) = (format!("{name}(a, b)"), format!("{name}('POINT(1 1)', 'POINT(1 1)')"));
            function(&[name], &[Geometric, Geometric], &syntax, words, &example).bool(move |row| {
                let (left, right) = pair(row, name)?;
                Ok(question(&left.geometry.relate(&right.geometry)))
            })
        })
        .collect()
}
