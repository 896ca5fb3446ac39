//! The fewest licences under which a set of packages can be used together.

use std::collections::BTreeSet;

use crate::spdx::Choices;

/// How many partial answers are looked at. Few graphs need a hundred; a made-up one could need more than there is time for.
const MAX_STEPS: usize = 2_000;

/// A smallest set of licences that has at least one way to comply with each package.
///
/// Where looking at everything would take too long, the smallest one found by then.
pub(crate) fn fewest<'a>(packages: impl IntoIterator<Item = &'a Choices>) -> BTreeSet<String> {
    let packages: BTreeSet<&Choices> = packages.into_iter().collect();
    // Those with the fewest ways first: they leave the least to choose.
    let mut packages: Vec<&Choices> = packages.into_iter().collect();
    packages.sort_by_key(|choices| choices.ways().count());
    let mut search = Search { best: None, steps: MAX_STEPS };
    search.go(&packages, &BTreeSet::new());
    search.best.unwrap_or_default().into_iter().map(str::to_owned).collect()
}

struct Search<'a> {
    best: Option<BTreeSet<&'a str>>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn go(&mut self, packages: &[&'a Choices], accepted: &BTreeSet<&'a str>) {
        if self.best.as_ref().is_some_and(|best| best.len() <= accepted.len()) {
            return;
        }
        let complies =
            |choices: &Choices| choices.ways().any(|way| way.iter().all(|licence| accepted.contains(licence.as_str())));
        let Some(at) = packages.iter().position(|choices| !complies(choices)) else {
            self.best = Some(accepted.clone());
            return;
        };
        let Some((next, rest)) = packages.get(at..).and_then(<[_]>::split_first) else { return };
        for way in next.ways() {
            // The first way down always ends with an answer.
            if self.steps == 0 && self.best.is_some() {
                return;
            }
            self.steps = self.steps.saturating_sub(1);
            let more = accepted.iter().copied().chain(way.iter().map(String::as_str)).collect();
            self.go(rest, &more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expressions: &[&str]) -> String {
        let choices: Vec<_> = expressions.iter().map(|expression| Choices::parse(expression)).collect();
        fewest(&choices).into_iter().collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn one_licence_is_enough_where_all_offer_it() {
        assert_eq!(of(&["MIT OR Apache-2.0", "Apache-2.0 OR ISC", "Zlib OR Apache-2.0 OR MIT"]), "Apache-2.0");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn what_is_needed_anyway_serves_others_too() {
        assert_eq!(of(&["MIT OR Apache-2.0", "MIT OR Apache-2.0 OR ISC", "ISC", "MIT AND Unicode-3.0"]), "ISC, MIT, Unicode-3.0");
    }

    #[test]
    fn the_choice_that_looks_best_at_first_is_not_always_taken() {
        // B is in most of them, but A and C together cover all.
        assert_eq!(of(&["A OR B", "A OR B", "A OR X", "C OR B", "C OR Y"]), "A, C");
    }

    #[test]
    fn a_search_without_end_still_ends() {
        let many: Vec<_> = (0..400).map(|n| format!("A{n} OR B{} OR C{}", n * 7 % 400, n * 13 % 400)).collect();
        let many: Vec<_> = many.iter().map(|expression| Choices::parse(expression)).collect();
        let answer = fewest(&many);
        assert!(many.iter().all(|choices| choices.ways().any(|way| way.is_subset(&answer))));
    }
}
