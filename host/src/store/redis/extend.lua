-- Adds to the time that the lock is held by this token.
-- KEYS: the lock, its fence.  ARGV: the token, the time to add in ms.
-- Gives the time left in ms, -1 for a lock without lease, -2 if the token does not hold the lock.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -2
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  return -1
end
local longer = left + tonumber(ARGV[2])
-- '%.0f', because a number of this size could turn into one with an exponent.
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', longer))
outlast(KEYS[2], longer)
return longer
