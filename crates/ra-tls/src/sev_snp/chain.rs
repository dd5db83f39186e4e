//! From a root that the caller trusts to the key that signs reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::signature::ParsedPublicKey;

use super::key_extensions::KeyExtensions;
use super::products::{PRODUCTS, Product};
use super::signing::{is_signed_by, report_key, signature_holds};
use super::table::{ARK, ASK, Guid, Table, VCEK, VLEK};
use crate::revocation::{RevocationList, check_floor, newest_lists};
use crate::x509::{Certificate, check_covers};
use crate::{Endorsements, Error, Platform, Roots};

const CHAIN: &str = "evidence.chain";

/// AMD's roots: public certificates, the same files that the Python package has.
const SHIPPED: [&[u8]; 3] = [
    include_bytes!("../../../../src/casemate/attestation/platforms/sev_snp/roots/ark-milan.pem"),
    include_bytes!("../../../../src/casemate/attestation/platforms/sev_snp/roots/ark-genoa.pem"),
    include_bytes!("../../../../src/casemate/attestation/platforms/sev_snp/roots/ark-turin.pem"),
];

static SHIPPED_ROOTS: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    // A file that could not be read would be missing here, and what it is the root of refused; a test counts them.
    SHIPPED
        .iter()
        .filter_map(|file| Certificate::parse(file, "shipped root").ok())
        .collect()
});

#[cfg(not(test))]
fn shipped() -> &'static [Certificate] {
    &SHIPPED_ROOTS
}

/// Those of a made-up AMD, in tests that say so.
#[cfg(test)]
fn shipped() -> &'static [Certificate] {
    super::tests::made_up().unwrap_or(&SHIPPED_ROOTS)
}

/// Whether it is one of AMD's.
pub fn is_shipped(root: &Certificate) -> bool {
    shipped().iter().any(|shipped| shipped.der == root.der)
}

/// `platform` and `product` follow from the root. `key` signs reports; `extensions` is what AMD certified of it.
#[derive(Debug)]
pub struct Chain {
    pub platform: Platform,
    pub product: &'static Product,
    /// Root, intermediate and leaf.
    certificates: [Certificate; 3],
    pub key: ParsedPublicKey,
    pub extensions: KeyExtensions,
    /// None only where the caller went without, on purpose.
    pub revocation: Option<RevocationList>,
}

impl Chain {
    /// Steps 2 to 5: everything of the chain that does not depend on the time.
    pub fn verified(endorsements: &Endorsements, vlek: bool, roots: &Roots, without_list: bool) -> Result<Self, Error> {
        let table = Table::parse(&endorsements.certificates)?;
        let (guid, leaf_name, above_name) = if vlek {
            (VLEK, "VLEK", "ASVK")
        } else {
            (VCEK, "VCEK", "ASK")
        };
        let leaf = entry(&table, &guid, leaf_name)?;
        let intermediate = entry(&table, &ASK, above_name)?;
        let offered = table
            .get(&ARK)
            .map(|data| Certificate::parse(data, "ARK"))
            .transpose()?;
        // 2. The root is one that the caller trusts; platform and product follow from it.
        let (platform, root) = trusted_root(offered, &intermediate, roots)?;
        let product = product_of(&root)?;
        // 3. Root → intermediate → key, and each may do what it does here.
        check_root(&root)?;
        check_intermediate(&intermediate, &root, product, vlek)?;
        check_leaf(&leaf, &intermediate, vlek)?;
        // 4. Nothing of it is revoked, by a list of the root.
        let revocation = checked_list(&endorsements.crls, &root, [&intermediate, &leaf], without_list)?;
        // 5. The key is a P-384 key, with AMD's extensions.
        let key = report_key(&leaf).ok_or_else(|| bad("evidence.report_key", "the report key is not a P-384 key"))?;
        let extensions = KeyExtensions::read(&leaf, product)?;
        if vlek != extensions.csp_id.is_some() || vlek == extensions.hwid.is_some() {
            return Err(bad(
                "evidence.report_key",
                "a VLEK names a cloud provider, a VCEK a chip",
            ));
        }
        Ok(Self {
            platform,
            product,
            certificates: [root, intermediate, leaf],
            key,
            extensions,
            revocation,
        })
    }

    /// `sha256:…` of the root's certificate.
    pub fn root(&self) -> String {
        self.certificates[0].fingerprint()
    }

    /// Certificates and list cover `at`.
    pub fn check_times(&self, at: i64) -> Result<(), Error> {
        for certificate in &self.certificates {
            check_covers(certificate.start, certificate.end, at, &certificate.common_name)?;
        }
        match &self.revocation {
            Some(list) => check_covers(list.start, list.end, at, "revocation list"),
            None => Ok(()),
        }
    }

    /// The list is no older than one that was seen before, or gone.
    pub fn check_floor(&self, floors: &BTreeMap<String, u64>) -> Result<(), Error> {
        check_floor(self.revocation.as_ref(), floors.get(&self.root()).copied())
    }
}

fn entry(table: &Table<'_>, guid: &Guid, what: &str) -> Result<Certificate, Error> {
    let data = table.get(guid).ok_or_else(|| {
        let reason = format!("the certificate table has no {what}");
        Error::new("evidence.certificates", reason)
    })?;
    Certificate::parse(data, what)
}

