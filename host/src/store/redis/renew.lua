-- Resets the time that the lock is held by this token.
-- KEYS: the lock, its fence.  ARGV: the token, the lease in ms, or '' for no end.
-- Gives the time left in ms, -1 for a lock without lease, -2 if the token does not hold the lock.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -2
end
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
  return -1
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
outlast(KEYS[2], ARGV[2])
return tonumber(ARGV[2])
