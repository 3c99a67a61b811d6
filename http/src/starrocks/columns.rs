//! The `columns` header: names of the fields in file order, and `column = expression` for columns that are computed.

use basalt_engine::ColumnMapping;

/// Parses the list.
pub fn parse(text: &str) -> Result<Vec<ColumnMapping>, String> {
    let items = split(text)?;
    let mappings = items.iter().map(|item| mapping(item)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = std::collections::BTreeSet::new();
    for mapping in &mappings {
        if let ColumnMapping::Field(name) = mapping
            && !seen.insert(name.to_lowercase())
        {
            return Err(format!("Invalid columns: field `{name}` is named twice"));
        }
    }
    Ok(mappings)
}

/// Cuts at commas outside of brackets and quotes.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut items, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => {
                depth = depth.checked_sub(1).ok_or_else(|| format!("Invalid columns: `{c}` closes nothing"))?;
            }
            (None, ',') if depth == 0 => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    if quote.is_some() || depth > 0 {
        return Err("Invalid columns: a quote or bracket is not closed".into());
    }
    items.push(&text[start..]);
    Ok(items)
}

fn mapping(item: &str) -> Result<ColumnMapping, String> {
    let item = item.trim();
    let (name, rest) = name(item).ok_or_else(|| format!("Invalid columns: `{item}` does not begin with a name"))?;
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Ok(ColumnMapping::Field(name));
    }
    match rest.strip_prefix('=').map(str::trim) {
        Some(sql) if !sql.is_empty() && !sql.starts_with('=') => {
            Ok(ColumnMapping::Expression { column: name, sql: sql.to_string() })
        }
        _ => Err(format!("Invalid columns: `{item}` is neither a name nor `name = expression`")),
    }
}

/// A leading name, in backticks or bare, and what follows it.
fn name(item: &str) -> Option<(String, &str)> {
    if let Some(quoted) = item.strip_prefix('`') {
        let end = quoted.find('`')?;
        return (end > 0).then(|| (quoted[..end].to_string(), &quoted[end + 1..]));
    }
    let end = item.find(|c: char| c == '=' || c.is_whitespace() || "()[]{}'\",`".contains(c)).unwrap_or(item.len());
    (end > 0).then(|| (item[..end].to_string(), &item[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> ColumnMapping {
        ColumnMapping::Field(name.into())
    }

    fn computed(column: &str, sql: &str) -> ColumnMapping {
        ColumnMapping::Expression { column: column.into(), sql: sql.into() }
    }

    #[test]
    fn names_and_expressions() {
        let parsed = parse("a, `b c`,tmp , d = concat(a, ',', `b c`), e=if(a = 1, 'x)', \"y\"), f = now()").unwrap();
        let expected = [
            field("a"),
            field("b c"),
            field("tmp"),
            computed("d", "concat(a, ',', `b c`)"),
            computed("e", "if(a = 1, 'x)', \"y\")"),
            computed("f", "now()"),
        ];
        assert_eq!(parsed, expected);
    }

    #[test]
    fn nonsense_is_named() {
        for bad in ["", "a,,b", "a b", "a == 1", "a =", "f(x)", "a, (b", "a, 'b", "a)", "a, A"] {
            assert!(parse(bad).unwrap_err().starts_with("Invalid columns"), "{bad}");
        }
    }
}
