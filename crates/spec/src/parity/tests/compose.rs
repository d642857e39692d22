//! Compose: what a service says, extends and names.

use super::{Files, at, like, lost, try_with, wrong, wrong_with};
use crate::{Access, Content, Mount, Rights, UserSpec};
use std::path::Path;

fn service(text: &str) -> crate::parity::Like {
    like("compose.yaml", &format!("services: {{web: {{image: i, {text}}}}}"))
}

#[test]
fn a_service() {
    let like = service(
        "user: 1000:50, group_add: [20, audio], read_only: true, cap_drop: [ALL], cap_add: [NET_BIND_SERVICE], security_opt: \
         ['no-new-privileges:true', apparmor=x], working_dir: /srv, hostname: box, mem_limit: 64m, pids_limit: 9, cpus: 0.5, ulimits: \
         {nofile: {soft: 1, hard: 2}, nproc: 3}, entrypoint: /e 'a b', command: [serve], ports: ['8080:80', {target: 443}], \
         environment: {A: 1, CALLERS: , GONE: }",
    );
    let spec = &like.spec;
    assert_eq!(spec.user, Some("1000:50".parse::<UserSpec>().unwrap()));
    assert_eq!((spec.groups.len(), spec.caps.mask()), (2, Ok(1 << 10)));
    assert!(spec.read_only && !spec.allow_new_privileges);
    assert_eq!((spec.workdir.as_deref(), spec.hostname.as_deref()), (Some("/srv"), Some("box")));
    assert_eq!(
        (spec.limits.memory, spec.limits.pids, spec.limits.cpus),
        (Some(64 << 20), Some(9), Some(0.5))
    );
    assert_eq!(spec.ulimits.len(), 2);
    assert_eq!(spec.argv(), ["/e", "a b", "serve"]);
    assert_eq!(like.low_ports, [80, 443]);
    assert_eq!(spec.env, [("A".into(), "1".into()), ("CALLERS".into(), "own".into())]);
    assert_eq!(lost(&like), ["services.web.security_opt[1]", "services.web.environment.GONE"]);
    assert!(service("x-y: 1").spec.allow_new_privileges, "docker's default");
}

#[test]
fn volumes() {
    let files = Files([("src", ""), ("secret.txt", "hush")].into());
    let text = "services: {web: {volumes: ['./src:/src:ro', './new:/new', '/etc:/host', 'data:/data:ro', /anonymous, {type: tmpfs, target: \
                /t, tmpfs: {size: 1m, mode: 0700}}], tmpfs: ['/run:mode=755,size=1m', '/own:uid=5,gid=6,mode=700'], secrets: [one, gone]}}\n\
                secrets: {one: {file: secret.txt}, gone: {external: true}}\nvolumes: {data: }";
    let like = try_with("compose.yaml", text, &files).unwrap();
    let bind = |source: &str, target: &str| Mount::Bind {
        source: Path::new("/project").join(source),
        target: target.into(),
        read_only: true,
    };
    assert_eq!(*at(&like, "/src"), bind("src", "/src"));
    assert_eq!(*at(&like, "/run/secrets/one"), bind("secret.txt", "/run/secrets/one"));
    for target in ["/new", "/host"] {
        assert!(
            matches!(at(&like, target), Mount::Directory { rights, .. } if *rights == Rights::root(0o755))
        );
    }
    let data: Vec<_> = like.spec.mounts.iter().filter(|mount| mount.target() == "/data").collect();
    let itself = Mount::Itself { target: "/data".into(), access: Access::ReadOnly, optional: false };
    assert_eq!(data, [&Mount::Volume { target: "/data".into() }, &itself]);
    assert_eq!(*at(&like, "/t"), Mount::Tmpfs { target: "/t".into(), size: Some(1 << 20), mode: 0o700 });
    assert!(matches!(
        at(&like, "/own"),
        Mount::Directory { rights: Rights { uid: Some(5), gid: Some(6), mode: 0o700 }, .. }
    ));
    assert!(
        matches!(at(&like, "/run/secrets/gone"), Mount::Files { entries, .. } if entries[0].content == Content::File(vec![]))
    );
    assert_eq!(lost(&like), ["services.web.volumes[1]", "services.web.volumes[2]", "secrets.gone"]);
}

