use syn::Signature;

use crate::errors::Errors;

pub(super) fn check(signature: &Signature, errors: &mut Errors) {
    crate::signature::check(signature, "the function under #[tars_mqtt::main]", errors);
    if signature.ident != "main" {
        errors.at(&signature.ident, "a program begins with `main`; write `async fn main`");
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        errors.at(second, "`main` takes nothing, or the app: write `async fn main(app: App)`");
    }
}
