//! Fields that serde writes and does not read: `#[serde(skip_deserializing)]`.

use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Lit, Meta, Token};

/// Their names, as they are written.
pub(super) fn names(input: &DeriveInput) -> Vec<String> {
    let Data::Struct(data) = &input.data else { return Vec::new() };
    let Fields::Named(fields) = &data.fields else { return Vec::new() };
    let rule = serialized_as(&said(&input.attrs), "rename_all");
    let written_alone = fields.named.iter().filter_map(|field| {
        let said = said(&field.attrs);
        let is = |name: &str| said.iter().any(|meta| meta.path().is_ident(name));
        if !is("skip_deserializing") || is("skip") || is("skip_serializing") {
            return None;
        }
        let name = field.ident.as_ref()?.unraw().to_string();
        Some(serialized_as(&said, "rename").unwrap_or_else(|| renamed(&name, rule.as_deref())))
    });
    written_alone.collect()
}

/// What is said to serde. What it does not understand it refuses itself.
fn said(attributes: &[Attribute]) -> Vec<Meta> {
    let serde = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    serde.flat_map(|attribute| list(&attribute.meta)).collect()
}

fn list(meta: &Meta) -> Vec<Meta> {
    let Meta::List(list) = meta else { return Vec::new() };
    let said = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    said.map(|said| said.into_iter().collect()).unwrap_or_default()
}

/// The text in `name = "text"` or `name(serialize = "text")`.
fn serialized_as(said: &[Meta], name: &str) -> Option<String> {
    let meta = said.iter().find(|meta| meta.path().is_ident(name))?;
    match meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        Meta::List(_) => serialized_as(&list(meta), "serialize"),
        Meta::Path(_) => None,
    }
}

/// A field's name by one of serde's rules.
fn renamed(name: &str, rule: Option<&str>) -> String {
    let pascal = || {
        let words = name.split('_').map(|word| {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters).collect::<String>()
        });
        words.collect::<String>()
    };
    match rule {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => {
            let pascal = pascal();
            let mut characters = pascal.chars();
            let first = characters.next().map(|first| first.to_ascii_lowercase());
            first.into_iter().chain(characters).collect()
        }
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(text: &str) -> Vec<String> {
        names(&syn::parse_str(text).unwrap())
    }

    #[test]
    fn fields_that_are_not_read_are_known_by_what_is_written() {
        let all = "struct S {
            #[serde(skip_deserializing)] plain: u8,
            #[serde(default, skip_deserializing, rename = \"other\")] renamed: u8,
            #[serde(skip_deserializing, rename(serialize = \"out\", deserialize = \"in\"))] two: u8,
            #[serde(default)] #[serde(skip_deserializing)] r#type: u8,
            #[serde(skip)] never: u8,
            #[serde(skip_deserializing, skip_serializing)] nor_this: u8,
            #[serde(skip_serializing)] read: u8,
            #[serde(deserialize_with = \"a::b\", bound(serialize = \"T: X\"))] usual: u8,
        }";
        assert_eq!(names_of(all), ["plain", "other", "out", "type"]);
        assert_eq!(names_of("struct S(#[serde(skip_deserializing)] u8);"), [""; 0]);
    }

    #[test]
    fn names_follow_the_rule_of_the_type() {
        for (rule, name) in [
            ("lowercase", "one_two"),
            ("snake_case", "one_two"),
            ("UPPERCASE", "ONE_TWO"),
            ("SCREAMING_SNAKE_CASE", "ONE_TWO"),
            ("PascalCase", "OneTwo"),
            ("camelCase", "oneTwo"),
            ("kebab-case", "one-two"),
            ("SCREAMING-KEBAB-CASE", "ONE-TWO"),
        ] {
            for rule in
                [format!("rename_all = \"{rule}\""), format!("rename_all(serialize = \"{rule}\")")]
            {
                let text = format!(
                    "#[serde({rule})] struct S {{ #[serde(skip_deserializing)] one_two: u8 }}"
                );
                assert_eq!(names_of(&text), [name], "{rule}");
            }
        }
    }
}