/// Platform and root. An offered root is believed where it was pinned, and must be the one that is used.
fn trusted_root(
    offered: Option<Certificate>,
    intermediate: &Certificate,
    roots: &Roots,
) -> Result<(Platform, Certificate), Error> {
    let known = shipped()
        .iter()
        .find(|root| roots.amd && root.subject == intermediate.issuer);
    let used = known.filter(|known| offered.as_ref().is_none_or(|offered| offered.der == known.der));
    if let Some(shipped) = used {
        return Ok((Platform::SevSnp, shipped.clone()));
    }
    let refused = bad(
        "evidence.root",
        "no root that is trusted here stands behind this evidence",
    )
    .expected(if roots.amd {
        "AMD's, or a pinned one"
    } else {
        "a pinned simulated root"
    });
    let Some(offered) = offered else { return Err(refused) };
    let fingerprint = offered.fingerprint();
    // First: a root that was pinned as both counts as the weaker.
    if roots.simulated_containers.contains(&fingerprint) {
        return Ok((Platform::SimulatedContainer, offered));
    }
    if roots.simulated.contains(&fingerprint) {
        return Ok((Platform::Simulated, offered));
    }
    Err(refused.got(fingerprint))
}

fn product_of(root: &Certificate) -> Result<&'static Product, Error> {
    let named = root.common_name.strip_prefix("ARK-");
    let product = PRODUCTS.into_iter().find(|product| Some(product.name) == named);
    product.ok_or_else(|| bad("evidence.root", "a root of an unknown product line").got(&root.common_name))
}

fn check_root(root: &Certificate) -> Result<(), Error> {
    if !is_signed_by(root, root) {
        return Err(bad(CHAIN, "the root does not sign itself"));
    }
    if root.path_length == Some(0) || !(root.authority && root.signs_certificates && root.signs_lists) {
        return Err(bad(CHAIN, "the root may not sign authorities and revocation lists"));
    }
    Ok(())
}

fn check_intermediate(
    intermediate: &Certificate,
    root: &Certificate,
    product: &Product,
    vlek: bool,
) -> Result<(), Error> {
    if !is_signed_by(intermediate, root) {
        return Err(bad(CHAIN, "the root did not sign the intermediate certificate"));
    }
    if !(intermediate.authority && intermediate.signs_certificates) {
        return Err(bad(CHAIN, "the intermediate certificate may not sign certificates"));
    }
    let expected = format!("SEV-{}{}", if vlek { "VLEK-" } else { "" }, product.name);
    if intermediate.common_name != expected {
        return Err(bad(CHAIN, "an ASK signs VCEKs, an ASVK signs VLEKs")
            .expected(expected)
            .got(&intermediate.common_name));
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate, intermediate: &Certificate, vlek: bool) -> Result<(), Error> {
    if !is_signed_by(leaf, intermediate) {
        return Err(bad(CHAIN, "the intermediate did not sign the report key"));
    }
    let expected = if vlek { "SEV-VLEK" } else { "SEV-VCEK" };
    if leaf.common_name != expected {
        return Err(bad(CHAIN, "the certificate is not one of a report key")
            .expected(expected)
            .got(&leaf.common_name));
    }
    if leaf.authority || leaf.signs_certificates {
        return Err(bad(CHAIN, "the report key's certificate is one of an authority"));
    }
    Ok(())
}

fn checked_list(
    lists: &[Vec<u8>],
    root: &Certificate,
    certificates: [&Certificate; 2],
    without_list: bool,
) -> Result<Option<RevocationList>, Error> {
    let newest = newest_lists(lists, &[root], signature_holds)?.pop().flatten();
    let Some(newest) = newest else {
        if without_list {
            return Ok(None);
        }
        return Err(bad(
            "evidence.crl",
            "no revocation list of the root: absence never means acceptance",
        ));
    };
    for certificate in certificates {
        if newest.revokes(certificate) {
            return Err(bad("evidence.revoked", "a certificate of the chain is revoked").got(&certificate.common_name));
        }
    }
    Ok(Some(newest))
}

fn bad(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_are_amds() {
        let found: Vec<_> = SHIPPED_ROOTS
            .iter()
            .map(|root| (root.common_name.as_str(), root.fingerprint()))
            .collect();
        let known = [
            (
                "ARK-Milan",
                "sha256:69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
            ),
            (
                "ARK-Genoa",
                "sha256:4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
            ),
            (
                "ARK-Turin",
                "sha256:1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
            ),
        ];
        assert_eq!(found, known.map(|(name, digest)| (name, digest.to_owned())));
        for root in SHIPPED_ROOTS.iter() {
            check_root(root).unwrap();
            product_of(root).unwrap();
        }
    }

    #[test]
    fn a_root_that_came_is_the_one_that_is_used() {
        let roots = Roots {
            amd: true,
            ..Roots::default()
        };
        // A root names itself as its issuer, as what stands below it does.
        let (milan, genoa) = (&SHIPPED_ROOTS[0], &SHIPPED_ROOTS[1]);
        for offered in [None, Some(milan.clone())] {
            let (platform, root) = trusted_root(offered, milan, &roots).unwrap();
            assert_eq!((platform, &root.der), (Platform::SevSnp, &milan.der));
        }
        let refused = trusted_root(Some(genoa.clone()), milan, &roots).unwrap_err();
        assert_eq!(
            (refused.step, refused.got),
            ("evidence.root", Some(genoa.fingerprint()))
        );
        let refused = trusted_root(None, milan, &Roots::default()).unwrap_err();
        assert_eq!(refused.step, "evidence.root");
    }
}
