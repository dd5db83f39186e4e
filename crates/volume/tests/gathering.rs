//! What lies scattered is written anew in a row: it is read in few steps then, nothing else of it changes, and nothing
//! is lost by it, whatever goes on beside it and wherever the power goes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use casemate_volume::host::File;
use casemate_volume::{Allocate, Environment, Error, Form, Freshness, Host, New, ROOT, Roots, Seek, Shared, Volume};
use casemate_volume::{Anchor, VolumeKey};
use support::between::{Asked, Between, between};
use support::disk::{Disk, moments};
use support::faults::{Call, Faulty};
use support::slow::Slow;
use support::{KEY, Machine, Seeded};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};
const FORM: Form = Form {
    roots: Roots::Tag,
    capacity: 16 << 20,
    log: 1 << 20,
};
const BLOCK: usize = 4096;
/// Blocks of the file, which ends within its last one.
const BLOCKS: usize = 300;

fn mount_on(machine: &Machine, host: impl Host + 'static) -> Volume {
    let environment = Environment {
        host: Box::new(host),
        ..machine.environment()
    };
    Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap()
}

fn made() -> Machine {
    let machine = Machine::new();
    machine.create(&FORM).unwrap();
    machine
}

/// All blocks in an order that has nothing to do with where they are.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let (mut random, mut order) = (Seeded(seed), (0..count).collect::<Vec<_>>());
    (1..count).for_each(|last| order.swap(last, random.next() as usize % (last + 1)));
    order
}

/// A file of which each block was written on its own, and what is in it. Blocks 100 to 110 are a hole.
fn scatter(volume: &mut Volume) -> (u64, Vec<u8>) {
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    let mut content = vec![0; BLOCKS * BLOCK - 1000];
    for (step, block) in shuffled(BLOCKS, 3).into_iter().enumerate() {
        let end = content.len().min((block + 1) * BLOCK);
        content[block * BLOCK..end].fill((block % 250) as u8 + 1);
        volume
            .write(file, (block * BLOCK) as u64, &content[block * BLOCK..end])
            .unwrap();
        if step % 8 == 0 {
            volume.sync().unwrap();
        }
    }
    let (hole, length) = (100 * BLOCK, 10 * BLOCK);
    volume
        .allocate(file, hole as u64, length as u64, Allocate::Punch)
        .unwrap();
    content[hole..hole + length].fill(0);
    volume.sync().unwrap();
    (file, content)
}

