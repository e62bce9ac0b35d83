use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::FnArg;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use tars_mqtt_topic::Wildcard;

use super::ast::{Argument, Handler, Source};
use super::attr::{Filter, Options};
use super::check;
use crate::duration;
use crate::fields::{self, Fields, number, optional, some, variant};
use crate::signature::{self, Function};

/// The type beside the function, what it is as a handler, and its entry in the registry.
pub(super) fn handler(handler: &Handler<'_>) -> TokenStream {
    let name = &handler.function.signature.ident;
    let checks = check::constant(handler);
    let spec = spec(handler);
    let call = call(handler);
    let implementation = implementation(handler.function, &spec, &call, &requirements(handler));
    quote! {
        #implementation
        #checks
        ::tars_mqtt::__private::inventory::submit! {
            ::tars_mqtt::__private::Registration::of::<#name>()
        }
    }
}

/// Stands in for a handler whose attribute or function is wrong.
pub(super) fn placeholder(function: &Function) -> Option<TokenStream> {
    // Beside a method there is no room for a type.
    if function.signature.inputs.iter().any(|input| matches!(input, FnArg::Receiver(_))) {
        return None;
    }
    let spec = quote! {
        ::tars_mqtt::__private::HandlerSpec {
            name: "",
            file: "",
            line: 0,
            pattern: "#",
            event: ::core::option::Option::None,
            options: ::tars_mqtt::__private::Options::DEFAULT,
        }
    };
    let call = quote! {
        async fn call(
            _: &::tars_mqtt::extract::Context,
        ) -> ::core::result::Result<(), ::tars_mqtt::__private::Failure> {
            ::core::result::Result::Ok(())
        }
    };
    let requirements = quote! {
        fn requirements(_: &mut ::tars_mqtt::extract::Requirements<'_>) {}
    };
    Some(implementation(function, &spec, &call, &requirements))
}

fn implementation(
    function: &Function,
    spec: &TokenStream,
    call: &TokenStream,
    requirements: &TokenStream,
) -> TokenStream {
    let visibility = &function.visibility;
    let name = &function.signature.ident;
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, missing_debug_implementations)]
        #visibility struct #name {}

        #[automatically_derived]
        #[allow(deprecated)]
        impl ::tars_mqtt::__private::Handler for #name {
            const SPEC: ::tars_mqtt::__private::HandlerSpec = #spec;
            #call
            #requirements
        }
    }
}

