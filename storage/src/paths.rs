//! The object layout, both directions: segments are `<epoch>/<hh>/<32 hex>.parquet`, files of users
//! `files/<epoch>/<hh>/<32 hex>`.
//!
//! `epoch` is the number of the process life that wrote the object (leftovers of dead epochs may be orphans), `hh` the
//! first two hex digits of the segment's id (so that no directory gets huge). Names are made here and nowhere else:
//! nothing a user says becomes part of a path.

use basalt_meta::{Location, Segment, SegmentId};

const SUFFIX: &str = ".parquet";

/// Path of a segment below the data root.
pub(crate) fn segment_path(epoch: u64, id: SegmentId) -> String {
    let name = id.to_string();
    format!("{epoch}/{}/{name}{SUFFIX}", &name[..2])
}

/// The epoch and id a path was made from; `None` when it is not one of ours, down to the last character.
pub(crate) fn parse_segment_path(path: &str) -> Option<(u64, SegmentId)> {
    let mut parts = path.split('/');
    let (epoch, _, file) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = file.strip_suffix(SUFFIX)?;
    let id = SegmentId(u128::from_str_radix(digits, 16).ok()?);
    let epoch = parse_epoch(epoch)?;
    (segment_path(epoch, id) == path).then_some((epoch, id))
}

/// Directory of the files that users put here; not an epoch's, so that no scan for segments looks into it.
pub(crate) const FILES: &str = "files";

/// A path never used before for a user's file.
pub(crate) fn fresh_file_path(epoch: u64) -> String {
    let name = format!("{:032x}", rand::random::<u128>());
    format!("{FILES}/{epoch}/{}/{name}", &name[..2])
}

/// The epoch that wrote a user's file; `None` when the path is not one of ours, down to the last character.
pub(crate) fn parse_file_path(path: &str) -> Option<u64> {
    let mut parts = path.strip_prefix(FILES)?.strip_prefix('/')?.split('/');
    let (epoch, directory, name) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let ours = parts.next().is_none() && name.len() == 32 && digits && directory == &name[..2];
    parse_epoch(epoch).filter(|_| ours)
}

/// The epoch a directory of the data root belongs to.
pub(crate) fn parse_epoch(directory: &str) -> Option<u64> {
    let epoch: u64 = directory.parse().ok()?;
    (epoch.to_string() == directory).then_some(epoch)
}

/// A fresh id. All ids with the same `directory` byte lie in one directory, so one load syncs one directory.
pub(crate) fn fresh_segment_id(directory: u8) -> SegmentId {
    let low: u128 = rand::random();
    SegmentId((low >> 8) | (u128::from(directory) << 120))
}

/// What an error calls a segment.
pub(crate) fn display(segment: &Segment) -> String {
    match &segment.location {
        Location::Object(path) => path.clone(),
        Location::Inline => format!("inline {}", segment.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parsing_undoes_formatting(epoch: u64, id: u128) {
            let path = segment_path(epoch, SegmentId(id));
            prop_assert_eq!(parse_segment_path(&path), Some((epoch, SegmentId(id))));
            prop_assert!(object_store::path::Path::parse(&path).is_ok());
        }

        #[test]
        fn what_parses_is_what_formatting_makes(path in "[0-9a-fA-F/+.]{0,60}(\\.parquet)?") {
            if let Some((epoch, id)) = parse_segment_path(&path) {
                prop_assert_eq!(segment_path(epoch, id), path);
            }
        }

        #[test]
        fn fresh_ids_share_their_directory(directory: u8) {
            let path = segment_path(1, fresh_segment_id(directory));
            let expected = format!("1/{directory:02x}/");
            prop_assert!(path.starts_with(&expected), "{}", path);
        }
    }

    #[test]
    fn files_of_users_are_told_from_segments() {
        let path = fresh_file_path(7);
        assert_eq!(parse_file_path(&path), Some(7));
        assert_eq!(parse_segment_path(&path), None);
        assert_eq!(parse_file_path(&segment_path(7, SegmentId(1))), None);
        assert_eq!(parse_file_path("files/7/../x"), None);
    }

    #[test]
    fn strangers_are_not_parsed() {
        let name = "0123456789abcdef0123456789abcdef";
        for path in [
            format!("1/01/{name}.parquet.tmp"),
            format!("01/01/{name}.parquet"),
            format!("1/02/{name}.parquet"),
            format!("1/01/{}.parquet", name.to_uppercase()),
            format!("../01/{name}.parquet"),
            format!("1/01/x/{name}.parquet"),
            "1/01/+123456789abcdef0123456789abcdef.parquet".to_string(),
        ] {
            assert_eq!(parse_segment_path(&path), None, "{path}");
        }
        assert_eq!(parse_epoch("+1"), None);
    }
}
