-- Gives a claim up: a placeholder goes, and a value is due for whoever reads it after a rest.
-- KEYS: the entry.  ARGV: the claim, the rest in ms, PUBLISH or SPUBLISH.
-- Gives 1, or 0 if the entry does not have the claim.
local key, claim, rest = KEYS[1], ARGV[1], tonumber(ARGV[2])
local head = header(key)
if claim_of(head) ~= claim then
  return 0
end
if is_vacant(head) then
  redis.call('DEL', key)
else
  move(key, millis() + rest, NOBODY)
end
wake(key, ARGV[3])
return 1
