//! What a source file names, without compiling it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path that a file names, or a single word of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its segments; what follows a dot (`.await`) is one with the dot.
    pub path: Vec<String>,
    pub line: usize,
    /// How many modules are around it within its file.
    pub depth: usize,
    /// Whether it is only there in tests.
    pub in_tests: bool,
}

/// What one file contains.
#[derive(Debug, Default)]
pub struct Source {
    pub named: Vec<Named>,
    /// Modules in files of their own, and whether they are only there in tests.
    pub modules: Vec<(String, bool)>,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let tokens: TokenStream = text.parse().expect("it compiles");
        let mut source = Self::default();
        source.take_in(tokens, 0, false);
        source
    }

    fn take_in(&mut self, tokens: TokenStream, depth: usize, in_tests: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut item = Item::default();
        let mut at = 0;
        while at < tokens.len() {
            let in_tests = in_tests || item.is_for_tests;
            if let Some(attribute) = attribute(&tokens[at..]) {
                item.is_for_tests |= is_for_tests(attribute);
                if let Some(file) = file_of(attribute) {
                    item.file = Some(file);
                }
                at += 2;
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(word) if word == "mod" && at + 2 < tokens.len() => {
                    let name = item.file.take().unwrap_or_else(|| tokens[at + 1].to_string());
                    match &tokens[at + 2] {
                        TokenTree::Group(inside) => {
                            self.take_in(inside.stream(), depth + 1, in_tests);
                        }
                        _ => self.modules.push((name, in_tests)),
                    }
                    at += 3;
                    item = Item::default();
                }
                // The name of a function is no path.
                TokenTree::Ident(word) if word == "fn" => {
                    at += 1 + usize::from(matches!(tokens.get(at + 1), Some(TokenTree::Ident(_))));
                }
                TokenTree::Ident(word) => {
                    item.is_import |= word == "use";
                    let begin = self.named.len();
                    let length = self.path(&tokens[at..], Vec::new(), word.span().start().line);
                    let is_method = at > 0 && is_punct(&tokens[at - 1], '.');
                    for named in &mut self.named[begin..] {
                        (named.depth, named.in_tests) = (depth, in_tests);
                        if is_method {
                            named.path[0].insert(0, '.');
                        }
                    }
                    at += length;
                }
                TokenTree::Group(group) => {
                    self.take_in(group.stream(), depth, in_tests);
                    if group.delimiter() == Delimiter::Brace && !item.is_import {
                        item = Item::default();
                    }
                    at += 1;
                }
                TokenTree::Punct(punct) => {
                    match punct.as_char() {
                        '<' => item.generics += 1,
                        '>' => item.generics = item.generics.saturating_sub(1),
                        ';' => item = Item::default(),
                        // The end of a field or of an arm.
                        ',' if item.generics == 0 => item = Item::default(),
                        _ => {}
                    }
                    at += 1;
                }
                TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// Notes the path that begins here, or the paths where it branches. Returns how many tokens it
    /// has.
    fn path(&mut self, tokens: &[TokenTree], mut path: Vec<String>, mut line: usize) -> usize {
        let mut at = 0;
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => {
                    line = if path.is_empty() { line } else { word.span().start().line };
                    path.push(word.to_string());
                }
                Some(TokenTree::Group(branches)) if branches.delimiter() == Delimiter::Brace => {
                    self.branches(branches, &path, line);
                    return at + 1;
                }
                Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".to_owned()),
                // Such as the type in `Vec::<u8>`.
                _ => break,
            }
            at += 1;
            let goes_on = tokens.get(at).is_some_and(|token| is_punct(token, ':'))
                && tokens.get(at + 1).is_some_and(|token| is_punct(token, ':'));
            if !goes_on {
                break;
            }
            at += 2;
        }
        self.named.push(Named { path, line, depth: 0, in_tests: false });
        at
    }

    fn branches(&mut self, branches: &Group, path: &[String], line: usize) {
        let tokens: Vec<TokenTree> = branches.stream().into_iter().collect();
        for branch in tokens.split(|token| is_punct(token, ',')) {
            if !branch.is_empty() {
                self.path(branch, path.to_vec(), line);
            }
        }
    }
}

/// What is known of the item that is being looked at.
#[derive(Default)]
struct Item {
    is_for_tests: bool,
    is_import: bool,
    /// Angle brackets that are open.
    generics: u32,
    /// The file of a module that has another name.
    file: Option<String>,
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn attribute(tokens: &[TokenTree]) -> Option<&Group> {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(group), ..] if hash.as_char() == '#' => {
            Some(group)
        }
        _ => None,
    }
}

/// Whether an attribute leaves its item out of everything but tests and fuzzing.
fn is_for_tests(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    let cases = [
        "cfg(test)",
        "cfg(all(test,",
        "cfg(any(test,fuzzing)",
        "cfg(all(any(test,fuzzing)",
        "cfg(fuzzing)",
    ];
    cases.iter().any(|case| text.starts_with(case)) || text.starts_with("cfg(all(fuzzing,")
}

/// The file, without its ending, that an attribute names.
fn file_of(attribute: &Group) -> Option<String> {
    let text = attribute.stream().to_string().replace(' ', "");
    Some(text.strip_prefix("path=\"")?.strip_suffix(".rs\"")?.to_owned())
}
