//! The page, in a real browser: it folds, is as narrow as its window, is dark where the reader wants that, and prints all of it.

use crate::command::why;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Measures the page, and says so in its title. The page that people get has no script.
const MEASURE: &str = "<script>
const of = (what) => document.querySelectorAll(what);
const told = { details: of('details').length, width: document.documentElement.scrollWidth, window: innerWidth,
    color: getComputedStyle(document.body).color, before: document.body.scrollHeight };
of('details').forEach((one) => { one.open = false; });
told.folded = document.body.scrollHeight;
of('details').forEach((one) => { one.open = true; });
told.unfolded = document.body.scrollHeight;
document.title = JSON.stringify(told);
</script>";

/// A directory with the page, and with the page that measures itself; `None`, said loudly, without a browser.
fn page() -> Option<TempDir> {
    if Command::new("chromium").arg("--version").stdout(Stdio::null()).status().is_err() {
        rootlet_tests::skipped("chromium is not installed");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("why.html");
    let long = "x".repeat(200);
    let script = format!("cat /etc/shadow; mkdir /srv/{long}; ls /root || exit 1");
    why(&["-q", "--format", "html", "--to", page.to_str().unwrap()], &script)?;
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(directory.path().join("measured.html"), text + MEASURE).unwrap();
    Some(directory)
}

fn chromium(directory: &Path, options: &[&str], page: &str) -> String {
    let mut command = Command::new("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-breakpad",
    ]);
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run"]);
    command.arg(format!("--user-data-dir={}", directory.join("browser").display())).args(options);
    command.arg(format!("file://{}", directory.join(page).display()));
    let output = command.env("HOME", directory).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn measured(directory: &Path, options: &[&str]) -> Value {
    let page = chromium(directory, &[options, &["--dump-dom"]].concat(), "measured.html");
    let title = page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
    serde_json::from_str(title).unwrap_or_else(|e| panic!("{e}: {title}"))
}

#[test]
fn a_browser_shows_it() {
    let Some(directory) = page() else { return };
    let told = measured(directory.path(), &["--window-size=1200,800"]);
    let number = |told: &Value, name: &str| told[name].as_u64().unwrap();
    assert!(number(&told, "details") > 6, "{told}");
    assert!(number(&told, "folded") < number(&told, "before"), "{told}");
    assert!(number(&told, "before") < number(&told, "unfolded"), "the fixes are folded at first: {told}");
    assert_eq!(told["color"], "rgb(0, 0, 0)");
    let narrow = measured(directory.path(), &["--window-size=400,800"]);
    assert!(
        number(&narrow, "window") < 600 && number(&narrow, "width") <= number(&narrow, "window"),
        "{narrow}"
    );
    // 0 is dark (mojom's PreferredColorScheme).
    let dark = measured(directory.path(), &["--blink-settings=preferredColorScheme=0"]);
    assert_eq!(dark["color"], "rgb(255, 255, 255)");
}

#[test]
fn it_prints() {
    let Some(directory) = page() else { return };
    let text = std::fs::read_to_string(directory.path().join("why.html")).unwrap();
    // What is folded is printed, too: as much as of a page on which nothing is.
    std::fs::write(directory.path().join("open.html"), text.replace("<details>", "<details open>")).unwrap();
    let printed = |page: &str| {
        let pdf = directory.path().join("page.pdf");
        chromium(directory.path(), &[&format!("--print-to-pdf={}", pdf.display())], page);
        let pdf = std::fs::read(pdf).unwrap();
        assert!(pdf.starts_with(b"%PDF-"));
        pdf.windows(11).filter(|part| part == b"/Type /Page" || part == b"/Type/Page\n").count()
    };
    assert_eq!(printed("why.html"), printed("open.html"));
}