fn spec(handler: &Handler<'_>) -> TokenStream {
    let name = format!("::{}", handler.function.signature.ident.unraw());
    let events = handler
        .taken()
        .map(|argument| argument.ty)
        .map(|ty| quote!(<#ty as ::tars_mqtt::extract::FromMessage>::EVENT));
    let events = quote!(&[#(#events),*]);
    let pattern = match &handler.attr.filter {
        Filter::Written(literal, _) => {
            let text = literal.value();
            quote!(#text)
        }
        _ => quote!(::tars_mqtt::__private::first_topic(#events)),
    };
    let options = options(&handler.attr.options);
    quote! {
        ::tars_mqtt::__private::HandlerSpec {
            name: ::core::concat!(::core::module_path!(), #name),
            file: ::core::file!(),
            line: ::core::line!(),
            pattern: #pattern,
            event: ::tars_mqtt::__private::first_event(#events),
            options: #options,
        }
    }
}

fn options(options: &Options) -> TokenStream {
    let mut fields = Fields::default();
    fields.set("qos", options.qos.map(|qos| some(fields::qos(qos))));
    fields.set("concurrency", options.concurrency.map(number));
    fields.set("queue", options.queue.map(number));
    fields.set("overflow", options.overflow.map(|name| variant("Overflow", name)));
    let timeout = options.timeout.map(|limit| optional(limit.map(duration::expression)));
    fields.set("timeout", timeout);
    fields.set("retry", options.retry.map(number));
    let backoff = options.backoff.as_ref().map(|backoff| {
        let (shortest, longest) = backoff.value;
        let (shortest, longest) = (duration::expression(shortest), duration::expression(longest));
        quote!((#shortest, #longest))
    });
    fields.set("backoff", backoff);
    fields.set("dead_letter", options.dead_letter.as_ref().map(|topic| some(&topic.value)));
    fields.set("ack", options.ack.map(|name| variant("AckMode", name)));
    fields.set("group", options.group.as_ref().map(some));
    fields.set("accept_bare", options.accept_bare.then(|| quote!(true)));
    fields.set("isolated", options.isolated.then(|| quote!(true)));
    let other_types = options.other_types.map(|name| some(variant("OtherTypes", name)));
    fields.set("other_types", other_types);
    fields.of("Options")
}

fn call(handler: &Handler<'_>) -> TokenStream {
    let signature = &handler.function.signature;
    let name = &signature.ident;
    let context = Ident::new("context", Span::mixed_site());
    let arguments = handler.arguments.iter().map(|argument| take(argument, &context));
    let at = name.span();
    let arguments = parenthesized(at, quote!(#(#arguments),*));
    let called = parenthesized(at, quote!(#name #arguments));
    let sendable = quote_spanned!(at=> ::tars_mqtt::__private::sendable #called.await);
    let at = signature::returned(signature).map_or_else(Span::mixed_site, Spanned::span);
    let ty = match signature::returned(signature) {
        None => quote!(()),
        Some(ty) if signature::contains_impl(ty) => quote_spanned!(at=> _),
        Some(ty) => moved(ty.to_token_stream(), at),
    };
    // The compiler tells thrice that something cannot be returned, but only once what it tells
    // thrice of the same place: so all of this stands at the first token of the type.
    let returned = Ident::new("returned", at);
    let arguments = parenthesized(at, quote!(#returned, #context));
    let replied = quote_spanned! {at=>
        ::tars_mqtt::__private::reply::<#ty> #arguments.await
    };
    quote! {
        async fn call(
            #context: &::tars_mqtt::extract::Context,
        ) -> ::core::result::Result<(), ::tars_mqtt::__private::Failure> {
            let #returned = #sendable;
            #replied
        }
    }
}

/// Arguments of a call whose errors are to show at a place of the user's.
fn parenthesized(at: Span, arguments: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, arguments);
    group.set_span(at);
    group
}

/// The same tokens, at another place.
fn moved(tokens: TokenStream, to: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| {
            let at = to.resolved_at(token.span());
            let mut token = match token {
                TokenTree::Group(group) => {
                    Group::new(group.delimiter(), moved(group.stream(), to)).into()
                }
                token => token,
            };
            token.set_span(at);
            token
        })
        .collect()
}

fn take(argument: &Argument<'_>, context: &Ident) -> TokenStream {
    let ty = argument.ty;
    let (level, wildcard) = match argument.source {
        Source::Message => {
            return quote!(<#ty as ::tars_mqtt::extract::FromMessage>::from_message(#context)?);
        }
        Source::Topic(level, wildcard) => (level, wildcard),
    };
    let name = argument.name.map(|name| name.unraw().to_string());
    let function = match wildcard {
        Wildcard::One => quote!(level),
        Wildcard::Rest => quote!(rest),
    };
    quote!(::tars_mqtt::__private::#function::<#ty>(#context, #level, #name)?)
}

fn requirements(handler: &Handler<'_>) -> TokenStream {
    let types: Vec<_> = handler.taken().map(|argument| argument.ty).collect();
    let name = if types.is_empty() { "_requirements" } else { "requirements" };
    let requirements = Ident::new(name, Span::mixed_site());
    quote! {
        fn requirements(#requirements: &mut ::tars_mqtt::extract::Requirements<'_>) {
            #(<#types as ::tars_mqtt::extract::FromMessage>::requirements(#requirements);)*
        }
    }
}
