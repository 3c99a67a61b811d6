use super::*;
use crate::{admin, databend, listen::Face, starrocks, testing::TestServer};
use axum::http::StatusCode;

fn concrete(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_lets_a_stranger_in_unless_it_says_so() {
    for face in [Face::Plain, Face::Databend, Face::StarrocksBe] {
        let server = TestServer::with_face(face).await;
        let mut table = admin::routes();
        if face != Face::StarrocksBe {
            table.extend(databend::table());
        }
        if face != Face::Databend {
            table.extend(starrocks::table(face));
        }
        for route in table {
            for credentials in [None, Some("Bearer nonsense"), Some("Basic nonsense")] {
                let headers: Vec<_> = credentials.iter().map(|c| ("authorization", *c)).collect();
                let path = concrete(route.path);
                let answer = server.send(route.method.clone(), &path, &headers, "").await;
                let refused = match path.ends_with("_stream_load") {
                    true => answer.json()["Status"] == "Fail" && answer.json()["TxnId"] == -1,
                    false => answer.status == StatusCode::UNAUTHORIZED,
                };
                // The refresh route is open in the table because it has a credential of its own.
                let open = route.access == Access::Public && !path.ends_with("/refresh");
                assert_eq!(refused, !open, "{face:?} {} {path} {credentials:?}: {}", route.method, answer.text());
            }
        }
    }
}
