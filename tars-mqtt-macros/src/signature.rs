//! What holds for every function that a macro calls, and how its text is read.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, FnArg, ReturnType, Safety, Signature, Type, Visibility};

use crate::errors::Errors;

/// A function up to its body, which is handed on as it is.
pub(crate) struct Function {
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        let function = Self { visibility: input.parse()?, signature: input.parse()? };
        if !input.peek(syn::token::Brace) {
            return Err(input.error("expected the function's body"));
        }
        input.parse::<TokenStream>()?;
        Ok(function)
    }
}

impl Function {
    /// Reads the function that an attribute stands on. `place` says where it goes.
    pub(crate) fn read(item: &TokenStream, place: &str) -> syn::Result<Self> {
        syn::parse2(item.clone())
            .map_err(|error| syn::Error::new(error.span(), format!("{error}; {place}")))
    }
}

/// Refuses what cannot be called without knowing more than the signature. `what` it is to be.
pub(crate) fn check(signature: &Signature, what: &str, errors: &mut Errors) {
    let name = &signature.ident;
    if signature.asyncness.is_none() {
        errors.at(signature.fn_token, format!("{what} is async: write `async fn {name}`"));
    }
    if let Some(token) = &signature.constness {
        errors.at(token, format!("{what} runs while the program does; remove `const`"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.at(token, format!("{what} is called by safe code; remove `unsafe`"));
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, format!("{what} is called from Rust; remove `extern`"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, format!("{what} takes a fixed number of arguments; remove `...`"));
    }
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            format!("{what} is called with types that are known; write them in place of generics"),
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        errors.at(clause, format!("{what} has no generics; remove the `where` clause"));
    }
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                format!("{what} is a free function: move it out of the `impl`, without `self`"),
            ),
            FnArg::Typed(argument) => check_type(&argument.ty, errors),
        }
    }
}

fn check_type(ty: &Type, errors: &mut Errors) {
    if let Type::Reference(reference) = ty {
        let owned = match text(&reference.elem).as_str() {
            "str" => "String".to_owned(),
            "[u8]" => "Bytes".to_owned(),
            other => other.to_owned(),
        };
        errors.at(ty, format!("an argument is taken by value: write `{owned}`"));
    } else if contains_impl(ty) {
        errors.at(ty, "the type of an argument is written out: write one in place of `impl`");
    } else if let Some(lifetime) = lifetime(ty.to_token_stream()) {
        errors.at(
            ty,
            format!("an argument owns what it holds: write a type without the lifetime {lifetime}"),
        );
    }
}

/// The type after the arrow, if there is one.
pub(crate) fn returned(signature: &Signature) -> Option<&Type> {
    match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(ty),
    }
}

/// Whether `impl Trait` is part of a type, which then can only be inferred.
pub(crate) fn contains_impl(ty: &Type) -> bool {
    fn contains(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => contains(group.stream()),
            _ => false,
        })
    }
    contains(ty.to_token_stream())
}

fn lifetime(tokens: TokenStream) -> Option<String> {
    let mut after_quote = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if after_quote && ident != "static" => {
                return Some(format!("`'{ident}`"));
            }
            TokenTree::Group(group) => {
                if let Some(found) = lifetime(group.stream()) {
                    return Some(found);
                }
                after_quote = false;
            }
            TokenTree::Punct(punct) => after_quote = punct.as_char() == '\'',
            _ => after_quote = false,
        }
    }
    None
}

/// A type as people write it.
pub(crate) fn text(ty: impl ToTokens) -> String {
    let tokens = ty.to_token_stream().to_string();
    let mut text = String::with_capacity(tokens.len());
    for token in tokens.split_whitespace() {
        let joins = text.is_empty()
            || text.ends_with(['<', ':', '&', '(', '['])
            || token.starts_with(['<', '>', ':', ',', ';', '(', ')', ']']);
        if !joins {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn errors(signature: &Signature) -> Vec<String> {
        let mut errors = Errors::default();
        check(signature, "a handler", &mut errors);
        let Err(errors) = errors.finish() else { return Vec::new() };
        errors.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn an_async_function_of_owned_arguments_passes() {
        assert!(
            errors(&parse_quote!(async fn a(b: Vec<Cow<'static, str>>, c: [u8; 4]) -> D))
                .is_empty()
        );
    }

    #[test]
    fn each_thing_that_cannot_be_called_is_told() {
        assert_eq!(
            errors(&parse_quote!(const unsafe extern "C" fn a<T>(self, b: T, ...) where T: B)),
            [
                "a handler is async: write `async fn a`",
                "a handler runs while the program does; remove `const`",
                "a handler is called by safe code; remove `unsafe`",
                "a handler is called from Rust; remove `extern`",
                "a handler takes a fixed number of arguments; remove `...`",
                "a handler is called with types that are known; write them in place of generics",
                "a handler has no generics; remove the `where` clause",
                "a handler is a free function: move it out of the `impl`, without `self`",
            ]
        );
    }

    #[test]
    fn arguments_that_borrow_are_refused() {
        for (ty, expected) in [
            ("&str", "an argument is taken by value: write `String`"),
            ("&[u8]", "an argument is taken by value: write `Bytes`"),
            ("&mut Json<T>", "an argument is taken by value: write `Json<T>`"),
            ("impl Event", "the type of an argument is written out: write one in place of `impl`"),
            ("Vec<impl A>", "the type of an argument is written out: write one in place of `impl`"),
            (
                "Json<A<'_>>",
                "an argument owns what it holds: write a type without the lifetime `'_`",
            ),
        ] {
            let ty: Type = syn::parse_str(ty).unwrap();
            assert_eq!(errors(&parse_quote!(async fn a(b: #ty))), [expected]);
        }
    }

    #[test]
    fn a_type_reads_as_it_was_written() {
        for ty in [
            "Envelope<LlmRequest>",
            "HashMap<String, Vec<u8>>",
            "Box<dyn Fn() -> u8 + Send>",
            "[u8; 4]",
            "::a::B",
            "Result<(), &'static str>",
        ] {
            assert_eq!(text(syn::parse_str::<Type>(ty).unwrap()), ty);
        }
    }

    #[test]
    fn a_function_needs_a_body() {
        assert!(syn::parse_str::<Function>("pub(crate) async fn a(_: B) { whatever }").is_ok());
        assert!(syn::parse_str::<Function>("async fn a();").is_err());
        assert!(syn::parse_str::<Function>("struct A {}").is_err());
    }
}
