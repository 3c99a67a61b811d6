//! Taste that can be checked: who may import what, where names may appear, that papers and files agree.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const CRATES: [&str; 6] = ["meta", "storage", "engine", "http", "tests", "benches"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files below `folder` with one of these endings, except build output.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "work" | "__pycache__" | ".venv" | "bin") {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|e| name.ends_with(e)) {
            found.push(path);
        }
    }
    found
}

fn sources(package: &str) -> Vec<(PathBuf, String)> {
    files(&root().join(package).join("src"), &[".rs"])
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Product lines: comments and what follows `#[cfg(test)]` left out; `tests.rs` files are tests.
fn product_lines<'a>(path: &Path, text: &'a str) -> Vec<(usize, &'a str)> {
    if path.file_stem().is_some_and(|s| s == "tests") || path.components().any(|c| c.as_os_str() == "tests") {
        return Vec::new();
    }
    let lines = text.lines().enumerate().take_while(|(_, l)| !l.contains("#[cfg(test)]"));
    lines.filter(|(_, l)| !l.trim_start().starts_with("//")).map(|(n, l)| (n + 1, l)).collect()
}

fn dependencies(package: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['.', '=']) {
            names.insert(name.trim().to_string());
        }
    }
    names
}

/// Whether a line imports a crate itself. What a library re-exports (`datafusion::parquet`) is that library's.
fn imports_crate(line: &str, name: &str) -> bool {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let path = line.strip_prefix("use ").or_else(|| line.strip_prefix("extern crate "));
    path.and_then(|p| p.trim_start_matches("::").strip_prefix(name))
        .is_some_and(|rest| rest.starts_with([':', ';', ' ']))
}

