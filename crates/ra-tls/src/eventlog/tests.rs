//! What is in a log is replayed, what is none is refused, what firmware does wrong is passed by.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{Algorithm, EventLog, LOCALITY, MAX_LOG_BYTES, MAX_RECORDS, MAX_RECORDS_BYTES, NO_ACTION, replay};
use crate::Error;
use crate::expectations::hex;
use crate::vectors::{json, read, real};

const ALL: [Algorithm; 3] = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384];
const SHA256: [Algorithm; 1] = [Algorithm::Sha256];
/// A digest whose bytes are all this.
const CODE: u8 = 1;
const LOADER: u8 = 2;

fn head(register: u32, kind: u32) -> Vec<u8> {
    [register.to_le_bytes(), kind.to_le_bytes()].concat()
}

fn sized(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_le_bytes()[..], data].concat()
}

/// TCG_PCR_EVENT2.
fn record(register: u32, kind: u32, banks: &[Algorithm], digest: u8, data: &[u8]) -> Vec<u8> {
    let mut made = head(register, kind);
    made.extend(u32::try_from(banks.len()).unwrap().to_le_bytes());
    for bank in banks {
        made.extend(bank.number().to_le_bytes());
        made.extend(vec![digest; bank.size()]);
    }
    made.extend(sized(data));
    made
}

/// TCG_PCR_EVENT.
fn short(register: u32, kind: u32, digest: u8, data: &[u8]) -> Vec<u8> {
    [head(register, kind), vec![digest; 20], sized(data)].concat()
}

/// TCG_EfiSpecIdEvent of version 2.0, of banks by number and size.
fn start(banks: &[(u16, usize)]) -> Vec<u8> {
    let mut made = b"Spec ID Event03\0\0\0\0\0\0\x02\0\x02".to_vec();
    made.extend(u32::try_from(banks.len()).unwrap().to_le_bytes());
    for (number, size) in banks {
        made.extend(number.to_le_bytes());
        made.extend(u16::try_from(*size).unwrap().to_le_bytes());
    }
    made.push(0);
    made
}

fn listed(banks: &[Algorithm]) -> Vec<u8> {
    let pairs: Vec<_> = banks.iter().map(|bank| (bank.number(), bank.size())).collect();
    start(&pairs)
}

fn log(banks: &[Algorithm], records: &[Vec<u8>]) -> Vec<u8> {
    [short(0, NO_ACTION, 0, &listed(banks)), records.concat()].concat()
}

fn records(banks: &[Algorithm]) -> Vec<Vec<u8>> {
    vec![
        record(0, 8, banks, CODE, b"v1"),
        record(4, 0x8000_0003, banks, LOADER, b""),
    ]
}

fn extended(bank: Algorithm, before: &[u8], digest: u8) -> Vec<u8> {
    bank.digest(&[before, &vec![digest; bank.size()]])
}

fn replayed(data: &[u8], bank: Algorithm) -> Result<BTreeMap<u32, Vec<u8>>, Error> {
    replay(&EventLog::parse(data)?, bank)
}

fn right(bank: Algorithm) -> BTreeMap<u32, Vec<u8>> {
    let zeros = vec![0; bank.size()];
    BTreeMap::from([(0, extended(bank, &zeros, CODE)), (4, extended(bank, &zeros, LOADER))])
}

fn refused(data: &[u8], reason: &str) {
    let refused = EventLog::parse(data).unwrap_err();
    assert_eq!(refused.step, "evidence.log");
    assert!(refused.reason.contains(reason), "{refused}");
}

#[test]
fn each_bank_is_replayed() {
    for bank in ALL {
        assert_eq!(replayed(&log(&ALL, &records(&ALL)), bank).unwrap(), right(bank));
    }
    replayed(&log(&ALL, &records(&ALL)), Algorithm::Sha512).unwrap_err();
}

