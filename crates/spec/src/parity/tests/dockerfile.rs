//! Dockerfiles: the last stage or a named one, ARG and ENV, and what is not built.

use super::{like, lost, wrong};
use crate::{ImageDefaults, Mount, UserSpec};

#[test]
fn the_last_stage() {
    let like = like(
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nARG V=1.2\nFROM golang:$V AS build\nUSER root\nFROM debian:\"${V}\"-slim\nARG UID=1001\nARG V\n\
         ENV A=1 B=\"two words\" C=$A$V\nENV OLD form of it\nWORKDIR /srv\nWORKDIR app\nUSER ${UID}:50\nEXPOSE 80/tcp 8080\nVOLUME \
         [\"/data\"]\nRUN <<EOF\necho USER evil\nEOF\nCOPY --from=build /x /y\nCOPY a b\nENTRYPOINT [\"/entry\"]\nCMD serve $A\n",
    );
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=1", "B=two words", "C=1.2", "OLD=form of it"], "of before the instruction");
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
    let triggers = "FROM a AS Base\nONBUILD USER trap\nONBUILD ENV A=1\nUSER own\nFROM base AS c\nENV B=$A\nFROM c\nUSER last\n";
    let c = like("Dockerfile#C", triggers);
    assert_eq!((c.spec.user, c.spec.env.len()), (Some(UserSpec::Name("trap".into(), None)), 2));
    assert_eq!(like("Dockerfile#base", triggers).spec.user, Some(UserSpec::Name("own".into(), None)));
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
    assert!(wrong("Dockerfile", "ARG X=\nFROM $X\n").starts_with("line 2, column 6: FROM names no image"));
    assert!(
        wrong("Dockerfile", "FROM a\nENV b\n")
            .contains("line 2, column 5: `b` has no value (expected NAME=VALUE)")
    );
    assert!(wrong("Dockerfile", "FROM a\nUSER -1\n").starts_with("line 2, column 6: invalid user `-1`"));
    assert!(wrong("Dockerfile", "FROM a\nENV =b\n").contains("without a name"));
    assert!(
        wrong("Dockerfile", "FROM a\nENV a=b\0\n")
            .contains("line 2, column 8: a Dockerfile cannot hold a NUL")
    );
    assert!(wrong("Dockerfile", "").contains("this is not a Dockerfile"));
}

/// docker 20.10 and buildah give the same.
#[test]
fn values_have_their_quotes() {
    let like = like(
        "Dockerfile",
        "FROM scratch\nENV V=v1.2.3 ONE=1\nENV LEGACY \"a b\" c\nENV SINGLE='$V' DOUBLE=\"$V\" MIX=a'b$V'\"c$V\" \"SP\"=a\\ b\nENV ONE=2 OLD=$ONE\n\
         ENV CUT=${V#v} MAJOR=${V%%.*} DASHED=${V//./-}\nWORKDIR \"/c d\"\nVOLUME /v1 \"/v2\" $ONE/v3\n",
    );
    let env: Vec<_> = like.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "V=v1.2.3",
        "LEGACY=a b c",
        "SINGLE=$V",
        "DOUBLE=v1.2.3",
        "MIX=ab$Vcv1.2.3",
        "SP=a b",
        "ONE=2",
        "OLD=1",
        "CUT=1.2.3",
        "MAJOR=v1",
        "DASHED=v1-2-3",
    ];
    assert_eq!(env, expected);
    assert_eq!(like.spec.workdir.as_deref(), Some("/c d"));
    let volumes: Vec<_> = like.spec.mounts.iter().map(Mount::target).collect();
    assert_eq!(volumes, ["/v1", "/v2", "/2/v3"]);
    let escaped =
        super::like("Dockerfile", "# escape=`\nFROM scratch\nENV A=`$X B=a` b P=C:\\foo Q=x`\n y=2\n");
    let env: Vec<_> = escaped.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=$X", "B=a b", "P=C:\\foo", "Q=x", "y=2"]);
}

