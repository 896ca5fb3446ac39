-- Tells how long an entry has to live: in ms, -1 without end, -2 if there is none. A placeholder or failure is none, and how long it has
-- to live is told after that. Of an entry with tags, it tells the bytes before the payload too.
-- KEYS: the entry.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 51)
if type(head) ~= 'string' then
  return redis.call('PTTL', KEYS[1])
end
local tags = is_tagged(head) and struct.unpack('<I2', head, 51)
head = string.sub(head, 1, 50)
if has_no_value(head) then
  return {-2, redis.call('PTTL', KEYS[1])}
end
local left = redis.call('PTTL', KEYS[1])
if tags then
  return {left, redis.call('GETRANGE', KEYS[1], 0, 51 + tags)}
end
return left
