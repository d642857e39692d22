//! Whether refusals are production's, as a number: thousands of combinations of owner, mode, groups and operation, each tried by
//! a real user on a real file system and by the same user in a rootlet of each tier.

#[path = "fidelity/differences.rs"]
mod differences;
#[path = "fidelity/people.rs"]
mod people;
#[path = "fidelity/reference.rs"]
mod reference;
#[path = "fidelity/table.rs"]
mod table;
#[path = "fidelity/tree.rs"]
mod tree;

use differences::{Difference, differences, strange};
use people::{PEOPLE, Person, ROOT};
use reference::Reference;
use rootlet::{Base, Store, Tier};
use table::{Kind, Table};
use tempfile::TempDir;

/// A table's tree as a tarball and as a base; the tarball is needed until every tier has unpacked it its own way.
struct Scene {
    lines: Vec<String>,
    base: Base,
    _tarball: TempDir,
}

impl Scene {
    fn of(table: &Table) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tarball = directory.path().join("tree.tar");
        tree::write(table, &tarball).unwrap();
        let store = Store::open(rootlet_tests::store()).unwrap();
        let base = Base::resolve(&format!("tar:{}", tarball.display()), &store).unwrap();
        Self {
            lines: table.combinations.iter().map(|line| line.name.clone()).collect(),
            base,
            _tarball: directory,
        }
    }

    fn differences(&self, tier: Tier, person: &Person, there: &[String], here: &[String]) -> Vec<Difference> {
        differences(tier, &person.to_string(), &self.lines, there, here)
    }
}

/// The tiers that this caller may be given, and who runs there. To real root one id is not given: the production user would be
/// the host's root; nobody but root can become another user behind chroot(2). With one id root is not the host's, and what is
/// pretended to it is not compared.
fn tiers() -> Vec<(Tier, Vec<Person>)> {
    let everybody = || [PEOPLE, &[ROOT]].concat();
    let weaker = match rustix::process::geteuid().is_root() {
        true => (Tier::Chroot, everybody()),
        false => (Tier::OneId, PEOPLE.to_vec()),
    };
    vec![(Tier::Exact, everybody()), weaker]
}

#[test]
fn refusals_are_those_of_a_real_user_on_a_real_file_system() {
    let table = Table::new();
    let reference = match Reference::find(&table) {
        Ok(reference) => reference,
        Err(why) => rootlet_tests::skip!("{why}"),
    };
    let scene = Scene::of(&table);
    let mut all = Vec::new();
    for (tier, people) in tiers() {
        for person in people {
            let here = match person.in_a_rootlet(&scene.base, tier) {
                Ok(here) => here,
                Err(error) => {
                    rootlet_tests::skipped(&format!("{tier}: {error}"));
                    break;
                }
            };
            let found = scene.differences(tier, &person, reference.of(&person.to_string()), &here);
            println!("{tier} {person}: {} lines, {} differ", scene.lines.len(), found.len());
            all.extend(found);
        }
    }
    let strange = strange(&all);
    assert!(strange.is_empty(), "{} differ\n{}", strange.len(), differences::table(&strange));
}

/// The proof that all this can fail: a tree in which everybody may write everywhere, held against the true one.
#[test]
fn a_wrong_tree_is_seen() {
    let mut wrong = Table::of_directories();
    let right = Scene::of(&wrong);
    wrong.nodes.iter_mut().filter(|node| node.kind == Kind::Directory).for_each(|node| node.mode |= 0o777);
    let person = PEOPLE[0];
    let [there, here] =
        [&right, &Scene::of(&wrong)].map(|scene| person.in_a_rootlet(&scene.base, Tier::Exact));
    let (there, here) = match (there, here) {
        (Ok(there), Ok(here)) => (there, here),
        (Err(error), _) | (_, Err(error)) => rootlet_tests::skip!("{error}"),
    };
    let found = right.differences(Tier::Exact, &person, &there, &here);
    let strange = strange(&found);
    let let_through = strange.iter().filter(|one| one.there == "EACCES" && one.here.starts_with("ok"));
    assert!(let_through.count() > 300, "{}", differences::table(&strange));
}

#[test]
fn a_difference_is_explained_only_where_its_tier_is() {
    let (lines, there) = (["d /e /new: Rename".to_owned()], ["ok".to_owned()]);
    let found = |tier, here: &str| differences(tier, "1000:1000", &lines, &there, &[here.to_owned()]);
    assert!(found(Tier::Exact, "ok").is_empty());
    assert!(strange(&found(Tier::Exact, "EXDEV")).is_empty());
    assert_eq!(strange(&found(Tier::Exact, "EACCES")).len(), 1);
    assert_eq!(strange(&found(Tier::Chroot, "EXDEV")).len(), 1);
}

#[test]
fn every_difference_is_documented() {
    let file = rootlet_tests::manifest_directory().join("../docs/differences.md");
    let text = std::fs::read_to_string(file).unwrap();
    for known in differences::EXPLAINED {
        assert!(text.contains(known.documented), "docs/differences.md does not say: {}", known.documented);
    }
}

#[test]
fn the_table_is_large_and_every_line_is_its_own() {
    let lines: std::collections::BTreeSet<_> =
        Table::new().combinations.into_iter().map(|one| one.name).collect();
    assert_eq!(lines.len(), Table::new().combinations.len());
    assert!(lines.len() * PEOPLE.len() >= 300);
}
