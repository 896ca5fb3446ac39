//! Any sequence of operations by several clients gives what a plain model of the rules gives.

use bellwether::envelope::{Claim, Envelope, Holds};
use bellwether::store::{Abandoning, Bid, Filling, Prolonging, Replaces, Standing};

use super::*;

/// What the model has under a key.
#[derive(Debug, Clone, PartialEq)]
enum Kept {
    /// What nobody can claim.
    Plain(u64),
    /// A value, whether it is due, and who computes it anew.
    Value(u64, bool, Option<Claim>),
    /// A placeholder for what somebody computes.
    Vacant(Claim),
}

/// What an operation gives, as far as it does not depend on the time.
#[derive(Debug, PartialEq)]
enum Gives {
    Is(bool),
    Bytes(Option<u64>),
    Deleted(u64),
    Absent,
    Hit(u64),
    Yours(Option<u64>),
    Busy,
}

#[derive(Debug, Clone)]
enum Op {
    Set(u64),
    /// A value, whether it is due at once, and what it may replace.
    Fill(u64, bool, Replaces),
    Claim(Claim, bool),
    Prolong(Claim, bool),
    Abandon(Claim),
    Get,
    Exists,
    Delete,
}

impl Kept {
    fn claim(&self) -> Option<Claim> {
        match self {
            Self::Plain(_) => None,
            Self::Value(_, _, claim) => *claim,
            Self::Vacant(claim) => Some(*claim),
        }
    }

    fn value(&self) -> Option<u64> {
        match self {
            Self::Plain(value) | Self::Value(value, ..) => Some(*value),
            Self::Vacant(_) => None,
        }
    }
}

/// What the rules say.
fn ideal(kept: &mut Option<Kept>, op: &Op) -> Gives {
    let holds = |kept: &Option<Kept>, claim| kept.as_ref().and_then(Kept::claim) == Some(claim);
    match *op {
        Op::Set(value) => {
            *kept = Some(Kept::Plain(value));
            Gives::Is(true)
        }
        Op::Fill(value, due, replaces) => {
            let fits = match replaces {
                Replaces::Anything => true,
                Replaces::Claimed(claim) => holds(kept, claim),
                Replaces::ClaimedOrNothing(claim) => kept.is_none() || holds(kept, claim),
            };
            if fits {
                *kept = Some(Kept::Value(value, due, None));
            }
            Gives::Is(fits)
        }
        Op::Claim(claim, cold) => match kept.clone() {
            None if cold => {
                *kept = Some(Kept::Vacant(claim));
                Gives::Yours(None)
            }
            None => Gives::Absent,
            Some(Kept::Vacant(_)) if !cold => Gives::Absent,
            Some(Kept::Vacant(holder)) if holder == claim => Gives::Yours(None),
            Some(Kept::Vacant(_)) => Gives::Busy,
            Some(Kept::Value(value, due, holder)) if due || holder == Some(claim) => {
                *kept = Some(Kept::Value(value, false, Some(claim)));
                Gives::Yours(Some(value))
            }
            Some(Kept::Plain(value) | Kept::Value(value, ..)) => Gives::Hit(value),
        },
        Op::Prolong(claim, serves) => {
            let held = holds(kept, claim);
            if held && !serves {
                *kept = Some(Kept::Vacant(claim));
            }
            Gives::Is(held)
        }
        Op::Abandon(claim) => {
            let held = holds(kept, claim);
            if held {
                *kept = kept.as_ref().and_then(Kept::value).map(|value| Kept::Value(value, true, None));
            }
            Gives::Is(held)
        }
        Op::Get => Gives::Bytes(kept.as_ref().and_then(Kept::value)),
        Op::Exists => Gives::Is(kept.as_ref().and_then(Kept::value).is_some()),
        Op::Delete => Gives::Deleted(u64::from(kept.take().and_then(|kept| kept.value()).is_some())),
    }
}

