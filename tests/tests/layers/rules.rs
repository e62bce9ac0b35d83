//! What the sources are held to.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Named, Source};
use crate::table::{FOUNDATIONS, KEPT_IN, LAYERS, NOT_IN_SESSION, TOKIO_IN_SESSION};

/// Where a file stands.
#[derive(Debug)]
pub struct Place {
    path: String,
    /// Its modules, from the outermost: `session`, `outgoing`, `window`.
    modules: Vec<String>,
    is_of_tests: bool,
}

impl Place {
    pub fn of(path: &str, is_of_tests: bool) -> Self {
        let modules = path.trim_end_matches(".rs").trim_end_matches("/mod");
        Self {
            path: path.to_owned(),
            modules: modules.split('/').map(str::to_owned).collect(),
            is_of_tests,
        }
    }

    fn module(&self) -> &str {
        &self.modules[0]
    }

    fn is_in(&self, path: &str) -> bool {
        path.split('/')
            .enumerate()
            .all(|(at, part)| self.modules.get(at).is_some_and(|m| m == part))
    }
}

/// The files that are only there in tests, because a module around them is.
pub fn files_of_tests(files: &BTreeMap<String, Source>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, source) in files {
        let folder = match path.trim_end_matches(".rs") {
            "lib" => String::new(),
            stem => format!("{}/", stem.trim_end_matches("/mod")),
        };
        for (module, _) in source.modules.iter().filter(|(_, is_for_tests)| *is_for_tests) {
            let (file, below) = (format!("{folder}{module}.rs"), format!("{folder}{module}/"));
            let is_of_it = |path: &&String| **path == file || path.starts_with(&below);
            found.extend(files.keys().filter(is_of_it).cloned());
        }
    }
    found
}

/// What was found in the sources.
#[derive(Debug, Default)]
pub struct Findings {
    /// Each with its file, its line, and what to do.
    pub wrong: Vec<String>,
    /// Which module imports which.
    pub used: BTreeSet<(String, String)>,
}

impl Findings {
    /// The modules of the crate are those of the table.
    pub fn modules(&mut self, facade: &Source) {
        let rows: Vec<&str> = rows().map(|(module, _)| *module).collect();
        let declared: Vec<&str> = facade
            .modules
            .iter()
            .filter(|(_, is_for_tests)| !is_for_tests)
            .map(|(module, _)| module.as_str())
            .collect();
        for module in declared.iter().filter(|module| !rows.contains(module)) {
            self.wrong.push(format!(
                "lib.rs: `{module}` is in no layer: give it a row in tests/tests/layers/table.rs, \
                 above all that it imports and below all that import it"
            ));
        }
        for row in rows.iter().filter(|row| !declared.contains(row)) {
            self.wrong.push(format!("table.rs: there is no module `{row}`: take its row out"));
        }
    }

    pub fn file(&mut self, place: &Place, source: &Source) {
        for named in &source.named {
            let path = Path::of(place, named);
            if let Some(path) = path.in_crate() {
                self.import(place, named, path);
            }
            // Tests may bring a broker, a clock or a thread.
            if !place.is_of_tests && !named.in_tests {
                self.kept(place, named, &path);
                if place.module() == "session" {
                    self.session(place, named, &path);
                }
            }
        }
    }

    fn import(&mut self, place: &Place, named: &Named, path: &[String]) {
        let (module, other) = (place.module(), path[0].as_str());
        if other == module {
            return;
        }
        let path = path.join("::");
        let rank = |module: &str| rows().position(|(row, _)| *row == module);
        let in_tests = place.is_of_tests || named.in_tests;
        match rank(other) {
            // What makes inputs for tests stands in no layer.
            None if in_tests && other == "fuzz" => {}
            None => self.wrong(
                place,
                named,
                &format!("imports `{path}` through lib.rs"),
                "that is the crate as programs see it: name the module that owns it",
            ),
            Some(_) if in_tests => {}
            Some(below) if rank(module).is_some_and(|own| own > below) => self.wrong(
                place,
                named,
                &format!("imports `{path}`, which stands above it"),
                "move what both need below both, or let it be brought from above as a trait",
            ),
            Some(_) => {
                self.used.insert((module.to_owned(), other.to_owned()));
                let is_foundation = |name: &str| FOUNDATIONS.iter().any(|(row, _)| *row == name);
                let mut own = rows().filter(|(row, _)| *row == module);
                let is_allowed = own.any(|(_, allowed)| allowed.contains(&other))
                    || (is_foundation(other) && !is_foundation(module));
                if !is_allowed {
                    self.wrong(
                        place,
                        named,
                        &format!("imports `{path}`, which its row does not allow"),
                        "do without, or add it in tests/tests/layers/table.rs and in docs/design.md",
                    );
                }
            }
        }
    }

    fn kept(&mut self, place: &Place, named: &Named, path: &Path) {
        for (kept, places) in KEPT_IN {
            if path.begins_with(kept) && !places.iter().any(|allowed| place.is_in(allowed)) {
                self.wrong(
                    place,
                    named,
                    &format!("names `{kept}`"),
                    &format!("only these may: {}", places.join(", ")),
                );
            }
        }
    }

    fn session(&mut self, place: &Place, named: &Named, path: &Path) {
        let of_tokio = path.begins_with("tokio")
            && !TOKIO_IN_SESSION.iter().any(|allowed| path.begins_with(allowed));
        let forbidden = NOT_IN_SESSION.iter().find(|forbidden| path.contains(forbidden));
        if of_tokio || forbidden.is_some() {
            self.wrong(
                place,
                named,
                &format!("names `{}`", path.0.join("::")),
                "the session knows no socket, no clock and no task: let the driver do it, and tell \
                 the session what came of it",
            );
        }
    }

    fn wrong(&mut self, place: &Place, named: &Named, what: &str, advice: &str) {
        let (path, line) = (&place.path, named.line);
        self.wrong
            .push(format!("tars-mqtt/src/{path}:{line}: {} {what}: {advice}", place.module()));
    }
}

fn rows() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    LAYERS.iter().chain(FOUNDATIONS)
}

/// A path as it is from the root of the crate, where it is one within the crate.
struct Path(Vec<String>);

impl Path {
    fn of(place: &Place, named: &Named) -> Self {
        let ups = named.path.iter().take_while(|segment| *segment == "super").count();
        let depth = place.modules.len() + named.depth;
        if ups == 0 || ups > depth {
            return Self(named.path.clone());
        }
        // Only the modules of the file have names here, which is enough: one within it is only ever
        // left for one around it.
        let around = place.modules.iter().take(depth - ups).cloned();
        let path = std::iter::once("crate".to_owned()).chain(around);
        Self(path.chain(named.path[ups..].iter().cloned()).collect())
    }

    /// What follows `crate::`.
    fn in_crate(&self) -> Option<&[String]> {
        match self.0.as_slice() {
            [first, rest @ ..] if first == "crate" && !rest.is_empty() => Some(rest),
            _ => None,
        }
    }

    fn begins_with(&self, path: &str) -> bool {
        let begin: Vec<&str> = path.split("::").collect();
        self.0.len() >= begin.len() && self.0.iter().zip(begin).all(|(own, other)| own == other)
    }

    fn contains(&self, path: &str) -> bool {
        let part: Vec<&str> = path.split("::").collect();
        self.0.windows(part.len()).any(|window| window == part)
    }
}
