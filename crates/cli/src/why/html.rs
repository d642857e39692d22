//! An explanation as one page: it needs no network and no script. Refusals as a list, and the tree of their paths with who may do what.

use rootlet::why::{Component, Refusal, Why};
use std::collections::BTreeMap;
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--bad:#c22;--good:#283}\
@media(prefers-color-scheme:dark){:root{--bad:#f77;--good:#7c8}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}\
code,pre{font-family:ui-monospace,monospace;font-size:.9em}\
pre{white-space:pre-wrap;margin:.2rem 0;padding:.4rem;border:1px solid var(--line);border-radius:4px}\
details{border-left:2px solid var(--line);padding-left:.8rem;margin:.3rem 0}\
summary{cursor:pointer}.bad{color:var(--bad);font-weight:600}.good{color:var(--good)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.4rem 0}dd{margin:0;min-width:0}\
@media(max-width:40rem){dl{grid-template-columns:1fr}dt{font-weight:600}}\
@media print{body{max-width:none}details{break-inside:avoid}details::details-content{content-visibility:visible}}";

pub fn page(why: &Why, command: &[String]) -> String {
    let title = escape(&command.join(" "));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>why: {title}</title><style>{STYLE}</style></head><body>\n<h1>What was refused</h1>\n<p><code>{title}</code></p>\n"
    );
    if why.refusals.is_empty() {
        page += "<p>Nothing was refused.</p>\n";
    }
    for refusal in &why.refusals {
        page += &paragraph(refusal);
    }
    page += &tree(why);
    for sentence in &why.not_seen {
        let _ = writeln!(page, "<p>Not seen: {}</p>", escape(sentence));
    }
    page + "</body></html>\n"
}

fn paragraph(refusal: &Refusal) -> String {
    let open = if refusal.handled { "" } else { " open" };
    let mut text = format!(
        "<details class=\"refusal\"{open}><summary><code>{}</code> <span class=\"bad\">{}</span></summary>\n<p>{}</p>\n<dl>",
        escape(&refusal.call),
        escape(&refusal.errno),
        escape(&refusal.reason())
    );
    let root = match refusal.root_would_pass {
        Some(true) => "would pass",
        Some(false) => "would be refused, too",
        None => "not known",
    };
    let program = format!("{} [{}]", refusal.title(), refusal.pid);
    let (asker, count) = (refusal.asker(), refusal.count.to_string());
    let handled = if refusal.handled { "the programs went on" } else { "the command failed" };
    let rows = [
        ("Program", program.as_str()),
        ("Asked by", &asker),
        ("Root", root),
        ("How often", &count),
        ("Then", handled),
    ];
    for (name, value) in rows {
        let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    text += "</dl>\n";
    for (name, fix) in refusal.fixes.each() {
        let _ = writeln!(text, "<details><summary>{name}</summary><pre>{}</pre></details>", escape(fix));
    }
    text + "</details>\n"
}

/// A directory or file, and what is below it.
#[derive(Default)]
struct Node<'a> {
    component: Option<&'a Component>,
    refuses: bool,
    below: BTreeMap<&'a str, Node<'a>>,
}

fn tree(why: &Why) -> String {
    let mut root = Node::default();
    for refusal in &why.refusals {
        for component in &refusal.components {
            let mut node = &mut root;
            for name in component.path.split('/').filter(|name| !name.is_empty()) {
                node = node.below.entry(name).or_default();
            }
            node.component = Some(component);
            node.refuses |= refusal.refused_by.as_ref() == Some(component);
        }
    }
    match root.component {
        Some(_) => format!("<h2>Paths, and who may do what</h2>\n{}", branch("/", &root)),
        None => String::new(),
    }
}

fn branch(name: &str, node: &Node<'_>) -> String {
    let what = node.component.map(rights).unwrap_or_default();
    let class = if node.refuses { " class=\"bad\"" } else { "" };
    let line = format!("<code{class}>{}</code> {what}", escape(name));
    if node.below.is_empty() {
        return format!("<div>{line}</div>\n");
    }
    let below: String = node.below.iter().map(|(name, node)| branch(name, node)).collect();
    format!("<details open><summary>{line}</summary>\n{below}</details>\n")
}

fn rights(component: &Component) -> String {
    let letters = |shift: u32| -> String {
        let rights = component.mode >> shift;
        [(4, 'r'), (2, 'w'), (1, 'x')]
            .iter()
            .map(|&(bit, c)| if rights & bit != 0 { c } else { '-' })
            .collect()
    };
    let acl = component.acl.as_ref().map(|acl| format!("; {}", escape(acl))).unwrap_or_default();
    format!(
        "uid {} {}, gid {} {}, others {}{acl}",
        component.uid,
        letters(6),
        component.gid,
        letters(3),
        letters(0)
    )
}

/// Nothing of it becomes markup, nor reorders what is around it.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let lines: Vec<_> = text.split('\n').map(rootlet::spec::printable).collect();
    for c in lines.join("\n").chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
    }
    escaped
}
