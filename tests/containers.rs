//! Containers, directories, files and services that are put together lazily, on a real Alpine root.

use rootlet::Store;
use rootlet::functions::{
    CacheOptions, CacheSharing, Dag, DirectoryOptions, Engine, Exec, Expect, FailedKind, FileOptions, Hears,
    MountOptions, Options, Outcome,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An engine, and the address of Alpine.
struct Session {
    dag: Dag,
    engine: Engine,
    alpine: String,
    heard: Arc<Heard>,
    directory: tempfile::TempDir,
}

/// What was done.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, Option<Outcome>)>>);

impl Hears for Heard {
    fn begin(&self, id: u64, what: &str) {
        let mut steps = self.0.lock().unwrap();
        let length = steps.len().max(id as usize + 1);
        steps.resize(length, Default::default());
        steps[id as usize].0 = what.to_owned();
    }

    fn end(&self, id: u64, outcome: Outcome, _: Duration) {
        self.0.lock().unwrap()[id as usize].1 = Some(outcome);
    }
}

impl Heard {
    /// How often something was done.
    fn done(&self, what: &str) -> usize {
        let steps = self.0.lock().unwrap();
        steps.iter().filter(|(step, end)| step.contains(what) && *end != Some(Outcome::Cached)).count()
    }
}

fn session() -> Option<Session> {
    let Some(tar) = rootlet_tests::alpine_tar() else {
        rootlet_tests::skipped("no tarball of alpine");
        return None;
    };
    let resolver = rootlet::resolver(&Store::open(rootlet_tests::store()).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let heard = Arc::new(Heard::default());
    let options = Options { hears: heard.clone(), ..Options::new(directory.path()) };
    let engine = Engine::new(&resolver, options);
    let dag = Dag::new(&engine);
    Some(Session { dag, engine, alpine: format!("tar:{}", tar.display()), heard, directory })
}

/// Makes a step unlike that of any other run of this test.
fn unique() -> String {
    format!("{:?}", std::time::SystemTime::now())
}

#[test]
fn a_verdict_is_given_anew_and_what_prepares_is_not() {
    let Some(first) = session() else { return };
    let salt = unique();
    let container = |session: &Session| {
        let alpine = session.dag.container().from_(&session.alpine).with_env_variable("SALT", &salt);
        alpine.with_exec(["sh", "-c", "echo prepared > /made"]).with_exec(["cat", "/made"])
    };
    assert_eq!(container(&first).stdout().wait().unwrap(), "prepared\n");
    assert_eq!(container(&first).exit_code().wait().unwrap(), 0);
    assert_eq!((first.heard.done("echo prepared"), first.heard.done("cat /made")), (1, 1));
    let second = session().unwrap();
    assert_eq!(container(&second).stdout().wait().unwrap(), "prepared\n");
    assert_eq!((second.heard.done("echo prepared"), second.heard.done("cat /made")), (0, 1));
}

#[test]
fn what_a_verdict_left_is_of_that_very_run() {
    let Some(session) = session() else { return };
    let alpine = session.dag.container().from_(&session.alpine);
    let tested = alpine.with_exec(
        Exec::new(["sh", "-c", "cat /proc/sys/kernel/random/uuid | tee /report; exit 3"]).expect(Expect::Any),
    );
    let said = tested.stdout().wait().unwrap();
    assert_eq!(tested.exit_code().wait().unwrap(), 3);
    assert_eq!(tested.file("/report").contents().wait().unwrap(), said);
}

#[test]
fn a_command_runs_as_who_was_asked_for() {
    let Some(session) = session() else { return };
    let alpine = session.dag.container().from_(&session.alpine);
    assert_eq!(alpine.with_exec(["id", "-u"]).stdout().wait().unwrap(), "0\n");
    let sam = alpine.with_exec(["adduser", "-D", "sam"]).with_user("sam").with_workdir("/work");
    let out = sam.with_exec(["sh", "-c", "id -un; pwd; echo $HOME; touch here && stat -c %U here"]);
    assert_eq!(out.stdout().wait().unwrap(), "sam\n/work\n/home/sam\nsam\n");
    let refused = sam.with_exec(["touch", "/etc/x"]).sync().wait().unwrap_err();
    assert_eq!(refused.kind, FailedKind::Exec);
    let exec = refused.exec.unwrap();
    assert_eq!((exec.exit_code, exec.command), (1, vec!["touch".to_owned(), "/etc/x".into()]));
    assert_eq!(exec.stderr, "touch: /etc/x: Permission denied\n");
    let hint = refused.hint.unwrap();
    assert!(hint.contains("/etc") && hint.contains("rootlet enter "), "{hint}");
    // Nobody is made up.
    let nobody = alpine.with_user("sam").with_exec(["id"]).stdout().wait().unwrap_err();
    assert!(nobody.message.contains("no user `sam`"), "{nobody}");
}

#[test]
fn variables_entrypoints_and_arguments() {
    let Some(session) = session() else { return };
    let alpine = session.dag.container().from_(&session.alpine);
    let container = alpine
        .with_env_variable("NAME", "world")
        .with_env_variable_expanded("GREETING", "hello ${NAME}$NONE")
        .with_entrypoint(["echo"])
        .with_default_args(["by", "default"])
        .with_label("a", "b")
        .with_exposed_port(80);
    assert_eq!(container.env_variable("GREETING").wait().unwrap().as_deref(), Some("hello world"));
    assert_eq!(container.env_variable("NONE").wait().unwrap(), None);
    assert_eq!(container.with_exec(Vec::<String>::new()).stdout().wait().unwrap(), "by default\n");
    let expanded = Exec { expand: true, use_entrypoint: true, ..Exec::new(["$GREETING"]) };
    assert_eq!(container.with_exec(expanded).stdout().wait().unwrap(), "hello world\n");
    assert_eq!(container.label("a").wait().unwrap().as_deref(), Some("b"));
    assert_eq!(container.without_entrypoint().default_args().wait().unwrap(), Vec::<String>::new());
    let unset = container.without_env_variable("NAME").with_exec(["sh", "-c", "echo [$NAME]"]);
    assert_eq!(unset.stdout().wait().unwrap(), "[]\n");
    let both = alpine.with_exec(["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(both.stderr().wait().unwrap(), "err\n");
    assert_eq!(both.combined_output().wait().unwrap().len(), "out\nerr\n".len());
    let cat = alpine.with_exec(Exec { redirect_stdout: "/out".into(), ..Exec::new(["cat"]).stdin("read") });
    assert_eq!(cat.file("/out").contents().wait().unwrap(), "read");
    let none = alpine.stdout().wait().unwrap_err();
    assert!(none.message.contains("no command was run"), "{none}");
    let missing = alpine.with_exec(["no-such-program"]).sync().wait().unwrap_err();
    assert_eq!(missing.exec.unwrap().exit_code, 127);
}

#[test]
fn files_and_directories() {
    let Some(session) = session() else { return };
    let (dag, alpine) = (&session.dag, session.dag.container().from_(&session.alpine));
    let source = dag
        .directory()
        .with_new_file("src/main.py", "print(1)")
        .with_new_file("src/notes.md", "notes")
        .with_new_directory("empty")
        .with_symlink("src/main.py", "link")
        .with_new_file("../../outside", "stays in");
    assert_eq!(source.entries().wait().unwrap(), ["empty/", "link", "outside", "src/"]);
    assert_eq!(source.glob("**/*.py").wait().unwrap(), ["src/main.py"]);
    assert_eq!(source.file("src/notes.md").contents().wait().unwrap(), "notes");
    assert_eq!(source.filter(["**/*.py"], [""; 0]).glob("**").wait().unwrap(), ["src/", "src/main.py"]);
    let changed = source
        .without_file("src/notes.md")
        .with_new_file("src/new", "1")
        .with_new_file("src/main.py", "print(2)");
    assert_eq!(source.diff(&changed).glob("**/*").wait().unwrap(), ["src/", "src/main.py", "src/new"]);
    let changes = changed.changes(&source);
    assert_eq!(changes.added_paths().wait().unwrap(), ["src/new"]);
    assert_eq!(changes.modified_paths().wait().unwrap(), ["src/main.py"]);
    assert_eq!(changes.removed_paths().wait().unwrap(), ["src/notes.md"]);
    let options = DirectoryOptions {
        owner: Some("guest:users".into()),
        exclude: vec!["**/*.md".into()],
        ..Default::default()
    };
    let with = alpine
        .with_directory_as("/app", &source, options)
        .with_new_file_as(
            "/app/secret",
            "s",
            FileOptions { permissions: Some(0o600), ..FileOptions::owned_by("guest") },
        )
        .with_file("/app/copy", &source.file("src/main.py"));
    let listed =
        with.with_exec(["sh", "-c", "cd /app; stat -c '%n %U:%G %a' secret copy src src/*; cat link"]);
    assert_eq!(
        listed.stdout().wait().unwrap(),
        "secret guest:users 600\ncopy root:root 644\nsrc guest:users 755\nsrc/main.py guest:users 644\nprint(1)"
    );
    assert!(with.exists("/app/empty").wait().unwrap());
    assert!(!with.without_directory("/app").exists("/app").wait().unwrap());
    // To this machine, and from there.
    let exported = with.directory("/app").export("out").wait().unwrap();
    assert_eq!(std::fs::read_to_string(format!("{exported}/link")).unwrap(), "print(1)");
    std::fs::write(session.directory.path().join("out/more"), "more").unwrap();
    let host = dag.host().directory("out");
    assert_eq!(host.file("more").contents().wait().unwrap(), "more");
    let again = alpine.with_directory("/in", &host).with_exec(["ls", "/in"]).stdout().wait().unwrap();
    assert_eq!(again, "copy\nempty\nlink\nmore\noutside\nsecret\nsrc\n");
    let made = alpine.with_exec(["sh", "-c", "mkdir -p /o/d; echo 1 > /o/d/f; rm /etc/motd"]);
    assert_eq!(made.directory("/o").glob("**").wait().unwrap(), ["d/", "d/f"]);
    assert!(!made.exists("/etc/motd").wait().unwrap());
    assert_eq!(
        dag.container().with_rootfs(&made.directory("/o")).directory("/d").entries().wait().unwrap(),
        ["f"]
    );
}

#[test]
fn mounts_are_no_part_of_a_container() {
    let Some(session) = session() else { return };
    let (dag, alpine) = (&session.dag, session.dag.container().from_(&session.alpine));
    let source = dag.directory().with_new_file("f", "1");
    let mounted = alpine.with_mounted_directory("/mnt/d", &source).with_mounted_temp("/mnt/t").with_exec([
        "sh",
        "-c",
        "echo 2 >> /mnt/d/f; echo x > /mnt/t/x; echo y > /made",
    ]);
    // What a command changed there, the next one sees; what was in memory is gone.
    assert_eq!(mounted.with_exec(["sh", "-c", "cat /mnt/d/f; ls /mnt/t"]).stdout().wait().unwrap(), "12\n");
    let tarball = mounted.as_tarball().export("image.tar").wait().unwrap();
    let again = dag.container().from_(format!("archive:{tarball}"));
    assert_eq!(
        again
            .with_exec(["sh", "-c", "cat /made; ls /mnt/d 2>&1"])
            .combined_output()
            .wait()
            .unwrap_err()
            .exec
            .unwrap()
            .stdout,
        "y\nls: /mnt/d: No such file or directory\n"
    );
    assert_eq!(
        mounted
            .without_mount("/mnt/d")
            .with_exec(["sh", "-c", "test -e /mnt/d/f || echo gone"])
            .stdout()
            .wait()
            .unwrap(),
        "gone\n"
    );
    rootlet_tests::needs_namespaces!("mount to be read-only");
    let read_only = MountOptions { read_only: true, ..Default::default() };
    let refused =
        alpine.with_mounted_directory_as("/mnt/d", &source, read_only).with_exec(["touch", "/mnt/d/x"]);
    let said = refused.sync().wait().unwrap_err().exec.unwrap().stderr;
    assert_eq!(said, "touch: /mnt/d/x: Read-only file system\n");
}

#[test]
fn a_cache_lasts() {
    if rootlet_tests::chroot() {
        return eprintln!("without namespaces there is no writable bind");
    }
    let Some(first) = session() else { return };
    let name = unique();
    let count = |session: &Session, user: &str| {
        let cache = session.dag.cache_volume(&name);
        let alpine = session.dag.container().from_(&session.alpine).with_mounted_cache("/cache", &cache);
        alpine
            .with_user(user)
            .with_exec(["sh", "-c", "umask 0; echo x >> /cache/f; wc -l < /cache/f"])
            .stdout()
            .wait()
            .unwrap()
    };
    assert_eq!(count(&first, "root"), "1\n");
    assert_eq!(count(&session().unwrap(), "root"), "2\n");
    assert_eq!(count(&session().unwrap(), "guest"), "3\n");
    // One that begins with something, and is somebody's.
    let alpine = first.dag.container().from_(&first.alpine);
    let begun = first.dag.directory().with_new_file("f", "begun");
    let cache = first.dag.cache_volume(unique());
    let options =
        CacheOptions { owner: Some("guest".into()), source: Some(begun), ..CacheOptions::default() };
    let of_guest = alpine.with_mounted_cache_as("/c", &cache, options).with_user("guest");
    let said = of_guest
        .with_exec(["sh", "-c", "cat /c/f; stat -c ' %U' /c; touch /c/mine"])
        .stdout()
        .wait()
        .unwrap();
    assert_eq!(said, "begun guest\n");
    let private = || CacheOptions { sharing: CacheSharing::Private, ..CacheOptions::default() };
    let meeting = first.dag.cache_volume(unique());
    let count = alpine
        .with_mounted_cache_as("/c", &first.dag.cache_volume(unique()), private())
        .with_mounted_cache("/meet", &meeting);
    let script = "echo >> /c/f; > /meet/$N; until [ -e /meet/1 -a -e /meet/2 ]; do :; done; wc -l < /c/f";
    let one = |n: &str| count.with_env_variable("N", n).with_exec(["sh", "-c", script]).stdout();
    let at_once = [one("1"), one("2")];
    let at_once: Vec<_> = at_once.into_iter().map(|answer| answer.wait().unwrap()).collect();
    assert_eq!(at_once, ["1\n", "1\n"]);
}

#[test]
fn secrets_are_told_to_nobody() {
    let Some(session) = session() else { return };
    let text = format!("hunter2 {}", unique());
    let secret = session.dag.set_secret("token", &text);
    let alpine = session.dag.container().from_(&session.alpine).with_env_variable("SALT", unique());
    let with = alpine
        .with_secret_variable("TOKEN", &secret)
        .with_mounted_secret("/run/secrets/token", &secret)
        .with_exec(["sh", "-c", "echo $TOKEN; cat /run/secrets/token >&2; stat -c '%U %a' /run/secrets/token; echo $TOKEN | wc -c"]);
    assert_eq!(with.stdout().wait().unwrap(), format!("***\nroot 400\n{}\n", text.len() + 1));
    assert_eq!(with.stderr().wait().unwrap(), "***");
    let after = with
        .with_exec(["sh", "-c", "true"])
        .without_mount("/run/secrets/token")
        .without_secret_variable("TOKEN");
    let found =
        after.with_exec(["sh", "-c", "env; cat /run/secrets/token 2>&1; true"]).stdout().wait().unwrap();
    assert!(!found.contains("hunter2") && found.contains("No such file"), "{found}");
    let listed = with.with_exec(["sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '"]).stdout().wait().unwrap();
    // Without namespaces there is no /proc to read.
    assert!(listed.contains("cmdline") || rootlet_tests::chroot(), "{listed}");
    assert!(!listed.contains("***"), "{listed}");
    let failed = with.with_exec(["sh", "-c", "echo $TOKEN >&2; exit 1"]).sync().wait().unwrap_err();
    assert_eq!(failed.exec.as_ref().unwrap().stderr, "***\n");
    assert!(!format!("{failed:?}").contains("hunter2"), "{failed:?}");
    assert_eq!(secret.plaintext().wait().unwrap(), text);
    // Neither in a layer, nor beside one, nor in what was kept of the failure.
    let store = rootlet_tests::store();
    let found = rootlet_tests::files_with(&store, &text);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_service_is_reached_by_its_name() {
    rootlet_tests::needs_namespaces!("private network");
    let Some(session) = session() else { return };
    let alpine = session.dag.container().from_(&session.alpine);
    let serving = |text: &str| {
        let answer = format!("#!/bin/sh\nprintf 'HTTP/1.0 200 OK\\r\\n\\r\\n{text}'\n");
        let executable = FileOptions { permissions: Some(0o755), ..FileOptions::default() };
        let container = alpine.with_new_file_as("/answer", answer, executable).with_exposed_port(80);
        container.as_service_of(["nc", "-lk", "-p", "80", "-e", "/answer"])
    };
    let (one, other) = (serving("one"), serving("other"));
    let client = alpine.with_service_binding("www", &one).with_service_binding("db.local", &other);
    let fetched = client.with_exec(["sh", "-c", "wget -qO- http://www/; wget -qO- http://db.local:80/"]);
    assert_eq!(fetched.stdout().wait().unwrap(), "oneother");
    one.stop().wait().unwrap();
    let dies = alpine.with_exposed_port(80).as_service_of(["sh", "-c", "echo cannot >&2; exit 3"]);
    let failed = alpine.with_service_binding("x", &dies).with_exec(["true"]).sync().wait().unwrap_err();
    assert_eq!(failed.exec.map(|exec| (exec.exit_code, exec.stderr)), Some((3, "cannot\n".into())));
    session.engine.end();
}

#[test]
fn two_runs_at_once_do_not_meet() {
    rootlet_tests::needs_namespaces!("private network");
    let (Some(one), Some(other)) = (session(), session()) else { return };
    // Each service is known by a number of its own, which two questions of one session hear both.
    let script = "cat /proc/sys/kernel/random/uuid > /id; exec nc -lk -p 80 -e cat /id";
    let asked = |session: &Session, n: u32| {
        let alpine = session.dag.container().from_(&session.alpine);
        let service = alpine.with_exposed_port(80).as_service_of(["sh", "-c", script]);
        let client = alpine.with_service_binding("www", &service).with_env_variable("N", n.to_string());
        client.with_exec(["sh", "-c", "nc www 80"]).stdout()
    };
    let answers = [asked(&one, 1), asked(&other, 1), asked(&one, 2), asked(&other, 2)];
    let [a, b, again_a, again_b] = answers.map(|answer| answer.wait().unwrap());
    assert_eq!((&a, &b), (&again_a, &again_b));
    assert_ne!(a, b);
}

#[test]
fn questions_that_make_no_sense() {
    let Some(session) = session() else { return };
    let ask = |name: &str, json: &str| {
        let on = serde_json::from_str(json).unwrap();
        session.engine.ask(name, &on, &serde_json::Map::new()).unwrap_err()
    };
    let container = r#"{"$":"Container","steps":[]}"#;
    let failed = ask("stdot", container);
    assert_eq!(failed.hint.as_deref(), Some("did you mean `stdout`?"), "{failed}");
    let odd = r#"{"$":"Container","steps":[{"do":"from","address":"x"},{"do":"with_exce"}]}"#;
    assert!(ask("stdout", odd).message.contains("(at `with_exce`)"));
    assert!(ask("stdout", r#"{"$":"Car"}"#).message.contains("nothing can be asked of a `Car`"));
    assert!(ask("x", "null").message.contains("nobody knows what `x` asks"));
    let call = r#"{"$":"Call","module":"nowhere","calls":[]}"#;
    assert!(ask("call", call).message.contains("no module `nowhere`"));
    let base =
        session.dag.container().from_("tar:/no/such/file").with_exec(["true"]).sync().wait().unwrap_err();
    assert!(base.message.contains("/no/such/file"), "{base}");
}

#[test]
fn a_container_of_many_steps() {
    // Without, each step is a tree of its own.
    rootlet_tests::needs_namespaces!("layer");
    let Some(session) = session() else { return };
    let mut container = session.dag.container().from_(&session.alpine);
    for number in 0..150 {
        container = container.with_exec(["sh", "-c", &format!("echo {number} >> /numbers")]);
    }
    assert_eq!(container.with_exec(["wc", "-l", "/numbers"]).stdout().wait().unwrap(), "150 /numbers\n");
}

#[test]
fn what_needs_what_was_made_before() {
    rootlet_tests::needs_namespaces!("layer");
    let Some(session) = session() else { return };
    let mut container = session.dag.container().from_(&session.alpine).with_new_file("/0", "text");
    for number in 1..100 {
        let before = container.file(format!("/{}", number - 1));
        container = session.dag.container().from_(&session.alpine).with_file(format!("/{number}"), &before);
    }
    assert_eq!(container.file("/99").contents().wait().unwrap(), "text");
}
