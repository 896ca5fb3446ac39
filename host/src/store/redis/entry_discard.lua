-- Deletes an entry if it is still the one that was seen, and tells those who wait for it.
-- KEYS: the entry.  ARGV: its identity, PUBLISH or SPUBLISH.  Gives 1, or 0 if it is another.
local head = header(KEYS[1])
if not is_claimable(head) or identity(head) ~= ARGV[1] then
  return 0
end
redis.call('UNLINK', KEYS[1])
if claim_of(head) ~= NOBODY then
  wake(KEYS[1], ARGV[2])
end
return 1
