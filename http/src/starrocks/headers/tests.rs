use super::*;

fn parse(pairs: &[(&'static str, &str)]) -> Result<StreamLoadHeaders, String> {
    let headers = pairs.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    StreamLoadHeaders::parse(&headers, &Limits::default())
}

#[test]
fn defaults_are_tab_separated_lines_without_tolerance() {
    let options = parse(&[]).unwrap();
    let LoadFormat::Csv(csv) = &options.format else { panic!("not CSV") };
    assert_eq!((csv.column_separator.as_slice(), csv.row_delimiter.as_slice()), (&b"\t"[..], &b"\n"[..]));
    assert_eq!((options.max_filter_ratio, options.strict, csv.null_text.as_str()), (0.0, false, "\\N"));
    assert_eq!(options.compression, Compression::None);
}

#[test]
fn csv_and_json_options() {
    let options = parse(&[
        ("label", "load_1-a"),
        ("column_separator", "\\x01"),
        ("enclose", "\"x"),
        ("skip_header", "1"),
        ("trim_space", "TRUE"),
        ("max_filter_ratio", "0.25"),
        ("timeout", "30"),
        ("where", "a > 1"),
        ("columns", "a, b = a + 1"),
        ("timezone", "Asia/Tokyo"),
        ("format", "GZIP"),
    ])
    .unwrap();
    let LoadFormat::Csv(csv) = &options.format else { panic!("not CSV") };
    assert_eq!((csv.column_separator.as_slice(), csv.enclose, csv.skip_header), (&b"\x01"[..], Some(b'"'), 1));
    assert!(csv.trim_space);
    assert_eq!(options.compression, Compression::Gzip);
    assert_eq!(options.columns.as_ref().map(Vec::len), Some(2));
    let request = options.into_request(Principal { name: "root".into(), role: basalt_engine::Role::Admin }, "d", "t");
    assert_eq!(request.session.settings["timezone"], "Asia/Tokyo");
    assert_eq!((request.label.as_deref(), request.timeout), (Some("load_1-a"), Some(Duration::from_secs(30))));

    let paths = [("format", "json"), ("jsonpaths", "[\"$.a\",\"$.b[0]\"]"), ("strip_outer_array", "true")];
    let LoadFormat::Json(json) = parse(&paths).unwrap().format else { panic!("not JSON") };
    assert_eq!(json.paths.unwrap(), ["$.a", "$.b[0]"]);
    assert!(json.strip_outer_array);
}

#[test]
fn mistakes_have_the_known_messages() {
    for (name, value, message) in [
        ("format", "avro", "unknown data format, format=avro"),
        ("skip_header", "-1", "skip_header must be equal or greater than 0"),
        ("skip_header", "x", "Invalid csv load skip_header format"),
        ("trim_space", "maybe", "Invalid trim space format. Must be bool type"),
        ("strict_mode", "maybe", "Invalid strict mode format. Must be bool type"),
        ("timeout", "soon", "Invalid timeout format"),
        ("max_filter_ratio", "1.5", "between 0 and 1"),
        ("max_filter_ratio", "NaN", "between 0 and 1"),
        ("label", "a b", "Invalid label"),
        ("log_rejected_record_num", "-2", "must be equal or greater than -1"),
        ("partial_update", "maybe", "Invalid partial update flag format"),
        ("timezone", "Mars/Olympus", "Mars/Olympus"),
        ("format", "bzip2", "not supported"),
        ("compression", "snappy", "not supported"),
        ("content-length", "1000000000000", "exceed limit"),
    ] {
        let error = parse(&[(name, value)]).unwrap_err();
        assert!(error.contains(message), "{name}: {value}: {error}");
    }
    let both = parse(&[("compression", "gzip"), ("content-encoding", "gzip")]).unwrap_err();
    assert_eq!(both, "Only one of http header content-encoding and compression can be set");
}

#[test]
fn what_is_not_built_fails_instead_of_being_ignored() {
    for (name, value) in [
        ("negative", "true"),
        ("merge_condition", "ts"),
        ("partial_update", "true"),
        ("partitions", "p1"),
        ("envelope", "debezium"),
        ("enable_merge_commit", "true"),
        ("transaction_type", "multi"),
        ("log_rejected_record_num", "10"),
    ] {
        assert!(parse(&[(name, value)]).unwrap_err().contains(name), "{name}");
    }
    assert!(parse(&[("enable_merge_commit", "false"), ("negative", "false"), ("envelope", "none")]).is_ok());
}
