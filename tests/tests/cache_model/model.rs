//! What the documentation of caches says, with numbers for claims and no clock.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::operations::{BRIEF, Gives, Key, Life, Operation, PATTERNS, PLAIN, Tag, Who};
use crate::tags::{Moment, Tagged, Tags};

type Claim = u64;

#[derive(Debug, Clone)]
enum Kept {
    Value {
        value: u64,
        /// It is to be computed anew by whoever reads it next.
        due: bool,
        /// Who computes it anew.
        claim: Option<Claim>,
        endless: bool,
        tags: Tagged,
    },
    /// Somebody computes it.
    Vacant(Claim),
    /// It could not be computed, for this reason.
    Failure(u64),
}

/// What somebody computes.
#[derive(Debug)]
struct Duty {
    claim: Claim,
    since: Moment,
    /// The tags that the value will have.
    tags: Vec<Tag>,
    /// The tags of the value that is computed anew.
    old: Vec<Tag>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: BTreeMap<Key, Kept>,
    tags: Tags,
    now: Moment,
    claims: Claim,
    /// What a client was told to compute by a read, and has not set yet.
    promises: HashMap<(Who, Key), Duty>,
    /// What it was told to compute by a lookup.
    vacancies: HashMap<(Who, Key), VecDeque<Duty>>,
}

