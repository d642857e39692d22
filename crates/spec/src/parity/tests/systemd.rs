//! Units and their drop-ins.

use super::{Files, at, like, lost, try_with, wrong};
use crate::parity::{Request, Surroundings, read};
use crate::{Access, GroupSpec, Memberships, Mount, Net, Rights, UserSpec, caps};
use std::path::Path;

fn unit(text: &str) -> crate::parity::Like {
    like("app@one.service", &format!("[Unit]\nDescription=x\n[Service]\n{text}\n"))
}

#[test]
fn nothing_said_is_a_service_of_root() {
    let like = unit("ExecStart=/bin/app");
    assert_eq!(like.spec.user, Some(UserSpec::Id(0, None)), "whatever user the base's image has");
    assert_eq!((like.spec.memberships, like.spec.env_remove.len()), (Memberships::Strict, 2), "nor a HOME");
    assert_eq!(like.spec.caps.mask().unwrap(), (1 << caps::NAMES.len()) - 1);
    assert!(like.spec.allow_new_privileges && like.spec.seccomp_unconfined);
    assert_eq!((like.spec.argv(), like.spec.workdir.as_deref()), (vec!["/bin/app".to_owned()], Some("/")));
    assert_eq!(like.losses, []);
}

#[test]
fn who_it_is() {
    let like = unit(
        "User=app\nGroup=web\nSupplementaryGroups=audio 50\nUMask=0027\nNoNewPrivileges=yes\nPrivateNetwork=yes",
    );
    assert_eq!(like.spec.user, Some(UserSpec::Name("app".into(), Some(GroupSpec::Name("web".into())))));
    assert_eq!(like.spec.groups, [GroupSpec::Name("audio".into()), GroupSpec::Id(50)]);
    assert_eq!((like.spec.memberships, like.spec.umask), (Memberships::Merge, Some(0o027)));
    assert!(!like.spec.allow_new_privileges);
    assert_eq!(like.spec.net, Net::Private);
}

#[test]
fn a_dynamic_user_and_what_it_implies() {
    let like = unit("DynamicUser=yes\nStateDirectory=%p");
    let Some(UserSpec::Account(user)) = &like.spec.user else { panic!("{:?}", like.spec.user) };
    assert_eq!((user.name.as_str(), user.home.as_str()), ("app", "/"));
    assert!((61184..=65519).contains(&user.uid));
    assert!(like.spec.read_only && !like.spec.allow_new_privileges);
    assert!(matches!(at(&like, "/tmp"), Mount::Directory { rights, .. } if *rights == Rights::root(0o1777)));
    assert!(matches!(at(&like, "/home"), Mount::Itself { access: Access::ReadOnly, optional: true, .. }));
    assert!(matches!(
        at(&like, "/var/lib/app"),
        Mount::Directory { rights: Rights { uid: None, gid: None, mode: 0o755 }, .. }
    ));
    assert_eq!(like.spec.env.last(), Some(&("STATE_DIRECTORY".into(), "/var/lib/app".into())));
}

#[test]
fn capabilities() {
    let set = |text: &str| unit(text).spec.caps.mask().unwrap();
    let all = (1 << caps::NAMES.len()) - 1;
    assert_eq!(set("CapabilityBoundingSet="), 0);
    assert_eq!(set("CapabilityBoundingSet=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=CAP_FOWNER"), 0b10_1001);
    assert_eq!(set("CapabilityBoundingSet=~CAP_CHOWN"), all & !1);
    assert_eq!(set("CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=~CAP_CHOWN"), 0);
    assert_eq!(unit("AmbientCapabilities=CAP_NET_BIND_SERVICE").spec.ambient, ["NET_BIND_SERVICE"]);
    assert!(wrong("a.service", "[Service]\nAmbientCapabilities=CAP_NO").contains("line 2"));
}

