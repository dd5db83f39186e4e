//! A made-up configfs: what the kernel computes when it is read is a pipe here, and a thread writes into it.

use std::sync::Mutex;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// Attributes in the order in which they are read.
type Answers = Vec<(&'static str, Vec<u8>)>;

/// What the next entries answer, each with the folder that it is in.
static ANSWERS: Mutex<Vec<(PathBuf, Answers)>> = Mutex::new(Vec::new());

fn make(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)?;
    fs::write(path.join("inblob"), b"")?;
    let folder = path.parent().unwrap().to_owned();
    let mut all = ANSWERS.lock().unwrap();
    let at = all.iter().position(|(of, _)| *of == folder).expect("answers");
    let (_, answers) = all.remove(at);
    for (name, _) in &answers {
        let pipe = path.join(name);
        if !pipe.exists() {
            mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
        }
    }
    let entry = path.to_owned();
    thread::spawn(move || {
        for (name, content) in answers {
            let asked = content == b"@inblob";
            let pipe = fs::OpenOptions::new().write(true).open(entry.join(name));
            let content = if asked {
                fs::read(entry.join("inblob")).unwrap()
            } else {
                content
            };
            let _ = std::io::Write::write_all(&mut pipe.unwrap(), &content);
        }
    });
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(path)
}

struct Fake(tempfile::TempDir);

impl Fake {
    fn new(provider: &str) -> (Self, Result<TsmPlatform, Error>) {
        let fake = Self(tempfile::tempdir().unwrap());
        fake.next(&[("provider", provider.as_bytes())]);
        let opened = TsmPlatform::over(fake.0.path(), make, remove);
        (fake, opened)
    }

    /// What the next entry answers.
    fn next(&self, answers: &[(&'static str, &[u8])]) {
        let answers = answers.iter().map(|(name, content)| (*name, content.to_vec()));
        ANSWERS
            .lock()
            .unwrap()
            .push((self.0.path().to_owned(), answers.collect()));
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.0.path()).unwrap().next().is_none()
    }
}

const SEV: (&str, &[u8]) = ("provider", b"sev_guest\n");
const TDX: (&str, &[u8]) = ("provider", b"tdx_guest\n");

#[test]
fn an_sev_snp_report_comes_with_the_hosts_certificates() {
    let (fake, opened) = Fake::new("sev_guest\n");
    let mut platform = opened.unwrap();
    assert_eq!(platform.provider(), Provider::SevSnp);
    let report = [("outblob", &b"@inblob"[..]), ("auxblob", b"table")];
    fake.next(&[&[SEV, ("generation", b"3\n")], &report[..], &[("generation", b"4\n")]].concat());
    let evidence = platform.evidence(&[9; 64]).unwrap();
    assert_eq!(evidence.format, Format::SevSnp);
    assert_eq!(
        (evidence.report, evidence.certificates),
        (vec![9; 64], b"table".to_vec())
    );
    assert!(fake.is_empty(), "entries go");
}

#[test]
fn a_tdx_quote_has_nothing_beside_it() {
    let (fake, opened) = Fake::new("tdx_guest\n");
    let mut platform = opened.unwrap();
    let quote = [("generation", &b"0"[..]), ("outblob", b"quote"), ("generation", b"1")];
    fake.next(&[&[TDX], &quote[..]].concat());
    let evidence = platform.evidence(&[9; 64]).unwrap();
    assert_eq!(
        evidence,
        Evidence {
            log: log_at(Path::new(LOG)),
            ..Evidence::of(Format::Tdx, b"quote".to_vec())
        }
    );
}

#[test]
fn a_report_to_which_somebody_else_wrote_is_asked_for_again() {
    let (fake, opened) = Fake::new("tdx_guest\n");
    let mut platform = opened.unwrap();
    let of = |after: &'static [u8], quote: &'static [u8]| {
        [TDX, ("generation", b"0"), ("outblob", quote), ("generation", after)]
    };
    for _ in 0..TRIES {
        fake.next(&of(b"2", b"theirs"));
    }
    assert!(matches!(platform.evidence(&[9; 64]), Err(Error::Disturbed(_))));
    fake.next(&of(b"2", b"theirs"));
    fake.next(&of(b"1", b"ours"));
    assert_eq!(platform.evidence(&[9; 64]).unwrap().report, b"ours");
    assert!(fake.is_empty());
}

#[test]
fn what_the_interface_does_not_say_is_not_guessed() {
    assert!(matches!(Fake::new("arm_cca_guest\n").1, Err(Error::Missing(_))));
    assert!(matches!(
        TsmPlatform::open(Path::new("/none")),
        Err(Error::Device { .. })
    ));
    let (fake, opened) = Fake::new("sev_guest\n");
    let mut platform = opened.unwrap();
    fake.next(&[TDX]);
    assert!(matches!(platform.evidence(&[0; 64]), Err(Error::Malformed(_))));
    fake.next(&[SEV, ("generation", b"many")]);
    assert!(matches!(platform.evidence(&[0; 64]), Err(Error::Malformed(_))));
    fake.next(&[SEV, ("generation", b"0"), ("outblob", &[0; 70_000])]);
    assert!(matches!(platform.evidence(&[0; 64]), Err(Error::Device { .. })));
}
