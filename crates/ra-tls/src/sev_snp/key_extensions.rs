//! What AMD certified about a key that signs reports (VCEK specification 57230, table "X.509 extensions").
//!
//! Numbers are DER INTEGERs; the HWID is bare bytes in older certificates, an OCTET STRING in newer ones.

use x509_cert::der::asn1::ObjectIdentifier;

use super::products::Product;
use crate::Error;
use crate::x509::Certificate;

const STRUCTURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.1");
const PRODUCT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.2");
/// Security versions lie below; those that a product line does not use are reserved, and zero.
const SPL: &str = "1.3.6.1.4.1.3704.1.3.";
const HWID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.4");
const CSP_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.3704.1.5");

const SPL_ARCS: [(&str, &str); 5] = [
    ("bootloader", "1"),
    ("tee", "2"),
    ("snp", "3"),
    ("microcode", "8"),
    ("fmc", "9"),
];
/// DER lengths of one byte; real texts are below 40.
const MAX_TEXT: usize = 127;

/// A VCEK has `hwid`, a VLEK has `csp_id`.
#[derive(Debug)]
pub struct KeyExtensions {
    /// By the names of the product line's components, in their order.
    pub spl: Vec<(&'static str, u8)>,
    pub hwid: Option<Vec<u8>>,
    pub csp_id: Option<String>,
}

impl KeyExtensions {
    /// `evidence.report_key` where one is missing, or not what `product` has.
    pub fn read(certificate: &Certificate, product: &'static Product) -> Result<Self, Error> {
        let structure = integer(
            required(certificate, &STRUCTURE, "structure version")?,
            "structure version",
        )?;
        if structure != product.structure {
            return Err(bad("the report key's extensions are of an unknown structure")
                .expected(product.structure.to_string())
                .got(structure.to_string()));
        }
        check_product(certificate, product)?;
        let hwid = certificate
            .extension(&HWID)
            .map(|value| hwid(value, product))
            .transpose()?;
        let csp_id = certificate
            .extension(&CSP_ID)
            .map(|value| text(value, "CSP id"))
            .transpose()?;
        Ok(Self {
            spl: security_versions(certificate, product)?,
            hwid,
            csp_id: csp_id.map(str::to_owned),
        })
    }
}

/// `Milan-B0`, or without the stepping.
fn check_product(certificate: &Certificate, product: &Product) -> Result<(), Error> {
    let name = text(required(certificate, &PRODUCT_NAME, "product name")?, "product name")?;
    if name.split('-').next() != Some(product.name) {
        return Err(bad("the report key is of another product")
            .expected(product.name)
            .got(name));
    }
    Ok(())
}

fn security_versions(certificate: &Certificate, product: &'static Product) -> Result<Vec<(&'static str, u8)>, Error> {
    let mut found = Vec::new();
    for (oid, value) in certificate.extensions() {
        let oid = oid.to_string();
        let Some(arc) = oid.strip_prefix(SPL) else { continue };
        let version = integer(value, &oid)?;
        let known = SPL_ARCS.iter().find(|(_, known)| *known == arc).map(|(name, _)| *name);
        match known.filter(|name| product.tcb.iter().any(|(used, _)| used == name)) {
            Some(name) => found.push((name, version)),
            None if version != 0 => {
                return Err(bad("the report key has a reserved security version").got(format!("{oid} = {version}")));
            }
            None => {}
        }
    }
    let in_order = product.tcb.iter().map(|(name, _)| {
        let version = found.iter().find(|(known, _)| known == name);
        version.copied().ok_or_else(|| lacking(name))
    });
    in_order.collect()
}

fn required<'a>(certificate: &'a Certificate, oid: &ObjectIdentifier, name: &str) -> Result<&'a [u8], Error> {
    certificate.extension(oid).ok_or_else(|| lacking(name))
}

fn lacking(name: &str) -> Error {
    bad(format!("the report key's certificate lacks its {name}"))
}

/// DER INTEGER 0 to 255 in its only form.
fn integer(der: &[u8], name: &str) -> Result<u8, Error> {
    match der {
        [2, 1, value @ 0..=127] | [2, 2, 0, value @ 128..=255] => Ok(*value),
        _ => Err(bad(format!("the certificate's {name} is not an INTEGER of 0 to 255"))),
    }
}

/// DER IA5String, short form.
fn text<'a>(der: &'a [u8], name: &str) -> Result<&'a str, Error> {
    let content = match der {
        [0x16, length, content @ ..] if usize::from(*length) == content.len() && content.len() <= MAX_TEXT => content,
        _ => return Err(bad(format!("the certificate's {name} is not an IA5String"))),
    };
    let ascii = std::str::from_utf8(content).ok().filter(|text| text.is_ascii());
    ascii.ok_or_else(|| bad(format!("the certificate's {name} is not an IA5String")))
}

fn hwid(value: &[u8], product: &Product) -> Result<Vec<u8>, Error> {
    let size = product.chip_id_bytes;
    match value {
        bare if bare.len() == size => Ok(bare.to_vec()),
        [4, length, content @ ..] if usize::from(*length) == size && content.len() == size => Ok(content.to_vec()),
        other => Err(bad("the certificate's HWID has an odd length")
            .expected(format!("{size} bytes"))
            .got(other.len().to_string())),
    }
}

fn bad(reason: impl Into<String>) -> Error {
    Error::new("evidence.report_key", reason)
}
