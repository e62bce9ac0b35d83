//! `#[subscribe]`.

mod ast;
mod attr;
mod check;
mod expand;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::signature::Function;

pub(crate) fn subscribe(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let function = match Function::read(item, "#[subscribe] goes above an `async fn`") {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    match handler(arguments, &function) {
        Ok(handler) => {
            let handler = expand::handler(&handler);
            quote! {
                // Async and by value because a handler is, whatever its body does.
                #[allow(clippy::unused_async, clippy::needless_pass_by_value)]
                #item
                #handler
            }
        }
        Err(error) => {
            // A handler all the same, so that what is said of its uses is not said as well.
            let handler = expand::placeholder(&function);
            let error = error.to_compile_error();
            quote!(#error #item #handler)
        }
    }
}

fn handler(arguments: TokenStream, function: &Function) -> syn::Result<ast::Handler<'_>> {
    let mut errors = Errors::default();
    crate::signature::check(&function.signature, "a handler", &mut errors);
    let attr = match errors.ok(syn::parse2(arguments)) {
        Some(arguments) => attr::get(arguments, &mut errors),
        None => attr::Attr { filter: attr::Filter::Wrong, ..attr::Attr::default() },
    };
    let handler = ast::Handler::of(function, attr);
    valid::check(&handler, &mut errors);
    errors.finish()?;
    Ok(handler)
}
