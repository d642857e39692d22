//! From words of the command line to the arguments of a function, and which options stand for them.

use super::kebab;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use rootlet::functions::from_host;
use rootlet::functions::schema::{self, Enum, Schema, Type};
use rootlet::spec::similar::nearest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What options are read with.
#[derive(Clone)]
pub struct Reader {
    /// Where relative paths begin.
    pub here: PathBuf,
    /// Enums of the module and of the API.
    pub enums: Vec<Enum>,
}

impl Reader {
    pub fn new(here: &Path, schema: &Schema) -> Self {
        let core = super::core::enums();
        Self { here: here.to_owned(), enums: schema.enums.iter().cloned().chain(core).collect() }
    }

    /// The option of an argument.
    pub fn option(&self, arg: &schema::Arg) -> Arg {
        let (name, kind) = (kebab(&arg.name), arg.kind.bare());
        let mut help = arg.doc.trim().to_owned();
        if let Some(one) = kind.name().and_then(|name| self.enumeration(name)) {
            let values: Vec<&str> = one.values.iter().map(|value| value.value.as_str()).collect();
            help += &format!("{}one of {}", if help.is_empty() { "" } else { ": " }, values.join(", "));
        }
        match (&arg.default, &arg.default_path) {
            (_, Some(path)) => help += &format!(" [default: {path}]"),
            (Some(value), _) if !value.is_null() && *value != json!("") && *value != json!([]) => {
                help += &format!(" [default: {}]", as_typed(value));
            }
            _ => {}
        }
        let option = Arg::new(arg.name.clone())
            .long(name)
            .help(help.trim().to_owned())
            .value_name(value_name(kind))
            .required(arg.is_required())
            .help_heading("Arguments");
        let option = match kind.name() {
            Some("Directory") => option.value_hint(ValueHint::DirPath),
            Some("File") => option.value_hint(ValueHint::FilePath),
            _ => option,
        };
        match kind {
            Type::Named(name) if name == "Boolean" => option
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(self.parser(arg, kind)),
            Type::List(of) => option.action(ArgAction::Append).value_parser(self.list_parser(arg, of)),
            kind => option.allow_negative_numbers(true).value_parser(self.parser(arg, kind)),
        }
    }

    /// What was said, by the arguments' names.
    pub fn values(&self, args: &[schema::Arg], matches: &ArgMatches) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for arg in args {
            match arg.kind.bare() {
                Type::List(_) => {
                    let Some(said) = matches.get_many::<Value>(&arg.name) else { continue };
                    let all = said.flat_map(|list| list.as_array().cloned().unwrap_or_default());
                    values.insert(arg.name.clone(), all.collect());
                }
                _ => {
                    let said = matches.get_one::<Value>(&arg.name);
                    values.extend(said.map(|value| (arg.name.clone(), value.clone())));
                }
            }
        }
        values
    }

    fn parser(&self, arg: &schema::Arg, kind: &Type) -> ValueParser {
        let (reader, arg, kind) = (self.clone(), arg.clone(), kind.clone());
        ValueParser::new(move |text: &str| reader.value(&arg, &kind, text))
    }

    fn list_parser(&self, arg: &schema::Arg, of: &Type) -> ValueParser {
        let (reader, arg, of) = (self.clone(), arg.clone(), of.bare().clone());
        ValueParser::new(move |text: &str| {
            let items = fields(text)?;
            items.iter().map(|item| reader.value(&arg, &of, item)).collect::<Result<Value, String>>()
        })
    }

    fn value(&self, arg: &schema::Arg, kind: &Type, text: &str) -> Result<Value, String> {
        let Type::Named(name) = kind else { return Err("lists of lists cannot be typed".into()) };
        match name.as_str() {
            "String" => Ok(text.into()),
            "Integer" => text.parse::<i64>().map(Value::from).map_err(|_| "it is no whole number".into()),
            "Float" => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number.into()),
                _ => Err("it is no number".into()),
            },
            "Boolean" => match text {
                "true" | "1" => Ok(true.into()),
                "false" | "0" => Ok(false.into()),
                _ => Err("it is neither true nor false".into()),
            },
            "Directory" | "File" => self.path(arg, name, text),
            "Secret" => self.secret(text),
            "Port" => port(text),
            "Container" if text.is_empty() => Err("it is no base".into()),
            "Container" => Ok(json!({"$": "Container", "steps": [{"do": "from", "address": text}]})),
            "CacheVolume" => Ok(json!({"$": "CacheVolume", "key": text})),
            "GitRepository" => Ok(json!({"$": "GitRepository", "url": text})),
            "GitRef" => Ok(match text.split_once('#') {
                Some((url, version)) => json!({"$": "GitRef", "url": url, "version": version}),
                None => json!({"$": "GitRef", "url": text}),
            }),
            other => match self.enumeration(other) {
                Some(one) => enum_value(one, text),
                None => Err(format!("a {other} cannot be typed: the module alone makes one")),
            },
        }
    }

    fn path(&self, arg: &schema::Arg, name: &str, text: &str) -> Result<Value, String> {
        let path = self.here.join(text.strip_prefix("file://").unwrap_or(text));
        let told = |what: &str| format!("{} {what}", path.display());
        match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(told("does not exist")),
            Err(e) => Err(told(&format!("cannot be read: {e}"))),
            Ok(m) if m.is_dir() != (name == "Directory") => {
                Err(told(if m.is_dir() { "is a directory" } else { "is no directory" }))
            }
            Ok(_) => {
                // A list of directories says of each what it leaves out.
                let one = schema::Arg { kind: Type::Named(name.to_owned()), ..arg.clone() };
                Ok(from_host(&one, &path))
            }
        }
    }

    /// `env:NAME`, `file:PATH`, `cmd:COMMAND`; also with `//`. The value itself is never typed: it would be seen by everybody.
    fn secret(&self, text: &str) -> Result<Value, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let uri = match scheme {
            "env" if std::env::var_os(rest).is_none() => {
                return Err(format!("the variable {rest} is not set"));
            }
            "file" => {
                let path = match rest.strip_prefix("~/").zip(std::env::var_os("HOME")) {
                    Some((below, home)) => PathBuf::from(home).join(below),
                    None => self.here.join(rest),
                };
                if !path.is_file() {
                    return Err(format!("{} is no file", path.display()));
                }
                format!("file://{}", path.display())
            }
            "env" | "cmd" => format!("{scheme}://{rest}"),
            _ => return Err("expected env:NAME, file:PATH or cmd:COMMAND, never the secret itself".into()),
        };
        Ok(json!({"$": "Secret", "uri": uri}))
    }

    fn enumeration(&self, name: &str) -> Option<&Enum> {
        self.enums.iter().find(|one| one.name == name)
    }
}