#[test]
fn variables_and_files_of_them() {
    let files = Files([(".env", "TAG=1.2\nUSER_ID=7\n"), ("a.env", "A=file\nB='x y'\n")].into());
    let text = "services: {web: {image: \"i:${TAG:-latest}\", user: '${USER_ID}', read_only: '${RO:-true}', env_file: [a.env, {path: no.env, \
                required: false}], environment: [A=own, C=$$x, 'D=${UNSET}', 'E=${UNSET}']}}";
    let like = try_with("compose.yaml", text, &files).unwrap();
    assert_eq!(like.image.as_deref(), Some("i:1.2"));
    assert_eq!(like.spec.user, Some(UserSpec::Id(7, None)));
    assert!(like.spec.read_only);
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["B=x y", "A=own", "C=$x", "D=", "E="]);
    assert_eq!(lost(&like), ["$UNSET"], "once");
    assert!(
        wrong("compose.yaml", "services: {web: {image: '${V:?give V}'}}")
            .contains("the variable V is not set: give V")
    );
}

#[test]
fn services_extend_services() {
    let other = "services: {base: {user: '5', environment: {A: 1, B: 1}, cap_drop: [ALL], command: [x]}}";
    let files = Files(
        [("base.yaml", other), ("api/Dockerfile", "FROM debian:13 AS a\nUSER app\nFROM a\nUSER no\n")].into(),
    );
    let text = "services: {web: {extends: {file: base.yaml, service: base}, environment: [B=2], cap_add: [KILL], command: [y]}, \
                built: {profiles: [p], build: {context: ./api, target: a}}}";
    let web = try_with("compose.yaml", text, &files).unwrap();
    assert_eq!(web.spec.user, Some(UserSpec::Id(5, None)));
    assert_eq!(web.spec.env, [("A".into(), "1".into()), ("B".into(), "2".into())]);
    assert_eq!((web.spec.caps.mask(), web.spec.command.as_slice()), (Ok(1 << 5), &["y".to_owned()][..]));
    let built = try_with("compose.yaml#built", text, &files).unwrap();
    assert_eq!(
        (built.image.as_deref(), built.spec.user),
        (Some("debian:13"), Some(UserSpec::Name("app".into(), None)))
    );
    let circle = "services: {a: {extends: b}, b: {extends: a}}";
    assert!(wrong("compose.yaml#a", circle).contains("in a circle"));
}

#[test]
fn an_override_lies_on_the_file_that_docker_finds_by_itself() {
    let over = "services: {web: {user: '7', command: [b], environment: {B: 2}, volumes: ['fresh:/data'], devices: [/dev/x]}, command: {image: j}}";
    let files = Files([("compose.override.yaml", over)].into());
    let text = "services: {web: {image: i, command: [a], environment: [A=1], volumes: ['./src:/data'], cap_drop: [ALL]}, command: {image: i}}";
    let web = try_with("compose.yaml#web", text, &files).unwrap();
    assert_eq!((web.image.as_deref(), &web.spec.user), (Some("i"), &Some(UserSpec::Id(7, None))));
    assert_eq!(web.spec.argv(), ["b"]);
    assert_eq!(web.spec.env, [("A".into(), "1".into()), ("B".into(), "2".into())]);
    assert_eq!(web.spec.mounts, [Mount::Volume { target: "/data".into() }]);
    // Its place is none of this file's.
    let loss = web.losses.iter().find(|loss| loss.path == "services.web.devices").unwrap();
    assert_eq!(loss.place.to_string(), "-");
    assert_eq!(try_with("compose.yaml#command", text, &files).unwrap().image.as_deref(), Some("j"));
    // `docker compose -f` takes none.
    assert_eq!(try_with("production.yaml#web", text, &files).unwrap().spec.user, None);
}

