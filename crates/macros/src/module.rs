//! From the methods that are written to a module whose functions can be called by name.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, Lit, LitStr, Meta, Pat,
    PathArguments, ReceiverKind, Result, ReturnType, Type,
};

/// A function of a module.
struct Function<'a> {
    method: &'a ImplItemFn,
    doc: String,
    check: bool,
    /// How long its answer is kept; nothing: it is not.
    cache: String,
    arguments: Vec<Argument>,
}

struct Argument {
    name: String,
    kind: Type,
    doc: String,
    default: Option<Expr>,
}

/// The methods without our attributes, and what makes a module of them.
pub fn module(mut item: ItemImpl) -> Result<TokenStream> {
    if let Some((path, _)) = &item.trait_ {
        return Err(Error::new(path.span(), "a module is made of a type's own methods: `impl Module { … }`"));
    }
    let (mut plain, mut methods) = (Vec::new(), Vec::new());
    for entry in std::mem::take(&mut item.items) {
        match entry {
            ImplItem::Fn(method) => {
                plain.push(ImplItem::Fn(stripped(&method)));
                methods.push(method);
            }
            other => plain.push(other),
        }
    }
    let of = |wanted: fn(&ImplItemFn) -> bool| methods.iter().filter(move |method| wanted(method));
    let functions: Vec<Function<'_>> =
        of(|method| has(method, "function") || has(method, "check")).map(read).collect::<Result<_>>()?;
    let constructor = of(|method| method.sig.ident == "new").next().map(read).transpose()?;
    let functions: Vec<_> = functions.into_iter().filter(|f| f.method.sig.ident != "new").collect();
    item.items = plain;
    let (kind, doc) = (&item.self_ty, doc(&item.attrs));
    let name = name_of(kind)?;
    let described = functions.iter().map(described);
    let calls = functions.iter().map(call);
    let constructor_args = constructor.iter().flat_map(|new| &new.arguments).map(schema);
    let construct = match &constructor {
        Some(new) => made(new),
        None => quote!(::core::result::Result::Ok(<Self as ::core::default::Default>::default())),
    };
    Ok(quote! {
        #item
        #[allow(unused_variables, clippy::all)]
        impl ::rootlet::functions::serve::Served for #kind {
            fn describe() -> ::rootlet::functions::schema::Object {
                ::rootlet::functions::schema::Object {
                    name: #name.into(),
                    doc: #doc.into(),
                    constructor: ::std::vec![#(#constructor_args),*],
                    fields: ::std::vec::Vec::new(),
                    functions: ::std::vec![#(#described),*],
                }
            }
            fn construct(
                client: &::rootlet::functions::Client,
                arguments: &::rootlet::functions::serve::Arguments,
            ) -> ::rootlet::functions::Result<Self> {
                #construct
            }
            fn call<'a>(
                &'a self,
                client: &'a ::rootlet::functions::Client,
                function: &'a str,
                arguments: &'a ::rootlet::functions::serve::Arguments,
            ) -> ::rootlet::functions::serve::Called<'a> {
                ::std::boxed::Box::pin(async move {
                    match function {
                        #(#calls)*
                        _ => ::core::result::Result::Err(::rootlet::functions::serve::no_such(function)),
                    }
                })
            }
        }
    })
}

fn has(method: &ImplItemFn, name: &str) -> bool {
    method.attrs.iter().any(|attribute| attribute.path().is_ident(name))
}

/// Without what only we understand.
fn stripped(method: &ImplItemFn) -> ImplItemFn {
    let mut method = method.clone();
    let ours =
        |attribute: &Attribute| attribute.path().is_ident("function") || attribute.path().is_ident("check");
    if method.attrs.iter().any(ours) || method.sig.ident == "new" {
        method.attrs.retain(|attribute| !ours(attribute));
        for input in &mut method.sig.inputs {
            if let FnArg::Typed(typed) = input {
                typed.attrs.retain(|attribute| {
                    !attribute.path().is_ident("default") && !attribute.path().is_ident("doc")
                });
            }
        }
    }
    method
}

fn read(method: &ImplItemFn) -> Result<Function<'_>> {
    let is_new = method.sig.ident == "new";
    let mut arguments = Vec::new();
    let mut takes_itself = false;
    for input in &method.sig.inputs {
        match input {
            FnArg::Receiver(receiver) if matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {
                takes_itself = true;
            }
            FnArg::Receiver(receiver) => {
                return Err(Error::new(receiver.span(), "a function takes `&self`"));
            }
            FnArg::Typed(typed) => {
                let Pat::Ident(name) = &*typed.pat else {
                    return Err(Error::new(typed.pat.span(), "an argument of a function has a plain name"));
                };
                if matches!(*typed.ty, Type::Reference(_)) {
                    let what = "an argument of a function is owned: `String`, not `&str`";
                    return Err(Error::new(typed.ty.span(), what));
                }
                arguments.push(Argument {
                    name: name.ident.to_string().trim_start_matches("r#").to_owned(),
                    kind: (*typed.ty).clone(),
                    doc: doc(&typed.attrs),
                    default: default(&typed.attrs)?,
                });
            }
        }
    }
    if takes_itself == is_new {
        let what =
            if is_new { "`new` makes the module, and takes no `&self`" } else { "a function takes `&self`" };
        return Err(Error::new(method.sig.ident.span(), what));
    }
    let (doc, check, cache) = (doc(&method.attrs), has(method, "check"), cache(&method.attrs)?);
    Ok(Function { method, doc, check, cache, arguments })
}