#[test]
fn a_log_for_tpm_12_has_one_bank() {
    let records = short(0, 8, CODE, b"v1");
    let begun = [short(0, NO_ACTION, 0, b"Spec ID Event00\0more"), records.clone()].concat();
    for data in [records, begun] {
        let wanted = extended(Algorithm::Sha1, &[0; 20], CODE);
        assert_eq!(replayed(&data, Algorithm::Sha1).unwrap(), BTreeMap::from([(0, wanted)]));
        let refused = replayed(&data, Algorithm::Sha256).unwrap_err();
        assert_eq!(refused.step, "evidence.log");
    }
}

#[test]
fn the_startup_locality_is_where_pcr_0_begins() {
    let mut all = vec![record(0, NO_ACTION, &ALL, 0, b"StartupLocality\0\x03")];
    all.extend(records(&ALL));
    let registers = replayed(&log(&ALL, &all), Algorithm::Sha256).unwrap();
    let mut before = vec![0; 32];
    before[31] = 3;
    assert_eq!(registers[&0], extended(Algorithm::Sha256, &before, CODE));
    assert_eq!(registers[&4], right(Algorithm::Sha256)[&4]);
}

#[test]
fn what_firmware_does_wrong_is_passed_by() {
    let mut strange = vec![record(0xffff_ffff, NO_ACTION, &ALL, 7, b"anything")];
    strange.extend(records(&SHA256));
    let data = log(&ALL, &strange);
    for padding in [vec![], vec![0; 70], vec![0xff; 5]] {
        let data = [data.clone(), padding].concat();
        assert_eq!(replayed(&data, Algorithm::Sha256).unwrap(), right(Algorithm::Sha256));
        let refused = replayed(&data, Algorithm::Sha384).unwrap_err();
        assert!(refused.reason.contains("has no sha384 digest"), "{refused}");
    }
}

#[test]
fn a_bank_that_cannot_be_replayed_is_read() {
    let first = short(0, NO_ACTION, 0, &start(&[(0x12, 32), (0x0b, 32)]));
    let mut event = head(0, 8);
    event.extend(b"\x02\0\0\0\x12\0");
    event.extend([9; 32]);
    event.extend(b"\x0b\0");
    event.extend([CODE; 32]);
    event.extend(sized(b""));
    let registers = replayed(&[first, event].concat(), Algorithm::Sha256).unwrap();
    assert_eq!(registers[&0], right(Algorithm::Sha256)[&0]);
}

#[test]
fn what_is_no_log_is_refused() {
    let whole = log(&ALL, &records(&ALL));
    let first = |said: &[u8]| short(0, NO_ACTION, 0, said);
    let locality = |said: &[u8]| record(0, NO_ACTION, &ALL, 0, &[LOCALITY, said].concat());
    let extended_twice = [Algorithm::Sha256; 2];
    refused(b"", "cut off");
    refused(&whole[..whole.len() - 1], "cut off");
    refused(&first(b"StartupLocality\0\x03"), "which specification");
    refused(&log(&ALL, &[record(24, 8, &ALL, CODE, b"")]), "register 0x18");
    refused(
        &log(&ALL, &[record(0xffff_ffff, 8, &ALL, CODE, b"")]),
        "register 0xffffffff",
    );
    refused(&log(&SHA256, &[record(0, 8, &ALL, CODE, b"")]), "does not have");
    refused(
        &log(&SHA256, &[record(0, 8, &extended_twice, CODE, b"")]),
        "comes twice",
    );
    refused(&first(&listed(&[])), "none of this specification");
    refused(&first(&listed(&[Algorithm::Sha256; 9])), "none of this specification");
    refused(&first(&listed(&extended_twice)), "an algorithm twice");
    refused(&first(&start(&[(0x0b, 20)])), "gives sha256 20 bytes");
    for length in 16..listed(&ALL).len() {
        refused(&first(&listed(&ALL)[..length]), "none of this specification");
    }
    refused(&first(&[listed(&ALL), vec![0]].concat()), "none of this specification");
    for said in [&b""[..], b"\x03\0", b"\x05"] {
        refused(&log(&ALL, &[locality(said)]), "startup locality");
    }
    refused(&log(&ALL, &[locality(b"\x03"), locality(b"\x03")]), "startup locality");
}