#[test]
fn heavy_libraries_have_one_home() {
    let homes: &[(&str, &[&str])] = &[
        ("rocksdb", &["meta"]),
        ("object_store", &["storage"]),
        ("parquet", &["storage"]),
        ("datafusion", &["engine"]),
        ("axum", &["http"]),
    ];
    let mut wrong = Vec::new();
    for (library, allowed) in homes {
        for package in ["meta", "storage", "engine", "http", "tests"] {
            if allowed.contains(&package) {
                continue;
            }
            if dependencies(package).contains(*library) {
                wrong.push(format!("{package}/Cargo.toml depends on {library}"));
            }
            for (path, text) in sources(package) {
                for (number, line) in text.lines().enumerate() {
                    if imports_crate(line, library) {
                        wrong.push(format!("{}:{}: {library}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("meta", &[]),
        ("storage", &["basalt-meta"]),
        ("engine", &["basalt-meta", "basalt-storage"]),
        ("http", &["basalt-engine"]),
    ];
    for (package, may) in allowed {
        for dependency in dependencies(package).iter().filter(|d| d.starts_with("basalt-")) {
            assert!(may.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
    assert_eq!(dependencies("tests").iter().filter(|d| d.starts_with("basalt-")).count(), 0, "tests are black boxes");
}

#[test]
fn no_protocol_is_named_below_http() {
    let mut wrong = Vec::new();
    for package in ["meta", "storage", "engine"] {
        for (path, text) in sources(package) {
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            for (number, line) in std::iter::once((0, shown.as_str())).chain(text.lines().enumerate()) {
                let line = line.to_lowercase();
                for name in ["databend", "starrocks", "druid", "aistore"] {
                    if line.contains(name) {
                        wrong.push(format!("{shown}:{}: {name}", number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dialects_do_not_know_each_other() {
    let dialects = ["databend", "starrocks"];
    for dialect in dialects {
        for path in files(&root().join("http/src").join(dialect), &[".rs"]) {
            let text = fs::read_to_string(&path).unwrap();
            for other in dialects.iter().filter(|d| **d != dialect) {
                let import = format!("{other}::");
                assert!(!text.contains(&import), "{} imports {other}", path.display());
            }
        }
    }
}

#[test]
fn sql_is_not_glued_from_strings() {
    let mut wrong = Vec::new();
    for package in ["meta", "storage", "engine", "http"] {
        for (path, text) in sources(package) {
            for (number, line) in product_lines(&path, &text) {
                let clause = [" FROM ", " INTO ", " SET ", " VALUES "].iter().any(|word| line.contains(word));
                for verb in ["SELECT ", "INSERT ", "DELETE ", "UPDATE ", "MERGE "] {
                    if line.contains(&format!("format!(\"{verb}")) && (clause || verb == "SELECT ") {
                        wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_lives_here() {
    let mut wrong = Vec::new();
    for package in CRATES {
        for path in files(&root().join(package), &[".rs"]) {
            let text = fs::read_to_string(&path).unwrap();
            // `foo/tests.rs` is the second half of `foo.rs`
            if !text.starts_with("//!") && !path.ends_with("tests.rs") {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "without //! at the top:\n{}", wrong.join("\n"));
}

#[test]
fn names_say_something() {
    let empty = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "shared_utils"];
    for package in CRATES {
        for path in files(&root().join(package), &[".rs"]) {
            let words = path.strip_prefix(root()).unwrap().with_extension("");
            for part in words.components() {
                let part = part.as_os_str().to_string_lossy().into_owned();
                assert!(!empty.contains(&part.as_str()), "{} is a name that says nothing", path.display());
            }
        }
    }
}

#[test]
fn no_todo_is_left() {
    let mut wrong = Vec::new();
    for package in ["meta", "storage", "engine", "http"] {
        for (path, text) in sources(package) {
            for (number, line) in product_lines(&path, &text) {
                if ["todo!(", "unimplemented!(", "dbg!("].iter().any(|m| line.contains(m)) {
                    wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_do_not_print() {
    let mut wrong = Vec::new();
    for package in ["meta", "storage", "engine", "http"] {
        for (path, text) in sources(package) {
            // the ready line and the refusal to start are the binary's own words
            if path.ends_with("main.rs") || path.ends_with("serve.rs") {
                continue;
            }
            for (number, line) in product_lines(&path, &text) {
                if ["println!(", "print!(", "eprintln!("].iter().any(|m| line.trim_start().starts_with(m)) {
                    wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn background_tasks_start_in_one_place() {
    let mut wrong = Vec::new();
    for package in ["meta", "storage", "engine"] {
        for (path, text) in sources(package) {
            let shown = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            if shown == "engine/src/runtime.rs" || shown.starts_with("engine/src/tasks") || shown.contains("/runtime/")
            {
                continue;
            }
            for (number, line) in product_lines(&path, &text) {
                if line.contains("tokio::spawn(") || line.contains("tokio::task::spawn(") {
                    wrong.push(format!("{shown}:{number}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_named_in_architecture_exist() {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).filter(|l| !l.is_empty()).collect();
    for paper in ["ARCHITECTURE.md", "README.md"] {
        let text = fs::read_to_string(root().join(paper)).unwrap_or_else(|_| panic!("{paper} exists"));
        let mut named = 0;
        for quoted in text.split('`').skip(1).step_by(2) {
            let first = quoted.split('/').next().unwrap_or_default();
            let is_path = quoted.contains('/') && !quoted.contains([' ', '*', '{', '<', '…', ':']);
            // What a run leaves behind is not in a clean clone.
            let is_output = ignored.iter().any(|folder| quoted.starts_with(folder));
            let is_ours = CRATES.contains(&first) || matches!(first, "docs" | "scripts" | ".ci");
            if is_path && is_ours && !is_output {
                named += 1;
                assert!(root().join(quoted).exists(), "{paper} names {quoted}, which does not exist");
            }
        }
        assert!(paper != "ARCHITECTURE.md" || named > 10, "{paper} names {named} places");
    }
}

#[test]
fn every_test_file_is_part_of_a_binary() {
    let tests = root().join("tests");
    let it = fs::read_to_string(tests.join("it.rs")).unwrap();
    for entry in fs::read_dir(&tests).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let module = name.strip_suffix(".rs").filter(|m| !matches!(*m, "it" | "slt"));
        if let Some(module) = module {
            assert!(it.contains(&format!("mod {module};")), "it.rs does not list {module}");
        }
        let list = entry.path().join("mod.rs");
        if entry.path().is_dir() && list.exists() && name != "harness" {
            let text = fs::read_to_string(&list).unwrap();
            for file in files(&entry.path(), &[".rs"]) {
                let module = file.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(module == "mod" || text.contains(&format!("mod {module};")), "{name}/mod.rs: {module}");
            }
        }
    }
}

#[test]
fn nothing_names_a_machine_or_a_registry() {
    // spelled in pieces, so that this file does not trip over itself
    let banned =
        [["/ro", "ot/"].concat(), ["/ho", "me/"].concat(), ["/wo", "rk/"].concat(), ["crates", ".io"].concat()];
    let mut wrong = Vec::new();
    for path in files(&root(), &[".rs", ".toml", ".md", ".sh", ".py", "Makefile", ".sql", ".slt"]) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if banned.iter().any(|b| line.contains(b.as_str())) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
