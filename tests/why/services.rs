//! Real services of Debian: the report names the part that refuses, and with its fix applied they run.

use crate::explained;
use rootlet::spec::{GroupSpec, Mount, Net, UserSpec};
use rootlet::why::{Cause, Refusal};
use rootlet::{Base, Builder, Rootlet, Store};

pub fn services() -> Option<Base> {
    if rootlet_tests::chroot() {
        // There is nothing that a mount or a network would explain, and all of a large base is copied.
        eprintln!("services are not explained once more without namespaces");
        return None;
    }
    let Some(tar) = rootlet_tests::services_tar() else {
        rootlet_tests::skipped("no tarball of Debian with services");
        return None;
    };
    let store = Store::open(rootlet_tests::store()).unwrap();
    Some(Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap())
}

/// A command as it is deployed: what fixes change of it.
#[derive(Default)]
struct Deployed {
    user: Option<String>,
    env: Vec<(String, String)>,
}

impl Deployed {
    /// As a line of a Dockerfile says.
    fn apply(&mut self, root: &Rootlet, line: &str) {
        match line.split_once(' ').unwrap() {
            ("RUN", command) => {
                let output = root.command("sh").args(["-c", command]).user("root").output().unwrap();
                assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            }
            ("USER", user) => self.user = Some(user.into()),
            ("ENV", variable) => {
                let (name, value) = variable.split_once('=').unwrap();
                self.env.push((name.into(), value.into()));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a script again and again, each time with the fix of what made it fail, until it succeeds; what refused it. It ends, too, where
/// there is no line for a Dockerfile.
pub fn mended(root: &Rootlet, script: &str) -> Vec<Refusal> {
    let (mut deployed, mut refusals) = (Deployed::default(), Vec::new());
    for _ in 0..8 {
        let mut command = root.command("sh");
        command.args(["-c", script]).envs(deployed.env.iter().map(|(name, value)| (name, value)));
        deployed.user.iter().for_each(|user| {
            command.user(user);
        });
        let Some(explained) = explained(&mut command) else { return refusals };
        if explained.output.status.success() {
            return refusals;
        }
        let first = explained.why.refusals.first().filter(|refusal| !refusal.handled);
        let error = String::from_utf8_lossy(&explained.output.stderr).into_owned();
        let first = first.unwrap_or_else(|| panic!("{error}\n{}", explained.why)).clone();
        refusals.push(first.clone());
        if first.fixes.dockerfile.is_empty() {
            return refusals;
        }
        deployed.apply(root, &first.fixes.dockerfile);
    }
    panic!("it fails on: {refusals:#?}");
}

/// Cause, and what refused.
pub fn told(refusals: &[Refusal]) -> Vec<(Cause, &str)> {
    let path = |refusal: &Refusal| refusal.refused_by.as_ref().map_or("", |by| by.path.as_str()).to_owned();
    refusals.iter().map(|refusal| (refusal.cause, &*Box::leak(path(refusal).into_boxed_str()))).collect()
}

/// Ends the test where processes without namespaces may not be traced.
pub fn is_traced(refusals: &[Refusal]) -> bool {
    !(rootlet_tests::chroot() && refusals.is_empty())
}

fn as_sam(base: &Base) -> Builder {
    Rootlet::builder(base).user("sam")
}

/// All that it does before it serves: directories, logs, ports, the file of its pid.
const NGINX: &str = "nginx -t";

#[test]
fn nginx_of_an_ordinary_user() {
    rootlet_tests::needs_namespaces!("a network of its own");
    let Some(base) = services() else { return };
    let root = as_sam(&base).net(Net::Private).spawn().unwrap();
    let refusals = mended(&root, NGINX);
    let told = told(&refusals);
    let (last, before) = told.split_last().unwrap();
    // Its directories, and its log.
    for path in ["/var/lib/nginx", "/var/log/nginx/error.log"] {
        assert!(before.contains(&(Cause::Mode, path)), "{path}: {told:?}");
    }
    // A file capability would gain it nothing, since it has no_new_privs.
    assert_eq!(*last, (Cause::Port, ""), "{told:?}");
    let fix = &refusals.last().unwrap().fixes.kubernetes;
    assert!(fix.contains("name: net.ipv4.ip_unprivileged_port_start, value: \"0\""), "{fix}");
    let spec = rootlet::spec::Spec {
        sysctls: vec![("net.ipv4.ip_unprivileged_port_start".into(), "0".into())],
        ..Default::default()
    };
    let root = Rootlet::builder(&base).spec(spec).user("sam").net(Net::Private).spawn().unwrap();
    let refusals = mended(&root, NGINX);
    assert!(refusals.iter().all(|refusal| refusal.cause == Cause::Mode), "{refusals:#?}");
    assert!(!refusals.last().unwrap().fixes.dockerfile.is_empty());
}

/// The places of a volume that a fix asks for.
fn volumes(fixes: &str) -> Vec<String> {
    let place = |line: &str| Some(line.split_once("mountPath: ")?.1.trim_end_matches('}').to_owned());
    fixes.lines().filter_map(place).collect()
}

/// Runs it with a read-only root, with one volume more each time.
pub fn with_volumes(base: &Base, change: impl Fn(Builder) -> Builder, script: &str) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for _ in 0..8 {
        let with_place = |builder: Builder, place: &String| builder.tmpfs(place);
        let root =
            places.iter().fold(change(Rootlet::builder(base)).read_only(true), with_place).spawn().unwrap();
        let explained = explained(root.command("sh").args(["-c", script])).unwrap();
        if explained.output.status.success() {
            return places;
        }
        let first = &explained.why.refusals[0];
        assert_eq!((first.cause, first.handled), (Cause::ReadOnly, false), "{}", explained.why);
        places.extend(volumes(&first.fixes.kubernetes));
    }
    panic!("not with {places:?}");
}

#[test]
fn read_only_roots_get_the_volumes_that_are_needed() {
    rootlet_tests::needs_namespaces!("a root that is mounted");
    let Some(base) = services() else { return };
    let nginx = with_volumes(&base, |builder| builder.user("root").net(Net::Private), NGINX);
    assert!(nginx.contains(&"/run".into()) && nginx.contains(&"/var/lib/nginx".into()), "{nginx:?}");
    let temporary = "python3 -c 'import tempfile; print(tempfile.mkdtemp())'";
    // Any of the places that it tries would do; the last one is told first.
    assert_eq!(with_volumes(&base, |builder| builder.user("sam"), temporary).len(), 1);
}

#[test]
fn pip_without_a_home() {
    let Some(base) = services() else { return };
    let root = Rootlet::builder(&base).user("12345:12345").env("HOME", "/").spawn().unwrap();
    let script = "mkdir -p /tmp/a && printf '[project]\nname = \"a\"\nversion = \"1\"\n' > /tmp/a/pyproject.toml && touch /tmp/a/a.py && \
                  pip install -q --no-index --no-build-isolation --break-system-packages --user /tmp/a";
    let refusals = mended(&root, script);
    if is_traced(&refusals) {
        assert_eq!(told(&refusals), [(Cause::Mode, "/")], "{refusals:#?}");
        assert_eq!(refusals[0].fixes.dockerfile, "ENV HOME=/tmp");
    }
}

#[test]
fn a_repository_of_somebody_elses() {
    let Some(base) = services() else { return };
    let root = as_sam(&base).spawn().unwrap();
    let made = root.command("git").args(["init", "-q", "/srv/repo"]).user("root").status().unwrap();
    assert!(made.success());
    if rootlet_tests::one_id() {
        // To the user, all that he may not write to is shown as it is stored: his own.
        return;
    }
    let refusals = mended(&root, "git -C /srv/repo status");
    if !is_traced(&refusals) {
        return;
    }
    assert_eq!(told(&refusals), [(Cause::Insists, "/srv/repo")], "{refusals:#?}");
    assert_eq!((refusals[0].missing.as_str(), refusals[0].root_would_pass), ("ownership", None));
    // The variables do it as well.
    let fresh = as_sam(&base).spawn().unwrap();
    assert!(fresh.command("git").args(["init", "-q", "/srv/repo"]).user("root").status().unwrap().success());
    let variables = refusals[0].fixes.systemd.lines().map(|line| line.strip_prefix("Environment=").unwrap());
    let mut command = fresh.command("git");
    command
        .args(["-C", "/srv/repo", "status"])
        .envs(variables.filter_map(|variable| variable.split_once('=')));
    assert!(command.output().unwrap().status.success());
}

/// What a server of PostgreSQL does before it serves, without serving.
const POSTGRES: &str = "/usr/lib/postgresql/*/bin/postgres -C data_checksums -D /srv/data";

/// A root where the database was made by its own user.
fn postgres(base: &Base, user: &str) -> Rootlet {
    let root = Rootlet::builder(base).user(user).spawn().unwrap();
    let made = root
        .command("sh")
        .args(["-c", "install -d -o postgres -g postgres -m 0700 /srv/data"])
        .user("root")
        .status();
    assert!(made.unwrap().success());
    let output = root
        .command("sh")
        .args(["-c", "/usr/lib/postgresql/*/bin/initdb -D /srv/data"])
        .user("postgres")
        .output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    root
}

#[test]
fn the_data_of_a_postgres_is_its_users_alone() {
    let Some(base) = services() else { return };
    if rootlet_tests::one_id() {
        return;
    }
    // Somebody else's: be him.
    let root = postgres(&base, "sam");
    let refusals = mended(&root, POSTGRES);
    if !is_traced(&refusals) {
        return;
    }
    assert_eq!(told(&refusals), [(Cause::Mode, "/srv/data")], "{refusals:#?}");
    let owner = root.identity("postgres").unwrap();
    assert_eq!(refusals[0].fixes.dockerfile, format!("USER {}:{}", owner.uid, owner.gid));
    // Its own, and somebody else may write it.
    let root = postgres(&base, "postgres");
    root.set_permissions("/srv/data", 0o2770).unwrap();
    let refusals = mended(&root, POSTGRES);
    assert_eq!(told(&refusals), [(Cause::Insists, "/srv/data")], "{refusals:#?}");
    assert_eq!(refusals[0].fixes.dockerfile, "RUN chmod 0700 /srv/data");
    // Readable, and root's.
    root.command("sh")
        .args(["-c", "chown root /srv/data; chmod 0755 /srv/data"])
        .user("root")
        .status()
        .unwrap();
    let refusals = mended(&root, POSTGRES);
    assert_eq!(told(&refusals)[0], (Cause::Insists, "/srv/data"), "{refusals:#?}");
    assert_eq!(refusals[0].missing, "ownership");
}

#[test]
fn a_walk_by_descriptors_through_what_may_be_read_and_not_searched() {
    let Some(base) = services() else { return };
    let root = as_sam(&base).spawn().unwrap();
    root.create_dir("/srv/tree").unwrap();
    root.write("/srv/tree/file", "x").unwrap();
    root.set_permissions("/srv/tree", 0o744).unwrap();
    let refusals = mended(&root, "cd /; tar -cf /dev/null srv/tree");
    if is_traced(&refusals) {
        assert_eq!(told(&refusals), [(Cause::Mode, "/srv/tree")], "{refusals:#?}");
        assert_eq!((refusals[0].missing.as_str(), refusals[0].root_would_pass), ("search", Some(true)));
    }
}

#[test]
fn a_volume_as_a_fix_mounts_it_is_the_users() {
    let Some(base) = services() else { return };
    let root = as_sam(&base).spawn().unwrap();
    let Some(explained) = explained(root.command("mkdir").arg("/var/lib/app")) else { return };
    let refusal = crate::only(&explained);
    assert_eq!(volumes(&refusal.fixes.kubernetes), ["/var/lib/app"]);
    assert_eq!(refusal.fixes.dockerfile, "RUN install -d -o 1000 /var/lib/app");
    assert_eq!(refusal.fixes.systemd, "StateDirectory=app");
    let spec = rootlet::spec::Spec {
        mounts: vec![Mount::Tmpfs { target: "/var/lib/app".into(), size: None, mode: 0o1777 }],
        user: Some(UserSpec::Id(1000, Some(GroupSpec::Id(1000)))),
        ..Default::default()
    };
    if !rootlet_tests::chroot() {
        let root = Rootlet::builder(&base).spec(spec).spawn().unwrap();
        assert!(root.command("touch").arg("/var/lib/app/x").status().unwrap().success());
    }
}
