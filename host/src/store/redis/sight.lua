-- Tells who holds the lock, without giving the token away.
-- KEYS: the lock, its fence, its queue.
-- Gives {} if nobody does, else {label or '', digest of the token, time left in ms or -1, last fence or '', waiters}.
local token = redis.call('GET', KEYS[1])
if not token then
  return {}
end
-- 32 hexadecimal digits, '@', and a label: one of ours. Whether the label is one is for the reader to say.
local label = string.match(token, '^' .. string.rep('[0-9a-f]', 32) .. '@(.*)$')
local kept = redis.pcall('GET', KEYS[2])
local fence = type(kept) == 'string' and string.match(kept, '^%d+')
local waiters = redis.pcall('ZCARD', KEYS[3])
return {
  label or '',
  redis.sha1hex(token),
  redis.call('PTTL', KEYS[1]),
  fence or '',
  type(waiters) == 'number' and waiters or 0,
}
