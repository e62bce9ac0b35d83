use std::collections::HashMap;

/// Finds what is registered under the filters that match a topic.
///
/// A tree of levels: the cost grows with the levels of the topic, not with the number of filters.
/// Filters without a wildcard, the usual case, are found with a single look.
#[derive(Debug, Default)]
pub(crate) struct Router {
    exact: HashMap<String, Vec<usize>>,
    wild: Node,
    /// How many entries `wild` holds, so that it is not walked in vain.
    wild_entries: usize,
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

impl Router {
    pub(crate) fn insert(&mut self, filter: &str, entry: usize) {
        self.entries(filter).push(entry);
        self.wild_entries += usize::from(is_wild(filter));
    }

    pub(crate) fn remove(&mut self, filter: &str, entry: usize) {
        let entries = self.entries(filter);
        let before = entries.len();
        entries.retain(|&found| found != entry);
        let removed = before - entries.len();
        if is_wild(filter) {
            self.wild_entries -= removed;
        }
    }

    fn entries(&mut self, filter: &str) -> &mut Vec<usize> {
        if !is_wild(filter) {
            return self.exact.entry(filter.to_owned()).or_default();
        }
        let mut node = &mut self.wild;
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
        if let Some(entries) = self.exact.get(topic) {
            found.extend(entries);
        }
        if self.wild_entries > 0 {
            self.wild.find(topic, true, found);
        }
    }
}

impl Node {
    fn find(&self, topic: &str, first: bool, found: &mut Vec<usize>) {
        let (level, rest) = match topic.split_once('/') {
            Some((level, rest)) => (level, Some(rest)),
            None => (topic, None),
        };
        // Wildcards at the first level leave topics of the server's own alone (MQTT-4.7.2-1).
        let wild = !(first && level.starts_with('$'));
        if wild {
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
}

fn is_wild(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

#[cfg(test)]
mod tests {
    use tars_mqtt_topic::matches;

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

    #[test]
    fn the_router_agrees_with_the_matcher_on_every_filter_and_topic() {
        let mut filters = all_texts(&["a", "", "+", "#", "$x"], 3);
        filters.retain(|filter| !filter.contains("#/"));
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
