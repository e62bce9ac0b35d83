//! Checks that need the types: they run when the program's constants are evaluated, and each shows
//! where the span of its call says.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;

use super::ast::{Argument, Handler};
use super::attr::Filter;
use crate::fields::optional;
use crate::signature::text;

pub(super) fn constant(handler: &Handler<'_>) -> Option<TokenStream> {
    let taken: Vec<&Argument<'_>> = handler.taken().collect();
    if taken.is_empty() {
        return None;
    }
    let arguments = local("arguments", Span::call_site());
    let infos = taken.iter().map(|argument| {
        let ty = argument.ty;
        let text = text(ty);
        let name = optional(argument.name.map(|name| name.unraw().to_string().to_token_stream()));
        quote! {
            ::tars_mqtt::__private::Argument {
                name: #name,
                text: #text,
                takes_payload: <#ty as ::tars_mqtt::extract::FromMessage>::TAKES_PAYLOAD,
                event: <#ty as ::tars_mqtt::extract::FromMessage>::EVENT,
            }
        }
    });
    let payloads = taken.iter().enumerate().skip(1).map(|(index, argument)| {
        let span = argument.ty.span();
        let arguments = local("arguments", span);
        quote_spanned!(spot(span)=>
            ::tars_mqtt::__private::check_payload(&#arguments, #index);
        )
    });
    let filter = match &handler.attr.filter {
        Filter::Written(literal, _) => suits(literal),
        _ => names_topic(handler),
    };
    Some(quote! {
        const _: () = {
            let #arguments = [#(#infos),*];
            #(#payloads)*
            #filter
        };
    })
}

fn suits(literal: &LitStr) -> TokenStream {
    let arguments = local("arguments", literal.span());
    let filter = literal.value();
    quote_spanned!(spot(literal.span())=>
        ::tars_mqtt::__private::check_filter(#filter, &#arguments);
    )
}

fn names_topic(handler: &Handler<'_>) -> TokenStream {
    let arguments = local("arguments", Span::call_site());
    let dead_letter = handler.attr.options.dead_letter.as_ref().map(|dead_letter| {
        let span = dead_letter.tokens.span();
        let arguments = local("arguments", span);
        let topic = &dead_letter.value;
        quote_spanned!(spot(span)=>
            ::tars_mqtt::__private::check_dead_letter(#topic, &#arguments);
        )
    });
    quote! {
        ::tars_mqtt::__private::check_topic(&#arguments);
        #dead_letter
    }
}

/// The user's place, with the macro's names.
fn spot(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// A name that nothing of the user's can be confused with.
fn local(name: &str, span: Span) -> proc_macro2::Ident {
    proc_macro2::Ident::new(name, span.resolved_at(Span::mixed_site()))
}
