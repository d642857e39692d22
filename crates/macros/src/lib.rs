//! `#[rootlet::test]` and `#[rootlet::module]`. Use them from the crate `rootlet`, with its features `testing` and `functions`, whose
//! documents describe them.

mod argument;
mod expand;
mod module;

use proc_macro::TokenStream;

/// A test with a fresh rootlet, or inside one: see the module `testing` of the crate `rootlet`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let function = syn::parse_macro_input!(function as syn::ItemFn);
    let expanded = syn::parse::Parser::parse(argument::Arguments::parse, arguments)
        .and_then(|arguments| expand::test(&arguments, &function));
    // The function stays, so that a wrong argument is the only error that is told of.
    expanded
        .unwrap_or_else(|error| {
            let error = error.to_compile_error();
            quote::quote! { #error #[allow(unused)] #function }
        })
        .into()
}

/// A module whose functions can be called by name: see the module `functions` of the crate `rootlet`.
#[proc_macro_attribute]
pub fn module(_: TokenStream, item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::ItemImpl);
    module::module(item).unwrap_or_else(|error| error.to_compile_error()).into()
}
