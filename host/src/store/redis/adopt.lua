-- Gives the lock that this token holds a new fence, so that whoever handed it over is told apart from whoever took it over.
-- KEYS: the lock, its fence.  ARGV: the token.
-- Gives {fence, time left in ms, or -1 for a lock without lease}, or {} if the token does not hold the lock.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {}
end

local last, released_by = 0, ''
local kept = redis.call('GET', KEYS[2])
if kept then
  local fence, by = string.match(kept, '^(%d+) ?(.*)$')
  last, released_by = tonumber(fence or 0), by or ''
end
local time = redis.call('TIME')
local fence = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))

-- '%.0f', because a number of this size would turn into one with an exponent.
local keep = string.format('%.0f', fence)
if released_by ~= '' then
  keep = keep .. ' ' .. released_by
end
redis.call('SET', KEYS[2], keep, 'PX', 86400000)
return {fence, redis.call('PTTL', KEYS[1])}