#[test]
fn projects_are_included_with_paths_of_their_own() {
    let files = Files(
        [
            ("db/compose.yaml", "include: [deeper/more.yaml]\nservices: {db: {image: 'd:${TAG}', volumes: ['./data:/data'], gpus: all}}"),
            ("db/.env", "TAG=5"),
            ("db/data", ""),
            ("db/deeper/more.yaml", "services: {cache: {image: c, env_file: [c.env]}}"),
            ("db/deeper/c.env", "C=1"),
            ("over.yaml", "services: {db: {user: '9'}}"),
            ("circle.yaml", "include: [circle.yaml, circle.yaml, circle.yaml]"),
        ]
        .into(),
    );
    let text = "include: [{path: [db/compose.yaml, over.yaml]}]\nservices: {web: {image: i}}";
    let db = try_with("compose.yaml#db", text, &files).unwrap();
    assert_eq!((db.image.as_deref(), db.spec.user.clone()), (Some("d:5"), Some(UserSpec::Id(9, None))));
    let source = Path::new("/project/db/data").to_owned();
    assert_eq!(*at(&db, "/data"), Mount::Bind { source, target: "/data".into(), read_only: false });
    assert_eq!(lost(&db), ["db/compose.yaml: services.db.gpus"]);
    let cache = try_with("compose.yaml#cache", text, &files).unwrap();
    assert_eq!(cache.spec.env, [("C".into(), "1".into())]);
    assert!(wrong_with("compose.yaml", text, &files).contains("several services: web, db"));
    assert!(wrong_with("compose.yaml#no", text, &files).contains("no service no"));
    assert!(wrong_with("compose.yaml#a", "include: [circle.yaml]", &files).contains("in a circle?"));
    assert!(wrong("compose.yaml", "include: [gone.yaml]").contains("gone.yaml is not there"));
    let only = try_with("compose.yaml", "include: [db/deeper/more.yaml]", &files).unwrap();
    assert_eq!(only.image.as_deref(), Some("c"));
}

#[test]
fn which_service() {
    let text = "services: {a: {image: i}, b: {image: i}, c: {image: i, profiles: [debug]}}";
    assert!(wrong("compose.yaml", text).contains("several services: a, b (say which one: FILE#NAME)"));
    assert!(wrong("compose.yaml#d", text).contains("no service d (it has a, b, c)"));
    assert_eq!(like("compose.yaml#c", text).what, "service c");
    assert_eq!(
        lost(&service("volumez: [], devices: [/dev/x]")),
        ["services.web.volumez", "services.web.devices"]
    );
}

#[test]
fn the_variables_of_other_services_are_no_concern_of_this_one() {
    let text = "services:\n  web: {image: 'i:${TAG}', environment: {A: '${EMPTY}'}}\n  db: {image: '$OTHER', environment: {B: '${NEEDED:?give one}'}}\n";
    let web = like("compose.yaml#web", text);
    assert_eq!(lost(&web), ["$TAG", "$EMPTY"]);
    assert_eq!(web.spec.env, [("A".into(), String::new())], "empty is a value");
    let needed = wrong("compose.yaml#db", text);
    assert!(
        needed.starts_with("line 3, column 42: the variable NEEDED is not set: give one (set it, or "),
        "{needed}"
    );
}

#[test]
fn what_is_not_set_is_not_said() {
    let like = service("user: '${U}:${G}', hostname: '${H:-}', mem_limit: '${M}'");
    assert_eq!(like.spec.user, Some(UserSpec::Id(0, None)), "docker takes root");
    assert_eq!((like.spec.hostname, like.spec.limits.memory), (None, None));
    assert_eq!(service("user: '7:${G}'").spec.user, Some(UserSpec::Id(7, None)));
    let unset = super::like("compose.yaml", "services: {web: {image: '${I}'}}");
    assert_eq!((unset.image, unset.losses.len()), (None, 1));
}

/// compose-go reads numbers and writes them anew.
#[test]
fn values_of_variables() {
    let like = service(
        "environment: {A: 1.10, B: '1.10', C: 0x10, D: true, E: 1.0, F: 0.3, G: v1.10, H: 010, J: 1e10, K: 123456789.5, L: 1_000, M: 0b11, N: 0.00001, I: '${T:-1.10}'}",
    );
    let values: Vec<_> = like.spec.env.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        [
            "1.1",
            "1.10",
            "16",
            "true",
            "1",
            "0.3",
            "v1.10",
            "8",
            "1e+10",
            "1.234567895e+08",
            "1000",
            "3",
            "1e-05",
            "1.10"
        ]
    );
}

#[test]
fn files_that_are_not_there_and_those_of_the_project() {
    let gone = service("env_file: [gone.env], environment: [B=1]");
    assert_eq!((lost(&gone), gone.spec.env.len()), (vec!["services.web.env_file[0]"], 1));
    let files = Files(
        [
            (".env", "FROM_FILE=1\nTAG=2"),
            ("x.env", "X=${TAG}3\nFROM_FILE\nY='$TAG'"),
            ("raw.env", "Z=\"$TAG\""),
        ]
        .into(),
    );
    let text = "services: {web: {image: i, env_file: [x.env, {path: raw.env, format: raw}], environment: [FROM_FILE, W], secrets: [s]}}\n\
                secrets: {s: {environment: TAG}}";
    let like = try_with("compose.yaml", text, &files).unwrap();
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["X=23", "Y=$TAG", "Z=\"$TAG\"", "FROM_FILE=1"]);
    assert_eq!(lost(&like), ["services.web.environment[1]"]);
    let secret = at(&like, "/run/secrets/s");
    assert!(
        matches!(secret, Mount::Files { entries, .. } if entries[0].content == Content::File(b"2".to_vec())),
        "{secret:?}"
    );
}