#[test]
fn what_it_may_write() {
    let like = unit(
        "ProtectSystem=full\nProtectHome=tmpfs\nReadWritePaths=/var/x -/var/y\nInaccessiblePaths=/secret\nReadOnlyPaths=+/opt\n\
         TemporaryFileSystem=/cache:mode=0700\nRuntimeDirectory=a b\nRuntimeDirectoryMode=0750\nConfigurationDirectory=c",
    );
    let access = |target| match at(&like, target) {
        Mount::Itself { access, optional, .. } => (*access, *optional),
        other => panic!("{other:?}"),
    };
    assert_eq!(access("/etc"), (Access::ReadOnly, true));
    assert_eq!(access("/var/x"), (Access::Writable, false));
    assert_eq!(access("/var/y"), (Access::Writable, true));
    assert_eq!(access("/secret"), (Access::Hidden, false));
    assert_eq!(access("/opt"), (Access::ReadOnly, false));
    assert_eq!(*at(&like, "/cache"), Mount::Tmpfs { target: "/cache".into(), size: None, mode: 0o700 });
    assert!(matches!(at(&like, "/home"), Mount::Tmpfs { .. }));
    assert!(matches!(
        at(&like, "/run/b"),
        Mount::Directory { rights: Rights { uid: None, mode: 0o750, .. }, .. }
    ));
    let whole = unit("ProtectSystem=strict\nReadWritePaths=/\nTemporaryFileSystem=/:ro");
    assert!(!whole.spec.read_only && whole.spec.mounts.is_empty());
    assert_eq!(lost(&whole), ["TemporaryFileSystem"]);
    assert!(unit("ReadOnlyPaths=/").spec.read_only);
    let depths: Vec<_> = like.spec.mounts.iter().map(Mount::depth).collect();
    assert!(depths.is_sorted());
    assert!(
        wrong("a.service", "[Service]\nProtectSystem=maybe").contains("expected yes, no, full or strict")
    );
}

#[test]
fn commands_and_variables() {
    let like = unit(
        "Environment=A=1 \"B=x y\"\nEnvironment=A=2\nUnsetEnvironment=B\nExecStart=@/bin/app argv0 $A ${A}x '%i' %% \\\n  more\nWorkingDirectory=-/srv",
    );
    assert_eq!(like.spec.env, [("A".into(), "2".into())]);
    assert_eq!(like.spec.command, ["/bin/app", "2", "2x", "one", "%", "more"]);
    assert_eq!(
        (like.spec.workdir.as_deref(), like.spec.env_remove),
        (Some("/srv"), ["HOSTNAME", "HOME", "B"].map(str::to_owned).to_vec())
    );
}

#[test]
fn a_variable_that_is_a_word_of_its_own_stands_for_none_or_several() {
    // The examples of systemd.service(5).
    let command = |lines: &str| unit(lines).spec.command;
    let unit = "Environment=\"ONE=one\" 'TWO=two two'\nExecStart=echo $ONE $TWO ${TWO}";
    assert_eq!(command(unit), ["echo", "one", "two", "two", "two two"]);
    let variables = "Environment=ONE='one' \"TWO='two two' too\" THREE=\n";
    let exact = format!("{variables}ExecStart=/bin/echo ${{ONE}} ${{TWO}} ${{THREE}}");
    assert_eq!(command(&exact)[2..], ["'two two' too", ""]);
    let apart = format!("{variables}ExecStart=/bin/echo $ONE $TWO $THREE");
    assert_eq!(command(&apart), ["/bin/echo", "one", "two two", "too"]);
}

#[test]
fn limits() {
    let like = unit(
        "LimitNOFILE=100:200\nLimitCORE=infinity\nLimitAS=1G\nLimitCPU=2min\nMemoryMax=512M\nTasksMax=5\nCPUQuota=150%",
    );
    let ulimits: Vec<_> = like.spec.ulimits.iter().map(ToString::to_string).collect();
    assert_eq!(ulimits, ["cpu=120", "core=unlimited", "nofile=100:200", "as=1073741824"]);
    assert_eq!(
        (like.spec.limits.memory, like.spec.limits.pids, like.spec.limits.cpus),
        (Some(512 << 20), Some(5), Some(1.5))
    );
}

#[test]
fn drop_ins_come_last() {
    let files = Files(
        [
            ("a.service.d/10-x.conf", "[Service]\nUser=two\nEnvironment=\nEnvironment=B=2\n"),
            ("a.service.d/20-y.conf", "[Service]\nGroup=g\n"),
            ("a.service.d/no.txt", "nonsense"),
        ]
        .into(),
    );
    let like = try_with("a.service", "[Service]\nUser=one\nEnvironment=A=1\n", &files).unwrap();
    assert_eq!(like.spec.user, Some(UserSpec::Name("two".into(), Some(GroupSpec::Name("g".into())))));
    assert_eq!(like.spec.env.last(), Some(&("B".into(), "2".into())));
    let bad = Files([("a.service.d/x.conf", "[Service]\nUser\n")].into());
    let e = try_with("a.service", "[Service]\n", &bad).unwrap_err();
    assert_eq!(e.to_string(), "line 2, column 1: a.service.d/x.conf: `User` has no `=`");
}

