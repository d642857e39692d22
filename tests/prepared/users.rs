//! Who runs in the end: the process itself, its account, its home.

use super::{Scene, facts, says, scene, text};
use rootlet::Rootlet;
use rootlet_tests::one_id;

fn with(user: &str) -> Option<Scene> {
    scene(&format!("[root.a]\nfrom = \"ALPINE\"\nuser = {user}\n"))
}

#[test]
fn the_tutorials_outputs_hold() {
    let Some(scene) = with("\"sam\"") else { return };
    let output =
        |words: &[&str]| text(&scene.command(&[&["run", "-r", "a", "--"], words].concat()).output().unwrap());
    assert_eq!(output(&["whoami"]), "sam\n");
    assert_eq!(output(&["pwd"]), "/home/sam\n");
    assert_eq!(output(&["id", "sam"]), "uid=1000(sam) gid=1000(sam) groups=1000(sam),1000(sam)\n");
}

/// `id sam` reads /etc/passwd, whoever asks.
#[test]
fn the_process_is_the_user() {
    rootlet_tests::needs_namespaces!("/proc to read");
    for (user, uid, gid) in [
        ("\"sam\"", 1000, 1000),
        ("{ name = \"sam\", uid = 2000 }", 2000, 2000),
        ("{ name = \"app\", uid = 10001, gid = 5 }", 10001, 5),
    ] {
        let Some(scene) = with(user) else { return };
        let facts = facts(&scene.base());
        assert_eq!((facts.uids, facts.gids), ([uid; 4], [gid; 4]), "{user}");
        assert_eq!(facts.groups.iter().filter(|group| **group != gid).count(), 0, "{:?}", facts.groups);
        assert_eq!((facts.caps.effective, facts.caps.permitted, facts.caps.ambient), (0, 0, 0));
        assert!(facts.no_new_privs);
    }
}

#[test]
fn its_home_is_its_own() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let Some(scene) = with("{ name = \"sam\", uid = 2000, home = \"/srv/sam\", shell = \"/bin/ash\" }")
    else {
        return;
    };
    let base = scene.base();
    assert_eq!(facts(&base).cwd, "/srv/sam");
    assert_eq!(
        says(&base, "echo mine > ~/file; stat -c '%u %g' ~/file; echo $HOME; grep ^sam: /etc/passwd"),
        "2000 2000\n/srv/sam\nsam:x:2000:2000::/srv/sam:/bin/ash\n"
    );
    // And nothing else is.
    assert_eq!(
        says(&base, "if touch /etc/x /srv/x 2>/dev/null; then echo let; else echo refused; fi"),
        "refused\n"
    );
}

#[test]
fn groups_are_joined_or_made() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let Some(scene) = with("{ name = \"sam\", groups = [\"dialout\", \"made\"] }") else { return };
    let base = scene.base();
    let told = says(
        &base,
        "sed -n 's/^dialout:x:\\([0-9]*\\):.*sam.*/\\1/p; s/^made:x:\\([0-9]*\\):.*sam.*/\\1/p' /etc/group",
    );
    let wanted: Vec<u32> = told.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(wanted.len(), 2, "{told}");
    let groups = facts(&base).groups;
    if !one_id() {
        assert!(wanted.iter().all(|gid| groups.contains(gid)), "{groups:?} {wanted:?}");
    }
}

#[test]
fn a_number_that_is_taken_gets_a_new_name() {
    rootlet_tests::needs_namespaces!("/proc to read");
    let recipes = "[root.old]\nfrom = \"ALPINE\"\nrun = [\"adduser -D node\"]\n[root.a]\nfrom = \"old\"\nuser = \"sam\"\n";
    let Some(scene) = scene(recipes) else { return };
    assert_eq!(facts(&scene.base()).uids, [1000; 4]);
    assert_eq!(
        says(&scene.base(), "whoami; id -un; id -u sam; cd; pwd; touch x"),
        "sam\nsam\n1000\n/home/sam\n"
    );
}

/// What a line of an account file says, without the day.
fn line(root: &Rootlet, file: &str, name: &str) -> Vec<String> {
    let text = root.read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .unwrap_or_else(|| panic!("{file}: {text}"));
    let fields = line.split(':').enumerate().filter(|(at, _)| !(file.ends_with("shadow") && *at == 2));
    fields.map(|(_, field)| field.to_owned()).collect()
}

/// The account files and the home are what the distribution's own adduser makes of them.
#[track_caller]
pub fn as_adduser_does(scene: &Scene, adduser: &str) {
    let plain = Rootlet::builder(&scene.build("plain").unwrap()).user("root").spawn().unwrap();
    text(&plain.command("/bin/sh").args(["-ec", adduser]).output().unwrap());
    let ours = Rootlet::builder(&scene.base()).user("root").spawn().unwrap();
    for file in ["/etc/passwd", "/etc/group", "/etc/shadow"] {
        let (mine, theirs) = (line(&ours, file, "sam"), line(&plain, file, "sam"));
        assert_eq!(mine.len(), theirs.len(), "{file}");
        // The comment field is what adduser asks for: nobody was asked.
        let differ: Vec<_> = mine.iter().zip(&theirs).filter(|(one, other)| one != other).collect();
        assert!(
            differ.iter().all(|(one, other)| (one.is_empty() && *other == "Linux User,,,")
                || (one.is_empty() && *other == ",,,")),
            "{file}: {mine:?} {theirs:?}"
        );
    }
    for path in ["/home/sam", "/etc/shadow", "/etc/passwd", "/etc/group"] {
        let look = |root: &Rootlet| root.metadata(path).map(|m| (m.mode(), m.uid(), m.gid())).unwrap();
        assert_eq!(look(&ours), look(&plain), "{path}");
    }
    let names = |root: &Rootlet| {
        root.read_dir("/home/sam")
            .unwrap()
            .iter()
            .map(|entry| entry.file_name().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&plain));
    let groups = |root: &Rootlet| text(&root.command("id").arg("sam").output().unwrap());
    assert_eq!(groups(&ours), groups(&plain));
}

#[test]
fn an_account_is_what_alpines_adduser_makes() {
    if one_id() {
        return eprintln!("with one id adduser makes files of nobody else's");
    }
    let recipes = "[root.plain]\nfrom = \"ALPINE\"\n[root.a]\nfrom = \"ALPINE\"\nuser = \"sam\"\n";
    let Some(scene) = scene(recipes) else { return };
    // As the tutorial has it: a group of the same number, and then its user.
    as_adduser_does(&scene, "addgroup -g 1000 sam; adduser -D -s /bin/sh -u 1000 -G sam sam");
}
