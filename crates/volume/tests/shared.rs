//! Several threads on one volume: nobody waits for somebody else's fsync, those who fsync meanwhile share the next
//! flush and the next move of the anchor, and what one of them was told is true whenever the power goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use casemate_volume::anchor::{Memory, Record, Refusal};
use casemate_volume::{Anchor, Environment, Error, Form, Freshness, New, ROOT, Roots, Shared, Volume, VolumeKey};
use support::disk::{Disk, Event, moments};
use support::faults::{Call, Faulty};
use support::slow::{LARGE, Slow};
use support::{KEY, Machine, SMALL, Seeded};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

/// An anchor that says when it is asked to move, and then waits until it may.
struct Gate {
    memory: Memory,
    moves: Arc<AtomicUsize>,
    asked: Sender<()>,
    may: Receiver<Result<(), Error>>,
    closed: Arc<AtomicBool>,
}

/// The test's side of it.
struct Keeper {
    memory: Memory,
    moves: Arc<AtomicUsize>,
    asked: Receiver<()>,
    may: Sender<Result<(), Error>>,
    closed: Arc<AtomicBool>,
}

impl Anchor for Gate {
    fn read(&mut self) -> Result<Record, Error> {
        self.memory.read()
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        self.moves.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.asked.send(()).unwrap();
            self.may.recv().unwrap()?;
        }
        self.memory.compare_and_set(expected, new)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// A volume with an anchor behind a gate, and a file in it.
fn gated() -> (Arc<Shared>, Keeper, u64) {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let ((asking, asked), (may, allowed)) = (channel(), channel());
    let (moves, closed) = (Arc::default(), Arc::default());
    let gate = Gate {
        memory: machine.anchor.clone(),
        moves: Arc::clone(&moves),
        asked: asking,
        may: allowed,
        closed: Arc::clone(&closed),
    };
    let environment = machine.with(Box::new(gate));
    let mut volume = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.fsync(file).unwrap();
    moves.store(0, Ordering::SeqCst);
    closed.store(true, Ordering::SeqCst);
    let keeper = Keeper {
        memory: machine.anchor.clone(),
        moves,
        asked,
        may,
        closed,
    };
    (Arc::new(Shared::new(volume, Box::new(|_| ()))), keeper, file)
}

#[test]
fn who_fsyncs_while_the_anchor_moves_shares_the_next_move_and_others_do_not_wait() {
    let (shared, keeper, file) = gated();
    shared.with(|volume| volume.write(file, 0, b"first")).unwrap();
    let leader = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.fsync(file)
    });
    keeper.asked.recv().unwrap();
    // The anchor hangs. Whoever reads or writes does not see it.
    let mut bytes = [0; 6];
    shared.with(|volume| volume.write(file, 0, b"second")).unwrap();
    assert_eq!(shared.read(file, 0, &mut bytes).unwrap(), 6);
    assert_eq!(&bytes, b"second");
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let acknowledged = Arc::clone(&acknowledged);
        shared.fsync_then(file, move |outcome| {
            outcome.unwrap();
            acknowledged.fetch_add(1, Ordering::SeqCst);
        });
    }
    assert_eq!(acknowledged.load(Ordering::SeqCst), 0, "nothing was anchored yet");
    keeper.may.send(Ok(())).unwrap();
    keeper.asked.recv().unwrap();
    assert_eq!(acknowledged.load(Ordering::SeqCst), 0, "the first move is not theirs");
    keeper.may.send(Ok(())).unwrap();
    leader.join().unwrap().unwrap();
    assert_eq!(acknowledged.load(Ordering::SeqCst), 5);
    assert_eq!(keeper.moves.load(Ordering::SeqCst), 2);
}

#[test]
fn an_anchor_that_gives_no_answer_fails_those_who_waited_for_it_and_nobody_else() {
    let (shared, keeper, file) = gated();
    shared.with(|volume| volume.write(file, 0, b"x")).unwrap();
    keeper.may.send(Err(Error::Anchor("no answer".into()))).unwrap();
    assert!(matches!(shared.fsync(file).unwrap_err(), Error::Anchor(_)));
    keeper.may.send(Ok(())).unwrap();
    shared.fsync(file).unwrap();
    shared.with(|volume| volume.write(file, 0, b"y")).unwrap();
    keeper.may.send(Ok(())).unwrap();
    shared.fsync(file).unwrap();
}