fn read(volume: &mut Volume, file: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; BLOCKS * BLOCK];
    let count = volume.read(file, 0, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// A disk that counts how often its segments are read, and which bytes are written to them.
#[derive(Clone)]
struct Counting {
    disk: Disk,
    reads: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Counting {
    fn on(disk: &Disk) -> Self {
        Self {
            disk: disk.clone(),
            reads: Arc::default(),
            written: Arc::default(),
        }
    }

    fn count<T>(counter: &AtomicU64, work: impl FnOnce() -> T) -> (T, u64) {
        let before = counter.load(Ordering::SeqCst);
        let outcome = work();
        (outcome, counter.load(Ordering::SeqCst) - before)
    }
}

impl Between for Counting {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn before(&self, asked: Asked) -> io::Result<()> {
        match asked {
            Asked::Read(_) => self.reads.fetch_add(1, Ordering::SeqCst),
            Asked::Write(length) => self.written.fetch_add(length as u64, Ordering::SeqCst),
            Asked::Length(..) | Asked::Flush => 0,
        };
        Ok(())
    }
}

between!(Counting);

#[test]
fn a_scattered_file_is_read_in_few_steps_afterwards_and_is_the_same_file() {
    let mut machine = made();
    let host = Counting::on(&machine.disk);
    let mut volume = mount_on(&machine, host.clone());
    let (file, content) = scatter(&mut volume);
    let holes = |volume: &mut Volume| [Seek::Hole, Seek::Data].map(|what| volume.seek(file, 90 * 4096, what).unwrap());
    let (attributes, found) = (volume.attributes(file).unwrap(), holes(&mut volume));
    let (before, many) = Counting::count(&host.reads, || read(&mut volume, file).unwrap());
    assert!(before == content && many > 200, "{many} reads");
    assert_eq!(volume.gather().unwrap(), 2);
    let (after, few) = Counting::count(&host.reads, || read(&mut volume, file).unwrap());
    assert!(after == content && few < 20, "{few} reads");
    assert_eq!(volume.attributes(file).unwrap(), attributes);
    assert_eq!(holes(&mut volume), found);
    assert_eq!(volume.gather().unwrap(), 0, "there is nothing left to do");
    assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
    volume.unmount().unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.verify().unwrap();
    assert_eq!(volume.check().unwrap().findings.count, 0);
    assert!(read(&mut volume, file).unwrap() == content);
}

#[test]
fn what_an_earlier_mount_left_scattered_is_found() {
    let machine = made();
    let mut volume = machine.clone().mount(Freshness::Strict).unwrap();
    let (file, content) = scatter(&mut volume);
    volume.unmount().unwrap();
    let host = Counting::on(&machine.disk);
    let mut volume = mount_on(&machine, host.clone());
    volume.gather().unwrap();
    let (after, few) = Counting::count(&host.reads, || read(&mut volume, file).unwrap());
    assert!(after == content && few < 20, "{few} reads");
}

#[test]
fn wherever_the_power_goes_a_gathered_file_is_whole() {
    let mut machine = made();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let (file, content) = scatter(&mut volume);
    let (start, record) = (machine.disk.files(), machine.anchor.clone().read().unwrap());
    machine.disk.take_events();
    assert_eq!(volume.gather().unwrap(), 2);
    volume.create_file(ROOT, b"other", NEW).unwrap();
    volume.fsync(ROOT).unwrap();
    volume.sync().unwrap();
    // What was set free is used again.
    let other = volume.lookup(ROOT, b"other").unwrap().inode;
    volume.write(other, 0, &vec![9; 8 << 20]).unwrap();
    volume.sync().unwrap();
    let (mut random, mut crashes, events) = (Seeded(4), 0, machine.disk.take_events());
    moments(&start, record, true, &events, |moment| {
        moment.disks(2, 2, &mut || random.next(), |files| {
            crashes += 1;
            let mut machine = Machine::of(Disk::of(files), moment.records[0]);
            let mut volume = machine.mount(Freshness::Strict).unwrap();
            assert!(read(&mut volume, file).unwrap() == content);
            if crashes % 8 == 0 {
                volume.verify().unwrap();
            }
        });
    });
    assert!(crashes > 20, "{crashes} crashes");
}

#[test]
fn what_is_written_while_a_part_is_gathered_stays() {
    // Into memory; into memory and then to the host; as a whole; away.
    let others: [fn(&Shared, u64); 4] = [
        |shared, file| shared.write(file, 5 * 4096, b"newer").unwrap(),
        |shared, file| {
            shared.write(file, 5 * 4096, b"newer").unwrap();
            shared.sync().unwrap();
        },
        |shared, file| shared.write(file, 0, &[8; 64 * BLOCK]).unwrap(),
        |shared, file| shared.with(|volume| volume.truncate(file, 5000).map(drop)).unwrap(),
    ];
    for other in others {
        let machine = made();
        let file = scatter(&mut machine.clone().mount(Freshness::Strict).unwrap()).0;
        let ((asking, asked), (may, allowed)) = (channel(), channel());
        let volume = mount_on(&machine, Slow::new(&machine.disk, asking, allowed));
        let shared = Arc::new(Shared::new(volume, Box::new(|error| panic!("{error}"))));
        let before = shared.with(|volume| read(volume, file)).unwrap();
        let gatherer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || until_gathered(&shared)
        });
        asked.recv().unwrap();
        other(&shared, file);
        let after = shared.with(|volume| read(volume, file)).unwrap();
        assert!(after != before);
        may.send(()).unwrap();
        gatherer.join().unwrap();
        assert!(shared.with(|volume| read(volume, file)).unwrap() == after);
        shared.sync().unwrap();
        shared.with(Volume::verify).unwrap();
        assert!(shared.with(|volume| read(volume, file)).unwrap() == after);
        let findings = shared.with(Volume::check).unwrap().findings;
        assert_eq!(findings.count, 0);
    }
}

/// Upkeep as often as it takes for all files to have been left alone.
fn until_gathered(shared: &Shared) {
    (0..8).for_each(|_| {
        shared.gather().unwrap();
    });
}

#[test]
fn upkeep_leaves_alone_what_is_being_written_and_writes_no_more_than_small_writes_allow() {
    let machine = made();
    let host = Counting::on(&machine.disk);
    let mut volume = mount_on(&machine, host.clone());
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 0, &vec![1; 256 * BLOCK]).unwrap();
    volume.sync().unwrap();
    let shared = Shared::new(volume, Box::new(|error| panic!("{error}")));
    let overwrite = |blocks: &[usize]| {
        for block in blocks {
            shared.write(file, (block * BLOCK) as u64, &[2; BLOCK]).unwrap();
            shared.sync().unwrap();
        }
    };
    let written = || Counting::count(&host.written, || until_gathered(&shared)).1;
    let order = shuffled(256, 5);
    overwrite(&order[..30]);
    assert_eq!(written(), 0, "a part of 256 blocks is not worth 30");
    overwrite(&order[30..200]);
    shared.gather().unwrap();
    assert_eq!(
        Counting::count(&host.written, || shared.gather().unwrap()).1,
        0,
        "too soon"
    );
    assert_eq!(written(), (256 * BLOCK) as u64);
    assert_eq!(written(), 0, "it lies in a row");
}

