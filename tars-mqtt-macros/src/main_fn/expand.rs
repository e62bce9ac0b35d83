use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::FnArg;
use syn::spanned::Spanned as _;

use super::attr::Options;
use crate::duration::{self, Limit};
use crate::fields::{Fields, number, optional, some, variant};
use crate::signature::{self, Function};

/// The user's function within one that starts the runtime for it.
pub(super) fn main(function: &Function, options: &Options, item: &TokenStream) -> TokenStream {
    let visibility = &function.visibility;
    let options = expression(options);
    let argument = function.signature.inputs.first().map(|argument| {
        let span = match argument {
            FnArg::Typed(argument) => argument.ty.span(),
            FnArg::Receiver(receiver) => receiver.span(),
        };
        Ident::new("app", span.resolved_at(Span::mixed_site()))
    });
    let run = match &argument {
        Some(_) => quote!(main_with_app),
        None => quote!(main),
    };
    let into_result = match signature::returned(&function.signature) {
        None => quote!(<() as ::tars_mqtt::__private::MainResult>::into_result),
        Some(ty) if signature::contains_impl(ty) => {
            let span = ty.span().resolved_at(Span::call_site());
            quote_spanned!(span=> ::tars_mqtt::__private::MainResult::into_result)
        }
        Some(ty) => quote!(<#ty as ::tars_mqtt::__private::MainResult>::into_result),
    };
    quote! {
        #visibility fn main() -> ::std::process::ExitCode {
            #[allow(clippy::unused_async)]
            #item
            ::tars_mqtt::__private::#run(#options, |#argument| async move {
                #into_result(main(#argument).await)
            })
        }
    }
}

fn expression(options: &Options) -> TokenStream {
    let duration = |limit: Limit| some(optional(limit.map(duration::expression)));
    let mut fields = Fields::default();
    fields.set("client_id", options.client_id.as_ref().map(some));
    fields.set("source", options.source.as_ref().map(some));
    fields.set("health", options.health.map(some));
    fields.set("heartbeat", options.heartbeat.map(duration));
    fields.set("dedupe", options.dedupe.map(duration));
    let key = options.dedupe_key.map(|name| some(variant("DedupeKey", name)));
    fields.set("dedupe_key", key);
    fields.set("current_thread", options.current_thread.then(|| quote!(true)));
    fields.set("worker_threads", options.worker_threads.map(|threads| some(number(threads))));
    fields.of("MainOptions")
}
