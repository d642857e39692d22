//! What a service of systemd finds: its account, its limits, and its directories below places that it may not write.

use crate::{Written, alpine};
use rootlet::Rootlet;

/// The caller's own hard limit of open files.
fn own_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(4).unwrap().parse().unwrap_or(u64::MAX)
}

#[track_caller]
fn told(root: &Rootlet, script: &str) -> String {
    let output = root.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_made_below_a_read_only_place() {
    let Some(base) = alpine() else { return };
    let text = "[Service]\nExecStart=/bin/x\nProtectSystem=full\nConfigurationDirectory=apk fresh\nStateDirectory=x\n";
    let root = Rootlet::builder(&base).like(&Written::new("x.service", text).like()).spawn().unwrap();
    // What the package brought is there, what was not there is, and both may be written beside what may not.
    let script = "cat /etc/apk/repositories >/etc/fresh/copy && touch /etc/apk/own && ! touch /etc/own 2>/dev/null && wc -l </etc/fresh/copy";
    assert_ne!(told(&root, script).trim(), "0");
}

#[test]
fn root_without_an_account() {
    let Some(base) = alpine() else { return };
    let file = Written::new("x.service", "[Service]\nExecStart=/bin/x\nPrivateDevices=yes\n");
    // A shell sets some of its own.
    let script = "env | grep -cE '^(HOME|HOSTNAME)='; id -G; grep CapBnd /proc/self/status";
    let root = Rootlet::builder(&base).like(&file.like()).spawn().unwrap();
    // All but MKNOD and SYS_RAWIO, and no membership of /etc/group.
    assert_eq!(told(&root, script), "0\n0\nCapBnd:\t000001fff7fdffff\n");
    let named = Rootlet::builder(&base).like(&file.like()).user("0").spawn().unwrap();
    assert_eq!(told(&named, "echo ${HOME-none}"), "none\n", "the same user");
    let other = Rootlet::builder(&base).like(&file.like()).user("nobody").spawn().unwrap();
    assert_eq!(told(&other, "echo ${HOME-none} $(id -un)"), "/ nobody\n", "who is named has a home");
}

#[test]
fn a_limit_above_the_callers_own() {
    let Some(base) = alpine() else { return };
    let own = own_limit();
    if own == u64::MAX {
        return rootlet_tests::skipped("the caller may open as many files as there are");
    }
    for (name, text) in [
        ("x.service", format!("[Service]\nUser=nobody\nExecStart=/bin/x\nLimitNOFILE={}\n", own + 1)),
        ("compose.yaml", format!("services: {{x: {{image: i, ulimits: {{nofile: {}}}}}}}\n", own + 1)),
    ] {
        let like = Written::new(name, &text).like();
        let root = Rootlet::builder(&base).like(&like).spawn().unwrap();
        assert_eq!(told(&root, "ulimit -Hn").trim(), own.to_string());
        let said = format!("nofile={} ({own})", own + 1);
        let report = &root.report().not_reproduced;
        assert!(report.iter().any(|line| line.ends_with(&said)), "{report:?}");
    }
}
