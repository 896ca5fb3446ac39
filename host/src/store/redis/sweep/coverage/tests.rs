use super::*;

/// What a node says, of few slots: who has which, and where its own go or come from.
fn view(me: &str, owners: &[(&str, &[u16])]) -> View {
    let ranges = |slots: &[u16]| slots.iter().map(|slot| *slot..=*slot).collect();
    let owners = owners.iter().map(|(id, slots)| ((*id).to_owned(), ranges(slots))).collect();
    View::new(me.to_owned(), owners)
}

fn leaving(mut view: View, slot: u16, to: &str) -> View {
    view.leaving.insert(slot, to.to_owned());
    view
}

fn coming(mut view: View, slot: u16) -> View {
    view.coming.insert(slot);
    view
}

/// Makes all walks that are planned, after which the nodes say `after`, and tells which nodes they were over.
fn round(coverage: &mut Coverage, before: &[View], after: &[View]) -> Vec<String> {
    let walks = coverage.plan(before, true);
    for walk in &walks {
        coverage.walked(walk, &before[walk.at], &after[walk.at]);
    }
    walks.into_iter().map(|walk| before[walk.at].me.clone()).collect()
}

fn left(coverage: &Coverage) -> Vec<u16> {
    coverage.left().iter().collect()
}

const OWNERS: &[(&str, &[u16])] = &[("a", &[1, 2]), ("b", &[3])];
const MOVED: &[(&str, &[u16])] = &[("a", &[1]), ("b", &[2, 3])];

#[test]
fn one_walk_over_each_node_is_enough_where_nothing_moves() {
    let mut coverage = Coverage::new();
    assert!(!coverage.is_whole());
    let views = [view("a", OWNERS), view("b", OWNERS)];
    assert_eq!(round(&mut coverage, &views, &views), ["a", "b"]);
    assert!(coverage.is_whole());
    assert!(coverage.plan(&views, true).is_empty());
}

#[test]
fn a_slot_that_moves_meanwhile_is_walked_over_where_it_went() {
    let mut coverage = Coverage::new();
    let after = [view("a", MOVED), view("b", MOVED)];
    assert_eq!(round(&mut coverage, &[view("a", OWNERS), view("b", OWNERS)], &after), ["a", "b"]);
    assert_eq!(left(&coverage), [2]);
    assert_eq!(round(&mut coverage, &after, &after), ["b"]);
    assert!(coverage.is_whole());
}

#[test]
fn a_slot_on_its_way_is_walked_over_where_it_goes_to_after_where_it_is() {
    let mut coverage = Coverage::new();
    let before = [view("a", OWNERS), view("b", OWNERS)];
    let after = [leaving(view("a", OWNERS), 2, "b"), coming(view("b", OWNERS), 2)];
    assert_eq!(round(&mut coverage, &before, &after), ["a", "b"]);
    assert_eq!(left(&coverage), [2], "it has come to b past the walk there");
    assert_eq!(round(&mut coverage, &after, &after), ["b"]);
    assert!(coverage.is_whole(), "it may be on its way for long");

    // The same if it has arrived by then, or does so meanwhile, or goes on from there.
    let arrived = [view("a", MOVED), view("b", MOVED)];
    for (second, third) in [(&arrived, &arrived), (&after, &arrived)] {
        let mut coverage = Coverage::new();
        round(&mut coverage, &before, &after);
        assert_eq!(round(&mut coverage, second, third), ["b"]);
        assert!(coverage.is_whole());
    }
    let mut coverage = Coverage::new();
    round(&mut coverage, &before, &after);
    let onward = [view("a", MOVED), leaving(view("b", MOVED), 2, "c"), coming(view("c", MOVED), 2)];
    let three = [view("a", MOVED), view("b", MOVED), view("c", MOVED)];
    assert_eq!(round(&mut coverage, &three, &onward), ["b"]);
    assert_eq!(left(&coverage), [2]);
    assert_eq!(round(&mut coverage, &onward, &onward), ["c"]);
    assert!(coverage.is_whole());
}

#[test]
fn a_slot_that_comes_back_is_walked_over_again() {
    let views = [view("a", OWNERS), view("b", OWNERS)];
    let moving = [leaving(view("a", OWNERS), 2, "b"), coming(view("b", OWNERS), 2)];
    let mut coverage = Coverage::new();
    round(&mut coverage, &moving, &views);
    assert_eq!(left(&coverage), [2], "keys may have come back past the walk");
    assert_eq!(round(&mut coverage, &views, &views), ["a"]);
    assert!(coverage.is_whole());

    let mut coverage = Coverage::new();
    round(&mut coverage, &moving, &moving);
    assert_eq!(round(&mut coverage, &views, &views), ["a"], "b does not get the rest any more");
    assert!(coverage.is_whole());

    let mut coverage = Coverage::new();
    let elsewhere = [leaving(view("a", OWNERS), 2, "c"), view("b", OWNERS), coming(view("c", OWNERS), 2)];
    round(&mut coverage, &moving, &elsewhere);
    assert_eq!(round(&mut coverage, &elsewhere, &elsewhere), ["a"], "some may have come back from b");
    assert_eq!(round(&mut coverage, &elsewhere, &elsewhere), ["c"]);
    assert!(coverage.is_whole());
}

#[test]
fn a_node_that_is_replaced_has_shown_nothing() {
    let mut coverage = Coverage::new();
    let before = [view("a", OWNERS), view("b", OWNERS)];
    let replaced: &[(&str, &[u16])] = &[("x", &[1, 2]), ("b", &[3])];
    // It follows x by now.
    round(&mut coverage, &before, &[view("a", replaced), view("b", replaced)]);
    assert_eq!(left(&coverage), [1, 2]);
    // It has come back and does not know yet.
    let stale = [view("a", OWNERS), view("b", replaced), view("x", replaced)];
    assert!(coverage.plan(&stale, true).is_empty());
    let views = [view("b", replaced), view("x", replaced)];
    assert_eq!(round(&mut coverage, &views, &views), ["x"]);
    assert!(coverage.is_whole());

    // A server whose role has changed.
    let mut coverage = Coverage::new();
    let [primary, replica] = ["master", "slave"].map(|me| view(me, &[(me, &[1])]));
    round(&mut coverage, &[primary], &[replica]);
    assert_eq!(left(&coverage), [1]);
}

#[test]
fn a_slot_of_a_node_that_is_not_heard_is_not_one_that_nobody_has() {
    let mut coverage = Coverage::new();
    let only = [view("a", &[("a", &[1])])];
    let walks = coverage.plan(&only, false);
    assert!(coverage.walked(&walks[0], &only[0], &only[0]));
    assert!(!coverage.is_whole() && left(&coverage).len() == usize::from(super::super::super::slots::SLOTS) - 1);
    assert!(coverage.plan(&only, true).is_empty());
    assert!(coverage.is_whole());
    assert!(!Coverage::new().is_whole());
    let mut nobody = Coverage::new();
    assert!(nobody.plan(&[], true).is_empty() && !nobody.is_whole());
}
