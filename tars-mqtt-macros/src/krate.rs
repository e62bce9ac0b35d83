//! Under which name the framework is known where a macro is used.
//!
//! What the macros write names it `::tars_mqtt`. Where it was renamed in `Cargo.toml`, or is found
//! inside another crate that re-exports it, that is put in its place.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proc_macro2::{Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Error, Expr, ExprPath, Result};

use crate::options::{Arguments, Given};

/// The option that says where it is.
pub(crate) const OPTION: &str = "crate";

const PACKAGE: &str = "tars-mqtt";
const NAME: &str = "tars_mqtt";

/// `crate = path`.
pub(crate) fn check(given: &Given) -> Result<()> {
    match path(given) {
        Some(_) => Ok(()),
        None => {
            let rule = "`crate` is where tars-mqtt is found: write `crate = facade::tars_mqtt`";
            let tokens = given.value.as_ref().map(quote::ToTokens::to_token_stream);
            Err(Error::new_spanned(tokens.unwrap_or_else(|| given.name.to_token_stream()), rule))
        }
    }
}

fn path(given: &Given) -> Option<TokenStream> {
    match &given.value {
        Some(Expr::Path(ExprPath { attrs, qself: None, path })) if attrs.is_empty() => {
            Some(path.to_token_stream())
        }
        _ => None,
    }
}

/// The path among the arguments of an attribute, if it is said there.
pub(crate) fn said(arguments: &TokenStream) -> Option<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments.clone()).ok()?;
    arguments.options.iter().find(|given| given.is(OPTION)).and_then(path)
}

/// What a macro has written, with the framework's name as it is here.
pub(crate) fn resolve(written: TokenStream, said: Option<TokenStream>) -> TokenStream {
    let path = said.or_else(|| {
        let name = renamed()?;
        let name = Ident::new(&name, Span::call_site());
        Some(quote::quote!(::#name))
    });
    match path {
        Some(path) => replaced(written, &path),
        None => written,
    }
}

fn replaced(written: TokenStream, path: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = written.into_iter().collect();
    let mut replaced = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        if begins_a_path(&tokens, index) {
            let at = tokens[index + 2].span();
            replaced.extend(path.clone().into_iter().map(|mut token| {
                token.set_span(token.span().located_at(at));
                token
            }));
            index += 3;
            continue;
        }
        replaced.push(match &tokens[index] {
            TokenTree::Group(group) => {
                let mut inside =
                    Group::new(group.delimiter(), self::replaced(group.stream(), path));
                inside.set_span(group.span());
                inside.into()
            }
            token => token.clone(),
        });
        index += 1;
    }
    replaced.into_iter().collect()
}

/// Whether `::tars_mqtt` stands here, and is not the middle of a path.
fn begins_a_path(tokens: &[TokenTree], index: usize) -> bool {
    let [TokenTree::Punct(first), TokenTree::Punct(second), TokenTree::Ident(name), ..] =
        &tokens[index..]
    else {
        return false;
    };
    let goes_on = match index.checked_sub(1).map(|before| &tokens[before]) {
        Some(TokenTree::Ident(before)) => syn::parse2::<Ident>(before.to_token_stream()).is_ok(),
        // `<A as B>::tars_mqtt` goes on, `-> ::tars_mqtt` does not.
        Some(TokenTree::Punct(before)) => before.as_char() == '>' && !is_arrow(tokens, index),
        _ => false,
    };
    first.as_char() == ':'
        && first.spacing() == Spacing::Joint
        && second.as_char() == ':'
        && name == NAME
        && !goes_on
}

fn is_arrow(tokens: &[TokenTree], after: usize) -> bool {
    let before = after.checked_sub(2).map(|before| &tokens[before]);
    matches!(before, Some(TokenTree::Punct(before)) if before.as_char() == '-')
}

/// The name in the `Cargo.toml` of the crate that is compiled, where it is another one.
fn renamed() -> Option<String> {
    // One process may expand macros for several crates.
    static LAST: Mutex<Option<(PathBuf, Option<String>)>> = Mutex::new(None);
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, name)) = &*last
        && *known == folder
    {
        return name.clone();
    }
    let name = look_up(&folder);
    *last = Some((folder, name.clone()));
    name
}