#[test]
fn another_writer_fences_all_who_wait() {
    let (shared, keeper, file) = gated();
    let mut memory = keeper.memory.clone();
    let record = memory.read().unwrap();
    let fence = record.fence + 5;
    memory
        .compare_and_set(&record, &Record { fence, ..record })
        .unwrap()
        .unwrap();
    keeper.closed.store(false, Ordering::SeqCst);
    shared.with(|volume| volume.write(file, 0, b"x")).unwrap();
    assert!(matches!(shared.fsync(file).unwrap_err(), Error::Fenced(_)));
    let more = shared.with(|volume| volume.write(file, 0, b"y"));
    assert_eq!(more.unwrap_err().errno(), 5);
}

#[test]
fn a_checkpoint_waits_for_the_flight_and_an_end_takes_all_along() {
    let (shared, keeper, file) = gated();
    shared.with(|volume| volume.write(file, 0, b"x")).unwrap();
    let leader = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.fsync(file)
    });
    keeper.asked.recv().unwrap();
    let ended = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.end()
    });
    keeper.closed.store(false, Ordering::SeqCst);
    keeper.may.send(Ok(())).unwrap();
    leader.join().unwrap().unwrap();
    ended.join().unwrap().unwrap();
}

#[test]
fn a_flush_that_fails_closes_the_volume_for_all_who_wait() {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let host = Faulty {
        disk: machine.disk.clone(),
        call: Call::Flush,
        failures: Arc::default(),
    };
    let environment = Environment {
        host: Box::new(host.clone()),
        ..machine.environment()
    };
    let mut volume = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let shared = Shared::new(
        volume,
        Box::new(move |error| listener.lock().unwrap().push(error.to_string())),
    );
    host.failures.store(1, Ordering::SeqCst);
    assert!(matches!(shared.fsync(file).unwrap_err(), Error::Host(_)));
    assert_eq!(host.failures.load(Ordering::SeqCst), 0, "the host works again");
    assert!(shared.fsync(file).is_err());
    assert!(shared.sync().is_err());
    assert!(shared.anchor().is_err());
    assert!(heard.lock().unwrap()[0].contains("flush"));
}

/// A volume on a slow disk, with a file, of which somebody writes the first part right now.
struct Stalled {
    machine: Machine,
    shared: Arc<Shared>,
    file: u64,
    may: Sender<()>,
    writer: thread::JoinHandle<Result<(), Error>>,
    /// Free blocks before that.
    available: u64,
}

fn stalled() -> Stalled {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let ((asking, asked), (may, allowed)) = (channel(), channel());
    let host = Slow::new(&machine.disk, asking, allowed);
    let environment = Environment {
        host: Box::new(host),
        ..machine.environment()
    };
    let mut volume = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.sync().unwrap();
    let available = volume.statistics().available;
    let shared = Arc::new(Shared::new(volume, Box::new(|_| ())));
    let writer = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.write(file, 100, &[7; LARGE + 8192])
    });
    asked.recv().unwrap();
    Stalled {
        machine,
        shared,
        file,
        may,
        writer,
        available,
    }
}

/// The file has what was written beside the large write, and the large write, also once all is in the tree.
fn assert_has_both(shared: &Shared, file: u64) {
    let mut bytes = [0; LARGE + 8292];
    assert_eq!(shared.read(file, 0, &mut bytes).unwrap(), bytes.len());
    assert!(bytes.starts_with(b"small\0\0") && bytes[100..].iter().all(|byte| *byte == 7));
    shared.sync().unwrap();
    shared.with(Volume::verify).unwrap();
}

#[test]
fn a_large_write_that_hangs_holds_nobody_up_and_is_in_no_checkpoint() {
    let stalled = stalled();
    let (shared, file) = (&stalled.shared, stalled.file);
    shared.with(|volume| volume.write(file, 0, b"small")).unwrap();
    shared.sync().unwrap();
    let record = stalled.machine.anchor.clone().read().unwrap();
    let mut crashed = Machine::of(Disk::of(stalled.machine.disk.files()), record);
    let mut volume = crashed.mount(Freshness::Strict).unwrap();
    volume.verify().unwrap();
    assert_eq!(volume.attributes(file).unwrap().size, 5);
    stalled.may.send(()).unwrap();
    stalled.writer.join().unwrap().unwrap();
    assert_has_both(shared, file);
}

