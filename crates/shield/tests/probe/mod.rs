//! A program of a few instructions that makes system calls and ends with the number of the first that did not return
//! what was expected, or 0: an ELF file for x86-64, written byte by byte.

use std::path::Path;

/// Where the one segment of the program is loaded.
const BASE: u64 = 0x40_0000;
/// Length of the ELF header and of the one program header (elf(5)).
const HEADERS: u64 = 64 + 56;
/// Most bytes that calls may point to, at the end of the file.
const DATA: u64 = 256;
/// `syscall`, and `int 0x80`, the way of 32-bit programs.
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
pub const INT_80: [u8; 2] = [0xcd, 0x80];

/// Instructions so far.
#[derive(Default)]
pub struct Probe {
    code: Vec<u8>,
    jumps: Vec<usize>,
    data: Vec<u8>,
}

impl Probe {
    /// Where `data` will lie in the program's memory.
    pub fn address_of_data(&mut self, data: &[u8]) -> u64 {
        assert!(data.len() as u64 <= DATA);
        self.data = data.to_vec();
        BASE + HEADERS
    }

    /// Makes a call, which must return `expected`; otherwise the program ends with `label`.
    pub fn call(&mut self, label: u8, number: i64, arguments: &[u64], expected: i32) {
        self.call_by(SYSCALL, label, number, arguments, expected);
    }

    pub fn call_by(&mut self, way: [u8; 2], label: u8, number: i64, arguments: &[u64], expected: i32) {
        // mov r64, imm64 for rdi, rsi, rdx, r10, r8, r9.
        let registers = [
            [0x48, 0xbf],
            [0x48, 0xbe],
            [0x48, 0xba],
            [0x49, 0xba],
            [0x49, 0xb8],
            [0x49, 0xb9],
        ];
        let padded = arguments.iter().copied().chain([0; 6]);
        for (register, argument) in registers.into_iter().zip(padded) {
            self.code.extend(register);
            self.code.extend(argument.to_le_bytes());
        }
        // mov rax, number; the call; mov edi, label; cmp rax, expected; jne end.
        self.code.extend([0x48, 0xb8]);
        self.code.extend(number.to_le_bytes());
        self.code.extend(way);
        self.code.push(0xbf);
        self.code.extend(u32::from(label).to_le_bytes());
        self.code.extend([0x48, 0x3d]);
        self.code.extend(expected.to_le_bytes());
        self.code.extend([0x0f, 0x85]);
        self.jumps.push(self.code.len());
        self.code.extend([0; 4]);
    }

    /// Writes the program to `path`.
    pub fn write(mut self, path: &Path) {
        // xor edi, edi; and, as the end of every jump: mov eax, exit; syscall.
        self.code.extend([0x31, 0xff]);
        let end = self.code.len();
        self.code.extend([0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
        for at in self.jumps {
            let distance = u32::try_from(end - (at + 4)).expect("short").to_le_bytes();
            self.code[at..at + 4].copy_from_slice(&distance);
        }
        self.data.resize(usize::try_from(DATA).expect("small"), 0);
        let file = [headers(self.code.len() as u64), self.data, self.code].concat();
        std::fs::write(path, file).expect("written");
    }
}

fn headers(code: u64) -> Vec<u8> {
    let size = HEADERS + DATA + code;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    // Entry point, program headers at 64, no section headers.
    for number in [BASE + HEADERS + DATA, 64, 0] {
        bytes.extend(number.to_le_bytes());
    }
    // Flags; sizes and counts of headers: ELF 64, program 56 times 1, section 64 times 0, index 0.
    bytes.extend(0_u32.to_le_bytes());
    for number in [64_u16, 56, 1, 64, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    // PT_LOAD, readable and executable: from offset 0, to BASE, this long, one page aligned.
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, BASE, BASE, size, size, 4096] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}
