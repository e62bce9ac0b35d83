//! `#[tars_mqtt::main]`.

mod attr;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::signature::Function;

pub(crate) fn main(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let function = match Function::read(item, "#[tars_mqtt::main] goes above `async fn main`") {
        Ok(function) => function,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
    };
    match options(arguments, &function) {
        Ok(options) => expand::main(&function, &options, item),
        Err(error) => {
            // A program all the same, so that a missing one is not told of as well.
            let error = error.to_compile_error();
            quote! {
                #error
                fn main() {
                    #[allow(unused)]
                    #item
                }
            }
        }
    }
}

fn options(arguments: TokenStream, function: &Function) -> syn::Result<attr::Options> {
    let mut errors = Errors::default();
    valid::check(&function.signature, &mut errors);
    let options = errors
        .ok(syn::parse2(arguments))
        .map(|arguments| attr::get(arguments, &mut errors))
        .unwrap_or_default();
    errors.finish()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn errors(arguments: TokenStream, item: TokenStream) -> Vec<String> {
        let function: Function = syn::parse2(item).unwrap();
        let Err(errors) = options(arguments, &function) else { return Vec::new() };
        errors.into_iter().map(|error| error.to_string()).collect()
    }

    fn option_errors(text: &str) -> Vec<String> {
        errors(
            text.parse().unwrap(),
            quote!(
                async fn main() {}
            ),
        )
    }

    #[test]
    fn every_argument_is_taken() {
        for text in [
            "",
            r#"client_id = "tars-llm", source = "llm", health, heartbeat = "5s", dedupe = "30s""#,
            r#"health = false, heartbeat = "off", dedupe = "off", flavor = "current_thread", worker_threads = 2"#,
            r#"heartbeat = false, dedupe = false, flavor = "multi_thread", worker_threads = 2"#,
        ] {
            assert!(option_errors(text).is_empty(), "{text}: {:?}", option_errors(text));
        }
    }

    #[test]
    fn a_wrong_argument_is_refused() {
        for (text, expected) in [
            ("clientid = \"a\"", "there is no option `clientid`; write `client_id`"),
            ("health, health", "`health` is set twice; remove one"),
            ("client_id = \"\"", "a client id is one level of a topic"),
            ("client_id = \"a/b\"", "a client id is one level of a topic"),
            ("client_id = \"a\\0\"", "a client id is one level of a topic"),
            ("client_id = a", "`client_id` is a text; write `client_id = \"my-service\"`"),
            ("source = \"\"", "a source has a name"),
            ("health = 1", "`health` is on or off"),
            ("heartbeat", "`heartbeat` needs a value; write `heartbeat = \"5s\"`"),
            ("heartbeat = \"500ms\"", "at most one heartbeat a second"),
            ("dedupe = 30", "a duration has a unit: write `dedupe = \"30s\"`"),
            ("flavor = \"single\"", "there are `multi_thread` and `current_thread`"),
            ("worker_threads = 0", "0 is out of range"),
            ("\"a\"", "an option has a name"),
        ] {
            let errors = option_errors(text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(expected) || errors[0].contains(expected), "{errors:?}");
        }
    }

    #[test]
    fn a_function_that_cannot_be_main_is_refused() {
        for item in [
            quote!(
                fn main() {}
            ),
            quote!(
                async fn start() {}
            ),
            quote!(
                async fn main(a: App, b: App) {}
            ),
            quote!(
                async fn main(self) {}
            ),
            quote!(
                async fn main<T>(app: T) {}
            ),
            quote!(
                async fn main(app: &App) {}
            ),
        ] {
            let text = item.to_string();
            let errors = errors(TokenStream::new(), item);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        }
    }

    #[test]
    fn the_function_runs_inside_of_main() {
        let item = quote!(
            async fn main(app: App) -> Result<()> {
                app.run()
            }
        );
        let code = main(TokenStream::new(), &item);
        let code: syn::ItemFn = syn::parse2(code).unwrap();
        assert!(code.sig.asyncness.is_none());
        let inner: syn::Stmt = parse_quote!(
            async fn main(app: App) -> Result<()> {
                app.run()
            }
        );
        assert!(quote!(#code).to_string().contains(&quote!(#inner).to_string()));
    }
}
