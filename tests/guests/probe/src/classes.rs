//! What can be done with locks of a class.

use crate::bindings::bellwether::core::lock::{Kind, Lock, Options, Wait};

pub(crate) async fn run(args: &[&str]) {
    let [class, name, how, note @ ..] = args else { panic!("the probe needs a class, a lock, and what to do with it") };
    let options = Options { kind: Kind::Simple, lease: Some(30_000), renew: true, fair: false, retry: 200 };
    let lock = match Lock::open_as(class, name, note.first().copied(), options) {
        Ok(lock) => lock,
        Err(why) => return println!("{why:?}"),
    };
    let guard = match lock.acquire(Wait::Forever).await {
        Ok(guard) => guard.unwrap(),
        Err(why) => return println!("{why:?}"),
    };
    println!("held");
    match *how {
        "release" => println!("release {:?}", guard.release().await),
        "adopt" => {
            let adopted = lock.adopt(guard.hand_over().await.unwrap()).await.unwrap();
            println!("release {:?}", adopted.release().await);
        }
        "drop" => drop(guard),
        "leave" => std::mem::forget(guard),
        "trap" => panic!("trapped while holding a lock of a class"),
        other => panic!("cannot hold and {other}"),
    }
}
