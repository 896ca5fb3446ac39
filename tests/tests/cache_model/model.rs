//! What the documentation of caches says, with numbers for claims and no clock.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::operations::{BRIEF, Gives, Key, Life, Operation, PATTERNS, PLAIN, Who};

type Claim = u64;

#[derive(Debug, Clone, Copy)]
enum Kept {
    Value {
        value: u64,
        /// It is to be computed anew by whoever reads it next.
        due: bool,
        /// Who computes it anew.
        claim: Option<Claim>,
        endless: bool,
    },
    /// Somebody computes it.
    Vacant(Claim),
    /// It could not be computed.
    Failure,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: BTreeMap<Key, Kept>,
    claims: Claim,
    /// What a client was told to compute by a read, and has not set yet.
    promises: HashMap<(Who, Key), Claim>,
    /// What it was told to compute by a lookup.
    vacancies: HashMap<(Who, Key), VecDeque<Claim>>,
}

impl Model {
    pub(crate) fn perform(&mut self, operation: &Operation, value: u64) -> Gives {
        match operation {
            Operation::Set(who, key, life) => self.set(*who, std::slice::from_ref(key), value, *life),
            Operation::SetMany(who, keys, life) => self.set(*who, keys, value, *life),
            Operation::Get(who, key) => Gives::Values(vec![self.read(*who, *key)]),
            Operation::GetMany(who, keys) => self.read_many(*who, keys),
            Operation::Exists(_, key) => Gives::Is(self.value(*key).is_some()),
            Operation::Ttl(_, key) => match self.entries.get(key) {
                Some(Kept::Value { endless: true, .. }) => Gives::Persistent,
                Some(Kept::Value { endless: false, .. }) => Gives::Remaining,
                Some(Kept::Vacant(_) | Kept::Failure) | None => Gives::Absent,
            },
            Operation::Delete(_, key) => Gives::Is(self.delete(|it| it == key) == 1),
            Operation::DeleteMany(_, names, content) => {
                Gives::Count(self.delete(|it| names.contains(&it.name) && it.content == *content))
            }
            Operation::DeletePattern(_, pattern) => {
                let (_, matches) = PATTERNS.iter().find(|(known, _)| known == pattern).unwrap();
                Gives::Count(self.delete(|it| matches(it.name)))
            }
            Operation::Clear(_) => Gives::Count(self.delete(|_| true)),
            Operation::Lookup(who, key) => self.lookup(*who, *key),
            Operation::Fill(who, key, life) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(claim) => {
                    let stands = self.claim(*key) == Some(claim);
                    if stands {
                        self.store(*who, *key, value, *life);
                    }
                    Gives::Is(stands)
                }
            },
            Operation::Fail(who, key) => match self.vacancy(*who, *key) {
                None => Gives::Nothing,
                Some(claim) => Gives::Is(self.let_go(*key, claim, true)),
            },
            Operation::GiveUp(who, key) => {
                if let Some(claim) = self.vacancy(*who, *key) {
                    self.let_go(*key, claim, false);
                }
                Gives::Nothing
            }
        }
    }

    /// Once for each key, however often it is named.
    fn set(&mut self, who: Who, keys: &[Key], value: u64, life: Life) -> Gives {
        for key in keys.iter().collect::<HashSet<_>>() {
            let promise = if who == PLAIN { None } else { self.promises.remove(&(who, *key)) };
            if promise.is_none() || promise == self.claim(*key) {
                self.store(who, *key, value, life);
            }
        }
        Gives::Nothing
    }

    fn store(&mut self, who: Who, key: Key, value: u64, life: Life) {
        let due = life == Life::Moment;
        if due && who == PLAIN {
            self.entries.remove(&key);
        } else {
            self.entries.insert(key, Kept::Value { value, due, claim: None, endless: life == Life::Endless });
        }
    }

    /// Once for each key, however often it is asked for.
    fn read_many(&mut self, who: Who, keys: &[Key]) -> Gives {
        let mut read = HashMap::new();
        let values = keys.iter().map(|key| *read.entry(*key).or_insert_with(|| self.read(who, *key)));
        Gives::Values(values.collect())
    }

    fn read(&mut self, who: Who, key: Key) -> Option<u64> {
        match self.entries.get_mut(&key)? {
            Kept::Value { due, claim, .. } if *due && who != PLAIN => {
                self.claims += 1;
                (*due, *claim) = (who == BRIEF, Some(self.claims));
                self.promises.insert((who, key), self.claims);
                None
            }
            Kept::Value { value, .. } => Some(*value),
            Kept::Vacant(_) | Kept::Failure => None,
        }
    }

    fn lookup(&mut self, who: Who, key: Key) -> Gives {
        match self.entries.get_mut(&key) {
            Some(Kept::Value { value, due: false, .. }) => return Gives::Hit(*value),
            Some(Kept::Vacant(_)) => return Gives::Busy,
            Some(Kept::Failure) => return Gives::Failed,
            _ => self.claims += 1,
        }
        match self.entries.get_mut(&key) {
            Some(Kept::Value { due, claim, .. }) => (*due, *claim) = (false, Some(self.claims)),
            _ => {
                self.entries.insert(key, Kept::Vacant(self.claims));
            }
        }
        self.vacancies.entry((who, key)).or_default().push_back(self.claims);
        Gives::Vacancy
    }

    /// Gives a claim up, for the next one to compute the value, or for nobody to try for a while. Gives whether it stood.
    fn let_go(&mut self, key: Key, given_up: Claim, failed: bool) -> bool {
        if self.claim(key) != Some(given_up) {
            return false;
        }
        match self.entries.get_mut(&key) {
            Some(Kept::Value { due, claim, .. }) => (*due, *claim) = (!failed, None),
            _ if failed => {
                self.entries.insert(key, Kept::Failure);
            }
            _ => {
                self.entries.remove(&key);
            }
        }
        true
    }

    fn vacancy(&mut self, who: Who, key: Key) -> Option<Claim> {
        self.vacancies.get_mut(&(who, key))?.pop_front()
    }

    fn claim(&self, key: Key) -> Option<Claim> {
        match self.entries.get(&key)? {
            Kept::Value { claim, .. } => *claim,
            Kept::Vacant(claim) => Some(*claim),
            Kept::Failure => None,
        }
    }

    fn value(&self, key: Key) -> Option<u64> {
        match self.entries.get(&key)? {
            Kept::Value { value, .. } => Some(*value),
            Kept::Vacant(_) | Kept::Failure => None,
        }
    }

    /// Gives how many had a value.
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
