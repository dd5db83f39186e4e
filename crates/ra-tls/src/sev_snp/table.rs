//! The certificate table that carries certificates beside a report (GHCB specification 56421, "SNP Extended Guest
//! Request"): entries of GUID, offset and length, an entry of zeros, then the certificates.

use crate::Error;

pub type Guid = [u8; 16];

pub const ARK: Guid = guid(0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae);
/// The ASVK, which signs VLEKs, travels in the place of the ASK.
pub const ASK: Guid = guid(0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782);
pub const VCEK: Guid = guid(0x63da_758d_e664_4564_adc5_f4b9_3be8_accd);
pub const VLEK: Guid = guid(0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1);

const fn guid(number: u128) -> Guid {
    number.to_be_bytes()
}

/// Real tables are below 8 KiB.
const MAX_TABLE_BYTES: usize = 64 * 1024;
const ENTRY: usize = 24;

/// Certificates (DER or PEM) by their GUIDs.
#[derive(Debug)]
pub struct Table<'a>(Vec<(Guid, &'a [u8])>);

impl<'a> Table<'a> {
    /// `evidence.certificates` for anything that is no table.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        if data.len() > MAX_TABLE_BYTES {
            return Err(bad("the certificate table is too large")
                .expected(format!("at most {MAX_TABLE_BYTES} bytes"))
                .got(data.len().to_string()));
        }
        let places = places(data)?;
        let head = ENTRY * (places.len() + 1);
        let found = places.into_iter().map(|(name, offset, length)| {
            let certificate = offset.checked_add(length).and_then(|end| data.get(offset..end));
            certificate
                .filter(|_| offset >= head)
                .map(|certificate| (name, certificate))
                .ok_or_else(|| bad("the certificate table points outside its certificates"))
        });
        found.collect::<Result<_, _>>().map(Self)
    }

    /// One without entries where there is none.
    pub fn parse_if_any(data: &'a [u8]) -> Result<Self, Error> {
        if data.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Self::parse(data)
    }

    pub fn entries(&self) -> impl Iterator<Item = (Guid, &'a [u8])> {
        self.0.iter().copied()
    }

    pub fn get(&self, name: &Guid) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, data)| *data)
    }
}

/// Inverse of [`Table::parse`]. None of what is too much for its numbers.
pub fn build(entries: &[(Guid, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut offset = ENTRY * (entries.len() + 1);
    let (mut table, mut body) = (Vec::new(), Vec::new());
    for (name, certificate) in entries {
        table.extend(name);
        table.extend(u32::try_from(offset).ok()?.to_le_bytes());
        table.extend(u32::try_from(certificate.len()).ok()?.to_le_bytes());
        body.extend_from_slice(certificate);
        offset = offset.checked_add(certificate.len())?;
    }
    table.extend([0; ENTRY]);
    table.extend(body);
    Some(table)
}

/// GUID, offset and length, up to the entry of zeros.
fn places(data: &[u8]) -> Result<Vec<(Guid, usize, usize)>, Error> {
    let mut places: Vec<(Guid, usize, usize)> = Vec::new();
    for entry in data.chunks_exact(ENTRY) {
        if entry.iter().all(|byte| *byte == 0) {
            return Ok(places);
        }
        let mut name = [0; 16];
        name.copy_from_slice(&entry[..16]);
        if places.iter().any(|(known, ..)| *known == name) {
            return Err(bad("the certificate table names a certificate twice"));
        }
        places.push((name, number(&entry[16..20]), number(&entry[20..24])));
    }
    Err(bad("the certificate table has no end").expected("an entry of zeros"))
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn bad(reason: &str) -> Error {
    Error::new("evidence.certificates", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(Guid, u32, u32)], content: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        for (name, offset, length) in entries {
            data.extend(name);
            data.extend(offset.to_le_bytes());
            data.extend(length.to_le_bytes());
        }
        data.extend([0; ENTRY]);
        data.extend(content);
        data
    }

    #[test]
    fn certificates_are_where_their_entries_say() {
        let data = table(&[(ARK, 72, 2), (ASK, 74, 1)], b"abc");
        let found = Table::parse(&data).unwrap();
        assert_eq!(
            (found.get(&ARK), found.get(&ASK), found.get(&VCEK)),
            (Some(&b"ab"[..]), Some(&b"c"[..]), None)
        );
    }

    #[test]
    fn what_is_built_is_read_again() {
        let entries = [(ARK, b"ab".to_vec()), (VLEK, b"c".to_vec())];
        let built = build(&entries).unwrap();
        assert_eq!(built, table(&[(ARK, 72, 2), (VLEK, 74, 1)], b"abc"));
        let read: Vec<_> = Table::parse(&built)
            .unwrap()
            .entries()
            .map(|(name, data)| (name, data.to_vec()))
            .collect();
        assert_eq!(read, entries);
        assert!(Table::parse_if_any(b"").unwrap().entries().next().is_none());
        Table::parse(b"").unwrap_err();
    }

    #[test]
    fn an_entry_into_the_head_or_past_the_end_is_refused() {
        for (offset, length) in [(47, 1), (0, 1), (48, 4), (u32::MAX, u32::MAX)] {
            let refused = Table::parse(&table(&[(ARK, offset, length)], b"abc")).unwrap_err();
            assert_eq!(refused.step, "evidence.certificates");
        }
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        let refused = Table::parse(&table(&[(ARK, 72, 1), (ARK, 73, 1)], b"ab")).unwrap_err();
        assert!(refused.reason.contains("twice"));
    }
}
