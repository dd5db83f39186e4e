//! As much of CBOR (RFC 8949) as the Nitro Security Module speaks: maps with names, texts, bytes, numbers, truth, nothing.

/// Most levels of maps in an answer: its name, then its fields.
const MAX_DEPTH: usize = 4;

/// An item of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Number(u64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
    Bool(bool),
    Null,
}

/// The value under a name of a map.
pub(super) fn map<'a>(item: &'a Item, name: &str) -> Option<&'a Item> {
    match item {
        Item::Map(pairs) => pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value),
        _ => None,
    }
}

/// A text for people, without control characters.
pub(super) fn text(item: &Item) -> String {
    match item {
        Item::Text(text) => text.replace(char::is_control, " "),
        _ => "an error without a name".to_owned(),
    }
}

/// `{name: {field: value, …}}`, the values being CBOR already.
pub(super) fn request(name: &str, fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut written = head(5, 1);
    written.extend(item::text(name));
    written.extend(head(5, fields.len() as u64));
    for (field, value) in fields {
        written.extend(item::text(field));
        written.extend_from_slice(value);
    }
    written
}

fn head(kind: u8, count: u64) -> Vec<u8> {
    let first = |short: u8| kind << 5 | short;
    match count {
        0..24 => vec![first(count as u8)],
        24..0x100 => vec![first(24), count as u8],
        0x100..0x1_0000 => [&[first(25)][..], &(count as u16).to_be_bytes()].concat(),
        _ => [&[first(27)][..], &count.to_be_bytes()].concat(),
    }
}

/// Single items, written.
pub(super) mod item {
    use super::head;

    pub fn number(value: u16) -> Vec<u8> {
        head(0, u64::from(value))
    }

    pub fn bytes(value: &[u8]) -> Vec<u8> {
        [&head(2, value.len() as u64)[..], value].concat()
    }

    pub fn text(value: &str) -> Vec<u8> {
        [&head(3, value.len() as u64)[..], value.as_bytes()].concat()
    }

    pub fn null() -> Vec<u8> {
        vec![0xF6]
    }
}

impl Item {
    /// One item and nothing behind it; `None` for anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let parsed = Self::read(&mut rest, MAX_DEPTH)?;
        rest.is_empty().then_some(parsed)
    }

    fn read(rest: &mut &[u8], depth: usize) -> Option<Self> {
        let first = *take(rest, 1)?.first()?;
        let (kind, short) = (first >> 5, first & 0x1F);
        if kind == 7 {
            return simple(short);
        }
        let count = argument(short, rest)?;
        let length = usize::try_from(count).ok()?;
        match kind {
            0 => Some(Self::Number(count)),
            2 => Some(Self::Bytes(take(rest, length)?.to_vec())),
            3 => Some(Self::Text(String::from_utf8(take(rest, length)?.to_vec()).ok()?)),
            4 => {
                let inner = depth.checked_sub(1)?;
                // Each item takes a byte at least: none is made room for that cannot come.
                let items = (0..length).map_while(|_| Self::read(rest, inner)).collect::<Vec<_>>();
                (items.len() == length).then_some(Self::List(items))
            }
            5 => {
                let inner = depth.checked_sub(1)?;
                let pairs = (0..length).map_while(|_| Self::pair(rest, inner)).collect::<Vec<_>>();
                (pairs.len() == length).then_some(Self::Map(pairs))
            }
            _ => None,
        }
    }

    fn pair(rest: &mut &[u8], depth: usize) -> Option<(String, Self)> {
        let Self::Text(name) = Self::read(rest, depth)? else {
            return None;
        };
        Some((name, Self::read(rest, depth)?))
    }
}

fn simple(short: u8) -> Option<Item> {
    match short {
        20 => Some(Item::Bool(false)),
        21 => Some(Item::Bool(true)),
        22 => Some(Item::Null),
        _ => None,
    }
}

fn argument(short: u8, rest: &mut &[u8]) -> Option<u64> {
    let width = match short {
        0..24 => return Some(u64::from(short)),
        24..28 => 1 << (short - 24),
        // Indefinite lengths are none of the module's.
        _ => return None,
    };
    Some(
        take(rest, width)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_a_map_in_a_map() {
        let made = request("DescribePCR", &[("index", item::number(16))]);
        let expected = [&[0xA1, 0x6B][..], b"DescribePCR", &[0xA1, 0x65], b"index", &[0x10]].concat();
        assert_eq!(made, expected);
        assert_eq!(item::number(300), [0x19, 1, 44]);
        assert_eq!(item::bytes(&[0; 64])[..2], [0x58, 64]);
        assert_eq!(head(2, 70_000), [0x5B, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }

    #[test]
    fn what_the_module_does_not_speak_is_not_parsed() {
        let parse = Item::parse;
        assert_eq!(
            parse(&[0x83, 1, 0xF5, 0xF6]),
            Some(Item::List(vec![Item::Number(1), Item::Bool(true), Item::Null]))
        );
        assert_eq!(parse(&[1, 1]), None);
        assert_eq!(parse(&[0xA1, 1, 1]), None);
        assert_eq!(parse(&[0x5F, 0xFF]), None);
        assert_eq!(parse(&[0xC0, 1]), None);
        assert_eq!(parse(&[0x9B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(parse(&[0x81; 100]), None);
        assert_eq!(parse(&[0xF9, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_item_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Item::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read(data in proptest::collection::vec(any::<u8>(), 0..300), number: u16) {
            let made = request("Name", &[("data", item::bytes(&data)), ("n", item::number(number)), ("none", item::null())]);
            let parsed = Item::parse(&made).unwrap();
            let fields = map(&parsed, "Name").unwrap();
            prop_assert_eq!(map(fields, "data"), Some(&Item::Bytes(data)));
            prop_assert_eq!(map(fields, "n"), Some(&Item::Number(u64::from(number))));
            prop_assert_eq!(map(fields, "none"), Some(&Item::Null));
        }
    }
}
