-- Tells who holds the lock, without giving their tokens away.
-- KEYS: as of shared_acquire.lua.  ARGV: how many are told of at most.
-- Gives {} if nobody does, else what seen.lua says: those whose leases end first.
local now = string.format('(%.0f', millis())
local count = redis.call('ZCOUNT', KEYS[1], now, '+inf')
if count == 0 then
  return {}
end
local seen = seen_of(KEYS[2], KEYS[3], count)
local holders = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for at = 1, #holders, 2 do
  local member = holders[at]
  local fence = redis.pcall('HGET', KEYS[6], member)
  local left = left_until(tonumber(holders[at + 1]))
  tell_of(seen, string.sub(member, 1, 1), string.sub(member, 3), left, type(fence) == 'string' and fence or '')
end
return seen
