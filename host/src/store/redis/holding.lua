-- Tells for how long this token holds the lock: in one script, because between two commands the lock could change hands.
-- KEYS: the lock.  ARGV: the token.
-- Gives the time left in ms, -1 for a lock without lease, -2 if the token does not hold the lock.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -2
end
return redis.call('PTTL', KEYS[1])
