-- Tells who holds the lock, without giving the token away.
-- KEYS: the lock, its fence, its queue.
-- Gives {} if nobody does, else what seen.lua says. The holder's fence is the last one.
local token = redis.call('GET', KEYS[1])
if not token then
  return {}
end
local seen = seen_of(KEYS[2], KEYS[3], 1)
tell_of(seen, '-', token, redis.call('PTTL', KEYS[1]), seen[1])
return seen
