//! Package managers that no root at hand has, played by scripts that write down what they were told.

use super::{says, scene};
use rootlet::recipe::{Lock, Locked};

/// `PROGRAM` says what it was told, and that it has installed something; `LISTS` is who is asked then.
const RECIPES: &str = r#"
    [root.bare]
    from = "ALPINE"
    run = ["""
    rm /sbin/apk /lib/apk/db/installed
    mkdir -p /usr/bin
    printf '#!/bin/sh\necho "$0 $*" > /srv/told\necho "tree 2.1-1" >> /srv/there\n' > PROGRAM
    printf '#!/bin/sh\necho "$0 $*" > /srv/asked\ncat /srv/there\n' > LISTS
    chmod 755 PROGRAM LISTS
    echo 'base 1-1' > /srv/there
    """]

    [root.a]
    from = "bare"
    packages = ["tree", "g++"]
"#;

#[test]
fn each_is_told_in_its_own_way() {
    for (program, lists, told) in [
        ("/usr/bin/dnf", "/usr/bin/rpm", "-y --setopt=install_weak_deps=False install tree g++"),
        ("/usr/bin/microdnf", "/usr/bin/rpm", "-y --setopt=install_weak_deps=0 install tree g++"),
        ("/usr/bin/zypper", "/usr/bin/rpm", "--non-interactive install --no-recommends tree g++"),
    ] {
        let Some(scene) = scene(&RECIPES.replace("PROGRAM", program).replace("LISTS", lists)) else { return };
        assert_eq!(says(&scene.base(), "cat /srv/told"), format!("{program} {told}\n"));
        let lock = Lock::of(&scene.project().unwrap(), &scene.resolver()).unwrap();
        lock.save(scene.path()).unwrap();
        let text = std::fs::read_to_string(scene.path().join("rootlet.lock")).unwrap();
        assert!(
            text.contains("name = \"tree\"\nversion = \"2.1-1\"") && !text.contains("name = \"base\""),
            "{text}"
        );
        // It would be another version by now.
        scene.say("tree 2.1-1", "tree 2.2-1");
        let strict = scene.project().unwrap().with_lock(Locked::Strictly);
        let error = strict.base("a", &scene.resolver()).unwrap_err();
        assert!(
            error.to_string().contains("`tree` of the version 2.1-1 is what the lock file says"),
            "{error:?}"
        );
    }
}
