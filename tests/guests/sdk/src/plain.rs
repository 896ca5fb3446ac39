//! What is shared with programs that know nothing of us, on a platform that stores bare payloads as JSON and zlib.

use std::collections::BTreeMap;

use bellwether_guest::{Cache, Error, Result, cbor};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    price: f64,
    paid: bool,
    note: Option<String>,
    items: Vec<BTreeMap<String, i64>>,
}

fn order(note: Option<&str>) -> Order {
    Order {
        id: u64::MAX,
        price: 0.1,
        paid: true,
        note: note.map(str::to_owned),
        items: vec![BTreeMap::from([("apple".to_owned(), -2), ("smörgås 🥪".to_owned(), i64::MIN)]), BTreeMap::new()],
    }
}

pub(crate) async fn write() -> Result<()> {
    let orders = Cache::open("orders")?;
    orders.set("of the guest", &order(Some("a \"quoted\" \0 \u{1f}"))).await?;
    orders.set("large", &vec![order(None); 2_000]).await?;
    orders.set("small", &None::<Order>).await?;
    // What JSON has no form for is refused before anything is stored.
    assert!(matches!(orders.set("bytes", &cbor::Value::Bytes(vec![0])).await, Err(Error::Stage(_))));
    Ok(())
}

pub(crate) async fn read() -> Result<()> {
    let orders = Cache::open("orders")?;
    assert_eq!(orders.get("of python").await?, Some(order(Some("written by Python"))));
    assert_eq!(orders.get::<Vec<u64>>("large").await?, Some((0..100_000).collect()));
    assert_eq!(orders.get::<Option<Order>>("small").await?, Some(None));
    for odd in ["not zlib", "not json", "not a number", "longer than it says", "nothing"] {
        let answer = orders.get_cbor(odd).await;
        assert!(matches!(&answer, Err(Error::Stage(why)) if why.contains("json") || why.contains("zlib")), "{odd}: {answer:?}");
    }
    Ok(())
}
