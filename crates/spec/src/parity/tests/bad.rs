//! What is no deployment, or means harm.

use super::{like, try_read, wrong};
use crate::parity::{MOST_BYTES, Request, read};
use proptest::prelude::*;

#[test]
fn no_deployment() {
    assert!(
        wrong("x.yaml", "a: 1\nb: 2\n")
            .starts_with("line 1, column 1: this is no deployment: found a mapping of `a`, `b` (expected ")
    );
    assert!(wrong("x.yaml", "just words\n").contains("found text"));
    assert!(wrong("x.yaml", "# nothing\n").contains("there is nothing in it"));
    assert!(wrong("x.yaml", "kind: Service\nmetadata: {name: s}\n").contains("it holds Service s"));
    assert!(wrong("x.yaml", "kind: ConfigMap\nmetadata: {name: s}\n").contains("only ConfigMaps"));
    assert!(wrong("x.yaml", "kind: Deployment\nmetadata: {name: s}\n").contains("`spec` is missing here"));
    assert!(
        wrong("x.yaml", "kind: Pod\nspec: {containers: 5}\n")
            .contains("line 2, column 20: spec.containers: expected a list, found a number")
    );
    assert!(wrong("x.yaml", "kind: Pod\nspec: {containers: []}\n").contains("Required value"));
    assert!(wrong("x.json", "{\"kind\": \"Pod\",").contains("this is not YAML"));
}

#[test]
fn an_image_config() {
    let text = r#"{"architecture": "amd64", "config": {"User": "101:102", "Env": ["A=1"], "Entrypoint": ["/e"], "Cmd": ["c"], "WorkingDir":
                  "/w", "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}}, "Frob": 1}}"#;
    let like = like("config.json", text);
    assert_eq!(like.spec.argv(), ["/e", "c"]);
    assert_eq!((like.spec.mounts.len(), like.low_ports.as_slice(), like.losses.len()), (1, &[80][..], 1));
    let inspected = super::like("-", r#"[{"Id": "x", "Config": {"User": "5"}}]"#);
    assert_eq!(inspected.spec.user, Some("5".parse().unwrap()));
}

#[test]
fn too_large_or_not_text() {
    let files = super::Files::default();
    let request = Request { name: "x.yaml", select: None, openshift: None, around: &files };
    let e = read(&vec![b' '; MOST_BYTES + 1], &request).unwrap_err();
    assert!(e.to_string().contains("bytes") && e.hint().is_some());
    let e = read(b"kind: Pod\nx: \xff\n", &request).unwrap_err();
    assert_eq!(e.to_string(), "line 2, column 4: this is not UTF-8");
    let tabs = wrong("x.yaml", "kind: Pod\nspec:\n\tcontainers: []\n");
    assert!(tabs.contains("line 3") && tabs.contains("expected spaces"), "{tabs}");
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    let e = wrong("x.yaml", "kind: \"Serv\\eice\"\nmetadata: {name: \"a\\e[31m\"}\n");
    assert!(!e.contains('\x1b'), "{e:?}");
}

const SEEDS: [(&str, &str); 4] = [
    (
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: &m {name: web}\nspec:\n  securityContext: {runAsUser: 1000, fsGroup: 2000, sysctls: [{name: a, value: \
         '1'}]}\n  containers:\n  - name: main\n    image: x\n    args: [$(A), \"b\"]\n    env: [{name: A, valueFrom: {fieldRef: {fieldPath: \
         metadata.labels}}}]\n    resources: {limits: {cpu: 500m, memory: 1Gi}}\n    volumeMounts: [{name: v, mountPath: /v, subPath: k}, {name: e, \
         mountPath: /e}]\n    securityContext: {capabilities: {drop: [ALL]}}\n  volumes:\n  - {name: v, projected: {sources: [{configMap: {name: c, \
         items: [{key: k, path: a/b, mode: 0400}]}}]}}\n  - {name: e, emptyDir: {sizeLimit: 1Mi, medium: Memory}}\n---\nkind: ConfigMap\nmetadata: \
         {name: c}\ndata: {k: v}\nbinaryData: {l: aGk=}\n",
    ),
    (
        "Dockerfile",
        "ARG A=1\nFROM debian:$A AS x\nENV B=\"$A b\" C=${D:-e}\nUSER ${B}\nWORKDIR a\nVOLUME [\"/x\", \"/y\"]\nEXPOSE 80\nRUN echo \\\n  x\nCMD [\"a\", \"b\"]\n\
         FROM x\nENTRYPOINT a b\n",
    ),
    (
        "compose.yaml",
        "services:\n  web:\n    image: i:${T:-1}\n    user: 1000:1000\n    volumes: ['./a:/b:ro', {type: tmpfs, target: /t, tmpfs: {mode: 0700}}]\n    tmpfs: \
         /run:mode=755,uid=1\n    environment: [A=1, B]\n    ulimits: {nofile: 5}\n    ports: ['80:80']\n    extends: {service: web}\n    command: a 'b c'\n",
    ),
    (
        "a.service",
        "[Unit]\n[Service]\nUser=%p\nDynamicUser=yes\nExecStart=@-/bin/x a ${B} \\\n  c\nEnvironment=\"B=1 2\"\nCapabilityBoundingSet=~CAP_CHOWN\n\
         ProtectSystem=strict\nReadWritePaths=-/a\nStateDirectory=b:c\nLimitCPU=1m\nCPUQuota=5%\nUMask=027\n",
    ),
];

/// A piece of text that takes the place of another.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("\n".into()),
        Just(": ".into()),
        Just("- ".into()),
        Just("&a ".into()),
        Just("*a".into()),
        Just("<<: *m".into()),
        Just("${".into()),
        Just("null".into()),
        Just("-1".into()),
        Just("99999999999999999999".into()),
        Just("'".into()),
        Just("[".into()),
        Just("{".into()),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_on_anything(name in "(x.yaml|Dockerfile|a.service|compose.yml|-)", text in any::<String>()) {
        let _ = try_read(&name, &text);
    }

    #[test]
    fn never_panics_on_what_is_nearly_right(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, piece()), 1..4),
    ) {
        let (name, text) = SEEDS[seed];
        let mut text = text.to_owned();
        for (at, length, new) in changes {
            let begins: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let i = at.index(begins.len());
            let end = begins[(i + length).min(begins.len() - 1)];
            text.replace_range(begins[i]..end, &new);
        }
        let _ = try_read(name, &text);
    }

    /// What is understood can be written down, and says the same again.
    #[test]
    fn every_spec_survives_json(seed in 0..SEEDS.len() - 2) {
        let (name, text) = SEEDS[seed];
        let spec = like(name, text).spec;
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(serde_json::from_str::<crate::Spec>(&json).unwrap(), spec);
    }
}

