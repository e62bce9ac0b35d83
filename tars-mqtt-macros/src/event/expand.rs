use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Generics, Type, parse_quote};

use super::ast::{Event, Field};

pub(super) fn event(event: &Event<'_>) -> TokenStream {
    let Event { ident, type_name, topic, .. } = event;
    let mut generics = event.generics.clone();
    for field in &event.fields {
        if mentions_parameter(field.ty, event.generics) {
            let ty = field.ty;
            generics.make_where_clause().predicates.push(parse_quote!(#ty: ::core::fmt::Display));
        }
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let qos = event.qos.map(|qos| {
        let qos = crate::fields::qos(qos);
        quote!(const QOS: ::tars_mqtt::QoS = #qos;)
    });
    let retain = event.retain.then(|| {
        quote!(
            const RETAIN: bool = true;
        )
    });
    let bare = event.bare.then(|| {
        quote!(
            const BARE: bool = true;
        )
    });
    let written_alone = (!event.written_alone.is_empty()).then(|| {
        let names = &event.written_alone;
        quote!(const WRITTEN_ALONE: &'static [&'static str] = &[#(#names),*];)
    });
    let topic_method = (!event.fields.is_empty()).then(|| topic_method(&event.fields));
    quote! {
        #[automatically_derived]
        impl #impl_generics ::tars_mqtt::Event for #ident #type_generics #where_clause {
            const TYPE: &'static str = #type_name;
            const TOPIC: &'static str = #topic;
            #qos
            #retain
            #bare
            #written_alone
            #topic_method
        }
    }
}

fn topic_method(fields: &[Field<'_>]) -> TokenStream {
    let fields = fields.iter().map(|Field { ident, ty }| {
        let name = ident.unraw().to_string();
        // Resolved like the `self` it meets, shown where the type stands that cannot be displayed.
        let span = ty.span().resolved_at(Span::call_site());
        let value = quote_spanned!(span=> &self.#ident);
        quote!(::tars_mqtt::__private::TopicField { name: #name, value: #value })
    });
    quote! {
        fn topic(&self) -> ::tars_mqtt::Result<::std::borrow::Cow<'static, str>> {
            ::tars_mqtt::__private::TopicField::fill(Self::TOPIC, &[#(#fields),*])
        }
    }
}

fn mentions_parameter(ty: &Type, generics: &Generics) -> bool {
    fn mentions(tokens: TokenStream, generics: &Generics) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(found) => generics.type_params().any(|known| known.ident == found),
            TokenTree::Group(group) => mentions(group.stream(), generics),
            _ => false,
        })
    }
    mentions(ty.to_token_stream(), generics)
}

/// Stands in for an event whose attribute is wrong.
pub(super) fn placeholder(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics ::tars_mqtt::Event for #ident #type_generics #where_clause {
            const TYPE: &'static str = "";
            const TOPIC: &'static str = "#";
        }
    }
}
