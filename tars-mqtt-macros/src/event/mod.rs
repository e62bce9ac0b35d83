//! `#[derive(Event)]`.

mod ast;
mod attr;
mod expand;
mod naming;
mod valid;
mod written_alone;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let path = attr::krate(&input.attrs);
    crate::krate::resolve(written(&input), path)
}

fn written(input: &DeriveInput) -> TokenStream {
    match event(input) {
        Ok(event) => expand::event(&event),
        Err(error) => {
            // An event all the same, so that what is said of its uses is not said as well.
            let event = expand::placeholder(input);
            let error = error.to_compile_error();
            quote::quote!(#error #event)
        }
    }
}

fn event(input: &DeriveInput) -> syn::Result<ast::Event<'_>> {
    let mut errors = Errors::default();
    let attr = attr::get(&input.attrs, &mut errors);
    let shape = ast::Shape::of(&input.data, &mut errors);
    let event = valid::event(input, &attr, &shape, &mut errors);
    errors.finish()?;
    Ok(event)
}
