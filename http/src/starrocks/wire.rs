//! The answer of a stream load: four blanks of indentation, keys in this order, status 200 whatever happened.

use crate::encode::json_string;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use basalt_engine::{LoadOutcome, LoadReport};

/// What a client is told about its load.
#[derive(Debug, Clone, Default)]
pub struct StreamLoadResult {
    pub txn_id: i64,
    pub label: String,
    pub database: String,
    pub table: String,
    pub status: &'static str,
    pub existing_job_status: Option<&'static str>,
    pub message: String,
    pub rows_total: u64,
    pub rows_loaded: u64,
    pub rows_filtered: u64,
    pub rows_unselected: u64,
    pub load_bytes: u64,
    pub load_ms: u64,
    pub plan_ms: u64,
    pub read_ms: u64,
    pub write_ms: u64,
    pub commit_ms: u64,
    pub error_url: Option<String>,
}

impl StreamLoadResult {
    /// The answer to a load that ended without an error; also to one whose label was used before.
    pub fn from_report(report: &LoadReport, database: &str, table: &str) -> Self {
        let mut result = Self::counted(report, database, table);
        let existing = match report.outcome {
            LoadOutcome::Loaded => {
                (result.status, result.message) = ("Success", "OK".into());
                return result;
            }
            LoadOutcome::TooManyFiltered => {
                return Self::failed_with(report, database, table, "too many filtered rows".into());
            }
            LoadOutcome::LabelFinished => "FINISHED",
            LoadOutcome::LabelRunning => "RUNNING",
        };
        result.txn_id = -1;
        result.status = "Label Already Exists";
        result.existing_job_status = Some(existing);
        result.message = format!("Label [{}] has already been used.", report.label);
        result
    }

    /// A failed load that got as far as counting rows.
    pub fn failed_with(report: &LoadReport, database: &str, table: &str, message: String) -> Self {
        Self { status: "Fail", message, ..Self::counted(report, database, table) }
    }

    /// A failed load.
    pub fn failed(label: &str, database: &str, table: &str, message: String) -> Self {
        Self {
            txn_id: -1,
            label: label.into(),
            database: database.into(),
            table: table.into(),
            status: "Fail",
            message,
            ..Self::default()
        }
    }

    fn counted(report: &LoadReport, database: &str, table: &str) -> Self {
        Self {
            txn_id: i64::try_from(report.load_id).unwrap_or(i64::MAX),
            label: report.label.clone(),
            database: database.into(),
            table: table.into(),
            rows_total: report.rows_total,
            rows_loaded: report.rows_loaded,
            rows_filtered: report.rows_filtered,
            rows_unselected: report.rows_unselected,
            load_bytes: report.bytes,
            load_ms: report.total_ms,
            plan_ms: report.plan_ms,
            read_ms: report.read_ms,
            write_ms: report.write_ms,
            commit_ms: report.commit_ms,
            ..Self::default()
        }
    }

    pub fn json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let key = |out: &mut Vec<u8>, name: &str| {
            out.extend_from_slice(if out.is_empty() { b"{\n    \"" } else { b",\n    \"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\": ");
        };
        key(&mut out, "TxnId");
        out.extend_from_slice(self.txn_id.to_string().as_bytes());
        for (name, text) in [
            ("Label", Some(self.label.as_str())),
            ("Db", Some(&self.database)),
            ("Table", Some(&self.table)),
            ("Status", Some(self.status)),
            ("ExistingJobStatus", self.existing_job_status),
            ("Message", Some(&self.message)),
        ] {
            if let Some(text) = text {
                key(&mut out, name);
                json_string(&mut out, text);
            }
        }
        for (name, number) in [
            ("NumberTotalRows", self.rows_total),
            ("NumberLoadedRows", self.rows_loaded),
            ("NumberFilteredRows", self.rows_filtered),
            ("NumberUnselectedRows", self.rows_unselected),
            ("LoadBytes", self.load_bytes),
            ("LoadTimeMs", self.load_ms),
            ("BeginTxnTimeMs", 0),
            ("StreamLoadPlanTimeMs", self.plan_ms),
            ("ReadDataTimeMs", self.read_ms),
            ("WriteDataTimeMs", self.write_ms),
            ("CommitAndPublishTimeMs", self.commit_ms),
        ] {
            key(&mut out, name);
            out.extend_from_slice(number.to_string().as_bytes());
        }
        if let Some(url) = &self.error_url {
            key(&mut out, "ErrorURL");
            json_string(&mut out, url);
        }
        out.extend_from_slice(b"\n}");
        out
    }
}

impl IntoResponse for StreamLoadResult {
    /// After anything but success the rest of the body may still be on its way: the connection is not used again.
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (StatusCode::OK, content_type, Body::from(self.json())).into_response();
        if self.status != "Success" {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: LoadOutcome) -> LoadReport {
        LoadReport {
            load_id: 1003,
            label: "l".into(),
            outcome,
            rows_total: 3,
            rows_loaded: 3,
            rows_filtered: 0,
            rows_unselected: 0,
            bytes: 40,
            total_ms: 144,
            plan_ms: 1,
            read_ms: 0,
            write_ms: 30,
            commit_ms: 12,
            rejected_log: None,
        }
    }

    #[test]
    fn the_shape_of_success() {
        let text = String::from_utf8(StreamLoadResult::from_report(&report(LoadOutcome::Loaded), "d", "t").json());
        let expected = r#"{
    "TxnId": 1003,
    "Label": "l",
    "Db": "d",
    "Table": "t",
    "Status": "Success",
    "Message": "OK",
    "NumberTotalRows": 3,
    "NumberLoadedRows": 3,
    "NumberFilteredRows": 0,
    "NumberUnselectedRows": 0,
    "LoadBytes": 40,
    "LoadTimeMs": 144,
    "BeginTxnTimeMs": 0,
    "StreamLoadPlanTimeMs": 1,
    "ReadDataTimeMs": 0,
    "WriteDataTimeMs": 30,
    "CommitAndPublishTimeMs": 12
}"#;
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn a_used_label() {
        let result = StreamLoadResult::from_report(&report(LoadOutcome::LabelFinished), "d", "t");
        let json: serde_json::Value = serde_json::from_slice(&result.json()).unwrap();
        assert_eq!(json["Status"], "Label Already Exists");
        assert_eq!(json["ExistingJobStatus"], "FINISHED");
        assert_eq!(json["Message"], "Label [l] has already been used.");
        assert_eq!(json["TxnId"], -1);
        assert_eq!(result.into_response().headers()["connection"], "close");
    }
}