/// Where it cannot be found, the usual name is as good as any.
fn look_up(folder: &Path) -> Option<String> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let keys = dependencies(&manifest);
    let is_usual = |(key, package): &(String, Option<String>)| {
        key == PACKAGE && package.as_deref().is_none_or(|package| package == PACKAGE)
    };
    if keys.iter().any(is_usual) {
        return None;
    }
    if let Some((key, _)) = keys.iter().find(|(_, package)| package.as_deref() == Some(PACKAGE)) {
        return Some(key.replace('-', "_"));
    }
    // A workspace may have renamed it for its members.
    let mut folders = folder.ancestors().skip(1);
    let renamed = folders.find_map(|folder| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        dependencies(&manifest).into_iter().find_map(|(key, package)| {
            let is_here = keys.iter().any(|(name, package)| *name == key && package.is_none());
            (package.as_deref() == Some(PACKAGE) && is_here).then_some(key)
        })
    });
    renamed.map(|key| key.replace('-', "_"))
}

/// The dependencies in a manifest, each with its package where that is written.
fn dependencies(manifest: &str) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    let mut table = Table::Other;
    for line in manifest.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = Table::of(header.split(']').next().unwrap_or_default());
            if let Table::Dependency(name) = &table {
                found.push((name.clone(), None));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().trim_matches('"');
        match &table {
            Table::Dependencies => {
                let name = key.split('.').next().unwrap_or_default().trim();
                found.push((name.to_owned(), package_in(value)));
            }
            Table::Dependency(_) if key == "package" => {
                if let Some(last) = found.last_mut() {
                    last.1 = text(value);
                }
            }
            _ => {}
        }
    }
    found
}

/// What a table of a manifest holds.
enum Table {
    /// One dependency a line.
    Dependencies,
    /// The parts of one.
    Dependency(String),
    Other,
}

impl Table {
    fn of(header: &str) -> Self {
        let is_list = |name: &str| name.trim().ends_with("dependencies");
        if is_list(header) {
            return Self::Dependencies;
        }
        match header.rsplit_once('.') {
            Some((list, name)) if is_list(list) => {
                Self::Dependency(name.trim().trim_matches('"').to_owned())
            }
            _ => Self::Other,
        }
    }
}

/// The package in `{ package = "name", … }`.
fn package_in(value: &str) -> Option<String> {
    let (_, after) = value.split_once("package")?;
    text(after.trim_start().strip_prefix('=')?)
}

/// The first text in quotes.
fn text(value: &str) -> Option<String> {
    let mut parts = value.split(['"', '\'']);
    parts.next()?;
    parts.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn the_name_is_replaced_where_a_path_begins() {
        let written = quote!(<u8 as ::tars_mqtt::Event>::TYPE; fn f() -> ::tars_mqtt::Result<()> { ::tars_mqtt::a(b::tars_mqtt, c::<d>::tars_mqtt) });
        let path = quote!(facade::mqtt);
        let expected = quote!(<u8 as facade::mqtt::Event>::TYPE; fn f() -> facade::mqtt::Result<()> { facade::mqtt::a(b::tars_mqtt, c::<d>::tars_mqtt) });
        assert_eq!(replaced(written, &path).to_string(), expected.to_string());
    }

    #[test]
    fn the_path_is_found_among_the_arguments() {
        let found =
            said(&quote!("a/b", crate = facade::mqtt, qos = 1)).map(|path| path.to_string());
        assert_eq!(found, Some(quote!(facade::mqtt).to_string()));
        for arguments in [quote!("a/b", qos = 1), quote!(), quote!(crate), quote!(crate = "x")] {
            assert!(said(&arguments).is_none(), "{arguments}");
        }
    }

    #[test]
    fn a_rename_is_found_however_it_is_written() {
        for manifest in [
            "[dependencies]\nmqtt = { version = \"1\", package = \"tars-mqtt\" }",
            "[dependencies]\nserde = \"1\"\nmqtt={package=\"tars-mqtt\",path='x'}",
            "[dependencies.mqtt]\nversion = \"1\"\npackage = \"tars-mqtt\"",
            "[target.'cfg(unix)'.dependencies]\nmqtt = { package = 'tars-mqtt' }",
            "[dev-dependencies.mqtt]\npackage = 'tars-mqtt'",
        ] {
            let found = dependencies(manifest);
            assert!(found.contains(&("mqtt".to_owned(), Some(PACKAGE.to_owned()))), "{manifest}");
        }
        for manifest in [
            "[package]\nname = \"tars-mqtt\"",
            "[dependencies]\ntars-mqtt = \"1\"\nother = { package = \"another\" }",
            "[dependencies]\ntars-mqtt.workspace = true",
            "# mqtt = { package = \"tars-mqtt\" }",
        ] {
            let found = dependencies(manifest);
            assert!(found.iter().all(|(_, name)| name.as_deref() != Some(PACKAGE)), "{manifest}");
        }
    }
}