/// `#[function(cache = "5m")]`.
fn cache(attributes: &[Attribute]) -> Result<String> {
    let mut said = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("function")) {
        if matches!(attribute.meta, Meta::Path(_)) {
            continue;
        }
        attribute.parse_nested_meta(|option| {
            if !option.path.is_ident("cache") {
                return Err(option.error("a function takes `cache = \"5m\"`, and nothing else"));
            }
            let text: LitStr = option.value()?.parse()?;
            text.value().parse::<rootlet_spec::Keep>().map_err(|e| Error::new(text.span(), e))?;
            said = text.value();
            Ok(())
        })?;
    }
    Ok(said)
}

/// `#[default(1000)]` of an argument.
fn default(attributes: &[Attribute]) -> Result<Option<Expr>> {
    let found = attributes.iter().find(|attribute| attribute.path().is_ident("default"));
    found.map(|attribute| attribute.parse_args()).transpose()
}

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn name_of(kind: &Type) -> Result<String> {
    match kind {
        Type::Path(path) if path.path.get_ident().is_some() => {
            Ok(path.path.get_ident().map(ToString::to_string).unwrap_or_default())
        }
        _ => Err(Error::new(kind.span(), "a module is a type with a plain name")),
    }
}

fn default_of(argument: &Argument) -> TokenStream {
    match &argument.default {
        Some(value) => quote!(::core::option::Option::Some(::rootlet::functions::serve::json(#value))),
        None => quote!(::core::option::Option::None),
    }
}

fn schema(argument: &Argument) -> TokenStream {
    let (name, kind, doc, default) = (&argument.name, &argument.kind, &argument.doc, default_of(argument));
    quote!(::rootlet::functions::serve::argument::<#kind>(#name, #doc, #default))
}

/// What a function gives, and whether it may fail.
fn output(function: &Function<'_>) -> (TokenStream, bool) {
    let ReturnType::Type(_, kind) = &function.method.sig.output else { return (quote!(()), false) };
    if let Type::Path(path) = &**kind
        && let Some(last) = path.path.segments.last()
        && last.ident == "Result"
        && let PathArguments::AngleBracketed(of) = &last.arguments
        && let Some(GenericArgument::Type(value)) = of.args.first()
    {
        return (quote!(#value), true);
    }
    (quote!(#kind), false)
}

fn described(function: &Function<'_>) -> TokenStream {
    let name = function.method.sig.ident.to_string();
    let (doc, check, (output, _)) = (&function.doc, function.check, output(function));
    let (arguments, cache) = (function.arguments.iter().map(schema), &function.cache);
    let arguments = quote!(::std::vec![#(#arguments),*]);
    quote!(::rootlet::functions::serve::function::<#output>(#name, #doc, #arguments, #check, #cache))
}

fn taken(function: &Function<'_>) -> (Vec<TokenStream>, Vec<syn::Ident>) {
    let names: Vec<_> =
        (0..function.arguments.len()).map(|number| format_ident!("argument_{number}")).collect();
    let taken = function.arguments.iter().zip(&names).map(|(argument, place)| {
        let (name, kind, default) = (&argument.name, &argument.kind, default_of(argument));
        quote!(let #place: #kind = ::rootlet::functions::serve::take(client, arguments, #name, #default)?;)
    });
    (taken.collect(), names)
}

fn call(function: &Function<'_>) -> TokenStream {
    let (ident, name) = (&function.method.sig.ident, function.method.sig.ident.to_string());
    let (taken, places) = taken(function);
    let waits = function.method.sig.asyncness.iter().map(|_| quote!(.await));
    let (kind, fails) = output(function);
    let fails = fails.then(|| quote!(.map_err(::core::convert::Into::<::rootlet::functions::Failed>::into)?));
    quote! {
        #name => {
            #(#taken)*
            let given: #kind = self.#ident(#(#places),*) #(#waits)* #fails;
            ::core::result::Result::Ok(::rootlet::functions::serve::Told::tell(&given))
        }
    }
}

fn made(new: &Function<'_>) -> TokenStream {
    let (taken, places) = taken(new);
    let (_, fails) = output(new);
    let made = quote!(Self::new(#(#places),*));
    let made = match fails {
        true => quote!(#made.map_err(::core::convert::Into::into)),
        false => quote!(::core::result::Result::Ok(#made)),
    };
    quote!(#(#taken)* #made)
}
