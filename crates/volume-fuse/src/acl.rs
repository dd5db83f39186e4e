//! POSIX access control lists (acl(5)). The kernel decides by them; that a list and its file's mode say the same, and
//! that what is new inherits, is left to us (FUSE_POSIX_ACL, FUSE_DONT_MASK).

use casemate_volume::{Attributes, Changes, Error, New, Volume};
use rustix::fs::FileType;

use crate::privileges::SET_GROUP_ID;

/// Attributes that hold lists: who may use a file, and what a directory hands on.
const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";
/// Layout of both: a version, then entries of tag u16, permissions u16, id u32 (linux/posix_acl_xattr.h).
const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const ENTRY: usize = 8;
/// Permissions of all three classes, and where each class has its own.
const ALL: u32 = 0o777;
const OWNER: u32 = 6;
const GROUP: u32 = 3;
const OTHERS: u32 = 0;

/// Which list an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of who may use the file.
    Access,
    /// Of what the directory hands on.
    Default,
}

impl Kind {
    /// Of the attribute with this name, if it holds a list.
    pub fn of(name: &[u8]) -> Option<Self> {
        match name {
            ACCESS => Some(Self::Access),
            DEFAULT => Some(Self::Default),
            _ => None,
        }
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Self::Access => ACCESS,
            Self::Default => DEFAULT,
        }
    }
}

/// What something new gets from the directory it is in.
#[derive(Debug, Default)]
pub struct Inherited {
    access: Option<List>,
    default: Option<List>,
}

/// Finds what something new inherits, and sets its mode: where the directory hands nothing on, `umask` counts.
pub fn inherit(volume: &mut Volume, parent: u64, new: &mut New, umask: u32) -> Result<Inherited, Error> {
    let Some(default) = stored(volume, parent, Kind::Default)? else {
        new.mode &= !(umask & ALL);
        return Ok(Inherited::default());
    };
    let mut access = default.clone();
    access.restrict(new.mode);
    new.mode = new.mode & !ALL | access.narrow();
    let is_directory = FileType::from_raw_mode(new.mode) == FileType::Directory;
    Ok(Inherited {
        access: Some(access),
        default: is_directory.then_some(default),
    })
}

impl Inherited {
    /// Gives it to what was just made.
    pub fn give(&self, volume: &mut Volume, made: Attributes) -> Result<Attributes, Error> {
        if let Some(default) = &self.default {
            store(volume, made.inode, Kind::Default, default)?;
        }
        match &self.access {
            Some(access) => set_access(volume, made.inode, access, true),
            None => Ok(made),
        }
    }
}

/// Sets a list. Whoever is not of the file's group (`keeps_group_id`) takes set-group-id from it.
pub fn set(volume: &mut Volume, inode: u64, kind: Kind, value: &[u8], keeps_group_id: bool) -> Result<(), Error> {
    let list = List::parse(value).ok_or(Error::Invalid)?;
    match kind {
        _ if list.0.is_empty() => remove(volume, inode, kind),
        Kind::Default => store(volume, inode, kind, &list),
        Kind::Access => set_access(volume, inode, &list, keeps_group_id).map(drop),
    }
}

/// Removes a list, if there is one.
pub fn remove(volume: &mut Volume, inode: u64, kind: Kind) -> Result<(), Error> {
    match volume.remove_attribute(inode, kind.name()) {
        Err(Error::NoAttribute) => Ok(()),
        other => other,
    }
}

/// Brings the list of an inode to its new mode.
pub fn follow_mode(volume: &mut Volume, inode: u64, mode: u32) -> Result<(), Error> {
    let Some(mut list) = stored(volume, inode, Kind::Access)? else {
        return Ok(());
    };
    list.become_mode(mode);
    store(volume, inode, Kind::Access, &list)
}

/// A list that says no more than a mode becomes one.
fn set_access(volume: &mut Volume, inode: u64, list: &List, keeps_group_id: bool) -> Result<Attributes, Error> {
    if list.is_a_mode() {
        remove(volume, inode, Kind::Access)?;
    } else {
        store(volume, inode, Kind::Access, list)?;
    }
    let lost = if keeps_group_id { 0 } else { SET_GROUP_ID };
    let before = volume.attributes(inode)?.mode;
    let changes = Changes {
        mode: Some(before & !(ALL | lost) | list.mode()),
        ..Changes::default()
    };
    volume.set_attributes(inode, &changes)
}

fn stored(volume: &mut Volume, inode: u64, kind: Kind) -> Result<Option<List>, Error> {
    match volume.attribute(inode, kind.name()) {
        Err(Error::NoAttribute) => Ok(None),
        Err(error) => Err(error),
        // What an import brought and no list is hands nothing on.
        Ok(value) => Ok(List::parse(&value).filter(|list| !list.0.is_empty())),
    }
}

fn store(volume: &mut Volume, inode: u64, kind: Kind, list: &List) -> Result<(), Error> {
    volume.set_attribute(inode, kind.name(), &list.encode(), None)
}

