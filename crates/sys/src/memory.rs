//! How memory is laid out.

/// Asks for large pages below some memory, once and for what is not touched yet; where the kernel has none, nothing
/// happens. What is in it stays.
pub fn prefer_large_pages(memory: &mut [u8]) {
    let (start, length) = (memory.as_mut_ptr(), memory.len());
    for advice in [libc::MADV_HUGEPAGE, libc::MADV_COLLAPSE] {
        // SAFETY: the range is one that the caller may write; both kinds of advice change which pages hold it and no
        // byte of it (madvise(2)). A range that does not begin at a page is refused.
        unsafe { libc::madvise(start.cast(), length, advice) };
    }
}
