//! A value such as caches hold.

/// A JSON document of about `size` bytes, such as caches hold: keys that repeat, values that do not.
pub(crate) fn document(size: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    while text.len() + 120 < size {
        // xorshift64 (Marsaglia, 2003): the same document in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let comma = if text.len() > 1 { "," } else { "" };
        let (id, price) = (state % 1_000_000, state % 9_973);
        let item = format!(r#"{comma}{{"id":{id},"name":"item {state:x}","price":{price},"tags":["new","sale"],"stock":true}}"#);
        text.push_str(&item);
    }
    text.push(']');
    text.into_bytes()
}
