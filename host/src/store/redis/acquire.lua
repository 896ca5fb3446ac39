-- Takes the lock if it is free, or again if this token has it already (then the reply to the first attempt was lost).
-- KEYS: the lock, its fence.  ARGV: the token, the lease in ms or ''.
-- Gives {1, fence}, {0, time left in ms, or -1 for a lock without lease}, or {2} for a token that was given up before.
local token, lease = ARGV[1], ARGV[2]

local last, released_by = 0, ''
local kept = redis.call('GET', KEYS[2])
if kept then
  local fence, by = string.match(kept, '^(%d+) ?(.*)$')
  last, released_by = tonumber(fence or 0), by or ''
end
-- A connection that was given up can still deliver an attempt after its owner has settled it by a release. Granting it then would
-- leave a lock that nobody knows they hold.
if (released_by == token or released_by == '!' .. token) and redis.call('GET', KEYS[1]) ~= token then
  return {2}
end

-- The lock before all else: a server out of memory refuses only the first write of a script, and then nothing has changed.
local taken
if lease == '' then
  taken = redis.call('SET', KEYS[1], token, 'NX')
else
  taken = redis.call('SET', KEYS[1], token, 'NX', 'PX', lease)
end
local fence = last
if not taken then
  if redis.call('GET', KEYS[1]) ~= token then
    return {0, redis.call('PTTL', KEYS[1])}
  end
  if lease == '' then
    redis.call('PERSIST', KEYS[1])
  else
    redis.call('PEXPIRE', KEYS[1], lease)
  end
end
if taken or last == 0 then
  -- The clock makes fences rise even if the last one was lost, in a failover for example; the last one makes them rise even if
  -- the clock was set back.
  local time = redis.call('TIME')
  fence = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
end

-- '%.0f', because a number of this size would turn into one with an exponent. The token of the last release stays, so that its
-- owner can still learn of it.
local keep = string.format('%.0f', fence)
if released_by ~= '' then
  keep = keep .. ' ' .. released_by
end
redis.call('SET', KEYS[2], keep, 'PX', 86400000)
return {1, fence}