#[test]
fn what_is_not_known_is_listed() {
    let like = unit("Restart=always\nUsr=x\nSystemCallFilter=@x\nFrob=1\nX=%m\nPrivateDevices=yes");
    assert_eq!(lost(&like), ["Usr", "SystemCallFilter", "Frob", "X", "X"]);
    assert!(like.losses[0].why.contains("did you mean User?"), "{}", like.losses[0]);
    assert_eq!(like.losses[0].place.line, 5);
    assert!(wrong("a.service", "[Unit]\nA=1\n").contains("no [Service]"));
}

#[test]
fn what_is_bound() {
    let like = unit(
        "TemporaryFileSystem=/var:ro\nBindPaths=/srv/data -/srv/more:/srv/more:rbind /dev/x\nBindReadOnlyPaths=/var/lib/x /etc/a:/etc/b",
    );
    let itself =
        |target: &str, optional| Mount::Itself { target: target.into(), access: Access::Writable, optional };
    assert_eq!(*at(&like, "/srv/data"), itself("/srv/data", false));
    assert_eq!(*at(&like, "/srv/more"), itself("/srv/more", true));
    for target in ["/var/lib/x", "/etc/b"] {
        assert!(matches!(at(&like, target), Mount::Directory { read_only: true, .. }), "{target}");
    }
    assert_eq!(lost(&like), ["BindPaths", "BindReadOnlyPaths", "BindReadOnlyPaths"]);
    assert!(like.losses[2].why.contains("what is at /etc/a is not bound"), "{}", like.losses[2]);
}

/// A tree with a unit in its place.
struct Packaged;

impl Surroundings for Packaged {
    fn directory(&self) -> &Path {
        Path::new("/pkg/usr/lib/systemd/system")
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        Ok((path == Path::new("/pkg/etc/default/app")).then(|| b"A=file\nB='x y'\n".to_vec()))
    }

    fn list(&self, _: &Path) -> Vec<String> {
        Vec::new()
    }

