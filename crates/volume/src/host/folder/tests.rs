//! Both ways to a file show the same.
#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::atomic::Ordering;

use super::{DIRECT, Folder};
use crate::Host;
use crate::host::File;
use crate::store::Buffer;

const SEGMENT: File = File::Segment(0);

#[test]
fn what_was_written_one_way_is_read_the_other_way() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::write(directory.path()).unwrap();
    folder.create(SEGMENT, 4 * DIRECT as u64).unwrap();
    let keeping = Folder::read(directory.path()).unwrap().keeping_reads();
    let (mut aligned, mut small) = (Buffer::default(), [0; 100]);
    for (round, direct) in [true, false, true].into_iter().enumerate() {
        folder.direct.store(direct, Ordering::Relaxed);
        let fill = 1 + round as u8;
        // Cached, then direct and cached over parts of it.
        folder
            .write(SEGMENT, 0, &vec![fill; 4 * DIRECT + 1][..4 * DIRECT])
            .unwrap();
        let room = aligned.room(2 * DIRECT);
        room.fill(fill + 100);
        folder.write(SEGMENT, DIRECT as u64, room).unwrap();
        folder.read(SEGMENT, DIRECT as u64 - 50, &mut small).unwrap();
        assert_eq!((small[49], small[50]), (fill, fill + 100));
        folder.write(SEGMENT, 2 * DIRECT as u64 + 7, &[9; 5]).unwrap();
        folder
            .read(SEGMENT, 2 * DIRECT as u64, aligned.room(2 * DIRECT))
            .unwrap();
        let read = aligned.room(2 * DIRECT);
        assert_eq!(read[6..13], [fill + 100, 9, 9, 9, 9, 9, fill + 100]);
        assert_eq!((read[DIRECT - 1], read[DIRECT]), (fill + 100, fill));
        let mut kept = vec![0; 2 * DIRECT];
        keeping.read(SEGMENT, 2 * DIRECT as u64, &mut kept).unwrap();
        assert_eq!(kept, read);
    }
}

#[test]
fn a_file_system_that_refuses_is_not_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::write(directory.path()).unwrap();
    let refused = std::io::Error::from_raw_os_error(rustix::io::Errno::INVAL.raw_os_error());
    assert!(folder.accepted::<()>(Err(refused)).is_none());
    assert!(
        folder
            .past_the_cache(SEGMENT, 0, Buffer::default().room(DIRECT))
            .is_none()
    );
    let broken = std::io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error());
    assert!(
        folder.accepted::<()>(Err(broken)).unwrap().is_err(),
        "any other error is one"
    );
}