#[test]
fn what_a_command_says_of_another() {
    let own = like("Dockerfile", "FROM a\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n");
    assert_eq!(own.spec.argv(), ["e", "c"], "of the same stage: kept");
    let images = like("Dockerfile", "FROM a\nCMD [\"c\"]\n");
    assert_eq!((images.spec.entrypoint, images.spec.command), (None, vec!["c".to_owned()]));
    let lines = like("Dockerfile", "FROM a\nCMD run \\\n  # a word\n  --a \\\n\n  --b\n");
    assert_eq!(lines.spec.command, ["/bin/sh", "-c", "run   --a   --b"]);
    let none = like("Dockerfile", "FROM a\nCMD [\"c\"]\nentrypoint  [ ]\nUSER 5\n");
    assert_eq!((none.spec.entrypoint, none.spec.command), (Some(vec![]), vec!["c".to_owned()]));
    let none = like("Dockerfile", "FROM a AS b\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\nFROM b\nENTRYPOINT []\n");
    assert_eq!((none.spec.entrypoint, none.spec.command), (Some(vec![]), vec![]));
}

/// The image that a file begins with has variables that the file does not tell; one that was built from it has them all.
#[test]
fn what_the_file_does_not_set_the_base_does() {
    let text = "FROM dotnet\nENV PATH=/app/bin:$PATH\nARG VERSION\nENV APP_VERSION=$VERSION\nWORKDIR $DIRECTORY/x\nUSER $APP_UID\nVOLUME $DATA\n";
    let like = like("Dockerfile", text);
    assert_eq!(lost(&like), ["WORKDIR", "USER", "VOLUME"]);
    assert!(like.losses[1].why.starts_with("$APP_UID has no value in this file: "), "{}", like.losses[1].why);
    let image = |env: &[(&str, &str)], user: Option<&str>| ImageDefaults {
        env: env.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
        user: user.map(str::to_owned),
        ..ImageDefaults::default()
    };
    let env = |spec: &crate::Spec, name: &str| {
        spec.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let begun = image(&[("PATH", "/usr/bin"), ("APP_UID", "1654"), ("DIRECTORY", "/srv")], None);
    let spec = like.complete(like.spec.clone(), &begun).unwrap();
    assert_eq!(env(&spec, "PATH").as_deref(), Some("/app/bin:/usr/bin"));
    assert_eq!((env(&spec, "APP_VERSION").as_deref(), spec.workdir.as_deref()), (Some(""), Some("/srv/x")));
    assert_eq!(spec.user, Some(UserSpec::Id(1654, None)));
    let built = image(&[("PATH", "/app/bin:/go/bin"), ("APP_VERSION", "7")], Some("9"));
    let spec = like.complete(like.spec.clone(), &built).unwrap();
    assert_eq!((env(&spec, "PATH"), env(&spec, "APP_VERSION")), (None, None), "the image's own stand");
    assert_eq!(spec.user, None, "likewise");
    let mut own = like.spec.clone();
    own.env = vec![("PATH".into(), "/mine".into())];
    assert_eq!(env(&like.complete(own, &begun).unwrap(), "PATH").as_deref(), Some("/mine"));
}

#[test]
fn arguments_of_the_build() {
    let open = like("Dockerfile", "ARG BASE\nFROM ${BASE}\nUSER 5\n");
    assert_eq!((open.image.as_deref(), open.spec.user.clone()), (None, Some(UserSpec::Id(5, None))));
    assert_eq!(lost(&open), ["FROM"]);
    assert_eq!((open.losses[0].place.line, open.losses[0].place.column), (2, 6));
    let of_platform =
        like("Dockerfile", "FROM --platform=$BUILDPLATFORM a-$TARGETOS\nARG TARGETOS\nENV O=$TARGETOS\n");
    assert_eq!(of_platform.image.as_deref(), Some("a-linux"));
    assert_eq!(of_platform.spec.env, [("O".into(), "linux".into())]);
    assert_eq!(lost(&of_platform), [""; 0]);
}