#[test]
fn limits_are_kept_to_the_last_byte() {
    let data = log(&ALL, &records(&ALL));
    let filled = [data.clone(), vec![0; MAX_LOG_BYTES - data.len()]].concat();
    assert_eq!(replayed(&filled, Algorithm::Sha1).unwrap(), right(Algorithm::Sha1));
    refused(&vec![0; MAX_LOG_BYTES + 1], "too large");

    let empty = log(&SHA256, &[record(0, 8, &SHA256, CODE, b"")]).len();
    let with = |length: usize| log(&SHA256, &[record(0, 8, &SHA256, CODE, &vec![b'x'; length])]);
    let largest = [with(MAX_RECORDS_BYTES - empty), vec![0; 1000]].concat();
    EventLog::parse(&largest).unwrap();
    refused(&with(MAX_RECORDS_BYTES - empty + 1), "too large");

    let most = vec![record(0, 8, &[], 0, b"x"); MAX_RECORDS - 1];
    EventLog::parse(&log(&SHA256, &most)).unwrap();
    let more = [most, records(&SHA256)].concat();
    refused(&log(&SHA256, &more), "too large");
}

#[test]
fn logs_of_real_machines_replay_to_their_registers() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    let wanted = json(&folder.join("expected_pcrs.derived.json"));
    for (name, machine) in wanted.as_object().unwrap() {
        let data = read(&folder.join(name));
        let log = EventLog::parse(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        let banks = machine["banks"].as_object().unwrap();
        assert!(!banks.is_empty());
        for bank in Algorithm::ALL {
            let Some(registers) = banks.get(bank.name()) else {
                continue;
            };
            let replayed = replay(&log, bank).unwrap().into_iter();
            let replayed: BTreeMap<_, _> = replayed
                .map(|(number, value)| (number.to_string(), hex(&value)))
                .collect();
            assert_eq!(serde_json::json!(replayed), *registers, "{name} {}", bank.name());
        }
    }
}

fn of_strange_firmware(folder: &Path, name: &str, records: usize) {
    let data = read(&folder.join(name));
    let log = EventLog::parse(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(log.events.len(), records, "{name}");
    let bank = log.replayable().next().unwrap();
    assert!(!replay(&log, bank).unwrap().is_empty(), "{name}");
}

#[test]
fn logs_of_strange_firmware_are_read_to_their_ends() {
    let Some(folder) = real("tpm/go-attestation") else {
        return;
    };
    for (name, records) in [
        ("coreos_36_shielded_vm_no_secure_boot_eventlog", 76),
        ("crypto_agile_eventlog", 27),
        ("ebs_event_missing_eventlog", 38),
        ("option_rom_eventlog", 61),
        ("sb_cert_eventlog", 15),
        ("ubuntu_2104_shielded_vm_no_secure_boot_eventlog", 106),
    ] {
        of_strange_firmware(&folder, name, records);
    }
    refused(&read(&folder.join("short_no_action_eventlog")), "which specification");
}

#[test]
fn a_ccel_is_a_log_with_padding() {
    let Some(folder) = real("tdx/trustee") else { return };
    for (name, records) in [
        ("CCEL_AAEL_alibabacloud", 88),
        ("CCEL_data_gcp", 22),
        ("CCEL_data_grub", 38),
        ("CCEL_data_grub_gke", 36),
        ("CCEL_data_ovmf", 21),
    ] {
        of_strange_firmware(&folder, name, records);
        let data = read(&folder.join(name));
        let registers = replayed(&data, Algorithm::Sha384).unwrap();
        assert!(registers.keys().all(|register| (1..=4).contains(register)), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_a_log_or_refused(data in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = crate::parsers::event_log(&data);
        let _ = crate::parsers::event_log(&[log(&ALL, &[]), data].concat());
    }

    #[test]
    fn a_log_with_other_bytes_gives_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut data = log(&ALL, &records(&ALL));
        let place = place.index(data.len());
        data[place] = byte;
        let _ = crate::parsers::event_log(&data);
    }
}
