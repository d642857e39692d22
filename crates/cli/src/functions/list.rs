//! `rootlet functions`: what a module offers.

use super::{is_called, kebab, open, told};
use crate::args::functions::Functions;
use crate::failure::Failure;
use crate::output::{print, table};
use rootlet::functions::schema::{Object, Schema};
use rootlet::spec::printable;
use rootlet::spec::similar::nearest;

/// Objects that give objects are followed this far.
const DEEPEST: usize = 4;

/// Prints a table of them.
pub fn functions(args: &Functions) -> Result<(), Failure> {
    let opened = open(&args.module)?;
    let schema = opened.module.schema(&opened.engine).map_err(|failed| told(&failed))?;
    if args.json {
        return print(&(serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"));
    }
    let mut object = schema.main_object();
    for name in &args.path {
        object = given(schema, &object, name)?;
    }
    let mut rows = vec![["NAME", "DESCRIPTION"].map(str::to_owned).to_vec()];
    let mut line = vec![object.name.clone()];
    add(schema, &object, "", &mut line, &mut rows);
    if rows.len() == 1 {
        return Err(Failure::new(format!("{} has no functions", schema.name))
            .hint("a method becomes one by `@function`, of a class with `@object_type`"));
    }
    print(&table(&rows))
}

/// The functions of an object, and below each those of what it gives.
fn add(schema: &Schema, object: &Object, before: &str, line: &mut Vec<String>, rows: &mut Vec<Vec<String>>) {
    let functions = object.functions.iter().map(|one| (&one.name, &one.doc, &one.returns));
    let fields = object.fields.iter().map(|one| (&one.name, &one.doc, &one.kind));
    for (name, doc, returns) in functions.chain(fields) {
        let name = format!("{before}{}", kebab(&printable(name)));
        let doc = printable(doc.trim().lines().next().unwrap_or_default()).into_owned();
        rows.push(vec![name.clone(), doc]);
        let next = returns.name().and_then(|name| schema.object(name));
        if let Some(next) = next.filter(|next| !line.contains(&next.name) && line.len() < DEEPEST) {
            line.push(next.name.clone());
            add(schema, next, &format!("{name} "), line, rows);
            line.pop();
        }
    }
}

fn given(schema: &Schema, object: &Object, name: &str) -> Result<Object, Failure> {
    let found = object.functions.iter().find(|one| is_called(&one.name, name));
    let Some(function) = found else {
        let names: Vec<String> = object.functions.iter().map(|one| kebab(&one.name)).collect();
        let failure = Failure::new(format!("{} has no function `{name}`", object.name));
        return Err(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        });
    };
    let object = function.returns.name().and_then(|name| schema.object(name));
    object.cloned().ok_or_else(|| {
        Failure::new(format!("`{name}` gives {}, which is no object of {}", function.returns, schema.name))
    })
}