impl Model {
    pub(crate) fn perform(&mut self, operation: &Operation, value: u64) -> Gives {
        self.now += 1;
        match operation {
            Operation::Set(who, key, life, tags) => self.set(*who, std::slice::from_ref(key), value, *life, tags),
            Operation::SetMany(who, keys, life, tags) => self.set(*who, keys, value, *life, tags),
            Operation::Get(who, key) => Gives::Values(vec![self.read(*who, *key)]),
            Operation::GetMany(who, keys) => self.read_many(*who, keys),
            Operation::Exists(_, key) => Gives::Is(self.counts(*key)),
            Operation::Ttl(_, key) => match self.entries.get(key) {
                Some(Kept::Value { endless: true, .. }) if self.counts(*key) => Gives::Persistent,
                Some(Kept::Value { endless: false, .. }) if self.counts(*key) => Gives::Remaining,
                _ => Gives::Absent,
            },
            Operation::Delete(_, key) => Gives::Is(self.delete(|it| it == key) == 1),
            Operation::DeleteMany(_, names, content) => {
                Gives::Count(self.delete(|it| names.contains(&it.name) && it.content == *content))
            }
            Operation::DeletePattern(_, pattern) => {
                let (_, matches) = PATTERNS.iter().find(|(known, _)| known == pattern).unwrap();
                Gives::Count(self.delete(|it| matches(it.name)))
            }
            Operation::Clear(_) => {
                self.tags.clear(self.now);
                Gives::Count(self.delete(|_| true))
            }
            Operation::Invalidate(_, tag) => Gives::Is(self.tags.invalidate(tag, self.now)),
            Operation::Lookup(who, key, tags) => self.lookup(*who, *key, tags),
            Operation::Fill(who, key, life, tags) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(mut duty) => {
                    duty.tags.extend(tags.iter().filter(|tag| !duty.tags.contains(tag)).copied().collect::<Vec<_>>());
                    let tagged = self.tags.begin(&duty.tags, is_gone(*who, *life));
                    Gives::Is(self.answer(*who, *key, &duty, value, *life, tagged))
                }
            },
            Operation::Fail(who, key) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(duty) => Gives::Is(self.let_go(*key, duty.claim, Some(value))),
            },
            Operation::GiveUp(who, key) => {
                if let Some(duty) = self.vacancy(*who, *key) {
                    self.let_go(*key, duty.claim, None);
                }
                Gives::Nothing
            }
        }
    }

    /// The value that is stored of an entry, and whether it has tags.
    pub(crate) fn stored(&self, key: Key) -> Option<(u64, bool)> {
        match self.entries.get(&key)? {
            Kept::Value { value, tags, .. } => Some((*value, !tags.is_empty())),
            Kept::Vacant(_) | Kept::Failure(_) => None,
        }
    }

    /// Once for each key, however often it is named.
    fn set(&mut self, who: Who, keys: &[Key], value: u64, life: Life, tags: &[Tag]) -> Gives {
        if keys.is_empty() {
            return Gives::Nothing;
        }
        let tagged = self.tags.begin(tags, is_gone(who, life));
        for key in keys.iter().collect::<HashSet<_>>() {
            match self.promises.remove(&(who, *key)) {
                None => self.store(who, *key, value, life, tagged.clone()),
                Some(duty) => {
                    self.answer(who, *key, &Duty { tags: tags.to_vec(), ..duty }, value, life, tagged.clone());
                }
            }
        }
        Gives::Nothing
    }

    /// Stores what was computed, if its claim stands and none of its tags, or those of the old value, was invalidated meanwhile. Gives
    /// whether that was so.
    fn answer(&mut self, who: Who, key: Key, duty: &Duty, value: u64, life: Life, tagged: Tagged) -> bool {
        if self.tags.ended_since(duty.tags.iter().chain(&duty.old), duty.since) {
            self.let_go(key, duty.claim, None);
            return false;
        }
        let stands = self.claim(key) == Some(duty.claim);
        if stands {
            self.store(who, key, value, life, tagged);
        }
        stands
    }

    fn store(&mut self, who: Who, key: Key, value: u64, life: Life, tags: Tagged) {
        if is_gone(who, life) {
            self.entries.remove(&key);
        } else {
            let (due, endless) = (life == Life::Moment, life == Life::Endless);
            self.entries.insert(key, Kept::Value { value, due, claim: None, endless, tags });
        }
    }

    /// Once for each key, however often it is asked for.
    fn read_many(&mut self, who: Who, keys: &[Key]) -> Gives {
        let mut read = HashMap::new();
        let values = keys.iter().map(|key| *read.entry(*key).or_insert_with(|| self.read(who, *key)));
        Gives::Values(values.collect())
    }

    fn read(&mut self, who: Who, key: Key) -> Option<u64> {
        self.discard(key);
        match self.entries.get_mut(&key)? {
            Kept::Value { due, claim, tags, .. } if *due && who != PLAIN => {
                self.claims += 1;
                (*due, *claim) = (who == BRIEF, Some(self.claims));
                let duty = Duty { claim: self.claims, since: self.now, tags: Vec::new(), old: names(tags) };
                self.promises.insert((who, key), duty);
                None
            }
            Kept::Value { value, .. } => Some(*value),
            Kept::Vacant(_) | Kept::Failure(_) => None,
        }
    }

    fn lookup(&mut self, who: Who, key: Key, tags: &[Tag]) -> Gives {
        self.discard(key);
        self.claims += 1;
        let mut old = Vec::new();
        match self.entries.get_mut(&key) {
            Some(Kept::Value { value, due: false, .. }) => return Gives::Hit(*value),
            Some(Kept::Vacant(_)) => return Gives::Busy,
            Some(Kept::Failure(why)) => return Gives::Failed(*why),
            Some(Kept::Value { due, claim, tags, .. }) => {
                (*due, *claim) = (false, Some(self.claims));
                old = names(tags);
            }
            None => {
                self.entries.insert(key, Kept::Vacant(self.claims));
            }
        }
        self.tags.begin(tags, false);
        let duty = Duty { claim: self.claims, since: self.now, tags: tags.to_vec(), old };
        self.vacancies.entry((who, key)).or_default().push_back(duty);
        Gives::Vacancy
    }

    /// Who finds an entry of which a tag was invalidated deletes it.
    fn discard(&mut self, key: Key) {
        if matches!(self.entries.get(&key), Some(Kept::Value { .. })) && !self.counts(key) {
            self.entries.remove(&key);
        }
    }

    /// Gives a claim up, for the next one to compute the value, or for nobody to try for a while. Gives whether it stood.
    fn let_go(&mut self, key: Key, given_up: Claim, failed: Option<u64>) -> bool {
        if self.claim(key) != Some(given_up) {
            return false;
        }
        let counts = self.counts(key);
        match (self.entries.get_mut(&key), failed) {
            // What was invalidated is given to nobody, so a failure takes its place.
            (Some(Kept::Value { due, claim, .. }), _) if counts || failed.is_none() => (*due, *claim) = (failed.is_none(), None),
            (_, Some(why)) => _ = self.entries.insert(key, Kept::Failure(why)),
            (_, None) => _ = self.entries.remove(&key),
        }
        true
    }

    fn vacancy(&mut self, who: Who, key: Key) -> Option<Duty> {
        self.vacancies.get_mut(&(who, key))?.pop_front()
    }

    fn claim(&self, key: Key) -> Option<Claim> {
        match self.entries.get(&key)? {
            Kept::Value { claim, .. } => *claim,
            Kept::Vacant(claim) => Some(*claim),
            Kept::Failure(_) => None,
        }
    }

    /// Whether there is a value, and all its tags stand.
    fn counts(&self, key: Key) -> bool {
        matches!(self.entries.get(&key), Some(Kept::Value { tags, .. }) if self.tags.stand(tags))
    }

    /// Gives how many had a value, be it one that was invalidated and that nobody has found yet.
    fn delete(&mut self, chosen: impl Fn(&Key) -> bool) -> u64 {
        let mut count = 0;
        self.entries.retain(|key, kept| {
            let goes = chosen(key);
            count += u64::from(goes && matches!(kept, Kept::Value { .. }));
            !goes
        });
        count
    }
}

/// Whether an entry is gone when the next operation begins. With herd protection it is kept for longer.
fn is_gone(who: Who, life: Life) -> bool {
    life == Life::Moment && who == PLAIN
}

fn names(tagged: &Tagged) -> Vec<Tag> {
    tagged.iter().map(|(tag, _)| *tag).collect()
}