    fn exists(&self, _: &Path) -> bool {
        false
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn files_of_variables_of_the_tree_that_the_unit_lies_in() {
    let text = "[Service]\nEnvironmentFile=-/etc/default/../default/%p\nEnvironment=A=unit C=1\nEnvironmentFile=-/etc/gone\n\
                EnvironmentFile=/etc/missing\nExecStart=/bin/app $B";
    let request = Request { name: "app.service", select: None, openshift: None, around: &Packaged };
    let like = read(text.as_bytes(), &request).unwrap();
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["C=1", "A=file", "B=x y"], "what the file says wins");
    assert_eq!(lost(&like), ["EnvironmentFile"]);
    assert!(like.losses[0].why.contains("would not start"), "{}", like.losses[0]);
    let elsewhere = unit("EnvironmentFile=-/etc/default/app");
    assert!(elsewhere.losses[0].why.contains("--env-file"), "{}", elsewhere.losses[0]);
    assert!(wrong("a.service", "[Service]\nEnvironmentFile=x").contains("absolute"));
}

/// As systemd 252 has it.
#[test]
fn settings_that_take_capabilities() {
    let all = (1_u64 << caps::NAMES.len()) - 1;
    let without = |names: &[&str]| {
        names.iter().fold(all, |mask, name| {
            mask & !(1 << caps::NAMES.iter().position(|known| known == name).unwrap())
        })
    };
    let mask = |text: &str| unit(text).spec.caps.mask().unwrap();
    assert_eq!(mask("PrivateDevices=yes"), without(&["MKNOD", "SYS_RAWIO"]));
    assert_eq!(mask("ProtectKernelModules=yes"), without(&["SYS_MODULE"]));
    assert_eq!(mask("ProtectKernelLogs=yes"), without(&["SYSLOG"]));
    assert_eq!(mask("ProtectClock=yes"), without(&["SYS_TIME", "WAKE_ALARM"]));
    assert_eq!(mask("PrivateDevices=no"), all);
    assert_eq!(mask("PrivateDevices=yes\nCapabilityBoundingSet=CAP_MKNOD CAP_CHOWN"), 1);
}

#[test]
fn names_that_settings_had_once() {
    let like = unit(
        "ReadWriteDirectories=-/var/x\nReadOnlyDirectories=/etc\nInaccessibleDirectories=-/root\nMemoryLimit=1M\nPermissionsStartOnly=true",
    );
    assert_eq!(like.losses, []);
    assert!(matches!(at(&like, "/var/x"), Mount::Itself { access: Access::Writable, optional: true, .. }));
    assert!(matches!(at(&like, "/etc"), Mount::Itself { access: Access::ReadOnly, .. }));
    assert!(matches!(at(&like, "/root"), Mount::Itself { access: Access::Hidden, .. }));
    assert_eq!(like.spec.limits.memory, Some(1 << 20));
}

#[test]
fn what_a_dynamic_user_implies_cannot_be_taken_back() {
    let like = unit("DynamicUser=yes\nProtectSystem=full\nProtectHome=no\nPrivateTmp=no\nNoNewPrivileges=no");
    assert!(like.spec.read_only && !like.spec.allow_new_privileges);
    assert!(matches!(at(&like, "/tmp"), Mount::Directory { .. }));
    assert!(matches!(at(&like, "/home"), Mount::Itself { access: Access::ReadOnly, .. }));
    assert_eq!(unit("DynamicUser=yes\nUser=nobody").spec.user, Some(UserSpec::Name("nobody".into(), None)));
    let hidden = unit("DynamicUser=yes\nProtectHome=yes");
    assert!(matches!(at(&hidden, "/home"), Mount::Itself { access: Access::Hidden, .. }));
}

/// As systemd 252 has it.
#[test]
fn specifiers() {
    let text = "[Service]\nExecStart=/x %i %I %j %f %h %u %U %n %%\n";
    let argv = like(r"a-b@dev-x\x2dy.service", text).spec.argv();
    let expected = [
        "/x",
        r"dev-x\x2dy",
        "dev/x-y",
        "b",
        "/dev/x-y",
        "/root",
        "root",
        "0",
        r"a-b@dev-x\x2dy.service",
        "%",
    ];
    assert_eq!(argv, expected);
    let template = like("code@.service", "[Service]\nUser=%i\nExecStart=/x\nExecStop=/y %i\n");
    assert_eq!((lost(&template), &template.spec.user), (vec!["User"], &Some(UserSpec::Id(0, None))));
    assert!(template.losses[0].why.contains("NAME@INSTANCE.service"), "{}", template.losses[0].why);
}

#[test]
fn several_commands_in_a_line() {
    let like = unit(r"ExecStart=/bin/a \; x ; /bin/b 'c\x20d' \.");
    assert_eq!(like.spec.argv(), ["/bin/b", "c d", r"\."]);
    assert_eq!(lost(&like), ["ExecStart"]);
}

/// systemd.exec(5): HOME, USER and LOGNAME are those of `User=`.
#[test]
fn what_comes_with_an_account() {
    let env = |like: &crate::parity::Like| -> Vec<String> {
        like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let app = unit("User=app\nEnvironment=LOGNAME=own A=1\nUnsetEnvironment=B");
    assert_eq!(env(&app), ["USER=app", "LOGNAME=own", "A=1"]);
    assert_eq!(
        (app.spec.memberships, app.spec.env_remove),
        (Memberships::Merge, vec!["HOSTNAME".into(), "B".into()])
    );
    let own = unit("Environment=HOME=/x");
    assert_eq!((env(&own), own.spec.env_remove), (vec!["HOME=/x".to_owned()], vec!["HOSTNAME".to_owned()]));
    let dynamic = unit("DynamicUser=yes");
    assert_eq!(
        (env(&dynamic), dynamic.spec.env_remove.len()),
        (vec!["USER=app".into(), "LOGNAME=app".into()], 2)
    );
    assert_eq!(unit("User=app\nGroup=root").spec.memberships, Memberships::Strict);
    let root = unit("Type=simple");
    let other = crate::Spec { user: Some(UserSpec::Id(5, None)), ..root.spec.clone() };
    assert_eq!(root.complete(other, &crate::ImageDefaults::default()).unwrap().env_remove, ["HOSTNAME"]);
}

#[test]
fn what_a_package_has_configured_stays() {
    let like = unit("ConfigurationDirectory=app\nConfigurationDirectoryMode=0700\nProtectSystem=full");
    assert_eq!(*at(&like, "/etc/app"), Mount::Volume { target: "/etc/app".into() });
    assert_eq!(lost(&like), ["ConfigurationDirectoryMode"]);
}