/// `8080:80`: a port of this machine, and the service's; one alone is both.
fn port(text: &str) -> Result<Value, String> {
    let (ours, theirs) = text.split_once(':').unwrap_or((text, text));
    match (ours.parse::<u16>(), theirs.parse::<u16>()) {
        (Ok(ours), Ok(theirs)) => Ok(json!({"frontend": ours, "backend": theirs})),
        _ => Err("expected PORT or PORT:PORT".into()),
    }
}

fn enum_value(one: &Enum, text: &str) -> Result<Value, String> {
    let exact = one.values.iter().find(|value| value.value == text || value.name == text);
    let nearly = || one.values.iter().find(|value| value.name.eq_ignore_ascii_case(text));
    if let Some(value) = exact.or_else(nearly) {
        return Ok(value.value.as_str().into());
    }
    let names: Vec<&str> = one.values.iter().map(|value| value.value.as_str()).collect();
    Err(match nearest(text, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", names.join(", ")),
    })
}

fn value_name(kind: &Type) -> String {
    match kind {
        Type::List(of) => format!("{}[,…]", value_name(of.bare())),
        Type::Named(name) if name == "Boolean" => "true|false".into(),
        Type::Named(name) => name.clone(),
        Type::Optional(of) => value_name(of),
    }
}

/// A default as one would type it.
fn as_typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_typed).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The fields of a list, as in a line of CSV: a comma in quotes is none.
fn fields(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    all.push(field);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lines_of_csv() {
        for (text, expected) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a,b c,", &["a", "b c", ""]),
            (r#"sh,-c,"echo a, b""#, &["sh", "-c", "echo a, b"]),
            (r#""say ""x""",y"z"#, &[r#"say "x""#, r#"y"z"#]),
        ] {
            assert_eq!(fields(text).unwrap(), expected, "{text}");
        }
        fields("\"a").unwrap_err();
    }

    #[test]
    fn secrets_are_named_and_never_typed() {
        let reader = Reader { here: "/".into(), enums: Vec::new() };
        assert_eq!(reader.secret("env:PATH").unwrap()["uri"], "env://PATH");
        assert_eq!(reader.secret("file:etc/passwd").unwrap()["uri"], "file:///etc/passwd");
        assert_eq!(reader.secret("cmd://pass show x").unwrap()["uri"], "cmd://pass show x");
        for text in ["hunter2", "env:ROOTLET_NOT_SET", "file:/no/such", ""] {
            reader.secret(text).unwrap_err();
        }
    }
}
