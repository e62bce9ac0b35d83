use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// The fields of a struct expression of which most keep their default.
#[derive(Default)]
pub(crate) struct Fields(Vec<TokenStream>);

impl Fields {
    /// Writes a field, if it has a value.
    pub(crate) fn set(&mut self, name: &str, value: Option<TokenStream>) {
        let name = format_ident!("{name}");
        self.0.extend(value.map(|value| quote!(#name: #value,)));
    }

    /// The struct of this name in `__private`, whose other fields are those of its `DEFAULT`.
    pub(crate) fn of(self, name: &str) -> TokenStream {
        let name = format_ident!("{name}");
        let fields = self.0;
        if fields.is_empty() {
            return quote!(::tars_mqtt::__private::#name::DEFAULT);
        }
        quote! {
            ::tars_mqtt::__private::#name { #(#fields)* ..::tars_mqtt::__private::#name::DEFAULT }
        }
    }
}

/// A number whose type is inferred.
pub(crate) fn number(number: u64) -> TokenStream {
    let literal = Literal::u64_unsuffixed(number);
    quote!(#literal)
}

/// A variant of an enum in `__private`.
pub(crate) fn variant(of: &str, name: &str) -> TokenStream {
    let (of, name) = (format_ident!("{of}"), format_ident!("{name}"));
    quote!(::tars_mqtt::__private::#of::#name)
}

/// `Some(…)`, as an expression.
pub(crate) fn some(value: impl quote::ToTokens) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

/// `Some(…)` or `None`, as an expression.
pub(crate) fn optional(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(|| quote!(::core::option::Option::None), some)
}

/// A quality of service, as an expression.
pub(crate) fn qos(level: u64) -> TokenStream {
    match level {
        0 => quote!(::tars_mqtt::QoS::AtMostOnce),
        1 => quote!(::tars_mqtt::QoS::AtLeastOnce),
        _ => quote!(::tars_mqtt::QoS::ExactlyOnce),
    }
}
