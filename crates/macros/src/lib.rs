//! `#[rootlet::test]`. Use it from the crate `rootlet`, with its feature `testing`, whose documents describe it.

mod argument;
mod expand;

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
