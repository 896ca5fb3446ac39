//! The scripts, with a clock of the test's own, and two locks that are used by them.

use redis::{Connection, PubSub, Value};

use crate::history::{KEPT, Step, USERS, User};
use crate::state::State;

macro_rules! lua {
    ($($file:literal)*) => { concat!($(include_str!(concat!("../../../host/src/store/redis/", $file, ".lua"))),*) };
}

/// As `host/src/store/redis/script.rs` puts them together.
const ACQUIRE: [&str; 2] = [lua!("acquire_usual"), lua!("clock" "fence" "queue" "acquire")];
pub(crate) const RELEASE: [&str; 2] = [lua!("release_usual"), lua!("clock" "fence" "queue" "release")];
const ADOPT: &str = lua!("clock" "fence" "adopt");
pub(crate) const BREAK: &str = lua!("clock" "fence" "queue" "break");
pub(crate) const SHARED_RELEASE: &str = lua!("clock" "fence" "queue" "shared" "shared_release");
pub(crate) const SHARED_BREAK: &str = lua!("clock" "fence" "queue" "shared" "shared_break");
const RENEW: &str = lua!("outlast" "renew");
const EXTEND: &str = lua!("outlast" "extend");

/// For how long a fence is remembered beyond the lease, in milliseconds.
const DAY: u64 = 86_400_000;

/// The first two listen for grants, the third has died.
const CLIENTS: [&str; 3] = ["here", "there", "dead"];

/// 2027, in microseconds since 1970.
const BEGINNING: i64 = 1_800_000_000_000_000;

/// How much later the next step is, in microseconds.
const STEP: i64 = 700;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    AsItIs,
    General,
}

/// One of the two locks.
pub(crate) struct Side {
    way: Way,
    tokens: [u32; USERS],
    now: i64,
}

impl Side {
    /// A lock that nobody has ever used.
    pub(crate) fn new(connection: &mut Connection, way: Way) -> Self {
        let side = Self { way, tokens: [0; USERS], now: BEGINNING };
        redis::cmd("DEL").arg(&side.keys()).exec(connection).unwrap();
        side
    }

    /// Gives the answer, but for the names of keys.
    pub(crate) fn perform(&mut self, connection: &mut Connection, step: &Step) -> String {
        self.now += STEP;
        let (seconds, micros) = (self.now / 1_000_000, self.now % 1_000_000);
        let clock = [seconds.to_string(), micros.to_string()];
        redis::pipe().del(self.clock()).rpush(self.clock(), &clock).exec(connection).unwrap();
        let [lock, fence, ..] = self.keys();
        match *step {
            Step::Attempt { user, anew, lease, joins, fair } => {
                self.tokens[user] += u32::from(anew);
                let remembered = lease.map_or(0, |lease| lease * 1_000 + DAY).to_string();
                let (token, lease) = (self.token(user), millis(lease));
                let mut arguments = vec![&*token, &lease, &remembered];
                let place = self.place(user);
                let waits = joins || fair;
                if waits {
                    arguments.extend([&*place, if joins { "join" } else { "" }, if fair { "fair" } else { "" }, publish(user)]);
                }
                self.run(connection, &self.source(ACQUIRE, "acquire"), if waits { 5 } else { 2 }, &arguments)
            }
            Step::HolderReleases => {
                let holder: Option<String> = redis::cmd("GET").arg(&lock).query(connection).unwrap();
                let user = (0..USERS).find(|user| holder.as_ref() == Some(&self.token(*user)));
                let Some(user) = user else { return plain(connection, &["DEL", &lock]) };
                self.run(connection, &self.source(RELEASE, "release"), 5, &[&self.token(user), publish(user)])
            }
            Step::Release { user, withdraws, next, yields } => {
                let (token, place) = (self.token(user), self.place(user));
                let next = next.map(|next| self.place(next));
                let mut arguments = vec![&*token, publish(user)];
                if withdraws || next.is_some() {
                    let withdraws = if withdraws { &*place } else { "" };
                    arguments.extend([withdraws, next.as_deref().unwrap_or(""), if yields { "yield" } else { "" }]);
                }
                self.run(connection, &self.source(RELEASE, "release"), 5, &arguments)
            }
            Step::Renew { user, lease } => self.run(connection, RENEW, 2, &[&self.token(user), &millis(lease)]),
            Step::Extend { user } => self.run(connection, EXTEND, 2, &[&self.token(user), "40000"]),
            Step::Adopt { from, to } => self.run(connection, ADOPT, 2, &[&self.token(from), &self.token(to)]),
            Step::Break { user } => {
                let mut digest = redis::cmd("EVAL");
                digest.arg("return redis.sha1hex(ARGV[1])").arg(0).arg(self.token(user));
                let digest: String = digest.query(connection).unwrap();
                self.run(connection, BREAK, 5, &[&digest, publish(user)])
            }
            Step::LeaseEnds => plain(connection, &["DEL", &lock]),
            Step::Stranger => plain(connection, &["SET", &lock, "a stranger's", "NX", "PX", "80000"]),
            Step::Fence(None) => plain(connection, &["DEL", &fence]),
            Step::Fence(Some(kept)) => plain(connection, &["SET", &fence, kept, "PX", "86400000"]),
            Step::Pass(seconds) => {
                self.now += seconds * 1_000_000;
                String::new()
            }
        }
    }

