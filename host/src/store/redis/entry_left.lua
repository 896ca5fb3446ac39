-- Tells how long an entry has to live: in ms, -1 without end, -2 if there is none. A placeholder or failure is none.
-- KEYS: the entry.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 49)
if type(head) == 'string' and has_no_value(head) then
  return -2
end
return redis.call('PTTL', KEYS[1])
