use super::{fuzz, once_in, pick, reference};
use crate::router::{FilterTree, Router};

/// Filters and their entries, in a list that is looked through from beginning to end.
#[derive(Debug, Default)]
struct List(Vec<(String, usize)>);

impl List {
    fn find(&self, holds: impl Fn(&str) -> bool) -> Vec<usize> {
        let found = self.0.iter().filter(|(filter, _)| holds(filter));
        sorted(found.map(|(_, entry)| *entry).collect())
    }
}

fn sorted(mut found: Vec<usize>) -> Vec<usize> {
    found.sort_unstable();
    found
}

#[test]
fn router_and_tree_find_what_a_list_does() {
    let shares = [("found", 30), ("nothing", 10)];
    fuzz("router and tree", 1_500, &shares, |rng| {
        let (mut list, mut router) = (List::default(), Router::default());
        let mut tree = FilterTree::default();
        for _ in 0..rng.usize(..10) {
            let (filter, entry) = (reference::filter(rng, 4), rng.usize(..4));
            router.insert(&filter, entry);
            tree.insert(&filter, entry);
            list.0.push((filter, entry));
            if once_in(rng, 4) {
                let mut removed = list.0[rng.usize(..list.0.len())].clone();
                if once_in(rng, 4) {
                    removed = (reference::filter(rng, 4), entry);
                }
                router.remove(&removed.0, removed.1);
                tree.remove(&removed.0, removed.1);
                list.0.retain(|known| *known != removed);
            }
        }
        let filters: Vec<&str> = list.0.iter().map(|(filter, _)| filter.as_str()).collect();
        let like = if filters.is_empty() { "a" } else { pick(rng, &filters) };
        let topic = reference::topic(rng, like);
        let expected = list.find(|filter| reference::matches(filter, &topic));
        let (mut by_router, mut by_tree) = (Vec::new(), Vec::new());
        router.find(&topic, &mut by_router);
        tree.find(&topic, &mut by_tree);
        assert_eq!(sorted(by_router), expected, "{topic:?} in {list:?}");
        assert_eq!(sorted(by_tree), expected, "{topic:?} in {list:?}");

        let asked = reference::filter(rng, 4);
        let mut covering = Vec::new();
        tree.find_covering(&asked, &mut covering);
        let expected_covering = list.find(|filter| reference::covers(filter, &asked));
        assert_eq!(sorted(covering), expected_covering, "{asked:?} in {list:?}");
        let overlaps = !list.find(|filter| reference::overlap(filter, &asked)).is_empty();
        assert_eq!(tree.overlaps(&asked), overlaps, "{asked:?} in {list:?}");
        if expected.is_empty() { "nothing" } else { "found" }
    });
}
