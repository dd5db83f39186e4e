//! A directory, put together from those of several layers.

use casemate_erofs::{Inode, ReadError, Reader, Source};

use super::names::Marks;

/// A layer's directory.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub layer: usize,
    pub inode: Inode,
}

/// What is known of a directory when its layers were asked from the top down.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// What is in it, from the top down.
    pub parts: Vec<Part>,
    /// Whose attributes and number it has: the first that says what they are, or else the first.
    pub face: Option<Part>,
    /// No layer below adds names.
    is_whole: bool,
    /// `face` says what its attributes are.
    is_said: bool,
}

impl Directory {
    /// Takes over what the next layer has.
    pub fn add(&mut self, reader: &Reader<impl Source>, part: Part) -> Result<(), ReadError> {
        let marks = Marks::of(reader, &part.inode)?;
        if !self.is_whole {
            self.parts.push(part);
        }
        if self.face.is_none() || !self.is_said && !marks.implied {
            self.face = Some(part);
        }
        self.is_whole |= marks.opaque;
        self.is_said |= !marks.implied;
        Ok(())
    }

    /// Whether the layers below can say nothing new.
    pub fn is_known(&self) -> bool {
        self.is_whole && self.is_said
    }

    /// Whether one inode has its attributes and its content.
    pub fn is_of_one_layer(&self) -> bool {
        matches!((&self.parts[..], &self.face), ([part], Some(face)) if part.layer == face.layer)
    }
}
