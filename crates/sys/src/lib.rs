//! Fearless calls into the kernel.
