use std::collections::HashMap;

/// Finds what is registered under the filters that match a topic.
///
/// Filters without a wildcard, the usual case, are found with a single look; for the others there
/// is a tree.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<String, Vec<usize>>,
    wild: FilterTree,
}

impl Router {
    pub(crate) fn insert(&mut self, filter: &str, entry: usize) {
        if is_wild(filter) {
            self.wild.insert(filter, entry);
        } else {
            self.exact.entry(filter.to_owned()).or_default().push(entry);
        }
    }

    pub(crate) fn remove(&mut self, filter: &str, entry: usize) {
        if is_wild(filter) {
            self.wild.remove(filter, entry);
        } else if let Some(entries) = self.exact.get_mut(filter) {
            entries.retain(|&found| found != entry);
            if entries.is_empty() {
                self.exact.remove(filter);
                shrink(&mut self.exact);
            }
        }
    }

    /// Adds to `found` all entries whose filter matches a topic name.
    pub(crate) fn find(&self, topic: &str, found: &mut Vec<usize>) {
        if let Some(entries) = self.exact.get(topic) {
            found.extend(entries);
        }
        self.wild.find(topic, found);
    }
}

fn is_wild(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

/// Filters as a tree of levels: what a question costs grows with the levels of what is asked for,
/// not with the number of filters.
#[derive(Debug, Default)]
pub(crate) struct FilterTree {
    root: Node,
    entries: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<String, Node>,
    /// `+`
    one: Option<Box<Node>>,
    /// Entries whose filter ends here.
    here: Vec<usize>,
    /// Entries whose filter ends with `#` here.
    rest: Vec<usize>,
}

impl FilterTree {
    pub(crate) fn insert(&mut self, filter: &str, entry: usize) {
        self.place(filter).push(entry);
        self.entries += 1;
    }

    pub(crate) fn remove(&mut self, filter: &str, entry: usize) {
        self.entries -= self.root.remove(Some(filter), entry);
    }

    fn place(&mut self, filter: &str) -> &mut Vec<usize> {
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = match level {
                "#" => return &mut node.rest,
                "+" => node.one.get_or_insert_default(),
                literal => node.children.entry(literal.to_owned()).or_default(),
            };
        }
        &mut node.here
    }

    /// Adds to `found` all entries whose filter matches a topic name.
    pub(crate) fn find(&self, topic: &str, found: &mut Vec<usize>) {
        if self.entries > 0 {
            self.root.find(topic, true, found);
        }
    }

    /// Adds to `found` all entries whose filter matches every topic name that `filter` does.
    pub(crate) fn find_covering(&self, filter: &str, found: &mut Vec<usize>) {
        self.root.find_covering(Some(filter), true, found);
    }

    /// Whether some topic name is matched by `filter` and by one of those in the tree.
    pub(crate) fn overlaps(&self, filter: &str) -> bool {
        self.entries > 0 && self.root.overlaps(Some(filter), true)
    }
}

/// A burst of filters must not hold its memory for ever.
fn shrink<V>(map: &mut HashMap<String, V>) {
    if map.capacity() > 4 * map.len() + 64 {
        map.shrink_to(2 * map.len());
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (text, None),
    }
}

