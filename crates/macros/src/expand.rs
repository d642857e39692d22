//! From the function that is written to the function that libtest runs.

use crate::argument::Arguments;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, ItemFn, Result, ReturnType, Type};

/// The whole: the function itself without its attributes, and the tests that call it.
pub fn test(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    check(arguments, function)?;
    let name = &function.sig.ident;
    let mut plain = function.clone();
    let (kept, moved): (Vec<_>, Vec<_>) = plain.attrs.drain(..).partition(belongs_to_the_body);
    plain.attrs = kept;
    let body = body(arguments, function);
    if arguments.users.is_empty() {
        let inner = format_ident!("{name}");
        let test = one(arguments, function, &moved, &inner, None, &body);
        // The test has the function's own name, so the function is inside of it.
        return Ok(wrapped(test, &plain));
    }
    let tests = arguments.users.iter().map(|user| {
        let name = identifier(&user.value());
        one(arguments, function, &moved, &name, Some(quote!(.user(#user))), &body)
    });
    let tests: Vec<_> = tests.map(|test| wrapped(test, &plain)).collect();
    Ok(quote! {
        #[cfg(test)]
        mod #name {
            #[allow(unused_imports)]
            use super::*;
            #(#tests)*
        }
    })
}

/// A test function, and where the written one goes in it.
struct Test {
    head: TokenStream,
    tail: TokenStream,
}

fn wrapped(Test { head, tail }: Test, plain: &ItemFn) -> TokenStream {
    quote! { #head { #plain #tail } }
}

fn one(
    arguments: &Arguments,
    function: &ItemFn,
    attributes: &[Attribute],
    name: &Ident,
    user: Option<TokenStream>,
    body: &TokenStream,
) -> Test {
    let calls = user.iter().chain(&arguments.calls);
    // One span for a name and its uses, or a test that another macro writes would not find it.
    let configured = quote!(builder #(#calls)*);
    let configure = match &arguments.with {
        Some(with) => quote!(|builder| #with(#configured)),
        None => quote!(|builder| #configured),
    };
    let origin =
        arguments.origin.iter().map(|(field, value)| quote!(#field: ::core::option::Option::Some(#value),));
    let leaves =
        arguments.leaves.iter().map(|paths| quote!(leaves: ::core::option::Option::Some(&[#(#paths),*]),));
    let why = arguments.why;
    let text = name.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text);
    let (run, output) = if arguments.inside.is_none() {
        let output = &function.sig.output;
        (quote!(run), quote!(#output))
    } else if matches!(function.sig.output, ReturnType::Default) {
        (quote!(run_inside), quote!())
    } else {
        (quote!(run_inside_to_result), quote!(-> ::core::result::Result<(), ::rootlet::testing::Failed>))
    };
    // Where a failure is said to be: at the test, not in this macro.
    let span = function.sig.ident.span();
    let tail = quote_spanned! { span =>
        ::rootlet::testing::Test {
            name: ::core::concat!(::core::module_path!(), "::", #text),
            directory: ::core::env!("CARGO_MANIFEST_DIR"),
            configure: #configure,
            #(#origin)*
            #(#leaves)*
            why: #why,
            ..::rootlet::testing::Test::NEW
        }
        .#run(#body, |text| ::std::eprint!("{text}"))
    };
    let head = quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        fn #name() #output
    };
    Test { head, tail }
}

/// A closure that calls the function as it is written.
fn body(arguments: &Arguments, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    let (parameter, argument) = match arguments.inside {
        Some(_) => (quote!(), quote!()),
        None => (quote!(root: &::rootlet::Rootlet), quote!(root)),
    };
    match function.sig.asyncness {
        None => quote!(|#parameter| #name(#argument)),
        Some(_) => quote! {
            |#parameter| ::tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("failed to start tokio's runtime")
                .block_on(#name(#argument))
        },
    }
}

fn check(arguments: &Arguments, function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(twice) = function.attrs.iter().find(|a| a.path().is_ident("test")) {
        return Err(Error::new(twice.span(), "`#[rootlet::test]` makes it a test already"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "a test has no type parameters"));
    }
    match (arguments.inside, signature.inputs.len(), signature.inputs.first()) {
        (Some(_), 0, _) => {}
        (Some(_), ..) => {
            let why = "the body runs inside: it takes no arguments, the root is `/`";
            return Err(Error::new(signature.inputs.span(), why));
        }
        (None, 1, Some(FnArg::Typed(argument))) if matches!(*argument.ty, Type::Reference(_)) => {}
        (None, ..) => {
            let why = "a test takes its rootlet: `root: &Rootlet`; or, with `inside`, nothing";
            return Err(Error::new(signature.paren_token.span.join(), why));
        }
    }
    match (arguments.inside, &arguments.leaves) {
        (Some(span), Some(_)) => Err(Error::new(
            span,
            "what a body that runs `inside` leaves is not known there: leave out `leaves`",
        )),
        _ => Ok(()),
    }
}

/// What says how the function is compiled, not how libtest runs it.
fn belongs_to_the_body(attribute: &Attribute) -> bool {
    ["allow", "expect", "warn", "deny"].iter().any(|name| attribute.path().is_ident(name))
}

/// `random:0` becomes `random_0`, `1000` becomes `user_1000`.
fn identifier(user: &str) -> Ident {
    let mut name: String = user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || syn::parse_str::<Ident>(&name).is_err() {
        name.insert_str(0, "user_");
    }
    format_ident!("{name}")
}