#[test]
fn a_large_write_to_a_file_that_is_gone_by_then_takes_no_space() {
    let stalled = stalled();
    let (shared, file) = (&stalled.shared, stalled.file);
    let remove = |volume: &mut Volume| {
        volume.unlink(ROOT, b"file")?;
        volume.reap(file)
    };
    shared.with(remove).unwrap();
    stalled.may.send(()).unwrap();
    assert!(matches!(stalled.writer.join().unwrap().unwrap_err(), Error::NotFound));
    shared.sync().unwrap();
    shared.with(Volume::verify).unwrap();
    let available = shared.with(|volume| Ok(volume.statistics().available)).unwrap();
    assert!(available >= stalled.available, "{available} of {}", stalled.available);
}

#[test]
fn a_large_write_to_a_file_that_became_a_small_one_meanwhile_is_whole() {
    let stalled = stalled();
    let (shared, file) = (&stalled.shared, stalled.file);
    shared.with(|volume| volume.write(file, 0, b"small")).unwrap();
    shared.fsync(file).unwrap();
    stalled.may.send(()).unwrap();
    stalled.writer.join().unwrap().unwrap();
    assert_has_both(shared, file);
}

/// One thread writes 1, 2, 3 … to a file and fsyncs without waiting; others keep the log, the anchor and checkpoints
/// busy beside it. Wherever the power goes, the file has what was acknowledged by then.
#[test]
fn what_was_acknowledged_among_threads_is_there_after_a_crash() {
    let (start, record, events) = busy_run();
    let mut random = Seeded(5);
    let (mut count, mut index, mut crashes) = (0, 0, 0);
    moments(&start, record, true, &events, |_| count += 1);
    // How long the others were busy is up to the machine.
    let stride = 1 + count / 300;
    moments(&start, record, true, &events, |moment| {
        index += 1;
        if index % stride != 0 {
            return;
        }
        moment.disks(2, 2, &mut || random.next(), |files| {
            crashes += 1;
            let record = moment.records[0];
            let mut machine = Machine::of(Disk::of(files), record);
            let mut volume = machine.mount(Freshness::Strict).unwrap();
            let file = volume.lookup(ROOT, b"counter").unwrap().inode;
            let mut bytes = [0; 8];
            volume.read(file, 0, &mut bytes).unwrap();
            let found = u64::from_le_bytes(bytes) as usize;
            assert!(
                (moment.acknowledged..=moment.begun).contains(&found),
                "{found} is not between {} and {}",
                moment.acknowledged,
                moment.begun
            );
        });
    });
    assert!(crashes > 100, "{crashes} crashes at {count} moments");
}

fn busy_run() -> (support::disk::Files, Record, Vec<Event>) {
    let mut machine = Machine::new();
    machine
        .create(&Form {
            roots: Roots::Tag,
            capacity: 16 << 20,
            log: 256 << 10,
        })
        .unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let counter = volume.create_file(ROOT, b"counter", NEW).unwrap().inode;
    let other = volume.create_file(ROOT, b"other", NEW).unwrap().inode;
    volume.write(counter, 0, &[0; 8]).unwrap();
    volume.sync().unwrap();
    let (start, record) = (machine.disk.files(), machine.anchor.clone().read().unwrap());
    machine.disk.take_events();
    let shared = Arc::new(Shared::new(volume, Box::new(|error| panic!("{error}"))));
    let done = Arc::new(AtomicBool::new(false));
    let beside = [true, false].map(|syncs| {
        let (shared, done) = (Arc::clone(&shared), Arc::clone(&done));
        thread::spawn(move || {
            for step in 0u64.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                if step % 8 == 0 {
                    shared.write(other, step % 3 * 1000, &[step as u8; LARGE]).unwrap();
                }
                shared.write(other, step % 8 * 5000, &step.to_le_bytes()).unwrap();
                shared.fsync(other).unwrap();
                if syncs && step % 16 == 0 {
                    shared.sync().unwrap();
                }
            }
        })
    });
    let (acknowledge, acknowledged) = channel();
    for step in 1..=120usize {
        machine.disk.push(Event::Begun(step));
        shared
            .with(|volume| volume.write(counter, 0, &(step as u64).to_le_bytes()))
            .unwrap();
        let (disk, acknowledge) = (machine.disk.clone(), acknowledge.clone());
        shared.fsync_then(counter, move |outcome| {
            outcome.unwrap();
            disk.push(Event::Acknowledged(step));
            acknowledge.send(()).unwrap();
        });
        if step % 3 == 0 {
            acknowledged.iter().take(3).for_each(drop);
        }
    }
    done.store(true, Ordering::SeqCst);
    beside.into_iter().for_each(|thread| thread.join().unwrap());
    shared.end().unwrap();
    (start, record, machine.disk.take_events())
}
