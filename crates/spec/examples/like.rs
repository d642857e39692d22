use rootlet_spec::parity::*;
use std::path::{Path, PathBuf};
struct S(PathBuf);
impl Surroundings for S {
    fn directory(&self) -> &Path {
        &self.0
    }
    fn read(&self, p: &Path) -> Result<Option<Vec<u8>>, String> {
        Ok(std::fs::read(self.0.join(p)).ok())
    }
    fn list(&self, p: &Path) -> Vec<String> {
        let mut v: Vec<_> = std::fs::read_dir(self.0.join(p))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        v.sort();
        v
    }
    fn exists(&self, p: &Path) -> bool {
        p.exists()
    }
    fn variable(&self, n: &str) -> Option<String> {
        std::env::var(n).ok()
    }
}
fn main() {
    for a in std::env::args().skip(1) {
        let (f, s) = match a.split_once('#') {
            Some((f, s)) => (f.to_owned(), Some(s.to_owned())),
            None => (a, None),
        };
        let b = std::fs::read(&f).unwrap();
        let d = Path::new(&f).parent().unwrap().to_owned();
        println!("=== {f}");
        match read(&b, &Request { name: &f, select: s.as_deref(), openshift: None, around: &S(d) }) {
            Ok(l) => {
                println!(
                    "{} {} image={:?} nonroot={} ports={:?}",
                    l.kind, l.what, l.image, l.non_root, l.low_ports
                );
                println!("{}", serde_json::to_string(&l.spec).unwrap());
                for x in &l.losses {
                    println!("  LOSS {x}")
                }
            }
            Err(e) => println!("ERROR {e} HINT {:?}", e.hint()),
        }
    }
}
