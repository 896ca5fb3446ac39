-- Deletes an entry, and tells those who wait for it.
-- KEYS: the entry.  ARGV: PUBLISH or SPUBLISH.  Gives how many there were; a placeholder or failure is none.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 49)
if type(head) ~= 'string' then
  -- A stranger's, and no text. It goes all the same.
  head = ''
end
-- Not DEL, which frees a large value while everybody waits.
local deleted = redis.call('UNLINK', KEYS[1])
if claim_of(head) ~= NOBODY then
  wake(KEYS[1], ARGV[1])
end
return has_no_value(head) and 0 or deleted