    pub(crate) fn state(&self, connection: &mut Connection) -> State {
        State::of(connection, &self.keys())
    }

    /// The lock, its fence, its queue, its clients alive, what its channels begin with.
    fn keys(&self) -> [String; 5] {
        ["lock", "fence", "queue", "alive", "channel:"].map(|key| self.name(key))
    }

    fn clock(&self) -> String {
        self.name("clock")
    }

    fn name(&self, key: &str) -> String {
        format!("{:?}:{key}", self.way)
    }

    /// The first 16 characters tell tokens apart. Other programs have shorter ones.
    fn token(&self, user: User) -> String {
        let token = format!("user-{user}-{:08}", self.tokens[user]);
        if user == 0 { token } else { token + "-and-more" }
    }

    fn place(&self, user: User) -> String {
        let lease = crate::history::LEASES[user % 3].map_or("-".to_owned(), |lease| (lease * 1_000).to_string());
        let (kept, client) = (KEPT[user % 2] * 1_000, CLIENTS[user % 3]);
        format!("{} {lease} {kept} {client} -", self.token(user))
    }

    /// What is sent to the server. Whoever takes the short way is counted.
    fn source(&self, [usual, general]: [&str; 2], what: &str) -> String {
        if self.way == Way::General {
            return format!("local taken, told, deaf\n{general}");
        }
        let mut parts = usual.split("return {1").enumerate();
        let (_, first) = parts.next().unwrap();
        let counted = parts.map(|(number, rest)| format!("redis.call('INCR', 'short-{what}-{number}')\nreturn {{1{rest}"));
        std::iter::once(first.to_owned()).chain(counted).collect::<String>() + general
    }

    fn run(&self, connection: &mut Connection, source: &str, keys: usize, arguments: &[&str]) -> String {
        let clock = format!("redis.call('LRANGE', '{}', 0, 1)", self.clock());
        let source = source.replace("redis.call('TIME')", &clock);
        let mut command = redis::cmd("EVAL");
        command.arg(source).arg(keys);
        command.arg(&self.keys()[..keys]).arg(arguments);
        let answer = match command.query::<Value>(connection) {
            Ok(answer) => format!("{:?}", rounded(answer)),
            Err(error) => error.to_string(),
        };
        // Errors name the key and the script.
        answer.split("script: ").next().unwrap_or_default().replace(&self.name(""), "")
    }
}

/// The same with times to ten seconds, as some pass between the two.
fn rounded(answer: Value) -> Value {
    match answer {
        Value::Int(millis @ 10_000..1_000_000_000) => Value::Int((millis + 5_000) / 10_000 * 10_000),
        Value::Array(parts) => Value::Array(parts.into_iter().map(rounded).collect()),
        other => other,
    }
}

/// How often each of the short ways was taken.
pub(crate) fn short_ways(connection: &mut Connection) -> [u64; 3] {
    ["short-acquire-1", "short-release-1", "short-release-2"].map(|counter| {
        let count: Option<u64> = redis::cmd("GET").arg(counter).query(connection).unwrap();
        count.unwrap_or_default()
    })
}

/// Listens for the grants of both locks.
pub(crate) fn listen(connection: &mut Connection) -> PubSub<'_> {
    let mut words = connection.as_pubsub();
    for way in [Way::AsItIs, Way::General] {
        for client in &CLIENTS[..2] {
            words.subscribe(format!("{way:?}:channel:{client}")).unwrap();
        }
    }
    words.subscribe("end").unwrap();
    words
}

/// What was told of each lock since.
pub(crate) fn heard(connection: &mut Connection, words: &mut PubSub<'_>) -> [Vec<String>; 2] {
    redis::cmd("PUBLISH").arg("end").arg("").exec(connection).unwrap();
    let mut heard = [Vec::new(), Vec::new()];
    loop {
        let word = words.get_message().unwrap();
        let Some((way, channel)) = word.get_channel_name().split_once(':') else { return heard };
        let word = format!("{channel} {}", word.get_payload::<String>().unwrap());
        heard[usize::from(way != "AsItIs")].push(word);
    }
}

/// Most by a command that is heard, some by one that nobody hears here, or that the server does not know.
fn publish(user: User) -> &'static str {
    ["PUBLISH", "PUBLISH", "PUBLISH", "PUBLISH", "SPUBLISH", "NOPUBLISH"][user]
}

fn millis(lease: Option<u64>) -> String {
    lease.map_or(String::new(), |lease| (lease * 1_000).to_string())
}

fn plain(connection: &mut Connection, words: &[&str]) -> String {
    let mut command = redis::Cmd::new();
    command.arg(words);
    let answer: Value = command.query(connection).unwrap();
    format!("{answer:?}")
}
