//! What is made again, and when; and that it is the same.

use super::{says, scene};
use rootlet::recipe::Project;
use rootlet::{Rootlet, Store};
use rootlet_tests::{OwnStore, one_id};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::SystemTime;

/// `from`, two copies, two commands; what they leave tells each time that they ran.
const RECIPES: &str = r#"
    [root.a]
    from = "ALPINE"
    copy = [{ from = "one", to = "/srv/one" }, { from = "two", to = "/srv/two" }]
    run = ["head -c 16 /dev/urandom | od -An -tx1 > /srv/first", "head -c 16 /dev/urandom | od -An -tx1 > /srv/second"]
"#;

#[test]
fn a_change_redoes_what_follows_and_nothing_else() {
    let Some(scene) = scene(RECIPES) else { return };
    scene.write("one", "1");
    scene.write("two", "2");
    assert_eq!(scene.steps(), "cdddd");
    let told = |name: &str| says(&scene.base(), &format!("cat /srv/{name}"));
    let (first, second) = (told("first"), told("second"));
    assert_eq!(scene.steps(), "ccccc");
    // The last one says something else.
    scene.say("> /srv/second", "> /srv/second # again");
    assert_eq!(scene.steps(), "ccccd");
    assert!(told("first") == first && told("second") != second);
    // Back: it is still known.
    scene.say(" # again", "");
    assert_eq!(scene.steps(), "ccccc");
    assert_eq!(told("second"), second);
    // A file is touched, and another one written in its place with the same contents.
    File::open(scene.path().join("two")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    fs::copy(scene.path().join("two"), scene.path().join("copy")).unwrap();
    fs::rename(scene.path().join("copy"), scene.path().join("two")).unwrap();
    assert_eq!(scene.steps(), "ccccc");
    assert_eq!(told("second"), second);
    // Its contents change, and its mode.
    scene.write("two", "3");
    assert_eq!(scene.steps(), "ccddd");
    assert!(told("two") == "3" && told("first") != first);
    fs::set_permissions(scene.path().join("one"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(scene.steps(), "cdddd");
    // A variable is told to the commands alone.
    scene.base();
    scene.say("from = \"./", "env = { A = \"1\" }\n    from = \"./");
    assert_eq!(scene.steps(), "cccdd");
}

#[test]
fn another_tarball_in_its_place_is_another_base() {
    for from in ["./tree.tar", "tar:HERE/tree.tar"] {
        let recipes = format!("[root.a]\nfrom = \"{from}\"\nuser = {{ name = \"app\", uid = 4321 }}\n");
        let Some(scene) = scene(&recipes) else { return };
        scene.write("rootlet.toml", &recipes.replace("HERE", scene.path().to_str().unwrap()));
        for name in ["one", "two"] {
            let mut tar = tar::Builder::new(File::create(scene.path().join("new.tar")).unwrap());
            for path in ["etc/", "proc/", "dev/", &format!("etc/{name}")] {
                let mut header = tar::Header::new_gnu();
                header.set_mode(0o755);
                header.set_size(0);
                let kind =
                    if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
                header.set_entry_type(kind);
                tar.append_data(&mut header, path, std::io::empty()).unwrap();
            }
            tar.finish().unwrap();
            fs::rename(scene.path().join("new.tar"), scene.path().join("tree.tar")).unwrap();
            for _again in 0..2 {
                let root = Rootlet::builder(&scene.base()).spawn().unwrap();
                assert!(root.exists(format!("/etc/{name}")), "{from}: {name}");
            }
        }
    }
}

#[test]
fn what_is_told_later_redoes_nothing() {
    let Some(scene) = scene(RECIPES) else { return };
    scene.write("one", "1");
    scene.write("two", "2");
    let first = says(&scene.base(), "cat /srv/first");
    scene.say("from = \"./", "workdir = \"/srv\"\n    command = [\"true\"]\n    from = \"./");
    assert_eq!(scene.steps(), "ccccc");
    let base = scene.base();
    assert_eq!((says(&base, "cat first"), base.defaults().cmd.clone()), (first, vec!["true".to_owned()]));
}

#[test]
fn the_same_recipe_gives_the_same_base() {
    if one_id() {
        return eprintln!("with one id a step runs as root alone");
    }
    let recipes = r#"
        [root.a]
        from = "ALPINE"
        timezone = "Europe/Paris"
        user = { name = "sam", groups = ["dialout", "wanted"] }
        copy = [{ from = "tree", to = "/srv/tree" }]
        run = [
            "echo x > /srv/x; ln /srv/x /srv/y; ln -s x /srv/z; rm -r /etc/network; chmod 6711 /srv/x",
            { command = "mkdir ~/d; echo $$ > /tmp/pid; touch ~/d/now", user = "sam" },
            "touch -d '2001-01-01 00:00:00' /srv/old; rm -r /etc/apk; mkdir /etc/apk",
        ]
    "#;
    let Some(mut scene) = scene(recipes) else { return };
    for number in 0..20 {
        scene.write(&format!("tree/{number}"), "x");
    }
    let id = scene.base().id().to_owned();
    scene.store = OwnStore::default();
    // Elsewhere, too, and with files of another age.
    fs::rename(scene.path().join("tree"), scene.path().join("other")).unwrap();
    for number in (0..20).rev() {
        scene.write(&format!("tree/{number}"), "x");
    }
    let base = scene.base();
    assert_eq!(base.id(), id);
    assert_eq!(says(&base, "stat -c %Y /srv/old"), "978303600\n");
}

/// In threads and in processes of their own, all at once: what the step leaves is there once.
#[test]
fn of_two_builds_at_once_one_builds() {
    let recipes = "[root.a]\nfrom = \"ALPINE\"\nrun = [\"sleep 0.3; head -c 16 /dev/urandom | od -An -tx1 > /srv/once\"]\n";
    let Some(scene) = scene(recipes) else { return };
    let build =
        || scene.command(&["build", "a"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let processes = [build(), build()];
    let (file, store) = (scene.path().join("rootlet.toml"), scene.store.path());
    let id = || {
        Project::load(&file)
            .unwrap()
            .base("a", &rootlet::resolver(&Store::open(store).unwrap()))
            .unwrap()
            .id()
            .to_owned()
    };
    let ids: [String; 2] =
        std::thread::scope(|scope| [scope.spawn(id), scope.spawn(id)].map(|thread| thread.join().unwrap()));
    assert_eq!(ids[0], ids[1]);
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert_eq!(super::text(&output), format!("{}  a\n", ids[0]));
    }
}

#[test]
fn a_step_that_fails_leaves_its_rootlet() {
    let recipes = "[root.a]\nfrom = \"ALPINE\"\nrun = [\"echo done > /srv/before\", \"echo half > /srv/half; printf 'why it \\\\033[2J failed' >&2; exit 7\"]\n";
    let Some(scene) = scene(recipes) else { return };
    let told = scene.refused("exit status: 7");
    assert!(
        told.contains("failed to build `") && told.contains("why it ") && !told.contains('\x1b'),
        "{told}"
    );
    let id =
        told.split("rootlet enter --user root ").nth(1).unwrap().trim_end_matches(['`', '\n']).to_owned();
    // Both in the library and by the very command of the hint.
    let store = Store::open(scene.store.path()).unwrap();
    let root = Rootlet::enter(&id, &store).unwrap();
    assert_eq!(root.read_to_string("/srv/half").unwrap(), "half\n");
    drop(root);
    let entered =
        scene.command(&["enter", "--user", "root", &id, "cat", "/srv/before", "/srv/half"]).output().unwrap();
    assert_eq!(super::text(&entered), "done\nhalf\n");
    // What was done stays done.
    assert_eq!(scene.steps(), "ccd");
    scene.say("exit 7", "exit 0");
    assert_eq!(says(&scene.base(), "cat /srv/before /srv/half"), "done\nhalf\n");
}

#[test]
fn a_step_that_hangs_is_ended() {
    let Some(scene) = scene("[root.a]\nfrom = \"ALPINE\"\nrun = [\"echo waiting; sleep 1000\"]\n") else {
        return;
    };
    let limits =
        rootlet::base::Limits { script_time: std::time::Duration::from_secs(1), ..Default::default() };
    let error = scene.project().unwrap().base("a", &scene.resolver().limits(limits)).unwrap_err();
    assert!(error.to_string().contains("was ended after 1 seconds:\nwaiting"), "{error}");
}
