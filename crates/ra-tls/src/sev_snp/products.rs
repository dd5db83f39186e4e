//! Product lines: how the certificates and reports of each differ. A line is known by its root certificate.
//!
//! Sources: SEV-SNP firmware ABI 56860 (tables TCB_VERSION, CHIP_ID) and the VCEK specification 57230 (X.509 extensions).

/// Where the components of a TCB_VERSION are; the other bytes are reserved.
type Layout = &'static [(&'static str, usize)];

const BEFORE_TURIN: Layout = &[("bootloader", 0), ("tee", 1), ("snp", 6), ("microcode", 7)];
const SINCE_TURIN: Layout = &[("fmc", 0), ("bootloader", 1), ("tee", 2), ("snp", 3), ("microcode", 7)];
const ZEN3_ZEN4: u8 = 0x19;
const ZEN5: u8 = 0x1a;

/// A TCB_VERSION.
pub type Tcb = [u8; 8];

/// A product line.
#[derive(Debug)]
pub struct Product {
    /// As certificates write it.
    pub name: &'static str,
    /// As claims write it.
    pub label: &'static str,
    pub tcb: Layout,
    pub chip_id_bytes: usize,
    /// Version of the certificates' extensions.
    pub structure: u8,
    /// What CPUID says.
    pub family: u8,
}

/// One of them.
pub static MILAN: Product = Product {
    name: "Milan",
    label: "milan",
    tcb: BEFORE_TURIN,
    chip_id_bytes: 64,
    structure: 0,
    family: ZEN3_ZEN4,
};

/// With Bergamo and Siena, which are certified as Genoa.
pub static GENOA: Product = Product {
    name: "Genoa",
    label: "genoa",
    ..MILAN
};

/// The newest.
pub static TURIN: Product = Product {
    name: "Turin",
    label: "turin",
    tcb: SINCE_TURIN,
    chip_id_bytes: 8,
    structure: 1,
    family: ZEN5,
};

/// Those that there are.
pub static PRODUCTS: [&Product; 3] = [&MILAN, &GENOA, &TURIN];

impl Product {
    /// The components of a TCB_VERSION, in the order of the layout.
    pub fn unpack(&self, version: &Tcb) -> Vec<(&'static str, u8)> {
        self.tcb.iter().map(|(name, place)| (*name, version[*place])).collect()
    }

    pub fn reserved_is_zero(&self, version: &Tcb) -> bool {
        let used = |place: usize| self.tcb.iter().any(|(_, known)| *known == place);
        version
            .iter()
            .enumerate()
            .all(|(place, byte)| used(place) || *byte == 0)
    }
}
