//! SEEK_DATA and SEEK_HOLE. The kernel asks us although it may hold data that it has not written yet (fuse_lseek in
//! linux/fs/fuse/file.c): where we know of a hole, it has to write first.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use casemate_volume::{Error, Seek, Shared};
use fuser::{INodeNo, Notifier, ReplyLseek};

/// What a program looks for.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    pub inode: u64,
    pub from: u64,
    pub what: Seek,
}

/// A search, and who waits for its end.
type Asked = (Search, ReplyLseek);

/// Where the front leaves searches that need the kernel.
pub type Searches = Sender<Asked>;

/// Those that were left, until [`Left::serve`] takes them.
#[derive(Debug)]
pub struct Left(Receiver<Asked>);

/// Both ends.
pub fn searches() -> (Searches, Left) {
    let (searches, left) = channel();
    (searches, Left(left))
}

impl Search {
    /// What the volume knows. Whatever the kernel still holds can only turn holes to data.
    pub fn known(self, volume: &Shared) -> Result<u64, Error> {
        volume.with(|volume| volume.seek(self.inode, self.from, self.what))
    }

    /// Whether nothing that the kernel holds could change this answer.
    pub fn is_certain(self, found: &Result<u64, Error>) -> bool {
        matches!((self.what, found), (Seek::Data, Ok(at)) if *at == self.from)
    }

    /// Lets the kernel write what it holds where a hole was found, and looks again. Once: programs that write through a
    /// map meanwhile are in a race anyway; others wait, since the kernel has locked the file.
    fn certain(self, volume: &Shared, kernel: &Notifier) -> Result<u64, Error> {
        let (from, length) = match (self.what, self.known(volume)) {
            (Seek::Data, Ok(at)) => (self.from, at - self.from),
            (Seek::Hole, Ok(at)) => (at, TO_THE_END),
            (_, Err(_)) => (self.from, TO_THE_END),
        };
        let [from, length] = [from, length].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        kernel
            .inval_inode(INodeNo(self.inode), from, length)
            .map_err(|error| Error::Host(format!("have the kernel write: {error}")))?;
        self.known(volume)
    }
}

/// A length for the kernel.
const TO_THE_END: u64 = 0;

impl Left {
    /// Answers on a thread of its own, which ends with the front: those that answer requests must be free to take what
    /// the kernel writes.
    ///
    /// # Errors
    /// From the host.
    pub fn serve(self, volume: Arc<Shared>, kernel: Notifier) -> io::Result<()> {
        let serve = move || {
            for (search, reply) in self.0 {
                answer(reply, search.certain(&volume, &kernel));
            }
        };
        thread::Builder::new().name("searches".into()).spawn(serve).map(drop)
    }
}

/// Answers the program.
pub fn answer(reply: ReplyLseek, found: Result<u64, Error>) {
    match found {
        Ok(found) => reply.offset(i64::try_from(found).unwrap_or(i64::MAX)),
        Err(error) => reply.error(fuser::Errno::from_i32(error.errno())),
    }
}
