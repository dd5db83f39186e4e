//! Memory that is wiped when it is given back.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with every block wiped before it goes back, so that parsers, encoders and libraries which
/// know nothing of secrets leave none behind.
///
/// For `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WipingAllocator;

// SAFETY: every block comes from System and goes back to it with the layout that it was made with; what is said about
// each method's arguments by the trait is passed on to System unchanged.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's, as long as its layout says, and nobody reads it any more.
        unsafe {
            libc::explicit_bzero(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }

    /// Always a new block: the system's own realloc would leave the old bytes where they were.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `new_size` is not zero and, rounded up to the alignment, no more than isize::MAX.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new layout is as valid as the caller promised.
        let new = unsafe { System.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks hold at least the smaller size, and a new block never overlaps a live one. The old one
            // is the caller's, which gives it up by this call.
            unsafe {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a block, fills it, gives it back by `release`, and says what another owner of the same address finds.
    ///
    /// The C library writes its own bookkeeping into the first 16 bytes of what it got back.
    fn left_behind(release: impl FnOnce(*mut u8, Layout)) -> Vec<u8> {
        let layout = Layout::from_size_align(512, 8).expect("layout");
        // SAFETY: the layout is not of size zero.
        let block = unsafe { WipingAllocator.alloc(layout) };
        assert!(!block.is_null());
        // SAFETY: the block has 512 bytes.
        unsafe { std::ptr::write_bytes(block, 0x5a, 512) };
        let old = block as usize;
        release(block, layout);
        // The last block of a size is the first that is handed out again: so says the C library's per-thread cache.
        // SAFETY: as above.
        let again = unsafe { System.alloc(layout) };
        assert_eq!(
            again as usize, old,
            "the C library gave another block: this test shows nothing"
        );
        // SAFETY: the block has 512 bytes, which `release` or the library wrote.
        let found = unsafe { std::slice::from_raw_parts(again, 512) }[16..].to_vec();
        // SAFETY: it came from System with this layout.
        unsafe { System.dealloc(again, layout) };
        found
    }

    #[test]
    fn what_is_given_back_is_wiped() {
        // SAFETY: block and layout belong together.
        let found = left_behind(|block, layout| unsafe { WipingAllocator.dealloc(block, layout) });
        assert!(found.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_left_by_growing_is_wiped_and_the_content_moves_on() {
        let found = left_behind(|block, layout| {
            // SAFETY: block and layout belong together; 4,096 is a valid size.
            let grown = unsafe { WipingAllocator.realloc(block, layout, 4096) };
            assert!(!grown.is_null());
            // SAFETY: the first 512 bytes were copied.
            let moved = unsafe { std::slice::from_raw_parts(grown, 512) };
            assert!(moved.iter().all(|byte| *byte == 0x5a));
            // SAFETY: it was made by realloc with this size and alignment.
            unsafe { WipingAllocator.dealloc(grown, Layout::from_size_align(4096, 8).expect("layout")) };
        });
        assert!(found.iter().all(|byte| *byte == 0));
    }
}
