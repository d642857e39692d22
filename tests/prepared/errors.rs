//! What is wrong in a `rootlet.toml`, and how it is told.

use super::scene;
use rootlet::ErrorKind;
use rootlet::recipe::Project;

#[test]
fn each_mistake_has_its_place_and_its_way_out() {
    let Some(scene) = scene("") else { return };
    for (recipe, told) in [
        (
            "pakcages = [\"x\"]",
            &["line 3, column 1: unknown field `pakcages`", "hint: did you mean `packages`?"][..],
        ),
        ("user = 5", &["line 3, column 8:", "expected a user's name, or a table with `name`"]),
        ("packages = \"x\"", &["line 3, column 12:", "expected a sequence"]),
        ("network = \"hots\"", &["line 3, column 11:", "unknown variant `hots`, expected `host` or `none`"]),
        ("run = [\"a\"", &["line 3, column 11: unclosed array, expected `]`"]),
        (
            "user = { name = \"x\", grups = [] }",
            &["line 3, column 22: unknown field `grups`", "did you mean `groups`?"],
        ),
        (
            "preset = \"debian_usr\"",
            &["there is no preset `debian_usr`", "hint: did you mean `debian_user`?"],
        ),
        (
            "copy = [{ from = \"gone\", to = \"/x\" }]",
            &["gone: ENOENT", "hint: paths of a recipe begin where its file lies"],
        ),
        ("copy = [{ from = \"alpine.tar.gz\", to = \"x\" }]", &["`x` is not absolute"]),
        (
            "copy = [{ from = \"alpine.tar.gz\", to = \"/x\", mode = \"999\" }]",
            &["`999` is not a mode", "`0755`"],
        ),
        ("copy = [{ from = \"alpine.tar.gz\", to = \"/x\", owner = \"ghost\" }]", &["ghost"]),
        ("user = \"a:b\"", &["`a:b` is not a user's name"]),
        ("user = { name = \"sam\", home = \"relative\" }", &["`relative` is not an absolute path"]),
        ("user = { name = \"sam\", groups = [\"a,b\"] }", &["`a,b` is not a group's name"]),
        ("packages = [\"--allow-untrusted\"]", &["`--allow-untrusted` is not the name of a package"]),
    ] {
        scene.write("rootlet.toml", &format!("[root.a]\nfrom = \"./alpine.tar.gz\"\n{recipe}\n"));
        let error = scene.build("a").unwrap_err();
        let whole = format!("{error:?}");
        for part in told {
            assert!(whole.contains(part), "{recipe}: {whole}");
        }
    }
    // Mistakes in the project itself.
    for (text, told) in [
        ("[root.a]\nuser = \"sam\"\n", "the recipe does not say what it begins with"),
        ("[root.a]\nfrom = \"host\"\n", "a recipe cannot begin with `host`"),
        ("[root.b]\nfrom = \"./alpine.tar.gz\"\n", "has no recipe `a`"),
        ("[root.ab]\nfrom = \"./alpine.tar.gz\"\n", "hint: did you mean `ab`?"),
        ("[root.a]\nfrom = \"a\"\n", "begin with each other: a → a"),
        ("[root.a]\nfrom = \"b\"\n[root.b]\nfrom = \"c\"\n[root.c]\nfrom = \"b\"\n", "b → c → b"),
        ("[root.\"a/b\"]\nfrom = \"x\"\n", "`a/b` is not the name of a recipe"),
        ("[rot.a]\n", "hint: did you mean `root`?"),
    ] {
        scene.write("rootlet.toml", text);
        scene.refused(told);
    }
}

#[test]
fn a_base_without_a_package_manager_says_so() {
    let recipes = "[root.a]\nfrom = \"ALPINE\"\nrun = [\"rm /sbin/apk\"]\n[root.b]\nfrom = \"a\"\npackages = [\"curl\"]\n";
    let Some(scene) = scene(recipes) else { return };
    let error = scene.build("b").unwrap_err();
    assert!(error.to_string().contains("the base has no package manager"), "{error}");
    assert!(error.hint().unwrap().contains("it has none of apt-get, apk, dnf"), "{error:?}");
}

#[test]
fn a_project_is_found_from_below() {
    let Some(scene) = scene("[root.a]\nfrom = \"ALPINE\"\n") else { return };
    let below = scene.path().join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    let project = Project::find(&below).unwrap();
    assert_eq!(project.directory(), scene.path().canonicalize().unwrap());
    std::fs::remove_file(scene.path().join("rootlet.toml")).unwrap();
    let error = Project::find(&below).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    assert!(error.hint().unwrap().contains("[root.api]"), "{error:?}");
}
