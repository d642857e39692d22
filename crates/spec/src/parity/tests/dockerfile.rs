//! Dockerfiles: the last stage or a named one, ARG and ENV, and what is not built.

use super::{like, lost, wrong};
use crate::{Mount, UserSpec};

#[test]
fn the_last_stage() {
    let like = like(
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nARG V=1.2\nFROM golang:$V AS build\nUSER root\nFROM debian:\"${V}\"-slim\nARG UID=1001\nARG V\n\
         ENV A=1 B=\"two words\" C=$A$V\nENV OLD form of it\nWORKDIR /srv\nWORKDIR app\nUSER ${UID}:50\nEXPOSE 80/tcp 8080\nVOLUME \
         [\"/data\"]\nRUN <<EOF\necho USER evil\nEOF\nCOPY --from=build /x /y\nCOPY a b\nENTRYPOINT [\"/entry\"]\nCMD serve $A\n",
    );
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=1", "B=two words", "C=11.2", "OLD=form of it"]);
    assert_eq!(like.image.as_deref(), Some("debian:1.2-slim"));
    assert_eq!(like.spec.user, Some("1001:50".parse::<UserSpec>().unwrap()));
    assert_eq!(like.spec.workdir.as_deref(), Some("/srv/app"));
    assert_eq!(like.spec.argv(), ["/entry", "/bin/sh", "-c", "serve $A"]);
    assert_eq!(like.spec.mounts, [Mount::Volume { target: "/data".into() }]);
    assert_eq!(like.low_ports, [80]);
    assert_eq!(lost(&like), ["RUN", "COPY"]);
    assert_eq!(like.losses[1].place.line, 18);
}

#[test]
fn stages_build_on_stages() {
    let text = "FROM alpine:3.20 AS base\nUSER app\nENV A=1\nCMD [\"x\"]\nFROM base AS api\nENV B=2\nENTRYPOINT [\"/api\"]\nFROM scratch\nUSER 5\n";
    let api = like("Containerfile#api", text);
    assert_eq!(api.image.as_deref(), Some("alpine:3.20"));
    assert_eq!(api.spec.user, Some(UserSpec::Name("app".into(), None)));
    assert_eq!(api.spec.argv(), ["/api"], "an entrypoint sets the command before it aside");
    assert_eq!(api.spec.env.len(), 2);
    let last = like("Containerfile", text);
    assert_eq!((last.image, last.spec.user), (None, Some(UserSpec::Id(5, None))));
    assert!(wrong("Dockerfile#web", text).contains("no stage web (it has base, api, 2)"));
}

#[test]
fn by_name_or_by_what_it_holds() {
    for name in [
        "Dockerfile",
        "Dockerfile.prod",
        "api.dockerfile",
        "deploy/Containerfile",
        "somewhere__Dockerfile",
        "-",
    ] {
        assert_eq!(like(name, "FROM scratch\nUSER 7\n").spec.user, Some(UserSpec::Id(7, None)), "{name}");
    }
}

#[test]
fn what_is_wrong_has_a_place() {
    assert!(
        wrong("Dockerfile", "FROM a\nUSR x\n").starts_with("line 2, column 1: this is not a Dockerfile: ")
    );
    assert!(wrong("Dockerfile", "ARG X\nFROM $X\n").starts_with("line 2, column 6: FROM names no image"));
    assert!(wrong("Dockerfile", "").contains("this is not a Dockerfile"));
}
