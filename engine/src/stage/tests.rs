use crate::{
    ByteStream, Error,
    fixture::{Rig, rig, rig_with},
};
use bytes::Bytes;
use futures::StreamExt;

fn body(parts: &[&str]) -> ByteStream {
    let parts: Vec<_> = parts.iter().map(|p| Ok(Bytes::copy_from_slice(p.as_bytes()))).collect();
    futures::stream::iter(parts).boxed()
}

async fn text(rig: &Rig, stage: &str, path: &str) -> String {
    let (file, mut bytes) = rig.engine.get_stage_file(&rig.session, stage, path).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = bytes.next().await {
        text.extend_from_slice(&part.unwrap());
    }
    assert_eq!(text.len() as u64, file.size);
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_file_is_put_listed_read_replaced_and_removed() {
    let rig = rig().await;
    let put = rig.engine.put_stage_file(&rig.session, "~", "a/b.csv", body(&["1,x\n", "2,y\n"])).await.unwrap();
    assert_eq!((put.path.as_str(), put.size), ("a/b.csv", 8));
    // md5 of "1,x\n2,y\n", computed with Python's hashlib
    assert_eq!(put.md5.as_deref(), Some("b9871c4da0c7f11b3813e285f2fbc68d"));
    assert_eq!(text(&rig, "~", "a/b.csv").await, "1,x\n2,y\n");
    rig.engine.put_stage_file(&rig.session, "~", "a/b.csv", body(&["3,z\n"])).await.unwrap();
    assert_eq!(text(&rig, "~", "a/b.csv").await, "3,z\n");
    rig.engine.put_stage_file(&rig.session, "~", "c.csv", body(&[])).await.unwrap();
    let listed = rig.engine.list_stage(&rig.session, "~", "").await.unwrap();
    assert_eq!(listed.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a/b.csv", "c.csv"]);
    assert_eq!(rig.engine.list_stage(&rig.session, "~", "a/").await.unwrap().len(), 1);
    assert_eq!(rig.engine.remove_stage_files(&rig.session, "~", &["a/b.csv".into()]).await.unwrap(), 1);
    let gone = rig.engine.get_stage_file(&rig.session, "~", "a/b.csv").await.err().unwrap();
    assert!(matches!(gone, Error::UnknownEntity { .. }), "{gone}");
}

#[tokio::test]
async fn paths_outside_and_unknown_stages_are_refused() {
    let rig = rig().await;
    for path in ["../x", "/x", "", "a/../b", "a//b", "x\\y"] {
        let error = rig.engine.put_stage_file(&rig.session, "~", path, body(&["x"])).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{path}: {error}");
    }
    let error = rig.engine.put_stage_file(&rig.session, "nowhere", "x", body(&["x"])).await.unwrap_err();
    assert!(matches!(error, Error::UnknownEntity { .. }), "{error}");
}

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing() {
    let rig = rig().await;
    let parts = vec![Ok(Bytes::from_static(b"1\n")), Err(std::io::Error::other("gone"))];
    let broken: ByteStream = futures::stream::iter(parts).boxed();
    assert!(rig.engine.put_stage_file(&rig.session, "~", "x", broken).await.is_err());
    assert!(rig.engine.list_stage(&rig.session, "~", "").await.unwrap().is_empty());
}

#[tokio::test]
async fn users_have_stages_of_their_own() {
    let rig = rig().await;
    rig.engine.put_stage_file(&rig.session, "~", "x", body(&["1"])).await.unwrap();
    let mut other = rig.session.clone();
    other.principal.name = "ann".into();
    assert!(rig.engine.list_stage(&other, "~", "").await.unwrap().is_empty());
}

#[tokio::test]
async fn files_outlive_a_restart_and_orphans_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let first = rig_with(|s| *s = crate::EngineSettings::new(path.clone(), 2, 512 << 20)).await;
    first.engine.put_stage_file(&first.session, "~", "x", body(&["one"])).await.unwrap();
    first.engine.put_stage_file(&first.session, "~", "x", body(&["two"])).await.unwrap();
    first.engine.shutdown(std::time::Duration::from_secs(5)).await.unwrap();
    drop(first);
    let objects = || {
        fn count(dir: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(dir).unwrap().flatten();
            entries.map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 }).sum()
        }
        count(&path.join("segments/files"))
    };
    assert_eq!(objects(), 2);
    let second = rig_with(|s| *s = crate::EngineSettings::new(path.clone(), 2, 512 << 20)).await;
    assert_eq!(text(&second, "~", "x").await, "two");
    assert_eq!(objects(), 1);
}