/// Whom an entry is for, numbered as in the kernel's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Others = 0x20,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: Tag,
    permissions: u32,
    id: [u8; 4],
}

/// A valid list, or an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct List(Vec<Entry>);

impl List {
    fn parse(value: &[u8]) -> Option<Self> {
        let entries = value.strip_prefix(&VERSION)?;
        if entries.len() % ENTRY != 0 {
            return None;
        }
        let list = Self(entries.chunks_exact(ENTRY).map(Entry::parse).collect::<Option<_>>()?);
        (list.0.is_empty() || list.is_valid()).then_some(list)
    }

    /// One entry for each class, and a mask where somebody is named.
    fn is_valid(&self) -> bool {
        let count = |tag| self.0.iter().filter(|entry| entry.tag == tag).count();
        let one_each = [Tag::Owner, Tag::OwningGroup, Tag::Others].map(count) == [1; 3];
        let named = count(Tag::User) + count(Tag::Group) > 0;
        one_each && (usize::from(named)..=1).contains(&count(Tag::Mask))
    }

    fn encode(&self) -> Vec<u8> {
        let entries = self.0.iter().flat_map(|entry| entry.encode());
        VERSION.into_iter().chain(entries).collect()
    }

    fn is_a_mode(&self) -> bool {
        self.0
            .iter()
            .all(|entry| matches!(entry.tag, Tag::Owner | Tag::OwningGroup | Tag::Others))
    }

    /// Permissions of the mode that goes with it: what the group has in a mode, the mask has here.
    fn mode(&self) -> u32 {
        self.of(Tag::Owner) << OWNER | self.of(self.group_class()) << GROUP | self.of(Tag::Others) << OTHERS
    }

    /// A mode that gives nobody more than the list does: until it is stored.
    fn narrow(&self) -> u32 {
        self.mode() & (!ALL | 0o707 | self.of(Tag::OwningGroup) << GROUP)
    }

    /// Takes from each class what a mode does not give it.
    fn restrict(&mut self, mode: u32) {
        self.change(|own, class| own & (mode >> class));
    }

    /// Gives each class what a mode gives it.
    fn become_mode(&mut self, mode: u32) {
        self.change(|_, class| mode >> class & 0o7);
    }

    fn change(&mut self, new: impl Fn(u32, u32) -> u32) {
        let classes = [(Tag::Owner, OWNER), (self.group_class(), GROUP), (Tag::Others, OTHERS)];
        for entry in &mut self.0 {
            if let Some((_, class)) = classes.iter().find(|(tag, _)| *tag == entry.tag) {
                entry.permissions = new(entry.permissions, *class);
            }
        }
    }

    fn group_class(&self) -> Tag {
        let masked = self.0.iter().any(|entry| entry.tag == Tag::Mask);
        if masked { Tag::Mask } else { Tag::OwningGroup }
    }

    fn of(&self, tag: Tag) -> u32 {
        self.0
            .iter()
            .find(|entry| entry.tag == tag)
            .map_or(0, |entry| entry.permissions)
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[tag, 0, permissions @ 0..=7, 0, a, b, c, d] = bytes else {
            return None;
        };
        let tags = [
            Tag::Owner,
            Tag::User,
            Tag::OwningGroup,
            Tag::Group,
            Tag::Mask,
            Tag::Others,
        ];
        Some(Self {
            tag: tags.into_iter().find(|known| *known as u8 == tag)?,
            permissions: permissions.into(),
            id: [a, b, c, d],
        })
    }

