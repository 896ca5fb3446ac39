-- Counts who holds the lock.
-- KEYS: the lock.
return redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', millis()), '+inf')