/// What the store does.
async fn real(store: &Shared, key: &str, op: &Op) -> Gives {
    match *op {
        Op::Set(value) => {
            store.set(&entry(key, sealed(value, None)), None).await.unwrap();
            Gives::Is(true)
        }
        Op::Fill(value, due, replaces) => {
            // Long ago, or not within a human life.
            let bytes = sealed(value, Some(if due { 1 } else { 1 << 42 }));
            let filling = Filling { entry: entry(key, bytes), replaces, due: None, kept: Some(ms(LONG)) };
            Gives::Is(store.fill(&[filling]).await.remove(0).unwrap())
        }
        Op::Claim(claim, cold) => {
            let seen = store.get(key).await.unwrap().filter(|_| cold);
            let bid = Bid { claim, lease: ms(LONG), cold, early: 0, seen };
            match store.claim(key, &bid).await.unwrap() {
                Standing::Absent => Gives::Absent,
                Standing::Hit(bytes) => Gives::Hit(opened(&bytes).unwrap()),
                Standing::Yours { stale } => Gives::Yours(stale.map(|stale| opened(&stale.bytes).unwrap())),
                Standing::Busy { .. } => Gives::Busy,
            }
        }
        Op::Prolong(claim, serves) => Gives::Is(store.prolong(Prolonging { key, claim, lease: ms(LONG), serves }).await.unwrap()),
        Op::Abandon(claim) => Gives::Is(store.abandon(Abandoning::of(key, claim)).await.unwrap()),
        Op::Get => Gives::Bytes(store.get(key).await.unwrap().and_then(|bytes| opened(&bytes))),
        Op::Exists => Gives::Is(store.exists(key).await.unwrap()),
        Op::Delete => Gives::Deleted(store.delete(&[key.to_owned()]).await.unwrap()),
    }
}

fn sealed(value: u64, expires: Option<u64>) -> Bytes {
    Envelope { expires, ..Envelope::default() }.seal(&value.to_le_bytes()).unwrap()
}

fn opened(bytes: &Bytes) -> Option<u64> {
    let (envelope, payload) = Envelope::open("entry", bytes.clone()).unwrap();
    (envelope.holds == Holds::Value).then(|| u64::from_le_bytes(payload[..].try_into().unwrap()))
}

/// Numbers that are the same in every run (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

pub(crate) async fn any_sequence_gives_what_the_model_gives(store: Shared, name: &str) {
    for seed in 0..25 {
        let mut numbers = Numbers(seed);
        // Three clients, whose claims are sometimes made anew.
        let mut claims: Vec<_> = (0..3).map(|_| Claim::random().unwrap()).collect();
        let mut model: HashMap<String, Kept> = HashMap::new();
        let mut history = Vec::new();
        for step in 0..80 {
            let key = format!("{name}-{seed}-{}", numbers.below(2));
            let client = usize::try_from(numbers.below(3)).unwrap();
            if numbers.below(8) == 0 {
                claims[client] = Claim::random().unwrap();
            }
            let (claim, coin) = (claims[client], numbers.below(2) == 0);
            let op = match numbers.below(16) {
                0 => Op::Set(step),
                1 | 2 => Op::Fill(step, coin, Replaces::Anything),
                3 | 4 => Op::Fill(step, coin, Replaces::Claimed(claim)),
                5 => Op::Fill(step, coin, Replaces::ClaimedOrNothing(claim)),
                6..=9 => Op::Claim(claim, coin),
                10 => Op::Prolong(claim, coin),
                11 => Op::Abandon(claim),
                12 | 13 => Op::Get,
                14 => Op::Exists,
                _ => Op::Delete,
            };
            let mut kept = model.remove(&key);
            let expected = ideal(&mut kept, &op);
            model.extend(kept.map(|kept| (key.clone(), kept)));
            history.push((key.clone(), op.clone()));
            let given = real(&store, &key, &op).await;
            assert_eq!(given, expected, "seed {seed}: {history:#?}");
        }
    }
}