/// Wildcards at the first level leave topics of the server's own alone (MQTT-4.7.2-1).
fn is_reserved(first: bool, level: &str) -> bool {
    first && level.starts_with('$')
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty()
            && self.one.is_none()
            && self.here.is_empty()
            && self.rest.is_empty()
    }

    /// Takes an entry away, as often as it is there, and the nodes that are empty without it.
    fn remove(&mut self, filter: Option<&str>, entry: usize) -> usize {
        fn take(entries: &mut Vec<usize>, entry: usize) -> usize {
            let before = entries.len();
            entries.retain(|&found| found != entry);
            before - entries.len()
        }
        let Some(filter) = filter else { return take(&mut self.here, entry) };
        let (level, rest) = split(filter);
        match level {
            "#" => take(&mut self.rest, entry),
            "+" => {
                let Some(node) = &mut self.one else { return 0 };
                let removed = node.remove(rest, entry);
                if node.is_empty() {
                    self.one = None;
                }
                removed
            }
            literal => {
                let Some(node) = self.children.get_mut(literal) else { return 0 };
                let removed = node.remove(rest, entry);
                if node.is_empty() {
                    self.children.remove(literal);
                    shrink(&mut self.children);
                }
                removed
            }
        }
    }

    fn find(&self, topic: &str, first: bool, found: &mut Vec<usize>) {
        let (level, rest) = split(topic);
        if !is_reserved(first, level) {
            found.extend(&self.rest);
            if let Some(node) = &self.one {
                node.descend(rest, found);
            }
        }
        if let Some(node) = self.children.get(level) {
            node.descend(rest, found);
        }
    }

    fn descend(&self, rest: Option<&str>, found: &mut Vec<usize>) {
        match rest {
            Some(rest) => self.find(rest, false, found),
            None => {
                found.extend(&self.here);
                // `a/#` matches `a` too (section 4.7.1.2).
                found.extend(&self.rest);
            }
        }
    }

    fn find_covering(&self, filter: Option<&str>, first: bool, found: &mut Vec<usize>) {
        let Some(filter) = filter else {
            found.extend(&self.here);
            found.extend(&self.rest);
            return;
        };
        let (level, rest) = split(filter);
        let reserved = is_reserved(first, level);
        if !reserved {
            found.extend(&self.rest);
        }
        if level == "#" {
            // Every topic has a first level, so `+/#` takes all that `#` does.
            if let Some(node) = self.one.as_ref().filter(|_| first) {
                found.extend(&node.rest);
            }
            return;
        }
        if let Some(node) = self.one.as_ref().filter(|_| !reserved) {
            node.find_covering(rest, false, found);
        }
        if let Some(node) = self.children.get(level) {
            node.find_covering(rest, false, found);
        }
    }

    fn overlaps(&self, filter: Option<&str>, first: bool) -> bool {
        let Some(filter) = filter else { return !(self.here.is_empty() && self.rest.is_empty()) };
        let (level, rest) = split(filter);
        let reserved = is_reserved(first, level);
        if !reserved && !self.rest.is_empty() {
            return true;
        }
        let one = self.one.as_ref().filter(|_| !reserved);
        match level {
            "#" => {
                // The parent of `#` too; and below, whatever there is.
                !self.here.is_empty()
                    || one.is_some_and(|node| node.overlaps(Some("#"), false))
                    || self.unreserved(first).any(|node| node.overlaps(Some("#"), false))
            }
            "+" => {
                one.is_some_and(|node| node.overlaps(rest, false))
                    || self.unreserved(first).any(|node| node.overlaps(rest, false))
            }
            literal => {
                one.is_some_and(|node| node.overlaps(rest, false))
                    || self.children.get(literal).is_some_and(|node| node.overlaps(rest, false))
                    || (rest == Some("#")
                        && self.children.get(literal).is_some_and(|node| !node.here.is_empty()))
            }
        }
    }

    fn unreserved(&self, first: bool) -> impl Iterator<Item = &Self> {
        self.children
            .iter()
            .filter(move |(level, _)| !is_reserved(first, level))
            .map(|(_, node)| node)
    }
}

#[cfg(test)]
mod tests {
    use tars_mqtt_topic::{covers, matches, patterns_overlap};

    use super::*;

    fn all_texts(levels: &[&str], depth: usize) -> Vec<String> {
        let mut texts: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
        for _ in 1..depth {
            let longer: Vec<String> = texts
                .iter()
                .flat_map(|text| levels.iter().map(move |level| format!("{text}/{level}")))
                .collect();
            texts.extend(longer);
        }
        texts.sort();
        texts.dedup();
        texts.retain(|text| !text.is_empty());
        texts
    }

    fn all_filters() -> Vec<String> {
        let mut filters = all_texts(&["a", "", "+", "#", "$x"], 3);
        filters.retain(|filter| !filter.contains("#/"));
        filters
    }

    #[test]
    fn the_router_agrees_with_the_matcher_on_every_filter_and_topic() {
        let filters = all_filters();
        let mut router = Router::default();
        for (entry, filter) in filters.iter().enumerate() {
            router.insert(filter, entry);
        }
        for topic in all_texts(&["a", "b", "", "$x", "ü"], 3) {
            let mut found = Vec::new();
            router.find(&topic, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> =
                (0..filters.len()).filter(|&entry| matches(&filters[entry], &topic)).collect();
            assert_eq!(found, expected, "{topic}");
        }
    }

    #[test]
    fn the_tree_agrees_with_the_comparison_of_two_filters() {
        let filters = all_filters();
        let mut all = FilterTree::default();
        for (entry, filter) in filters.iter().enumerate() {
            all.insert(filter, entry);
        }
        for narrow in &filters {
            let mut found = Vec::new();
            all.find_covering(narrow, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> =
                (0..filters.len()).filter(|&entry| covers(&filters[entry], narrow)).collect();
            assert_eq!(found, expected, "{narrow}");
            for other in &filters {
                let mut single = FilterTree::default();
                single.insert(other, 0);
                let expected = patterns_overlap(narrow, other);
                assert_eq!(single.overlaps(narrow), expected, "{narrow} and {other}");
            }
        }
    }

    #[test]
    fn a_removed_entry_is_found_no_more() {
        let mut router = Router::default();
        for filter in ["a/b", "a/+", "a/#"] {
            router.insert(filter, 1);
            router.insert(filter, 2);
            router.remove(filter, 1);
        }
        let mut found = Vec::new();
        router.find("a/b", &mut found);
        assert_eq!(found, [2, 2, 2]);
    }
}