#[test]
fn what_was_tampered_with_is_neither_gathered_nor_read() {
    let machine = made();
    let mut volume = machine.clone().mount(Freshness::Strict).unwrap();
    let (file, _) = scatter(&mut volume);
    volume.unmount().unwrap();
    let files = machine.disk.files();
    let segment = &files[&File::Segment(0)];
    let mut volume = mount_on(&machine, machine.disk.clone());
    // Some block of the file, wherever that is.
    let at = (7..segment.len()).step_by(BLOCK).find(|at| {
        machine.disk.poke(File::Segment(0), *at, segment[*at] ^ 1);
        let found = matches!(read(&mut volume, file), Err(Error::Tampered { .. }));
        if !found {
            machine.disk.poke(File::Segment(0), *at, segment[*at]);
        }
        found
    });
    let at = at.unwrap();
    let gathered = volume.gather();
    assert!(matches!(gathered, Err(Error::Tampered { .. })), "{gathered:?}");
    let again = read(&mut volume, file);
    assert!(matches!(again, Err(Error::Tampered { .. })), "{again:?}");
    machine.disk.poke(File::Segment(0), at, segment[at]);
    read(&mut volume, file).unwrap();
    volume.verify().unwrap();
}

#[test]
fn a_host_that_fails_meanwhile_costs_nothing() {
    for call in [Call::Read, Call::Write] {
        let machine = made();
        let host = Faulty {
            disk: machine.disk.clone(),
            call,
            failures: Arc::default(),
        };
        let mut volume = mount_on(&machine, host.clone());
        let (file, content) = scatter(&mut volume);
        let available = volume.statistics().available;
        host.failures.store(1, Ordering::SeqCst);
        assert!(matches!(volume.gather().unwrap_err(), Error::Host(_)));
        assert_eq!(host.failures.load(Ordering::SeqCst), 0);
        assert_eq!(volume.statistics().available, available);
        assert!(read(&mut volume, file).unwrap() == content);
        volume.write(file, 0, b"it goes on").unwrap();
        volume.sync().unwrap();
        volume.verify().unwrap();
    }
}

#[test]
fn what_a_snapshot_shares_stays_where_it_is() {
    let machine = made();
    let host = Counting::on(&machine.disk);
    let mut volume = mount_on(&machine, host.clone());
    scatter(&mut volume);
    volume.create_snapshot(b"kept").unwrap();
    assert_eq!(Counting::count(&host.written, || volume.gather().unwrap()), (0, 0));
    volume.delete_snapshot(b"kept").unwrap();
    // It was found not to be worth it; the next mount looks anew.
    volume.unmount().unwrap();
    assert_eq!(mount_on(&machine, host).gather().unwrap(), 2);
}

/// Three quarters of a volume are one file, whose blocks are overwritten one by one. Each leaves a piece of four blocks
/// with fewer, until all of them are gone.
#[test]
fn a_file_can_be_overwritten_at_random_on_a_volume_that_is_nearly_full() {
    for snapshot in [false, true] {
        let machine = made();
        let mut volume = machine.clone().mount(Freshness::Strict).unwrap();
        let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
        let blocks = FORM.capacity as usize * 3 / 4 / BLOCK;
        volume.write(file, 0, &vec![1; blocks * BLOCK]).unwrap();
        volume.sync().unwrap();
        if snapshot {
            volume.create_snapshot(b"kept").unwrap();
        }
        let order = shuffled(blocks, 6);
        let written: Result<(), Error> = order.iter().enumerate().try_for_each(|(step, block)| {
            volume.write(file, (block * BLOCK) as u64, &[2; BLOCK])?;
            if step % 16 == 0 { volume.sync() } else { Ok(()) }
        });
        assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
        if snapshot {
            assert!(matches!(written, Err(Error::NoSpace)), "a snapshot needs what it shows");
            volume.delete_snapshot(b"kept").unwrap();
        } else {
            written.unwrap();
        }
        volume.unmount().unwrap();
        let mut volume = machine.clone().mount(Freshness::Strict).unwrap();
        volume.verify().unwrap();
        let mut bytes = vec![0; blocks * BLOCK];
        volume.read(file, 0, &mut bytes).unwrap();
        let newer = bytes.iter().filter(|byte| **byte == 2).count();
        assert!(newer == bytes.len() || snapshot, "{newer} of {}", bytes.len());
    }
}

#[test]
fn a_nearly_full_volume_that_is_overwritten_for_long_neither_closes_nor_writes_without_end() {
    let machine = made();
    let host = Counting::on(&machine.disk);
    let mut volume = mount_on(&machine, host.clone());
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    let blocks = FORM.capacity as usize * 3 / 4 / BLOCK;
    volume.write(file, 0, &vec![1; blocks * BLOCK]).unwrap();
    volume.sync().unwrap();
    let shared = Shared::new(volume, Box::new(|error| panic!("{error}")));
    let (mut random, rounds, each) = (Seeded(7), 40, 256);
    let overwrite = || {
        for _ in 0..rounds {
            for _ in 0..each {
                let block = random.next() as usize % blocks;
                shared.write(file, (block * BLOCK) as u64, &[2; BLOCK]).unwrap();
            }
            shared.sync().unwrap();
            (0..20).for_each(|_| {
                shared.gather().unwrap();
            });
        }
    };
    let written = Counting::count(&host.written, overwrite).1;
    assert!(written < 5 * (rounds * each * BLOCK) as u64, "{written} bytes");
    shared.with(Volume::verify).unwrap();
    assert_eq!(shared.with(Volume::check).unwrap().findings.count, 0);
}
