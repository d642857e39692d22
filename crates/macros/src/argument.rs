//! What stands in the brackets: `recipe = "api", user = "sam", inside`. What can be checked here is not left to the test run.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use rootlet_spec::{Fault, Net, Tier, UserSpec, caps, similar};
use std::str::FromStr;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprArray, Ident, LitBool, LitStr, Path, Result, Token};

/// All of them.
#[derive(Default)]
pub struct Arguments {
    /// The body runs in the rootlet.
    pub inside: Option<Span>,
    /// Each is a test of its own.
    pub users: Vec<LitStr>,
    /// Fields of `Origin`: base, recipe, preset, like.
    pub origin: Vec<(Ident, LitStr)>,
    /// Calls on the builder.
    pub calls: Vec<TokenStream>,
    /// Is given the builder, and gives it back.
    pub with: Option<Path>,
    /// What a test may leave behind.
    pub leaves: Option<Vec<LitStr>>,
    /// Its commands are traced.
    pub why: bool,
    seen: Vec<Ident>,
}

const KEYS: [&str; 20] = [
    "base",
    "recipe",
    "preset",
    "like",
    "user",
    "users",
    "groups",
    "workdir",
    "env",
    "net",
    "read_only",
    "cap_add",
    "cap_drop",
    "umask",
    "faults",
    "tier",
    "leaves",
    "inside",
    "why",
    "with",
];

impl Arguments {
    pub fn parse(input: ParseStream) -> Result<Self> {
        let mut all = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if all.seen.contains(&key) {
                return Err(Error::new(key.span(), format!("`{key}` is said twice")));
            }
            all.one(&key, input)?;
            all.seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        all.check()?;
        Ok(all)
    }

    fn one(&mut self, key: &Ident, input: ParseStream) -> Result<()> {
        match key.to_string().as_str() {
            "inside" => self.inside = Some(key.span()),
            "why" => self.why = true,
            "base" | "recipe" | "preset" | "like" => self.origin.push((key.clone(), value(input)?)),
            "user" => {
                let user = parsed::<UserSpec>(value(input)?)?;
                self.calls.push(quote!(.user(#user)));
            }
            "users" => {
                self.users = list(input)?.into_iter().map(parsed::<UserSpec>).collect::<Result<_>>()?
            }
            "groups" => self.calls.extend(list(input)?.iter().map(|group| quote!(.group(#group)))),
            "workdir" => {
                let path: LitStr = value(input)?;
                self.calls.push(quote!(.workdir(#path)));
            }
            "env" => self.env(input)?,
            "net" => {
                let net = parsed::<Net>(value(input)?)?;
                self.calls.push(quote!(.net(#net.parse().expect("checked by the macro"))));
            }
            "tier" => {
                let tier = parsed::<Tier>(value(input)?)?;
                self.calls.push(quote!(.tier(#tier.parse().expect("checked by the macro"))));
            }
            "read_only" => {
                let set: LitBool = value(input)?;
                self.calls.push(quote!(.read_only(#set)));
            }
            "umask" => {
                let mask: syn::LitInt = value(input)?;
                self.calls.push(quote!(.umask(#mask)));
            }
            "cap_add" | "cap_drop" => {
                let names = list(input)?;
                for name in &names {
                    caps::parse(&name.value()).map_err(|e| told(name.span(), &e))?;
                }
                self.calls.extend(names.iter().map(|name| quote!(.#key(#name))));
            }
            "faults" => {
                let faults = list(input)?.into_iter().map(parsed::<Fault>).collect::<Result<Vec<_>>>()?;
                let calls = faults.iter().map(|f| quote!(.fault(#f.parse().expect("checked by the macro"))));
                self.calls.extend(calls);
            }
            "leaves" => self.leaves = Some(list(input)?),
            "with" => self.with = Some(value(input)?),
            other => return Err(unknown(key.span(), other)),
        }
        Ok(())
    }

    /// `env = { NAME = "value", … }`.
    fn env(&mut self, input: ParseStream) -> Result<()> {
        input.parse::<Token![=]>()?;
        let braces;
        syn::braced!(braces in input);
        let pairs = Punctuated::<(Ident, LitStr), Token![,]>::parse_terminated_with(&braces, |pair| {
            let name = pair.parse()?;
            pair.parse::<Token![=]>()?;
            Ok((name, pair.parse()?))
        })?;
        self.calls.extend(pairs.iter().map(|(name, value)| {
            let name = name.to_string();
            quote!(.env(#name, #value))
        }));
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let roots: Vec<_> = self.origin.iter().filter(|(key, _)| *key != "like").collect();
        if let [_, (second, _), ..] = roots[..] {
            return Err(Error::new(second.span(), "a test has one of base, recipe and preset"));
        }
        let user = self.seen.iter().find(|key| *key == "user").filter(|_| !self.users.is_empty());
        if let Some(user) = user {
            return Err(Error::new(user.span(), "a test has `user` or `users`"));
        }
        if self.seen.iter().any(|key| key == "users") && self.users.is_empty() {
            return Err(Error::new(Span::call_site(), "`users` is empty: there would be no test"));
        }
        Ok(())
    }
}

fn unknown(span: Span, key: &str) -> Error {
    let next = match similar::nearest(key, KEYS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected {}", KEYS.join(", ")),
    };
    Error::new(span, format!("there is no argument `{key}`: {next}"))
}

/// `= VALUE`.
fn value<T: syn::parse::Parse>(input: ParseStream) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// `= ["…", …]`.
fn list(input: ParseStream) -> Result<Vec<LitStr>> {
    let array: ExprArray = value(input)?;
    let text = |item: &Expr| match item {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), "expected a string")),
    };
    array.elems.iter().map(text).collect()
}

/// The text again, which is what it should be.
fn parsed<T: FromStr<Err = rootlet_spec::ParseError>>(text: LitStr) -> Result<LitStr> {
    match text.value().parse::<T>() {
        Ok(_) => Ok(text),
        Err(error) => Err(told(text.span(), &error)),
    }
}

fn told(span: Span, error: &rootlet_spec::ParseError) -> Error {
    match error.hint() {
        Some(hint) => Error::new(span, format!("{error}; {hint}")),
        None => Error::new(span, error.to_string()),
    }
}