    fn encode(self) -> [u8; ENTRY] {
        let permissions = u8::try_from(self.permissions).unwrap_or(0);
        let [a, b, c, d] = self.id;
        [self.tag as u8, 0, permissions, 0, a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use casemate_volume::anchor::Memory;
    use casemate_volume::host::Folder;
    use casemate_volume::{Environment, Form, Freshness, ROOT, Roots, VolumeKey};

    use super::*;

    const NOBODY: [u8; 4] = [0xff; 4];

    fn list(entries: &[(Tag, u32)]) -> List {
        let entry = |&(tag, permissions)| Entry {
            tag,
            permissions,
            id: if matches!(tag, Tag::User | Tag::Group) {
                [7, 0, 0, 0]
            } else {
                NOBODY
            },
        };
        List(entries.iter().map(entry).collect())
    }

    fn with_a_user() -> List {
        list(&[
            (Tag::Owner, 7),
            (Tag::User, 6),
            (Tag::OwningGroup, 4),
            (Tag::Mask, 6),
            (Tag::Others, 1),
        ])
    }

    #[test]
    fn a_list_comes_back_as_it_was_written() {
        let given = with_a_user();
        let encoded = given.encode();
        assert_eq!(encoded[..4], [2, 0, 0, 0]);
        assert_eq!(encoded[12..20], [2, 0, 6, 0, 7, 0, 0, 0]);
        assert_eq!(List::parse(&encoded), Some(given));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let whole = with_a_user().encode();
        for wrong in [&whole[..whole.len() - 1], &whole[..3], &[1, 0, 0, 0], &[]] {
            assert_eq!(List::parse(wrong), None);
        }
        for (at, byte) in [(4, 3), (5, 1), (6, 8), (7, 1)] {
            let mut changed = whole.clone();
            changed[at] = byte;
            assert_eq!(List::parse(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn a_list_has_each_class_once_and_a_mask_where_somebody_is_named() {
        let plain = [(Tag::Owner, 7), (Tag::OwningGroup, 5), (Tag::Others, 0)];
        let parsed = |entries: &[(Tag, u32)]| List::parse(&list(entries).encode());
        assert!(parsed(&plain).is_some());
        assert!(parsed(&[]).is_some_and(|list| list.0.is_empty()));
        assert_eq!(parsed(&plain[..2]), None);
        assert_eq!(parsed(&[plain.as_slice(), &plain[..1]].concat()), None);
        assert_eq!(parsed(&[plain.as_slice(), &[(Tag::User, 4)]].concat()), None);
        assert_eq!(parsed(&[plain.as_slice(), &[(Tag::Mask, 4); 2]].concat()), None);
    }

    #[test]
    fn the_mask_is_what_a_mode_shows_of_the_group() {
        assert_eq!(with_a_user().mode(), 0o761);
        assert_eq!(with_a_user().narrow(), 0o741);
        let plain = list(&[(Tag::Owner, 7), (Tag::OwningGroup, 5), (Tag::Others, 0)]);
        assert_eq!((plain.mode(), plain.narrow(), plain.is_a_mode()), (0o750, 0o750, true));
        assert!(!with_a_user().is_a_mode());
    }

    #[test]
    fn a_mode_restricts_what_is_inherited_and_replaces_what_is_set() {
        let mut inherited = with_a_user();
        inherited.restrict(0o640);
        assert_eq!((inherited.mode(), inherited.of(Tag::User)), (0o640, 6));
        assert_eq!(inherited.of(Tag::OwningGroup), 4, "the mask is restricted in its place");
        let mut set = with_a_user();
        set.become_mode(0o606);
        assert_eq!((set.mode(), set.of(Tag::Mask), set.of(Tag::User)), (0o606, 0, 6));
    }

    /// Does something with a file in a volume that hands `default` on, if given.
    fn with_a_file(default: Option<&List>, mode: u32, test: impl FnOnce(&mut Volume, Attributes)) {
        let folder = tempfile::tempdir().unwrap();
        let anchor = Memory::default();
        let environment =
            || Environment::of_this_machine(Folder::write(folder.path()).unwrap(), Box::new(anchor.clone()));
        let key = || VolumeKey::new([7; 32]);
        let form = Form::new(Roots::Tag, 64 << 20);
        Volume::create(environment(), key(), &form).unwrap();
        let mut volume = Volume::mount(environment(), key(), Freshness::Strict).unwrap();
        if let Some(default) = default {
            set(&mut volume, ROOT, Kind::Default, &default.encode(), true).unwrap();
        }
        let mut new = New {
            mode: mode | FileType::RegularFile.as_raw_mode(),
            uid: 0,
            gid: 0,
            device: 0,
        };
        let inherited = inherit(&mut volume, ROOT, &mut new, 0o022).unwrap();
        let made = volume.create_file(ROOT, b"file", new).unwrap();
        let made = inherited.give(&mut volume, made).unwrap();
        test(&mut volume, made);
    }

    #[test]
    fn without_a_list_above_the_umask_counts() {
        with_a_file(None, 0o666, |volume, made| {
            assert_eq!(made.mode & ALL, 0o644);
            assert_eq!(stored(volume, made.inode, Kind::Access).unwrap(), None);
        });
    }

    #[test]
    fn a_list_above_is_handed_on_as_far_as_the_mode_goes() {
        with_a_file(Some(&with_a_user()), 0o640, |volume, made| {
            let given = stored(volume, made.inode, Kind::Access).unwrap().unwrap();
            assert_eq!(
                (made.mode & ALL, given.of(Tag::Mask), given.of(Tag::User)),
                (0o640, 4, 6)
            );
            assert_eq!(stored(volume, made.inode, Kind::Default).unwrap(), None);
        });
    }

    #[test]
    fn a_new_mode_takes_from_the_list() {
        with_a_file(None, 0o666, |volume, made| {
            set(volume, made.inode, Kind::Access, &with_a_user().encode(), true).unwrap();
            assert_eq!(volume.attributes(made.inode).unwrap().mode & ALL, 0o761);
            follow_mode(volume, made.inode, 0o700).unwrap();
            assert_eq!(stored(volume, made.inode, Kind::Access).unwrap().unwrap().mode(), 0o700);
        });
    }

    #[test]
    fn set_group_id_goes_with_a_list_of_somebody_elses() {
        for (keeps, left) in [(true, SET_GROUP_ID), (false, 0)] {
            with_a_file(None, 0o755 | SET_GROUP_ID, |volume, made| {
                set(volume, made.inode, Kind::Access, &with_a_user().encode(), keeps).unwrap();
                assert_eq!(volume.attributes(made.inode).unwrap().mode & SET_GROUP_ID, left);
            });
        }
    }
}