/// What multiplies is refused before it is large: these would take minutes or all memory.
#[test]
fn what_multiplies_is_refused() {
    let stages: String = (1..50_000).map(|n| format!("FROM s{} AS s{n}\n", n - 1)).collect();
    assert!(wrong("Dockerfile", &format!("FROM a AS s0\n{stages}")).contains("instructions"));
    let stages: String = (1..5000).map(|n| format!("FROM s{} AS s{n}\n", n - 1)).collect();
    assert!(wrong("Dockerfile", &format!("FROM a AS s0\n{stages}")).contains("stages build on each other"));
    let doubles: String = (1..60).map(|n| format!("ENV A{n}=$A{}$A{}\n", n - 1, n - 1)).collect();
    assert!(wrong("Dockerfile", &format!("FROM a\nENV A0=xxxxxxxxxx\n{doubles}")).contains("too long"));
    let long = "x".repeat(1 << 19);
    let copies: String = (0..100).map(|n| format!("ENV B{n}=$A\n")).collect();
    assert!(wrong("Dockerfile", &format!("FROM a\nENV A={long}\n{copies}")).contains("unfold to more than"));
    let copies: String = (0..100).map(|n| format!(", {{name: B{n}, value: $(A)}}")).collect();
    let pod = format!(
        "kind: Pod\nspec: {{containers: [{{name: m, env: [{{name: A, value: {long}}}{copies}]}}]}}\n"
    );
    assert!(wrong("p.yaml", &pod).contains("unfold to more than"));
    let words = " $A".repeat(100);
    assert!(
        wrong("a.service", &format!("[Service]\nEnvironment=A={long}\nExecStart=/x{words}\n"))
            .contains("unfold")
    );
    let places: String = (0..2000).map(|n| format!("ReadOnlyPaths=/p{n}\n")).collect();
    assert!(wrong("a.service", &format!("[Service]\n{places}")).contains("more than 500 places"));
}