#[test]
fn what_a_build_is_given() {
    let dockerfile = "ARG BASE\nFROM $BASE\nARG WHO=1\nUSER $WHO\nENV A=$CALLED\nWORKDIR $UNKNOWN\nRUN x\n";
    let files = Files([("Dockerfile", dockerfile)].into());
    let text = "services: {web: {build: {context: ., args: {BASE: debian:12, WHO: 8}, frob: 1}}}";
    let like = try_with("compose.yaml", text, &files).unwrap();
    assert_eq!(
        (like.image.as_deref(), like.spec.user.clone()),
        (Some("debian:12"), Some(UserSpec::Id(8, None)))
    );
    let expected = ["./Dockerfile: WORKDIR", "services.web.build", "services.web.build.frob"];
    let mut found = lost(&like);
    found.sort_unstable();
    assert_eq!(found, expected);
    let inline =
        super::like("compose.yaml", "services: {web: {build: {dockerfile_inline: \"FROM a\\nUSER 9\\n\"}}}");
    assert_eq!(inline.spec.user, Some(UserSpec::Id(9, None)));
}

#[test]
fn what_of_a_service_is_not_carried_over() {
    let like = service(
        "deploy: {replicas: 2, resources: {limits: {memory: 1m, frob: 1}, reservations: {cpus: '1', devices: [{driver: x}]}}, frob: 1}, \
         dns_search: x, command: [], volumes: [{type: image, source: a, target: /i}, {type: volume, source: v, target: /v, volume: {nocopy: true}}, \
         'w:/w:nocopy']",
    );
    let expected = [
        "services.web.deploy.resources.limits.frob",
        "services.web.deploy.resources.reservations.devices",
        "services.web.deploy.frob",
        "services.web.dns_search",
        "services.web.command",
        "services.web.volumes[0]",
    ];
    assert_eq!(lost(&like), expected);
    for target in ["/i", "/v", "/w"] {
        assert!(matches!(at(&like, target), Mount::Directory { .. }), "{target}");
    }
    assert!(wrong("compose.yaml", "services: {}\n").contains("line 1, column 11: it has no service"));
}

#[test]
fn an_override_takes_away() {
    let over = "services: {web: {ports: !reset [], environment: !override {C: 3}, user: !reset null, cap_add: [KILL]}}";
    let files = Files([("compose.override.yaml", over)].into());
    let text =
        "services: {web: {image: i, ports: [80:80], user: '5', environment: {A: 1}, cap_add: [CHOWN]}}";
    let like = try_with("compose.yaml", text, &files).unwrap();
    assert_eq!((like.spec.user, like.low_ports.len()), (None, 0));
    assert_eq!(like.spec.env, [("C".into(), "3".into())]);
    assert_eq!(like.spec.caps.add.len(), 2);
}

#[test]
fn what_is_extended_has_paths_of_its_own() {
    let base = "services: {base: {extends: {file: more/x.yaml, service: deep}, env_file: [a.env], volumes: ['./src:/src', 'name:/n', {type: bind, source: ., target: \
                /all}], build: {context: app}}}";
    let files = Files(
        [
            ("common/base.yaml", base),
            ("common/more/x.yaml", "services: {deep: {env_file: b.env}}"),
            ("common/a.env", "A=1"),
            ("common/more/b.env", "B=2"),
            ("common/src", ""),
            ("common/app/Dockerfile", "FROM a\nUSER 7\n"),
        ]
        .into(),
    );
    let text = "services: {web: {extends: {file: common/base.yaml, service: base}, privileged: true, cap_drop: [CHOWN]}}";
    let like = try_with("compose.yaml", text, &files).unwrap();
    assert_eq!(like.spec.env, [("B".into(), "2".into()), ("A".into(), "1".into())]);
    assert_eq!((&like.spec.user, like.spec.caps.drop.len()), (&Some(UserSpec::Id(7, None)), 0));
    let source = |target| match at(&like, target) {
        Mount::Bind { source, .. } => Some(source.as_path()),
        _ => None,
    };
    assert_eq!((source("/src"), source("/n")), (Some(Path::new("/project/common/src")), None));
}
